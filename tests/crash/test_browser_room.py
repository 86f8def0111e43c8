"""Too many browsers at once, and a disk without room: who waits is told so, nothing is stuck."""

import asyncio
import time

import pytest

from tests.support.browser_host import GONE_S, PATIENCE_S, hosting
from tests.support.browsers import needs_chromium
from tests.support.process import eventually
from tests.support.sites import sharing
from tests.support.small_disk import small_disk

pytestmark = [
    needs_chromium,
    pytest.mark.slow(reason="many real browsers at once, and a real disk that is full"),
]
ROOM, WANTED = 10, 30
FULL = 507


@pytest.fixture(scope="module")
def sites():
    with sharing() as served:
        yield served


async def test_of_thirty_at_once_ten_run_and_the_others_wait_in_order(sites, tmp_path):
    data = tmp_path / "data"
    async with hosting(data, sites.host, "--browsers-max", str(ROOM)) as host:
        user = host.user
        sessions = await asyncio.gather(*[user.start() for _ in range(WANTED)])
        assert len(set(sessions)) == WANTED
        async with asyncio.timeout(PATIENCE_S):
            while True:
                states = [await user.native(session) for session in sessions]
                count = {
                    s: sum(one["status"] == s for one in states) for s in ("running", "queued")
                }
                assert count["running"] <= ROOM
                if count == {"running": ROOM, "queued": WANTED - ROOM}:
                    break
                await asyncio.sleep(0.05)
        # They all look active to a client of Notte, which knows no other word.
        assert {(await user.status(session))["status"] for session in sessions} == {"active"}
        running = [one["id"] for one in states if one["status"] == "running"]
        queued = [one["id"] for one in states if one["status"] == "queued"]
        # Who waits can be stopped, and never had a browser.
        given_up = queued.pop()
        await user.stop(given_up)
        assert "browser.opened" not in await user.facts(given_up)
        status, said = await user.said(
            "POST", f"/notte/sessions/{queued[-1]}/page/observe", json={}
        )
        assert (status, "queue" in said["message"]) == (429, True), said
        # Each place that comes free goes to one that waits, until all had theirs.
        for session in running:
            await user.stop(session)
        served = set(running)
        give_up = time.monotonic() + 2 * PATIENCE_S
        while queued:
            assert time.monotonic() < give_up, queued
            for session in list(queued):
                if (await user.now(session))[0] == "running":
                    done = await user.act(session, "goto", url=f"{sites.url}/")
                    assert done["success"], done
                    await user.stop(session)
                    queued.remove(session)
                    served.add(session)
        assert len(served) == WANTED - 1
        await eventually(lambda: host.files() == [], GONE_S, "the end of every session's files")
        await host.ends()


async def test_on_a_full_disk_pages_go_on_and_what_must_be_told_is_refused(sites, tmp_path):
    with small_disk(tmp_path / "data", "400m") as disk:
        async with hosting(disk.folder, sites.host, wrapper=disk.wrapper) as host:
            user = host.user
            host.seen = disk.outside
            session = await user.opened(f"{sites.url}/")
            before = len(await user.facts(session))
            disk.fill()
            path = f"/notte/sessions/{session}/page/screenshot"
            await until(user, "POST", "/notte/sessions/start", FULL, json={})
            # What was done was done: whoever asked for it has its outcome.
            for _ in range(3):
                status, said = await user.said("POST", path)
                assert status in (200, FULL), said
            done = await user.act(session, "goto", url=f"{sites.url}/form")
            assert done["success"], done
            observed = await user.page(session, "observe")
            assert observed["metadata"]["title"] == "Sign up"
            assert (await user.status(session))["status"] == "active"
            told = len(await user.facts(session))
            # Its end must be told, and is when there is room again.
            status, said = await user.said("DELETE", f"/notte/sessions/{session}/stop")
            assert status == FULL, said
            assert said["status"] == FULL
            disk.relieve()
            assert await user.reaches(session, "stopped", "failed") == ("stopped", "requested")
            facts = await user.facts(session)
            assert len(facts) > max(before, told)
            assert facts.count("browser.closed") == 1
            assert facts.count("browser.acted") == 2, "what the disk refused is told later"
            await host.works(f"{sites.url}/")
            await host.ends()


async def until(user, method, path, status, **request):
    """Ask until the answer has this status."""
    give_up = time.monotonic() + PATIENCE_S
    while (found := await user.said(method, path, **request))[0] != status:
        assert time.monotonic() < give_up, found
        await asyncio.sleep(0.05)
