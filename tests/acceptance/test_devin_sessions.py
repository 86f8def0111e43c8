"""Devin v1: sessions are listed, spoken to, tagged and terminated (devin.md sections 3 and 6)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from projections.events.work import AgentReported, PullRequest
from sessions.caller import SERVICE
from sessions.dialects.devin import agents
from sessions.web import appkeys
from tests.support.devin import PROMPT, listed, made, moved, native, native_id, path_of, read
from tests.support.service import (
    SESSIONS,
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    create,
    new_key,
    nothing_written,
    start,
)

ROW = {
    "session_id",
    "url",
    "status",
    "status_enum",
    "title",
    "created_at",
    "updated_at",
    "snapshot_id",
    "playbook_id",
    "tags",
    "pull_request",
    "structured_output",
    "acus_consumed",
    "requesting_user_email",
}

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    """A client in a tenant where there is nothing yet."""
    return await client_of_a_tenant(aiohttp_client, shared)


def ids(sessions: list[Any]) -> list[str]:
    return [session["session_id"] for session in sessions]


def singular(path: str) -> str:
    return path.replace("/v1/sessions/", "/v1/session/")


async def test_3_a_list_has_rows_newest_first(client: Client) -> None:
    assert await listed(client) == []
    sessions = [await made(client, f"{PROMPT} {n}", unlisted=n == 1) for n in range(3)]
    rows = await listed(client)
    assert ids(rows) == ids(sessions[::-1]), "what is unlisted is not hidden"
    shown = await read(client, sessions[2])
    assert rows[0].keys() == ROW
    assert {name: shown[name] for name in ROW & shown.keys()} == {
        name: rows[0][name] for name in ROW - {"requesting_user_email"}
    }
    await ask(client, "DELETE", f"{SESSIONS}/{native_id(sessions[1])}", 204)
    assert ids(await listed(client)) == [ids(sessions)[2], ids(sessions)[0]]


async def test_3_a_list_is_read_in_pages(client: Client) -> None:
    sessions = [await made(client, f"{PROMPT} {n}") for n in range(7)]
    newest = ids(sessions[::-1])
    for offset in ("offset", "skip"):
        pages = [await listed(client, {"limit": "3", offset: str(at)}) for at in (0, 3, 6, 9)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert [session_id for page in pages for session_id in ids(page)] == newest
    assert ids(await listed(client, {"limit": "1000"})) == newest
    assert ids(await listed(client, {"skip": "6", "offset": "0"})) == newest[6:]


async def test_3_a_list_is_of_sessions_with_any_of_the_tags(client: Client) -> None:
    a, b, ab, none = [
        await made(client, str(tags), tags=tags) for tags in (["a"], ["b,c"], ["a", "b,c"], [])
    ]
    queries: list[tuple[list[tuple[str, str]], list[Any]]] = [
        ([], [none, ab, b, a]),
        ([("tags", "a")], [ab, a]),
        ([("tags", "b,c")], [ab, b]),
        ([("tags", "a"), ("tags", "b,c")], [ab, b, a]),
        ([("tags", "a"), ("tags", "zzz"), ("tags", "a")], [ab, a]),
        ([("tags", "zzz")], []),
        ([("tags", "")], [none, ab, b, a]),
        ([("tags", "a"), ("tags", "b,c"), ("limit", "1"), ("offset", "1")], [b]),
    ]
    for query, found in queries:
        assert ids(await listed(client, query)) == ids(found), query


async def test_3_a_list_is_of_the_sessions_of_one_user(aiohttp_client: Any, shared: Any) -> None:
    admin = await client_of(aiohttp_client, shared)
    one = await new_key(admin, "users", name="one")
    two = await new_key(admin, "users", name="two")
    client = await aiohttp_client(shared, headers=bearer(one["key"]))
    theirs = await aiohttp_client(shared, headers=bearer(two["key"]))
    mine, other = await made(client), await made(theirs)
    assert ids(await listed(client)) == ids([other, mine])
    (row,) = await listed(client, {"user_email": "key:one"})
    assert (row["session_id"], row["requesting_user_email"]) == (mine["session_id"], "key:one")
    assert await listed(client, {"user_email": "nobody@example.com"}) == []


async def test_3_a_list_holds_agent_sessions_of_every_dialect_and_no_others(
    client: Client,
) -> None:
    agent = await create(client, "agent", title="native")
    await create(client, "browser")
    (row,) = await listed(client)
    assert row["session_id"] == "devin-" + agent["id"].replace("-", "")
    assert row["title"] == "native"


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": bad} for bad in ("0", "1001", "-1", "x", "1.5", "", "9" * 30)),
        *({"offset": bad} for bad in ("-1", "x", "9" * 30)),
        {"skip": "-1"},
        [("tags", f"t{n}") for n in range(51)],
    ],
)
async def test_3_a_bad_query_is_400_with_a_string(client: Client, query: Any) -> None:
    error = await ask(client, "GET", "/v1/sessions", 400, params=query)
    assert error.keys() == {"detail"}
    assert isinstance(error["detail"], str)


async def test_3_pages_stay_as_they_are_while_sessions_come(client: Client) -> None:
    first = [await made(client, str(n)) for n in range(4)]
    page = await listed(client, {"limit": "2"})
    await made(client, "a new one")
    following = await listed(client, {"limit": "2", "offset": "3"})
    assert ids(page + following) == ids(first[::-1])


@pytest.mark.parametrize("alias", [str, singular])
async def test_3_a_message_is_answered_with_null(client: Client, alias: Any) -> None:
    session = await made(client)
    path = alias(path_of(session))
    async with client.post(f"{path}/message", json={"message": "and hurry"}) as answer:
        assert (answer.status, await answer.text()) == (200, "null")
        assert answer.content_type == "application/json"
    _, said = (await read(client, session))["messages"]
    assert (said["type"], said["message"], said["origin"]) == ("user_message", "and hurry", "api")
    (seen,) = (await ask(client, "GET", f"{SESSIONS}/{native_id(session)}/messages"))["items"]
    assert (seen["role"], seen["content"]) == ("user", "and hurry")


async def test_3_a_message_wakes_a_session_that_sleeps(client: Client) -> None:
    session = await made(client)
    await moved(client, session, "running", "paused")
    assert (await read(client, session))["status"] == "suspended"
    await ask(client, "POST", f"{path_of(session)}/message", json={"message": "go on"})
    state = await native(client, session)
    assert (state["status"], state["reason"]) == ("queued", "requested")
    shown = await read(client, session)
    assert (shown["status_enum"], len(shown["messages"])) == ("working", 2)


@pytest.mark.parametrize("alias", [str, singular])
async def test_3_tags_are_replaced(client: Client, alias: Any) -> None:
    session = await made(client, tags=["a", "b"])
    path = f"{alias(path_of(session))}/tags"
    for tags in (["b", "c", "b"], [], [f"t{n}" for n in range(50)]):
        answer = await ask(client, "PUT", path, json={"tags": tags})
        assert answer == {"detail": "Tags updated successfully"}
        assert (await read(client, session))["tags"] == list(dict.fromkeys(tags))
    assert ids(await listed(client, {"tags": "t49"})) == ids([session])
    assert await listed(client, {"tags": "b"}) == []
    await moved(client, session, "completed")
    await ask(client, "PUT", path, json={"tags": ["late"]})
    assert (await read(client, session))["tags"] == ["late"]


@pytest.mark.parametrize("alias", [str, singular])
async def test_3_terminate_ends_a_session_once(client: Client, alias: Any) -> None:
    session = await made(client)
    path = alias(path_of(session))
    # Section 2: clients send a content type without a body.
    headers = {"Content-Type": "application/json"}
    answer = await ask(client, "DELETE", path, headers=headers)
    assert answer == {"detail": "Session terminated successfully"}
    shown = await read(client, session)
    assert (shown["status"], shown["status_enum"]) == ("exit", "finished")
    state = await native(client, session)
    assert (state["status"], state["reason"]) == ("stopped", "requested")
    async with nothing_written(client):
        error = await ask(client, "DELETE", path, 400)
        assert error == {"detail": "Devin session already exited"}
        message = {"message": "are you there?"}
        error = await ask(client, "POST", f"{path}/message", 400, json=message)
        assert error == {"detail": "Devin session already exited"}
    assert (await read(client, session)) == shown
    assert ids(await listed(client)) == ids([session])


@pytest.mark.parametrize("status", ["pending", "running", "blocked", "paused", "completed"])
async def test_3_terminate_from_every_status(client: Client, status: str) -> None:
    session = await create(client, "agent", spec={"prompt": PROMPT})
    on_the_way = {"pending": [], "running": ["running"], "completed": ["completed"]}
    for step in on_the_way.get(status, ["running", status]):
        await ask(client, "POST", f"{SESSIONS}/{session['id']}/transitions", json={"to": step})
    path = f"/v1/sessions/{session['id'].replace('-', '')}"
    await ask(client, "DELETE", path, 400 if status == "completed" else 200)


async def test_6_8_of_many_who_terminate_at_once_one_does(client: Client) -> None:
    session = await made(client)

    async def terminate() -> int:
        async with client.delete(path_of(session)) as answer:
            status: int = answer.status
            return status

    statuses = await asyncio.gather(*(terminate() for _ in range(8)))
    assert sorted(statuses) == [200, *[400] * 7]


async def test_3_a_session_shows_what_its_agent_reports(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path)
    session = await made(client)
    shown = await read(client, session)
    assert (shown["structured_output"], shown["pull_request"]) == (None, None)
    assert shown["acus_consumed"] == 0
    first = AgentReported(
        structured_output={"done": [1, None]},
        pull_requests=(
            PullRequest(url="https://git.test/1"),
            PullRequest(url="https://git.test/2"),
        ),
        acus=1.5,
    )
    for report in (first, AgentReported(acus=2.5)):
        await client.app[appkeys.SESSIONS].change(
            native_id(session), lambda _, __, fact=report: (fact,), SERVICE
        )
    (row,) = await listed(client)
    for seen in (row, await read(client, session)):
        assert seen["structured_output"] == {"done": [1, None]}
        assert seen["pull_request"] == {"url": "https://git.test/2"}, "the newest one"
        assert seen["acus_consumed"] == 2.5


async def test_2_changes_need_a_key_that_may_write(aiohttp_client: Any, client: Client) -> None:
    admin = await client_of(aiohttp_client, client.server)
    session = await made(client)
    path = path_of(session)
    asked: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/message", {"message": "x"}),
        ("PUT", f"{path}/tags", {"tags": []}),
        ("DELETE", path, None),
    ]
    reader = await new_key(admin, "lab", "sessions:read")
    theirs = await new_key(admin, "others")
    keyless = await aiohttp_client(client.server)
    async with nothing_written(admin):
        for method, place, body in asked:
            for headers, status in (
                ({}, 401),
                (bearer("wrong"), 401),
                (bearer(reader["key"]), 403),
                (bearer(theirs["key"]), 404),
            ):
                error = await ask(keyless, method, place, status, json=body, headers=headers)
                assert error.keys() == {"detail"}
        await ask(keyless, "GET", "/v1/sessions", 401)
        found = await ask(keyless, "GET", "/v1/sessions", headers=bearer(theirs["key"]))
        assert found == {"sessions": []}


async def test_of_a_very_long_conversation_the_end_is_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await made(client)
    for number in range(4):
        await ask(client, "POST", f"{path_of(session)}/message", json={"message": f"no {number}"})
    monkeypatch.setattr(agents, "SAID_CHARS_MAX", 2 * (agents.AROUND_CHARS + len("no 0")))
    said = (await read(client, session))["messages"]
    assert [one["message"] for one in said] == [PROMPT, "no 2", "no 3"]
