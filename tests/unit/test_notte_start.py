"""Notte: what today's `POST /sessions/start` takes and refuses (notte.md, section 3.3)."""

from typing import Any

import pytest

from sessions.browser_answers import Opening
from sessions.dialects.notte.wire_start import Start, start, to_command
from sessions.failure import Failure
from sessions.runtimes.browser.port import UpstreamProxy

# What clients 1.8 and 1.9 send.
FILLED = {
    "solve_captchas": False,
    "max_duration_minutes": 15,
    "idle_timeout_minutes": 3,
    "proxies": False,
    "browser_type": "chromium",
    "screenshot_type": "last_action",
    "web_bot_auth": False,
    "auth_ids": [],
    "wait_for_authentication": True,
}
OLD = {"timeout_minutes": 4, "headless": True, "use_file_storage": True, "max_steps": 20}
OLDEST = {
    "session_id": None,
    "keep_alive": True,
    "session_timeout_minutes": 5,
    "screenshot": None,
    "max_steps": 20,
}
SERVER = {"type": "external", "server": "http://proxy.test:3128"}


def wrong_of(body: Any) -> list[tuple[str, str]]:
    """Where a body is wrong, and how."""
    with pytest.raises(Failure) as caught:
        start(body)
    assert caught.value.status == 422
    return [(".".join(map(str, each.path)), each.message) for each in caught.value.fields]


@pytest.mark.parametrize("body", [None, {}])
def test_3_3_nothing_at_all_has_the_defaults(body: Any) -> None:
    asked = start(body)
    assert asked == Start(
        idle_timeout_minutes=3,
        max_duration_minutes=15,
        opening=Opening(),
        spec={"proxies": False},
    )
    command = to_command(asked, "me")
    assert (command.idle_timeout_s, command.max_duration_s) == (180, 900)


@pytest.mark.parametrize(
    ("body", "idle", "longest"),
    [
        (FILLED, 3, 15),
        (OLD, 4, 15),
        (OLDEST, 5, 15),
        ({"idle_timeout_minutes": 1, "timeout_minutes": 9}, 1, 15),
        ({"max_duration_minutes": 2}, 2, 2),
        ({"max_duration_minutes": 1440, "idle_timeout_minutes": 30}, 30, 1440),
        ({"max_duration_minutes": 30.0, "idle_timeout_minutes": 30}, 30, 30),
    ],
)
def test_3_3_clients_of_all_ages_say_how_long(body: Any, idle: int, longest: int) -> None:
    asked = start(body)
    assert (asked.idle_timeout_minutes, asked.max_duration_minutes) == (idle, longest)


@pytest.mark.parametrize(
    ("body", "opening"),
    [
        ({"viewport_width": 500, "viewport_height": 4096}, Opening(viewport=(500, 4096))),
        ({"viewport_width": None, "viewport_height": None}, Opening()),
        ({"aspect_ratio": "5:4"}, Opening(viewport=(1280, 1024))),
        ({"aspect_ratio": "16:9"}, Opening(viewport=(1280, 720))),
        ({"user_agent": "Mozilla/5.0 (lab)"}, Opening(user_agent="Mozilla/5.0 (lab)")),
        (
            {"extra_http_headers": {"X-Lab": "1 2", "Accept-Language": ""}},
            Opening(headers={"X-Lab": "1 2", "Accept-Language": ""}),
        ),
        ({"proxies": True}, Opening()),
        ({"proxies": []}, Opening()),
        ({"proxies": None}, Opening()),
        ({"proxies": [SERVER]}, Opening(proxy=UpstreamProxy(server="http://proxy.test:3128"))),
        (
            {"proxies": [{"server": "proxy.test:1080", "username": "u", "password": "p"}]},
            Opening(
                proxy=UpstreamProxy(server="http://proxy.test:1080", username="u", password="p")
            ),
        ),
        (
            {"proxies": [{**SERVER, "server": "socks5://[::1]:1080", "bypass": None}]},
            Opening(proxy=UpstreamProxy(server="socks5://[::1]:1080")),
        ),
    ],
)
def test_3_3_how_the_browser_is_to_be(body: Any, opening: Opening) -> None:
    asked = start(body)
    assert asked.opening == opening
    assert asked.spec["proxies"] == (opening.proxy is not None)


