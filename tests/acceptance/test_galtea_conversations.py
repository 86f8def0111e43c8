"""Galtea: conversations as they were, and those with a user who is simulated by a script.

Sections are those of the Galtea contract.
"""

import asyncio
import uuid
from typing import Any

import pytest

from tests.support.galtea import a_test_case, post, product, refused
from tests.support.service import SESSIONS, ask, client_of_a_tenant

PATH = "/galtea/conversationSimulator/generateNextUserMessage"
KEYS = ["nextMessage", "finished", "stoppingReason", "simulatorVersion", "inferenceResultId"]


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def a_session(client, policy=None, **case):
    """A session of a test case that says what its user says."""
    made = await product(client, uuid.uuid4().hex, closedSessionInferenceCreationPolicy=policy)
    test_case = await a_test_case(client, made["id"], **case)
    return await post(client, "sessions", productId=made["id"], testCaseId=test_case["id"])


async def says(client, session, turns_max=None, status=200):
    body = {"sessionId": session["id"], "maxTurns": turns_max}
    return await ask(client, "POST", PATH, status, json=body)


async def answer(client, said, text="ok", **fields):
    path = f"/galtea/inferenceResults/{said['inferenceResultId']}"
    return await ask(client, "PATCH", path, json={"actualOutput": text, **fields})


async def turns(client, session):
    query = f"sessionIds={session['id']}&sort=createdAt&sort=asc"
    return await ask(client, "GET", f"/galtea/inferenceResults?{query}")


async def test_the_user_says_the_input_and_then_the_scenario(client):
    """Section 7: each message is a turn that waits for its answer."""
    session = await a_session(client, input="hello", scenario="I want a refund\n\n Thanks! \n")
    heard = []
    said: Any = None
    for last in (False, False, True):
        said = await says(client, session)
        assert list(said) == KEYS
        waiting = (await turns(client, session))[-1]
        assert waiting["id"] == said["inferenceResultId"]
        assert (waiting["status"], waiting["actualOutput"]) == ("PENDING", None)
        assert waiting["input"] == {"user_message": said["nextMessage"]}
        assert waiting["conversationSimulatorVersion"] == said["simulatorVersion"]
        assert (said["finished"], said["stoppingReason"] is not None) == (last, last)
        assert (await answer(client, said))["status"] == "GENERATED"
        heard.append(said["nextMessage"])
    assert heard == ["hello", "I want a refund", "Thanks!"]
    after = await says(client, session)
    assert (after["nextMessage"], after["finished"]) == ("", True)
    assert after["inferenceResultId"] == said["inferenceResultId"]
    assert len(await turns(client, session)) == 3


@pytest.mark.parametrize(
    ("case", "first"),
    [
        ({"input": {"user_message": "a", "b": 1}, "goal": "g"}, "a"),
        ({"input": {"b": 1}, "scenario": "s"}, "s"),
        ({"goal": "g1\ng2"}, "g1"),
    ],
)
async def test_what_the_script_begins_with(client, case, first):
    """Section 7: input, then scenario, and the goal where there is neither."""
    assert (await says(client, await a_session(client, **case)))["nextMessage"] == first


async def test_a_message_that_was_not_answered_is_said_again(client):
    """Section 7: a client that asks twice misses nothing, also when it does so at once."""
    session = await a_session(client, scenario="a\nb")
    said = await asyncio.gather(*(says(client, session) for _ in range(6)))
    assert said == [said[0]] * 6
    assert len(await turns(client, session)) == 1


@pytest.mark.parametrize(
    ("case", "asked", "count"), [({}, 2, 2), ({"maxIterations": 1}, None, 1), ({}, None, 3)]
)
async def test_the_number_of_turns_is_limited(client, case, asked, count):
    """Section 7: by the request, else by the test case, else by the script."""
    session = await a_session(client, scenario="a\nb\nc", **case)
    said: Any = None
    for n in range(count):
        said = await says(client, session, asked)
        assert said["finished"] == (n == count - 1)
        await answer(client, said)
    assert ("maximum" in said["stoppingReason"]) == (count < 3)
    assert (await says(client, session, asked))["nextMessage"] == ""


async def test_a_stopping_criterion_ends_it(client):
    """Section 7: the words of a criterion in the agent's answer."""
    session = await a_session(client, scenario="a\nb\nc", stoppingCriterias=["", "case is closed"])
    await answer(client, await says(client, session), "The case is open")
    await answer(client, await says(client, session), {"assistant_message": "Case is CLOSED."})
    said = await says(client, session)
    assert (said["nextMessage"], said["finished"]) == ("", True)
    assert "case is closed" in said["stoppingReason"]


async def test_the_agent_may_go_first(client):
    """Section 7: a turn that is not the user's takes nothing from the script."""
    session = await a_session(client, scenario="a")
    opening = await post(client, "inferenceResults", sessionId=session["id"], status="PENDING")
    path = f"/galtea/inferenceResults/{opening['id']}"
    await ask(client, "PATCH", path, json={"actualOutput": "Welcome", "status": "GENERATED"})
    assert (await says(client, session))["nextMessage"] == "a"
    assert [turn["index"] for turn in await turns(client, session)] == [0, 1]


