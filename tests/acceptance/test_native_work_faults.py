"""What a disk that refuses leaves behind: nothing is lost, doubled or stuck."""

import asyncio
import time

import pytest

from eventstore.errors import StorageError
from sessions.caller import SERVICE
from sessions.web.appkeys import FOLLOWER, LOG
from sessions.web.appkeys import SESSIONS as SERVED
from sessions.web.appkeys import WORK as KEY
from sessions.work_claims import Asking, _Gone
from sessions.work_watch import WorkWatch
from tests.support.process import eventually
from tests.support.service import SESSIONS, ask, create, move, refused, start
from tests.support.work_protocol import (
    CLAIMS,
    at,
    claim,
    finished,
    not_told,
    poll,
    release,
    said,
    tell,
)

LEASE_S = 90
ASKED = {"kind": "agent", "worker": "w"}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, work_lease_s=LEASE_S)


def refuse(patch, client):
    async def append(_):
        raise StorageError("no disk")

    patch.setattr(client.app[LOG], "append", append)


async def status_of(client, claimed):
    path = f"{SESSIONS}/{claimed['session_id']}"
    return (await ask(client, "GET", path))["status"]


async def test_a_claim_that_the_disk_refuses_is_for_the_next_one(client, monkeypatch):
    session = await create(client, "agent")
    with monkeypatch.context() as patch:
        refuse(patch, client)
        await refused(client, "POST", CLAIMS, 503, "storage_unavailable", json=ASKED)
    claimed = await claim(client)
    assert (claimed["session_id"], claimed["generation"]) == (session["id"], 1)


async def test_a_report_that_the_disk_refuses_is_sent_again(client, monkeypatch):
    await create(client, "agent")
    claimed = await claim(client)
    with monkeypatch.context() as patch:
        refuse(patch, client)
        await not_told(client, claimed, 503, "storage_unavailable", said("x"), sequence=1)
        assert (await poll(client, claimed))["ended"] is None
    await tell(client, claimed, 1, said("x"))
    assert (await tell(client, claimed, 2, finished()))["status"] == "completed"


async def test_a_lapse_that_the_disk_refuses_comes_later(client, monkeypatch):
    await create(client, "agent")
    late = await claim(client)
    with monkeypatch.context() as patch:
        refuse(patch, client)
        client.app[KEY].leases.clock = lambda: time.monotonic() + LEASE_S + 1
        await asyncio.sleep(0.3)
        assert await status_of(client, late) == "starting"
    again = await claim(client, wait_s=30)
    assert (again["session_id"], again["generation"]) == (late["session_id"], 2)
    await not_told(client, late, 409, "fenced", said("x"))


async def test_a_worker_that_is_heard_of_in_the_last_moment_keeps_its_session(client):
    """The watch saw that the lease was over, and then the poll came first."""
    await create(client, "agent")
    claimed = await claim(client)
    await client.app[KEY].lapse(claimed["session_id"], 1)
    assert (await tell(client, claimed, 1, "started"))["status"] == "running"


async def test_views_that_are_behind_take_no_session_from_the_queue(client):
    """At a start workers are found in the views while others claim and give back already."""
    session = await create(client, "agent")
    claimed = await claim(client)
    before = client.app[SERVED].at_hand(session["id"], SERVICE)
    await release(client, claimed)

    async def held():
        yield before

    watch = asyncio.create_task(WorkWatch(client.app[KEY], held).run())
    await asyncio.sleep(0.05)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert (await claim(client))["generation"] == 2
    assert len(client.app[KEY].leases) == 1


async def test_views_that_are_behind_hide_no_session(client, monkeypatch):
    """A queue that was read from views that the disk holds up would miss the newest for good."""
    session = await create(client, "agent")
    with monkeypatch.context() as patch:

        async def behind(_):
            return session["position"] - 1

        patch.setattr(client.app[FOLLOWER], "reached", behind)
        await refused(client, "POST", CLAIMS, 503, "storage_unavailable", json=ASKED)
    assert (await claim(client))["session_id"] == session["id"]


