"""Notte: whatever comes in, the service is not at fault, and refusals have one shape (3.7).

The browsers follow a script: what is held here is what the service makes of its input.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sessions.dialects.notte.routes import ROUTES
from tests.support.service import (
    ADMIN,
    Shared,
    ask,
    bearer,
    ids_of_list,
    new_key,
    raw,
    sharing,
)

Client = Any
P = "/notte"
START = f"{P}/sessions/start"

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 10**40, "", "x", "a\0b", "../..", "é" * 5000),
    *([], [None], ["x", 5], {}, {"a": {"b": []}}, {"": ""}),
)
EARLY = ("session_id", "keep_alive", "session_timeout_minutes", "session_timeout", "screenshot")
SPACE = (*EARLY, "url", "min_nb_actions", "max_nb_actions")
FIELDS = {
    "/session/start": EARLY,
    "/session/close": EARLY,
    "/env/observe": SPACE,
    "/env/scrape": (*SPACE, "scrape_images", "only_main_content", "response_format"),
    "/env/step": (*SPACE, "action_id", "value", "enter", "max_steps"),
    "/sessions/start": (
        *("idle_timeout_minutes", "timeout_minutes", "max_duration_minutes", "solve_captchas"),
        *("proxies", "browser_type", "user_agent", "cdp_url", "vault_id", "chrome_args"),
        *("viewport_width", "viewport_height", "aspect_ratio", "profile", "extra_http_headers"),
        *("web_bot_auth", "advanced_stealth", "demonstrate", "block_ads", "auth_ids"),
        *("wait_for_authentication", "auth_retry", "screenshot_type", "headless", "max_steps"),
        *("use_file_storage", "screenshot"),
    ),
    "/sessions/{id}/page/observe": (
        *("max_nb_actions", "min_nb_actions", "perception_type", "instructions", "url"),
    ),
    "/sessions/{id}/page/execute": (
        *("type", "id", "url", "value", "key", "amount", "time_ms", "tab_index", "code", "timeout"),
        *("selector", "file_path", "clear_before_fill", "press_enter", "wait_until", "param"),
        *("category", "description", "text_label"),
    ),
    "/sessions/{id}/page/scrape": (
        *("scrape_links", "scrape_images", "only_main_content", "use_link_placeholders"),
        *("selector", "ignored_tags", "instructions", "response_format", "model", "only_images"),
    ),
    "/sessions/{id}/page/screenshot": ("full_page",),
    "/sessions/{id}/cookies": ("cookies",),
}
TYPES = (
    *("goto", "goto_new_tab", "close_tab", "switch_tab", "go_back", "go_forward", "reload", "wait"),
    *("press_key", "scroll_up", "scroll_down", "evaluate_js", "form_fill", "click", "fill"),
    *("check", "select_dropdown_option", "upload_file", "download_file", "captcha_solve"),
    *("multi_factor_fill", "fallback_fill", "email_verification_read", "help", "completion"),
)

# Section 3.3: each on its own makes a start impossible.
UNSOUND_STARTS: tuple[dict[str, Any], ...] = (
    {"idle_timeout_minutes": 0},
    {"idle_timeout_minutes": 31, "max_duration_minutes": 60},
    {"timeout_minutes": 31, "max_duration_minutes": 60},
    {"idle_timeout_minutes": 10, "max_duration_minutes": 9},
    {"idle_timeout_minutes": 16},
    {"idle_timeout_minutes": "3"},
    {"idle_timeout_minutes": 2.5},
    {"max_duration_minutes": 0},
    {"max_duration_minutes": 1441},
    {"viewport_width": 499, "viewport_height": 800},
    {"viewport_width": 800, "viewport_height": 499},
    {"viewport_width": 800},
    {"viewport_height": 800},
    {"viewport_width": 10**9, "viewport_height": 10**9},
    {"viewport_width": 800, "viewport_height": 600, "aspect_ratio": "16:9"},
    {"aspect_ratio": "4:3"},
    {"browser_type": "netscape"},
    {"auth_retry": 3},
    {"auth_retry": -1},
    {"auth_ids": ["a"] * 2},
    {"auth_ids": [str(number) for number in range(11)]},
    {"extra_http_headers": {"A": 5}},
    {"extra_http_headers": {"A\r\nB": "x"}},
    {"extra_http_headers": {"A": "x\r\nB: y"}},
    {"user_agent": "a\r\nB: y"},
    {"session_id": "01a200a3-4bc9-74da-9f5a-33d114fc16b0"},
    {"never_heard_of": 1},
    {"proxies": [{"type": "external"}]},
    {"proxies": [{"type": "external", "server": "no address"}]},
    {"proxies": [{"type": "external", "server": "http://a:1"}] * 2},
)
# What needs a third party is refused with a sentence that says so, never done as if.
NOT_HERE: tuple[dict[str, Any], ...] = (
    {"cdp_url": "ws://127.0.0.1:9222/"},
    {"vault_id": "v-1"},
    {"auth_ids": ["a-1"]},
    {"profile": {"id": "notte-profile-1", "persist": True}},
    {"web_bot_auth": True},
    {"advanced_stealth": True},
    {"chrome_args": ["--no-sandbox"]},
    {"proxies": [{"type": "notte"}]},
    {"proxies": [{"type": "tailnet"}]},
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service with room for all that these tests start."""
    room: dict[str, Any] = {"browsers_max": 1024, "browser_queue": 4096}
    with sharing(tmp_path_factory.mktemp("shared"), **room) as service:
        yield service


