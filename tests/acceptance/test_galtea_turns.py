"""Galtea: turns of conversations. Sections are those of the Galtea contract."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.support.galtea import post, product, refused
from tests.support.service import (
    SESSIONS,
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    move,
    new_key,
)

TURNS = "/galtea/inferenceResults"
KEYS = [
    *("id", "sessionId", "index", "status", "error", "input", "actualOutput", "latency"),
    *("inputTokens", "outputTokens", "cacheReadInputTokens", "tokens", "costPerInputToken"),
    *("costPerOutputToken", "costPerCacheReadInputToken", "cost", "conversationSimulatorVersion"),
    *("createdAt", "deletedAt"),
]
NUMBERS = {
    "latency": 12.5,
    "inputTokens": 3,
    "outputTokens": 4,
    "cacheReadInputTokens": 1,
    "tokens": 8,
    "costPerInputToken": 0.5,
    "costPerOutputToken": 1,
    "costPerCacheReadInputToken": 0,
    "cost": 2.25,
}


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def a_session(client, policy=None, **fields):
    """A session of a product with that policy for turns that come late."""
    made = await product(client, uuid.uuid4().hex, closedSessionInferenceCreationPolicy=policy)
    return await post(client, "sessions", productId=made["id"], **fields)


async def turn(client, session, status=201, /, **fields):
    return await post(client, "inferenceResults", status, sessionId=session["id"], **fields)


async def listed(client, query, status=200):
    return await ask(client, "GET", f"{TURNS}?{query}", status)


async def of(client, session):
    """The turns of a session, the oldest first."""
    return await listed(client, f"sessionIds[]={session['id']}&sort[]=createdAt&sort[]=asc")


async def finish(client, session):
    path = f"/galtea/sessions/{session['id']}/finish"
    return await ask(client, "PATCH", path, json={"stoppingReason": "FINISHED"})


async def test_a_turn_is_answered_with_every_key(client):
    """Section 6: a text becomes the user's message, and what is read is what was answered."""
    session = await a_session(client)
    made = await turn(client, session, input="hello", actualOutput="hi", **NUMBERS)
    assert list(made) == KEYS
    assert made == {
        **dict.fromkeys(KEYS),
        **NUMBERS,
        "id": made["id"],
        "createdAt": made["createdAt"],
        "sessionId": session["id"],
        "index": 0,
        "status": "GENERATED",
        "input": {"user_message": "hello"},
        "actualOutput": "hi",
    }
    assert await ask(client, "GET", f"{TURNS}/{made['id']}") == made
    assert await of(client, session) == [made]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (
            {"input": {"user_message": "a", "chat": [1]}},
            {"input": {"user_message": "a", "chat": [1]}},
        ),
        ({"input": ""}, {"input": {"user_message": ""}}),
        (
            {"actualOutput": {"assistant_message": "x"}},
            {"actualOutput": {"assistant_message": "x"}},
        ),
        ({"retrievalContext": "r"}, {"input": None}),
        ({"status": "PENDING"}, {"status": "PENDING"}),
        ({"status": "FAILED", "error": "e"}, {"status": "FAILED", "error": "e"}),
        ({"status": "SKIPPED"}, {"status": "SKIPPED"}),
        (
            dict.fromkeys(("status", "input", "cost", "tokens", "versionId")),
            {"status": "GENERATED"},
        ),
        ({"conversationSimulatorVersion": "v9"}, {"conversationSimulatorVersion": "v9"}),
        ({"unknown": 1, "index": 7, "id": "x"}, {"index": 0}),
    ],
)
async def test_what_is_sent_is_what_is_shown(client, sent, shown):
    """Section 6; null is not given, and what is not known is ignored."""
    made = await turn(client, await a_session(client), **sent)
    assert {name: made[name] for name in shown} == shown
    assert "retrievalContext" not in made


