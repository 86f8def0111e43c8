"""The protocol for workers: claims, polls, reports, leases, and the end of each."""

import asyncio

import pytest

from sessions import work_messages
from tests.support.service import (
    API,
    SESSIONS,
    ask,
    client_of,
    create,
    move,
    new_key,
    refused,
    sharing,
)
from tests.support.work_protocol import (
    CLAIMS,
    WORK,
    at,
    claim,
    finished,
    not_told,
    poll,
    release,
    said,
    tell,
)

SOON_S = 0.05
LEASE_S = 90
# What is told at once comes long before that, also from a busy machine.
WAIT_S = 30
AT_ONCE_S = 20
ALL = ("sessions:read", "sessions:write", "work")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with sharing(tmp_path_factory.mktemp("work"), work_lease_s=LEASE_S) as service:
        yield service


@pytest.fixture
async def client(aiohttp_client, shared, request):
    """A client that may do everything in a tenant of its own."""
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, request.node.name, *ALL)
    return await aiohttp_client(shared, headers={"X-API-Key": key["key"]})


async def shown(client, session):
    return await ask(client, "GET", f"{SESSIONS}/{session['id']}")


async def say(client, session, content, **more):
    path = f"{SESSIONS}/{session['id']}/messages"
    return await ask(client, "POST", path, 201, json={"content": content, **more})


async def test_a_worker_gets_all_that_it_needs_and_its_session_starts(client):
    session = await create(
        client,
        "agent",
        title="t",
        labels=["a"],
        metadata={"m": 1},
        spec={"prompt": "do it", "snapshot_id": "snap"},
        secrets={"TOKEN": "s3cret"},
    )
    await say(client, session, "one more thing")
    await say(client, session, "in confidence", sensitive=True)
    await say(client, session, "a note", role="system")
    claimed = await claim(client, worker="lab-1")
    told = [(each["role"], each["content"]) for each in claimed.pop("messages")]
    assert told == [("user", "one more thing"), ("user", "in confidence")]
    assert claimed == {
        "session_id": session["id"],
        "generation": 1,
        "lease_s": LEASE_S,
        "attempt": 1,
        "kind": "agent",
        "dialect": "native",
        "title": "t",
        "prompt": "do it",
        "labels": ["a"],
        "metadata": {"m": 1},
        "spec": {"prompt": "do it", "snapshot_id": "snap"},
        "secrets": {"TOKEN": "s3cret"},
        "acus": 0.0,
        "after": claimed["after"],
    }
    now = await shown(client, session)
    assert (now["status"], now["work"]["worker"], now["work"]["attempts"]) == (
        "starting",
        "lab-1",
        1,
    )


async def test_the_oldest_goes_first_to_who_is_fit_for_it(client):
    gpu = await create(client, "agent", work={"requires": ["gpu", "eu"]})
    first = await create(client, "agent", status="queued")
    second = await create(client, "agent")
    await create(client, "evaluation")
    assert (await claim(client, labels=["gpu"]))["session_id"] == first["id"]
    assert (await claim(client, labels=["eu", "gpu", "x"]))["session_id"] == gpu["id"]
    assert (await claim(client))["session_id"] == second["id"]
    assert await claim(client, labels=["gpu", "eu"]) is None
    assert await claim(client, "evaluation") is None


async def test_whoever_waits_gets_what_comes_and_each_gets_another(client):
    waiting = [asyncio.create_task(claim(client, worker=str(n), wait_s=WAIT_S)) for n in range(3)]
    fit = asyncio.create_task(claim(client, labels=["gpu"], wait_s=WAIT_S))
    await asyncio.sleep(SOON_S)
    made = [await create(client, "agent", work={"requires": ["gpu"]})]
    assert (await fit)["session_id"] == made[0]["id"]
    assert not any(task.done() for task in waiting)
    made = [await create(client, "agent") for _ in range(3)]
    claimed = await asyncio.gather(*waiting)
    assert {one["session_id"] for one in claimed} == {one["id"] for one in made}


async def test_nobody_gets_what_somebody_else_got_however_many_ask(client):
    made = {(await create(client, "agent"))["id"] for _ in range(30)}

    async def drain():
        got = []
        while (one := await claim(client)) is not None:
            got.append(one["session_id"])
            await tell(client, one, 1, "started", finished())
        return got

    got = await asyncio.gather(*(drain() for _ in range(6)))
    flat = [session_id for each in got for session_id in each]
    assert sorted(flat) == sorted(made)


