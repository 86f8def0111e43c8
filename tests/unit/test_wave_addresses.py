"""The URLs that WAVE sends a device to (contract sections 3.2 and 3.6)."""

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions.dialects.wave import addresses
from sessions.dialects.wave.addresses import Origin, page_url

TOKEN = "6fdbd1a0-c339-11e9-b775-6d49dd567772"
ORIGIN = Origin.of("web-platform.test", 8000, 8443)


def url(path="/a/b.html", *include, origin=ORIGIN, timeout_ms=60_000):
    return addresses.test_url(origin, path, TOKEN, timeout_ms, include)


def test_the_url_of_a_test_is_as_clients_know_it():  # 3.2
    front = f"http://web-platform.test:8000/a/b.html?token={TOKEN}&timeout=60000"
    rest = "&https_port=8443&web_root=/_wave/&"
    assert url("/a/b.html", "/a", "/a/b.html") == f"{front}{rest}&&"
    assert url("/a/b.html", "/a?x=1&y=%20", "/?z") == f"{front}{rest}x=1&y=%20&z&"


def test_a_query_is_escaped_where_its_client_did_not():  # 3.2
    assert url("/a/b.html", "/a?x=%20%zz%&y=ä#").endswith("&x=%20%25zz%25&y=%C3%A4%23&")


def test_https_in_a_path_asks_for_the_other_port():  # 3.2
    assert url("/a/b.https.html").startswith("https://web-platform.test:8443/a/b.https.html?")
    plain = Origin.of("tv.local", 80)
    assert url("/a/b.https.html", origin=plain).startswith("http://tv.local:80/a/b.https.html?")
    assert "&https_port=&" in url(origin=plain)


def test_the_query_of_a_variant_comes_first():  # 3.1
    assert url("/a/b.html?1-10").startswith(
        f"http://web-platform.test:8000/a/b.html?1-10&token={TOKEN}"
    )


@pytest.mark.parametrize(
    ("status", "page"),
    [
        ("pending", "newsession"),
        ("paused", "pause"),
        ("running", "finish"),
        ("completed", "finish"),
        ("aborted", "finish"),
    ],
)
def test_a_state_has_its_page(status, page):  # 3.6
    expected = f"http://web-platform.test:8000/_wave/{page}.html?token={TOKEN}"
    assert page_url(ORIGIN, status, TOKEN) == expected
    own = page in ("pause", "finish")
    expected = expected.replace("/_wave/", "/_wave/dpctf/") if own else expected
    assert page_url(ORIGIN, status, TOKEN, "dpctf") == expected


@pytest.mark.parametrize(
    "host", ["", "a b", "evil/x", "user@evil", "a:1", "a\r\nb", "[::1", "x" * 254, "é"]
)
def test_what_is_no_host_is_not_repeated(host):
    assert Origin.of(host, 8000).host == "localhost"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "tv.local", "web-platform.test"])
def test_a_host_is_kept(host):
    assert Origin.of(host, 8000).url(secure=False) == f"http://{host}:8000"


hostile = st.text(max_size=30) | st.text("/\\@:?#%.&= \r\n\t;evil", max_size=30)


@given(hostile, st.lists(hostile.map("/{}".format), max_size=3), st.floats() | st.integers())
@example("@evil.example/", [], 1)
@example("//evil.example/x", [], 1)
@example("\\\\evil.example\\x", [], 1)
@example("/a\r\nSet-Cookie: x", ["/?\r\nHost: evil#x"], 1)
@example("/a#b%2F\udcff", ["/?%zz%41"], 1)
def test_no_path_leaves_the_host(path, include, timeout_ms):
    made = url(path, *include, timeout_ms=timeout_ms)
    assert made.isascii()
    assert made.isprintable()
    assert not set(made) & set(' "<>\\^`{|}#')
    parts = urlsplit(made)
    assert parts.netloc in ("web-platform.test:8000", "web-platform.test:8443")
    assert (parts.fragment, parts.username) == ("", None)
    file = path.partition("?")[0].encode(errors="replace").decode()
    assert unquote(parts.path) == "/" + file.lstrip("/")
    assert ("token", TOKEN) in parse_qsl(parts.query)