async def test_turns_have_the_order_in_which_they_came(client):
    """Section 6: ascending, a list ends with the newest; an index is not used again."""
    session = await a_session(client)
    made = [await turn(client, session, input=str(n)) for n in range(3)]
    assert [one["index"] for one in made] == [0, 1, 2]
    assert await of(client, session) == made
    assert await listed(client, f"sessionIds={session['id']}") == made[::-1]
    assert await listed(client, f"sessionIds={session['id']}&limit=1&offset=1") == [made[1]]
    async with client.delete(f"{TURNS}/{made[2]['id']}") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    assert (await turn(client, session))["index"] == 3
    assert [one["index"] for one in await of(client, session)] == [0, 1, 3]


async def test_of_many_at_once_each_has_an_index(client):
    """Section 6: 0-based, one for each."""
    session = await a_session(client)
    made = await asyncio.gather(*(turn(client, session, input=str(n)) for n in range(40)))
    assert sorted(one["index"] for one in made) == list(range(40))
    assert sorted(made, key=lambda one: one["index"]) == await of(client, session)


async def test_a_custom_id_names_the_session(client):
    """Section 6: in a version or any of a product's; a version wins, and nothing is made."""
    session = await a_session(client, customId="my/own +%é")
    found = await ask(client, "GET", f"/galtea/versions/{session['versionId']}")
    anchors = ({"versionId": session["versionId"]}, {"productId": found["productId"]})
    for anchor in (*anchors, {**anchors[0], "productId": "product_unknown"}):
        made = await post(client, "inferenceResults", sessionCustomId="my/own +%é", **anchor)
        assert made["sessionId"] == session["id"]
    other = await post(client, "versions", productId=found["productId"])
    for name, anchor in (("my/own +%é", {"versionId": other["id"]}), ("none", anchors[1])):
        body = {"sessionCustomId": name, **anchor}
        assert "sessionCustomId" in await refused(client, 400, body, TURNS)
    body = {"sessionCustomId": "my/own +%é", "versionId": "version_x"}
    await refused(client, 404, body, TURNS)


async def test_exactly_one_session_is_meant(client):
    """Section 6."""
    session = await a_session(client, customId="c")
    for body in (
        {},
        {"sessionId": None},
        {"sessionId": session["id"], "sessionCustomId": "c", "versionId": session["versionId"]},
        {"sessionCustomId": "c"},
        {"sessionCustomId": "", "versionId": session["versionId"]},
    ):
        await refused(client, 400, body, TURNS)
        await refused(
            client,
            400,
            {**body, "conversationTurns": [{"role": "user", "content": "a"}]},
            f"{TURNS}/batch",
        )


WRONG: dict[str, list[Any]] = {
    "status": ["pending", "DONE", "", 1, []],
    "input": [1, True, []],
    "actualOutput": [1, True, []],
    "error": [1, {}],
    "retrievalContext": [1, {}],
    "latency": [-1, "1", True],
    "tokens": [-1, 1.5, "1", 1 << 60, 10**400],
    "cost": [-0.5, "1"],
    "conversationSimulatorVersion": [1],
    "sessionId": [1, [], {}],
}


async def test_a_wrong_value_is_400_and_names_the_field(client):
    """Section 2: of a new turn and of a change."""
    session = await a_session(client)
    made = await turn(client, session)
    for name, values in WRONG.items():
        for value in values:
            body = {"sessionId": session["id"], name: value}
            assert name in await refused(client, 400, body, TURNS)
            if name != "sessionId":
                async with client.patch(f"{TURNS}/{made['id']}", json={name: value}) as answer:
                    assert answer.status == 400
    assert await of(client, session) == [made]