async def started(client: Client, **body: Any) -> str:
    session_id: str = (await ask(client, "POST", START, json=body))["session_id"]
    return session_id


def check(status: int, body: bytes, asked: Any) -> None:
    """No fault of the service, and a reason that every client can read."""
    assert status < 500 or status == 501, (asked, status, body)
    if status == 101 or status < 300:
        return
    answer = msgspec.json.decode(body)
    assert isinstance(answer, dict), (asked, "an array kills the client of today")
    assert answer.keys() >= {"status", "message"}, (asked, status, body)
    assert answer["status"] == status, (asked, body)
    assert isinstance(answer["message"], str), (asked, body)
    assert answer["message"], asked


async def posted(client: Client, path: str, body: Any) -> tuple[int, Any]:
    async with client.post(path, json=body) as answer:
        check(answer.status, await answer.read(), (path, body))
        return answer.status, await answer.json()


@pytest.mark.slow(reason="every field with every odd value: thousands of requests")
@pytest.mark.parametrize("path", FIELDS)
async def test_3_7_no_value_of_a_field_is_the_fault_of_the_service(
    client: Client, path: str
) -> None:
    session_id = await started(client)
    sound = {} if path.startswith("/sessions") else {"session_id": session_id}
    if path.endswith("start"):
        sound = {}
    if path.endswith("step"):
        sound["action_id"] = "B1"
    for field in FIELDS[path]:
        for value in ODD:
            body = {"type": "click", **sound} if "execute" in path else sound
            await posted(client, P + path.format(id=session_id), {**body, field: value})
    # What came of it does not stand in the way of another session.
    assert await ask(client, "GET", f"{P}/sessions/{await started(client)}")


@pytest.mark.slow(reason="every field with every odd value: thousands of requests")
@pytest.mark.parametrize("kind", TYPES)
async def test_3_6_no_field_of_an_action_is_the_fault_of_the_service(
    client: Client, kind: str
) -> None:
    session_id = await started(client)
    path = f"{P}/sessions/{session_id}/page/execute"
    for field in FIELDS["/sessions/{id}/page/execute"][1:]:
        for value in ODD:
            status, answer = await posted(client, path, {"type": kind, field: value})
            if status == 200:
                assert answer["success"] or answer["message"], (kind, field, value)
                # Both at once is a ValidationError of the client.
                assert not (answer["success"] and answer.get("exception")), answer
    assert (await ask(client, "GET", f"{P}/sessions/{session_id}"))["status"] == "active"


async def test_3_7_no_path_and_no_query_is_the_fault_of_the_service(client: Client) -> None:
    session_id = await started(client)
    auth = f"Authorization: Bearer {ADMIN}\r\nHost: test\r\n".encode()
    for route in ROUTES:
        methods = ["GET", "POST"] if route.method == "*" else [route.method]
        for method in methods:
            for odd in ("%00", "%ED%A0%80", "%FF", "%", "..%2f", "%0dX:1", "x" * 500):
                names = {"id": odd, "file_id": odd, "file": odd, "token": odd, "rest": odd}
                path = filled(route.path, names)
                of_session = filled(route.path, {**names, "id": session_id})
                query = f"?limit={odd}&page={odd}&page_size={odd}&only_active={odd}&source={odd}"
                query += f"&offset={odd}&tab_idx={odd}&close_reason={odd}&as_workflow={odd}"
                query += f"&token={odd}&update_metadata={odd}&session_timeout={odd}&{odd}=1"
                for address in (P + path, P + path + query, P + of_session + query):
                    request = f"{method} {address} HTTP/1.1\r\n".encode() + auth
                    request += b"Content-Length: 0\r\n\r\n"
                    status, _, body = await raw(client, request)
                    if body or status >= 400:
                        check_raw(status, body, (method, address))


def filled(path: str, names: dict[str, str]) -> str:
    """The path with these values in it, whatever its parameters are called."""
    parts = [
        names.get(part[1:].partition(":")[0].rstrip("}"), names["rest"])
        if part.startswith("{")
        else part
        for part in path.split("/")
    ]
    return "/".join(parts)


def check_raw(status: int, body: bytes, asked: Any) -> None:
    if status >= 400:
        check(status, body, asked)