async def test_a_session_that_ends_while_it_is_claimed_goes_to_nobody(client, monkeypatch):
    first, second = await create(client, "agent"), await create(client, "agent")
    claims = client.app[KEY]._claims
    honest = claims._secrets

    async def meanwhile(state):
        if state.id == first["id"]:
            await move(client, first, "stopped")
        return await honest(state)

    monkeypatch.setattr(claims, "_secrets", meanwhile)
    assert (await claim(client))["session_id"] == second["id"]
    assert await claim(client) is None


async def test_a_session_that_waits_again_while_its_claim_fails_is_not_forgotten(
    client, monkeypatch
):
    session = await create(client, "agent")
    claims = client.app[KEY]._claims
    honest, tries = claims._claim_now, []

    async def overtaken(session_id, asking, who):
        """Another worker has it when it is tried, and gives it back before that is noticed."""
        tries.append(session_id)
        if len(tries) > 1:
            return await honest(session_id, asking, who)
        await claims._give_back(await honest(session_id, asking, who), who)
        raise _Gone

    monkeypatch.setattr(claims, "_claim_now", overtaken)
    async with asyncio.timeout(60):
        assert (await claim(client))["session_id"] == session["id"]
    assert len(tries) == 2


async def test_a_request_that_is_broken_off_gives_back_what_it_got(client, monkeypatch):
    session = await create(client, "agent")
    log = client.app[LOG]
    honest, durable, gone = log.append, asyncio.Event(), asyncio.Event()

    async def slow(wish):
        position = await honest(wish)
        durable.set()
        await gone.wait()
        return position

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", slow)
        leaving = asyncio.create_task(claim(client, worker="gone"))
        async with asyncio.timeout(60):
            await durable.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.sleep(0.05)  # the service notices
        gone.set()
    await goes_to_the_next(client, session)


async def test_who_is_gone_when_it_could_be_answered_loses_the_session(client):
    session = await create(client, "agent")
    sessions, noticed = client.app[SERVED], []

    def gone():
        if sessions.at_hand(session["id"], SERVICE).held:
            noticed.append(True)
        return bool(noticed)

    asking = Asking(kind="agent", worker="gone", labels=(), wait_s=30, gone=gone)
    async with asyncio.timeout(20):  # and not the 30 that it asked for
        assert await client.app[KEY].claim(asking, SERVICE) is None
    await goes_to_the_next(client, session)


async def goes_to_the_next(client, session):
    """It was given back, and that was no attempt."""
    there = await claim(client, worker="there", wait_s=30)
    assert (there["session_id"], there["generation"], there["attempt"]) == (session["id"], 2, 1)


async def test_an_account_adds_its_secrets_and_the_session_has_the_last_word(client, monkeypatch):
    async def account(_):
        return {"A": "of the account", "B": "of the account"}

    monkeypatch.setattr(client.app[KEY]._claims, "_account_secrets", account)
    await create(client, "agent", secrets={"A": "of the session"})
    assert (await claim(client))["secrets"] == {"A": "of the session", "B": "of the account"}


async def test_a_late_poll_hears_that_it_is_fenced_while_it_waits(client):
    await create(client, "agent")
    claimed = await claim(client)
    claimed["after"] = (await poll(client, claimed))["after"]
    body = {"generation": 1, "after": claimed["after"], "wait_s": 30}
    waiting = asyncio.create_task(
        refused(client, "POST", at(claimed, "poll"), 409, "fenced", json=body)
    )
    # A poll that came when its lease was over already would have renewed it.
    listening = client.app[KEY]._hearing._listening
    await eventually(lambda: bool(listening), 60, "the poll")
    client.app[KEY].leases.clock = lambda: time.monotonic() + LEASE_S + 1
    async with asyncio.timeout(20):  # and not the 30 that it asked for
        await waiting