async def test_unknown_turns_and_sessions(client):
    """Sections 2 and 3: unknown ids are 404, unknown sessions an empty page."""
    session = await a_session(client)
    made = await turn(client, session)
    foreign = made["id"].replace("inferenceResult", "session")
    for unknown in ("x", made["id"] + "0", made["id"][:-1], made["id"][:-1] + "1", foreign, "%00"):
        await listed(client, f"ids[]={made['id']}&ids[]={unknown}", 404)
        for method in ("GET", "DELETE"):
            await ask(client, method, f"{TURNS}/{unknown}", 404)
        await ask(client, "PATCH", f"{TURNS}/{unknown}", 404, json={})
    assert await listed(client, f"ids={made['id']}&ids[]={made['id']}") == [made]
    assert await listed(client, "sessionIds[]=x&sessionIds[]=session_" + "0" * 25) == []
    assert await listed(client, f"ids={made['id']}&sessionIds=x") == []
    assert await listed(client, f"ids={made['id']}&sessionIds={session['id']}") == [made]
    assert "filter" in (await listed(client, "", 400))["message"]
    assert (await listed(client, f"sessionIds={session['id']}&sort=index&sort=asc", 400))["error"]


async def test_a_list_by_time(client):
    """Section 5, as for sessions: both ends are included."""
    session = await a_session(client)
    made = await turn(client, session)
    at = made["createdAt"]
    both = f"sessionIds={session['id']}&fromCreatedAt={at}&toCreatedAt={at}"
    assert await listed(client, both) == [made]
    assert (
        await listed(client, f"sessionIds={session['id']}&toCreatedAt=2020-01-01T00:00:00Z") == []
    )


async def test_a_change_keeps_what_is_absent_and_clears_what_is_null(client):
    """Sections 5 and 6; an answer ends the wait for it, and what a turn belongs to stays."""
    session = await a_session(client)
    made = await turn(client, session, status="PENDING", input="a", tokens=1)
    path = f"{TURNS}/{made['id']}"
    assert (await ask(client, "PATCH", path, json={})) == made
    assert (await ask(client, "PATCH", path, json={"latency": 3}))["status"] == "PENDING"
    changed = await ask(client, "PATCH", path, json={"actualOutput": "b", "tokens": None})
    wanted = {**made, "status": "GENERATED", "actualOutput": "b", "tokens": None, "latency": 3.0}
    assert changed == wanted
    fixed = {"index": 4, "sessionId": "x", "createdAt": "2020-01-01T00:00:00Z", "deletedAt": "x"}
    assert await ask(client, "PATCH", path, json=fixed) == wanted
    failed = await ask(client, "PATCH", path, json={"status": "FAILED", "error": "e", "input": "c"})
    assert failed == {**wanted, "status": "FAILED", "error": "e", "input": {"user_message": "c"}}
    assert await of(client, session) == [failed]


async def test_a_conversation_at_once(client):
    """Section 6: what the assistant says right after the user is one turn with it."""
    session = await a_session(client)
    said = [
        ("assistant", "welcome"),
        *(("user", "a"), ("assistant", "b")),
        ("user", "c"),
        *(("user", "d"), ("assistant", "e"), ("assistant", "f")),
    ]
    messages = [{"role": role, "content": text} for role, text in said]
    made = await post(
        client,
        "inferenceResults/batch",
        sessionId=session["id"],
        conversationTurns=messages,
        conversationSimulatorVersion=None,
    )
    shown = [(t["input"] and t["input"]["user_message"], t["actualOutput"]) for t in made]
    assert shown == [(None, "welcome"), ("a", "b"), ("c", None), ("d", "e"), (None, "f")]
    assert [t["index"] for t in made] == [0, 1, 2, 3, 4]
    assert await of(client, session) == made


async def test_a_batch_is_taken_whole_or_not_at_all(client):
    """Section 6."""
    session = await a_session(client)
    wrong: list[Any] = [
        None,
        [],
        {},
        [{"role": "user"}],
        [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}],
        [{"role": "user", "content": 1}],
        [{"role": "user", "content": "a"}] * 2_001,
    ]
    for messages in wrong:
        body = {"sessionId": session["id"], "conversationTurns": messages}
        await refused(client, 400, body, f"{TURNS}/batch")
    assert await of(client, session) == []