async def test_a_worker_that_left_while_it_waited_gets_nothing(client):
    async with asyncio.timeout(AT_ONCE_S):
        gone = asyncio.create_task(claim(client, worker="gone", wait_s=WAIT_S))
        await asyncio.sleep(SOON_S)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        other = asyncio.create_task(claim(client, worker="there", wait_s=WAIT_S))
        await asyncio.sleep(SOON_S)
        session = await create(client, "agent")
        assert (await other)["session_id"] == session["id"]
    assert (await shown(client, session))["work"]["worker"] == "there"


async def test_users_are_heard_at_once_and_again_until_it_is_confirmed(client):
    session = await create(client, "agent")
    claimed = await claim(client)
    claimed["after"] = (await poll(client, claimed))["after"]
    waiting = asyncio.create_task(poll(client, claimed, wait_s=WAIT_S))
    await asyncio.sleep(SOON_S)
    await tell(client, claimed, 1, said("what do you mean?"))
    await asyncio.sleep(SOON_S)
    assert not waiting.done()
    await say(client, session, "this", data={"k": 1})
    async with asyncio.timeout(AT_ONCE_S):
        heard = await waiting
    assert [message["content"] for message in heard["messages"]] == ["this"]
    assert (await poll(client, claimed))["messages"] == heard["messages"]
    claimed["after"] = heard["after"]
    await say(client, session, "and that")
    heard = await poll(client, claimed)
    assert [message["content"] for message in heard["messages"]] == ["and that"]


async def test_many_messages_come_in_several_answers(client, monkeypatch):
    monkeypatch.setattr(work_messages, "MESSAGES_MAX", 3)
    session = await create(client, "agent")
    for number in range(7):
        await say(client, session, str(number))
    claimed = await claim(client)
    answers = [claimed["messages"]]
    while (heard := await poll(client, claimed))["messages"]:
        answers.append(heard["messages"])
        claimed["after"] = heard["after"]
    told = [[message["content"] for message in answer] for answer in answers]
    assert told == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


@pytest.mark.parametrize("way", ["terminated", "deleted", "completed"])
async def test_a_worker_hears_of_the_end_and_can_write_no_more(client, way):
    session = await create(client, "agent")
    claimed = await claim(client)
    claimed["after"] = (await poll(client, claimed))["after"]
    waiting = asyncio.create_task(poll(client, claimed, wait_s=WAIT_S))
    await asyncio.sleep(SOON_S)
    match way:
        case "deleted":
            await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
            expected = {"status": "stopped", "reason": "deleted", "detail": ""}
        case "terminated":
            await move(client, session, "stopped")
            expected = {"status": "stopped", "reason": "requested", "detail": ""}
        case _:
            await tell(client, claimed, 1, finished(0, detail="done"))
            expected = {"status": "completed", "reason": "finished", "detail": "done"}
    async with asyncio.timeout(AT_ONCE_S):
        assert (await waiting)["ended"] == expected
    assert (await poll(client, claimed))["ended"] == expected
    await not_told(client, claimed, 409, "session_ended", said("late"))
    body = {"generation": 1, "why": "drained"}
    await refused(client, "POST", at(claimed, "release"), 409, "session_ended", json=body)


async def test_another_status_is_heard_of_too(client):
    session = await create(client, "agent")
    claimed = await claim(client)
    await tell(client, claimed, 1, "started")
    claimed["after"] = (await poll(client, claimed))["after"]
    waiting = asyncio.create_task(poll(client, claimed, wait_s=WAIT_S))
    await asyncio.sleep(SOON_S)
    await move(client, session, "stopping")
    async with asyncio.timeout(AT_ONCE_S):
        heard = await waiting
    assert (heard["status"], heard["ended"]) == ("stopping", None)
    assert (await tell(client, claimed, 2, finished(143)))["status"] == "stopped"


async def test_an_answer_sets_a_blocked_session_going(client):
    session = await create(client, "agent")
    claimed = await claim(client)
    blocked = {"type": "status", "status": "blocked", "detail": "which one?"}
    assert (await tell(client, claimed, 1, "started", blocked))["status"] == "blocked"
    answered = await say(client, session, "the first")
    assert answered["status"] == "running"
    heard = await poll(client, claimed)
    assert (heard["status"], heard["messages"][0]["content"]) == ("running", "the first")


