"""The command line of Chromium, and what it says back."""

import pytest

from sessions.runtimes.browser.argv import Launch, command, debugger_url, port_of, version_of

HOW = Launch(program="/usr/bin/chromium", sandbox=True, shared_memory=True)


def test_it_is_headless_with_a_profile_of_its_own_and_no_way_out():
    words = command(HOW, "/data/run/1")
    assert words[:2] == ["/usr/bin/chromium", "--user-data-dir=/data/run/1"]
    for word in (
        "--headless",
        "--remote-debugging-port=0",
        "--remote-debugging-address=127.0.0.1",
        "--proxy-server=http://127.0.0.1:9",
        "--proxy-bypass-list=<-loopback>",
        "--disable-quic",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        assert words.count(word) == 1
    names = [word.partition("=")[0] for word in words]
    # Chromium takes the last of two, and forgets the first.
    assert len(set(names)) == len(names)


def test_sandbox_and_shared_memory_are_left_out_only_where_there_are_none():
    assert not {"--no-sandbox", "--disable-dev-shm-usage"}.intersection(command(HOW, "/p"))
    bare = Launch(program="chromium", sandbox=False, shared_memory=False)
    assert {"--no-sandbox", "--disable-dev-shm-usage"}.issubset(command(bare, "/p"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("4321\n/devtools/browser/ab-cd", "ws://127.0.0.1:4321/devtools/browser/ab-cd"),
        ("4321\n/devtools/browser/ab-cd\n", "ws://127.0.0.1:4321/devtools/browser/ab-cd"),
        ("", None),
        ("4321", None),
        ("4321\n", None),
        ("no port\n/devtools/browser/a", None),
        ("1\n/elsewhere", None),
    ],
)
def test_the_debugger_is_known_once_all_is_written(text, url):
    assert debugger_url(text) == url
    assert url is None or port_of(url) == 4321


def test_the_version_in_what_a_program_says():
    assert version_of("Chromium 156.0.8078.79 built on Debian 12, running on") == "156.0.8078.79"
    assert version_of("no number") == ""