def test_secrets_stay_out_of_what_is_kept_in_clear() -> None:
    body = {
        "extra_http_headers": {"Authorization": "Bearer secret-header"},
        "proxies": [{**SERVER, "username": "secret-user", "password": "secret-word"}],
    }
    assert "secret" not in str(start(body).spec)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], "body"),
        ("start", "body"),
        ({"unknown": 1}, "body.unknown"),
        *(({"idle_timeout_minutes": bad}, "body.idle_timeout_minutes") for bad in (0, 31, "3")),
        *(({"timeout_minutes": bad}, "body.timeout_minutes") for bad in (0, 31, None, True)),
        *(
            ({"max_duration_minutes": bad}, "body.max_duration_minutes")
            for bad in (0, 1441, -5, "x", 2.5, None)
        ),
        ({"idle_timeout_minutes": 16}, "body.idle_timeout_minutes"),
        (
            {"idle_timeout_minutes": 5, "max_duration_minutes": 4},
            "body.idle_timeout_minutes",
        ),
        ({"viewport_width": 499, "viewport_height": 500}, "body.viewport_width"),
        ({"viewport_width": 500, "viewport_height": 4097}, "body.viewport_height"),
        ({"viewport_width": 500}, "body.viewport_height"),
        ({"viewport_height": 500}, "body.viewport_width"),
        (
            {"viewport_width": 500, "viewport_height": 500, "aspect_ratio": "5:4"},
            "body.aspect_ratio",
        ),
        ({"aspect_ratio": "4:3"}, "body.aspect_ratio"),
        ({"browser_type": "opera"}, "body.browser_type"),
        ({"browser_type": None}, "body.browser_type"),
        ({"user_agent": "a\r\nb: c"}, "body.user_agent"),
        ({"user_agent": ""}, "body.user_agent"),
        ({"user_agent": "ü"}, "body.user_agent"),
        ({"user_agent": "x" * 1001}, "body.user_agent"),
        ({"extra_http_headers": {"a b": "c"}}, "body.extra_http_headers.a b.[key]"),
        ({"extra_http_headers": {"": "c"}}, "body.extra_http_headers..[key]"),
        ({"extra_http_headers": {"Host": "c"}}, "body.extra_http_headers.Host.[key]"),
        (
            {"extra_http_headers": {"Proxy-Authorization": "c"}},
            "body.extra_http_headers.Proxy-Authorization.[key]",
        ),
        ({"extra_http_headers": {"A": "b\nc"}}, "body.extra_http_headers.A"),
        ({"extra_http_headers": {"A": 1}}, "body.extra_http_headers.A"),
        ({"extra_http_headers": [1]}, "body.extra_http_headers"),
        ({"extra_http_headers": {f"A{n}": "" for n in range(65)}}, "body.extra_http_headers"),
        ({"auth_retry": 3}, "body.auth_retry"),
        ({"auth_ids": "a"}, "body.auth_ids"),
        ({"screenshot_type": "best"}, "body.screenshot_type"),
        ({"solve_captchas": "yes"}, "body.solve_captchas"),
        ({"proxies": 5}, "body.proxies"),
        ({"proxies": {"type": "external"}}, "body.proxies"),
        ({"proxies": [{"type": "external"}]}, "body.proxies.0.server"),
        ({"proxies": [{**SERVER, "port": 1}]}, "body.proxies.0.port"),
        *(
            ({"proxies": [{"server": bad}]}, "body.proxies.0.server")
            for bad in (
                "",
                "http://proxy.test",
                "ftp://proxy.test:1",
                "http://u:p@proxy.test:1",
                "http://proxy.test:0",
                "http://proxy.test:99999",
                "http://proxy.test:1/path",
                "http://pro xy.test:1",
                "http://[::1:1",
                "http://:3128",
                5,
            )
        ),
        ({"session_id": "abc"}, "body.session_id"),
    ],
)
def test_3_3_what_is_wrong_is_422_and_says_where(body: Any, place: str) -> None:
    assert [each for each, _ in wrong_of(body)] == [place]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxies", "us"),
        ("proxies", ["us"]),
        ("proxies", [{"type": "notte", "country": "us"}]),
        ("proxies", [{"type": "tailnet"}]),
        ("proxies", [SERVER, SERVER]),
        ("proxies", [{**SERVER, "bypass": "*.test"}]),
        ("cdp_url", "ws://127.0.0.1:9222"),
        ("vault_id", "v"),
        ("chrome_args", ["--no-sandbox"]),
        ("profile", {"id": "p"}),
        ("web_bot_auth", True),
        ("advanced_stealth", True),
        ("demonstrate", True),
        ("auth_ids", ["a"]),
        ("browser_type", "firefox"),
    ],
)
def test_what_is_of_the_cloud_alone_is_said_to_be_not_there(name: str, value: Any) -> None:
    ((place, message),) = wrong_of({name: value})
    assert place.startswith(f"body.{name}")
    assert message.startswith("not available here: ")


@pytest.mark.parametrize("name", ["cdp_url", "vault_id", "chrome_args", "profile", "auth_ids"])
def test_that_nothing_of_the_cloud_is_wanted_may_be_said(name: str) -> None:
    assert start({name: None}) == start({})


def test_all_that_is_wrong_is_told_at_once_and_no_more_than_is_read() -> None:
    body = {f"unknown_{n}": n for n in range(1000)}
    wrong = wrong_of({**body, "auth_retry": 9, "browser_type": "x"})
    places = [place for place, _ in wrong]
    assert {"body.auth_retry", "body.browser_type"} < set(places)
    assert len(places) < 30