async def test_a_report_that_is_sent_again_is_answered_as_it_was_the_first_time(client):
    await create(client, "agent")
    claimed = await claim(client)
    first = await tell(client, claimed, 1, "started", said("one"))
    output = {"type": "output", "structured_output": 1}
    same_facts = await tell(client, claimed, 7, output)
    await tell(client, claimed, 8, said("between"))
    assert await tell(client, claimed, 7, output) == same_facts
    then = await tell(client, claimed, 2, said("two"), finished())
    assert then["status"] == "completed"
    assert await tell(client, claimed, 1, "started", said("one")) == first
    assert await tell(client, claimed, 2, said("two"), finished()) == then
    await not_told(client, claimed, 422, "idempotency_key_reused", said("x"), sequence=1)


async def test_the_same_report_from_two_connections_at_once_is_one(client):
    session = await create(client, "agent")
    claimed = await claim(client)
    for number in range(5):
        same = [tell(client, claimed, number, said("once")) for _ in range(4)]
        answers = await asyncio.gather(*same)
        assert answers == [answers[0]] * 4
    assert (await shown(client, session))["messages"] == 5


async def test_what_was_reported_is_shown(client):
    session = await create(client, "agent", spec={"structured_output_schema": {"type": "object"}})
    claimed = await claim(client)
    pull = {"type": "pull_request", "url": "https://git.example/1", "state": "open"}
    await tell(client, claimed, 1, {"type": "output", "structured_output": {"n": 1}}, pull)
    await tell(client, claimed, 2, {**pull, "state": "merged"}, {"type": "acus", "used": 1.5})
    assert (await shown(client, session))["agent"] == {
        "structured_output": {"n": 1},
        "pull_requests": [{"url": "https://git.example/1", "state": "merged"}],
        "acus": 1.5,
    }
    wrong = {"type": "output", "structured_output": [1]}
    problem = await not_told(client, claimed, 422, "invalid_value", wrong)
    assert problem["errors"][0]["pointer"] == "/structured_output"


async def test_a_session_that_was_given_back_goes_to_the_next_with_what_was_used(client):
    await create(client, "agent", secrets={"A": "b"})
    claimed = await claim(client)
    await tell(client, claimed, 1, "started", {"type": "acus", "used": 2})
    waiting = asyncio.create_task(claim(client, worker="next", wait_s=WAIT_S))
    await asyncio.sleep(SOON_S)
    assert await release(client, claimed, "refused") == {"status": "queued"}
    again = await waiting
    assert (again["generation"], again["attempt"], again["acus"]) == (2, 2, 2.0)
    assert again["secrets"] == {"A": "b"}
    await not_told(client, claimed, 409, "fenced", said("late"))
    body = {"generation": 1}
    await refused(client, "POST", at(claimed, "poll"), 409, "fenced", json=body)


async def test_keys_see_their_tenant_and_admins_see_all(client, aiohttp_client, shared):
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, "elsewhere", "work")
    other = await aiohttp_client(shared, headers={"X-API-Key": key["key"]})
    session = await create(client, "agent")
    assert await claim(other) is None
    assert (await ask(other, "GET", WORK))["items"] == []
    claimed = await claim(client)
    for operation, more in (
        ("poll", {}),
        ("reports", {"sequence": 1, "reports": [{"type": "started"}]}),
        ("release", {"why": "drained"}),
    ):
        body = {"generation": 1, **more}
        await refused(other, "POST", at(claimed, operation), 404, "not_found", json=body)
    await release(client, claimed)
    claimed = await claim(admin)
    while claimed["session_id"] != session["id"]:  # those of other tests
        claimed = await claim(admin)
    history = await ask(client, "GET", f"{SESSIONS}/{session['id']}/events")
    assert history["items"][-1]["actor"] == "key:admin"


async def test_who_only_works_may_do_nothing_else(client, aiohttp_client, shared, subtests):
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, "lab", "work")
    worker = await aiohttp_client(shared, headers={"X-API-Key": key["key"]})
    session = await create(client, "evaluation")
    asked = [
        ("GET", SESSIONS, None),
        ("POST", SESSIONS, {"kind": "agent"}),
        ("POST", f"{SESSIONS}/{session['id']}/work", {}),
        ("GET", f"{API}/keys", None),
    ]
    for method, path, body in asked:
        with subtests.test(path=path):
            await refused(worker, method, path, 403, "forbidden", json=body)
    plain = await new_key(admin, "lab")
    reader = await aiohttp_client(shared, headers={"X-API-Key": plain["key"]})
    body = {"kind": "agent", "worker": "w"}
    await refused(reader, "POST", CLAIMS, 403, "forbidden", json=body)
    await refused(reader, "GET", WORK, 403, "forbidden")