async def test_there_must_be_something_to_say(client):
    """Section 7."""
    made = await product(client, uuid.uuid4().hex)
    alone = await post(client, "sessions", productId=made["id"])
    silent = await a_session(client)
    for session in (alone, silent):
        assert "test case" in (await says(client, session, status=400))["message"]
        assert await turns(client, session) == []
    session = await a_session(client, goal="g")
    for body in (
        {},
        {"sessionId": None},
        {"sessionId": session["id"], "maxTurns": 0},
        {"sessionId": session["id"], "maxTurns": 1_001},
        {"sessionId": session["id"], "maxTurns": "2"},
    ):
        await refused(client, 400, body, PATH)
    await refused(client, 404, {"sessionId": "session_x"}, PATH)


@pytest.mark.parametrize(("policy", "status"), [(None, 200), ("REJECT", 400), ("IGNORE", 400)])
async def test_a_closed_session_goes_by_its_policy(client, policy, status):
    """Section 6: it is opened again, or there is nobody to talk to."""
    session = await a_session(client, policy, scenario="a")
    path = f"/galtea/sessions/{session['id']}/finish"
    await ask(client, "PATCH", path, json={"stoppingReason": "FINISHED"})
    await says(client, session, status=status)
    assert len(await turns(client, session)) == (status == 200)
    shown = await ask(client, "GET", f"/galtea/sessions/{session['id']}")
    assert shown["status"] == ("PENDING" if status == 200 else "COMPLETED")


async def a_conversation(client):
    """The path of a session's messages, with three turns of which one is answered late."""
    made = await product(client, uuid.uuid4().hex)
    session = await post(client, "sessions", productId=made["id"])
    anchor = {"sessionId": session["id"]}
    said = {"user_message": "hello", "mood": "calm"}
    await post(client, "inferenceResults", **anchor, input=said, actualOutput="hi")
    late = await post(client, "inferenceResults", **anchor, input="well?", status="PENDING")
    await post(client, "inferenceResults", **anchor, actualOutput={"assistant_message": "ahem"})
    path = f"/galtea/inferenceResults/{late['id']}"
    await ask(client, "PATCH", path, json={"actualOutput": "yes", "latency": 4})
    await ask(client, "PATCH", path, json={"latency": 5})
    native = (await ask(client, "GET", SESSIONS))["items"][0]["id"]
    return f"{SESSIONS}/{native}/messages"


def told(page):
    return [(one["role"], one["content"]) for one in page["items"]]


async def test_turns_are_messages(client):
    """Each side's words in the order in which they came, by their turn."""
    path = await a_conversation(client)
    page = await ask(client, "GET", path)
    assert told(page) == [
        ("user", "hello"),
        ("agent", "hi"),
        ("user", "well?"),
        ("agent", "ahem"),
        ("agent", "yes"),
    ]
    items = page["items"]
    assert [one["data"]["turn"] for one in items] == [0, 0, 1, 2, 1]
    assert items[0]["data"] == {"turn": 0, "input": {"mood": "calm"}}
    assert {one["type"] for one in items} == {"turn"}
    assert len({one["id"] for one in items}) == 5
    first = await ask(client, "GET", path, params={"limit": "1"})
    rest = await ask(client, "GET", path, params={"after": str(first["next"])})
    assert first["items"] + rest["items"] == items


async def test_a_conversation_as_it_was(client):
    """By position or by time: what came later is not told."""
    path = await a_conversation(client)
    whole = (await ask(client, "GET", path))["items"]
    for seen in range(len(whole)):
        position = str(whole[seen]["position"])
        now = [one for one in whole if one["position"] <= int(position)]
        page = await ask(client, "GET", path, params={"as_of": position})
        assert (page["items"], page["next"]) == (now, None)
        part = await ask(client, "GET", path, params={"as_of": position, "limit": "1"})
        assert part["items"] == [one for one in now if one["position"] == now[0]["position"]]
    at = whole[-1]["at"]
    assert (await ask(client, "GET", path, params={"as_of": at}))["items"] == whole
    created = (await ask(client, "GET", path.removesuffix("/messages")))["created_at"]
    assert (await ask(client, "GET", path, params={"as_of": created}))["items"] == []
    for wrong in ("", "x", "-1", "9" * 18):
        await ask(client, "GET", path, 400, params={"as_of": wrong})
    await ask(client, "GET", path.replace("messages", "artifacts"), 400, params={"as_of": "1"})


async def test_what_is_deleted_stays_in_the_history(client):
    """Law 5: reads forget a turn, the log does not."""
    path = await a_conversation(client)
    query = {"limit": "1", "sort": ["createdAt", "desc"]}
    session = (await ask(client, "GET", "/galtea/sessions", params=query))[0]
    turns = await ask(client, "GET", f"/galtea/inferenceResults?sessionIds={session['id']}")
    for turn in turns:
        assert (await client.delete(f"/galtea/inferenceResults/{turn['id']}")).status == 204
    assert len((await ask(client, "GET", path))["items"]) == 5
    events = await ask(client, "GET", path.replace("messages", "events"))
    types = [event["type"] for commit in events["items"] for event in commit["events"]]
    assert types.count("turn.recorded") == types.count("turn.removed") == 3