async def test_a_closed_session_is_opened_again_by_default(client):
    """Section 6: REOPEN_AND_REEVALUATE."""
    for policy in (None, "REOPEN_AND_REEVALUATE"):
        session = await a_session(client, policy)
        assert (await finish(client, session))["status"] == "COMPLETED"
        assert (await turn(client, session, input="late"))["index"] == 0
        again = await ask(client, "GET", f"/galtea/sessions/{session['id']}")
        assert (again["status"], again["stoppingReason"]) == ("PENDING", None)
        newest = (await ask(client, "GET", SESSIONS))["items"][0]
        assert (newest["status"], newest["reason"]) == ("running", "reopened")
        assert (await finish(client, session))["status"] == "COMPLETED"


async def test_a_closed_session_refuses_a_turn_by_policy(client):
    """Section 6: REJECT."""
    session = await a_session(client, "REJECT")
    made = await turn(client, session)
    await finish(client, session)
    assert "ended" in (await turn(client, session, 400))["message"]
    messages = [{"role": "user", "content": "a"}]
    await post(
        client, "inferenceResults/batch", 400, sessionId=session["id"], conversationTurns=messages
    )
    assert await of(client, session) == [made]
    changed = await ask(client, "PATCH", f"{TURNS}/{made['id']}", json={"latency": 1})
    assert changed["latency"] == 1.0


async def test_a_closed_session_ignores_a_turn_by_policy(client):
    """Section 6: IGNORE answers as if, and keeps nothing."""
    session = await a_session(client, "IGNORE")
    made = await turn(client, session)
    await finish(client, session)
    as_if = await turn(client, session, 200, input="late")
    assert (as_if["sessionId"], as_if["index"], as_if["input"]) == (
        session["id"],
        1,
        {"user_message": "late"},
    )
    await ask(client, "GET", f"{TURNS}/{as_if['id']}", 404)
    messages = [{"role": "user", "content": "a"}]
    assert (
        await post(
            client,
            "inferenceResults/batch",
            200,
            sessionId=session["id"],
            conversationTurns=messages,
        )
        == []
    )
    assert await of(client, session) == [made]
    shown = await ask(client, "GET", f"/galtea/sessions/{session['id']}")
    assert shown["status"] == "COMPLETED"


async def test_what_a_clock_ended_stays_ended(client):
    """Section 6: no policy opens it again; what was recorded before is still to be read."""
    session = await a_session(client)
    made = await turn(client, session)
    native = (await ask(client, "GET", SESSIONS))["items"][0]
    await move(client, native, "timed_out")
    assert "ended" in (await turn(client, session, 400))["message"]
    assert await of(client, session) == [made]


async def test_a_deleted_session_has_no_turns(client):
    """Section 5."""
    session = await a_session(client)
    made = await turn(client, session)
    assert (await client.delete(f"/galtea/sessions/{session['id']}")).status == 204
    await turn(client, session, 404)
    await ask(client, "GET", f"{TURNS}/{made['id']}", 404)
    assert await of(client, session) == []


async def test_turns_of_another_tenant_are_not_there(client, aiohttp_client, shared):
    """Design section 6: nothing is to be seen with a key of another tenant."""
    session = await a_session(client)
    made = await turn(client, session)
    stranger = await client_of_a_tenant(aiohttp_client, shared)
    await turn(stranger, session, 404)
    await ask(stranger, "GET", f"{TURNS}/{made['id']}", 404)
    await ask(stranger, "PATCH", f"{TURNS}/{made['id']}", 404, json={"error": "x"})
    await ask(stranger, "DELETE", f"{TURNS}/{made['id']}", 404)
    assert await listed(stranger, f"sessionIds={session['id']}") == []


async def test_a_key_that_may_only_read(client, aiohttp_client, shared):
    """Design section 6: it sees the turns, and adds none."""
    admin = await client_of(aiohttp_client, shared)
    session = await a_session(admin)
    made = await turn(admin, session)
    key = await new_key(admin, "default", "sessions:read")
    reader = await aiohttp_client(shared, headers=bearer(key["key"]))
    assert await of(reader, session) == [made]
    await turn(reader, session, 403)
    await ask(reader, "PATCH", f"{TURNS}/{made['id']}", 403, json={"error": "x"})
    await ask(reader, "DELETE", f"{TURNS}/{made['id']}", 403)