@pytest.mark.parametrize("body", UNSOUND_STARTS, ids=str)
async def test_3_3_a_start_outside_of_its_ranges_is_422_and_leaves_nothing(
    lone: Client, body: dict[str, Any]
) -> None:
    status, answer = await posted(lone, START, body)
    assert await ids_of_list(lone) == []
    assert status == 422, (body, answer)


@pytest.mark.parametrize("body", NOT_HERE, ids=str)
async def test_3_3_what_needs_a_third_party_is_refused_by_its_name(
    lone: Client, body: dict[str, Any]
) -> None:
    status, answer = await posted(lone, START, body)
    assert await ids_of_list(lone) == []
    assert status == 422, (body, answer)
    assert next(iter(body)) in str(answer), "which of the fields it was"


@pytest.mark.parametrize(
    "body",
    [
        {"idle_timeout_minutes": 1},
        {"idle_timeout_minutes": 30, "max_duration_minutes": 1440},
        {"idle_timeout_minutes": 15},
        {"timeout_minutes": 15},
        {"max_duration_minutes": 1},
        {"viewport_width": 500, "viewport_height": 500},
        {"aspect_ratio": "16:9"},
        {"session_id": None, "cdp_url": None, "vault_id": None, "chrome_args": None},
        {"auth_ids": [], "chrome_args": []},
        {"screenshot_type": "full", "headless": True, "use_file_storage": False},
        {"proxies": True},
        {"proxies": []},
    ],
    ids=str,
)
async def test_3_3_the_ends_of_the_ranges_are_within_them(
    client: Client, body: dict[str, Any]
) -> None:
    status, answer = await posted(client, START, body)
    assert (status, answer["status"]) == (200, "active"), answer


CALLS = (
    *(("POST", "page/observe"), ("POST", "page/execute"), ("POST", "page/scrape")),
    *(("POST", "page/screenshot"), ("GET", "cookies"), ("POST", "cookies"), ("GET", "debug")),
)
BODIES: dict[str, Any] = {
    "page/execute": {"type": "reload"},
    "cookies": {
        "cookies": [{"name": "a", "value": "b", "domain": "x", "path": "/", "httpOnly": False}]
    },
}


@pytest.mark.parametrize(("method", "what"), CALLS)
async def test_3_8_an_ended_session_says_that_it_is_already_closed(
    client: Client, method: str, what: str
) -> None:
    session_id = await started(client)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    async with client.request(
        method, f"{P}/sessions/{session_id}/{what}", json=BODIES.get(what, {})
    ) as answer:
        body = await answer.read()
        check(answer.status, body, what)
        assert 400 <= answer.status < 500
        assert b"already closed" in body, "the client looks for these words"


async def test_3_8_a_second_stop_is_no_failure(client: Client) -> None:
    session_id = await started(client)
    path = f"{P}/sessions/{session_id}/stop"
    first = await ask(client, "DELETE", path)
    async with client.delete(path) as answer:
        body = await answer.read()
        if answer.status == 200:
            assert msgspec.json.decode(body)["status"] == "closed"
        else:
            check(answer.status, body, "stop")
            assert b"already closed" in body or b"already stopped" in body
    again = await ask(client, "GET", f"{P}/sessions/{session_id}")
    assert again["closed_at"] == first["closed_at"]


async def test_another_tenant_s_session_is_not_there(aiohttp_client: Any, client: Client) -> None:
    ours, theirs = await new_key(client, "ours"), await new_key(client, "theirs")
    keyless = await aiohttp_client(client.server)
    mine = bearer(ours["key"])
    session_id = (await ask(keyless, "POST", START, headers=mine))["session_id"]
    stop = ("DELETE", "stop")
    gets = tuple(
        ("GET", what) for what in ("", "offset", "replay", "network/logs", "files", "auth")
    )
    for method, what in (*CALLS, *gets, stop):
        path = f"{P}/sessions/{session_id}/{what}".rstrip("/")
        unknown = f"{P}/sessions/01a200a3-4bc9-74da-9f5a-33d114fc16b0/{what}".rstrip("/")
        said = []
        for address in (path, unknown):
            async with keyless.request(
                method, address, json=BODIES.get(what, {}), headers=bearer(theirs["key"])
            ) as answer:
                body = await answer.read()
                check(answer.status, body, address)
                said.append((answer.status, body.replace(session_id.encode(), b"")))
        assert said[0][0] == said[1][0] == 404, (method, what, said)
    for early in ("/env/observe", "/env/scrape", "/env/step", "/session/close"):
        body = {"session_id": session_id, "action_id": "B1", "url": None}
        async with keyless.post(P + early, json=body, headers=bearer(theirs["key"])) as answer:
            check(answer.status, await answer.read(), early)
            assert answer.status == 404, early
    assert (await ask(keyless, "GET", f"{P}/sessions/{session_id}", headers=mine))[
        "status"
    ] == "active"
