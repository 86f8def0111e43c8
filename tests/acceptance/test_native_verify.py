"""The log is verified beside the traffic, by a process that ends with the service."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.support.audited import VERIFY, verification_ended
from tests.support.process import eventually, serving
from tests.support.service import ask, create, new_key, refused, start

WORKER = b"eventstore.sqlite.verify"
GONE_S_MAX = 60.0


def workers():
    """The processes that verify a log, by id."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if WORKER in status.read_bytes():
                found[int(status.parent.name)] = (status.parent / "status").read_text()
    return found


def workers_of(pid):
    """Those that `pid` started."""
    return [child for child, status in workers().items() if f"PPid:\t{pid}\n" in status]


@pytest.mark.slow(reason="verifies four times beside a writer that does not stop")
async def test_a_log_holds_while_it_grows_and_its_heads_are_written(tmp_path):
    async with serving(tmp_path, "--heads-every", "1") as service, service.client() as client:
        stop = asyncio.Event()
        await create(client)

        async def grow():
            while not stop.is_set():
                await create(client)

        growing = asyncio.create_task(grow())
        try:
            for _ in range(4):
                await ask(client, "POST", VERIFY, 202)
                found = await verification_ended(client)
                assert (found["status"], found["findings"]) == ("holds", []), found
                assert found["position"] == found["head"] > 0
                assert found["heads"] > 0
        finally:
            stop.set()
            await growing
        assert workers_of(service.pid) == []


async def test_what_was_changed_in_the_database_is_found_beside_the_service(tmp_path):
    async with serving(tmp_path) as service, service.client() as client:
        for _ in range(9):
            await create(client)
        with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as file:
            file.execute("DROP TRIGGER commits_are_not_updated")
            file.execute("UPDATE commits SET body = CAST(body || ' ' AS BLOB) WHERE position = 5")
            file.commit()
        await ask(client, "POST", VERIFY, 202)
        found = await verification_ended(client)
    assert (found["status"], found["position"], found["root"]) == ("does_not_hold", 4, "")
    first, *others = found["findings"]
    assert (first["subject"], first["position"]) == ("commit", 5)
    assert any("commits_are_not_updated" in other["what"] for other in others)


async def test_a_verification_that_is_stopped_leaves_no_process_and_can_begin_again(tmp_path):
    async with serving(tmp_path) as service, service.client() as client:
        ends = set()
        for _ in range(5):
            await ask(client, "POST", VERIFY, 202)
            ends.add((await ask(client, "DELETE", VERIFY))["status"])
            assert workers_of(service.pid) == []
        # One may be over before it is stopped, and then stays as it was.
        assert "stopped" in ends
        assert ends <= {"stopped", "holds"}
        await ask(client, "POST", VERIFY, 202)
        assert (await verification_ended(client))["status"] == "holds"


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_no_process_is_left_behind_by_a_service_that_ends_or_is_killed(tmp_path, end):
    async with serving(tmp_path) as service, service.client() as client:
        mine: set[int] = set()
        async with asyncio.timeout(GONE_S_MAX):
            while not mine:  # each is over soon: then the next one may be seen
                await ask(client, "POST", VERIFY, 202)
                mine = set(workers_of(service.pid))
        if end == "stop":
            await service.stop()
        else:
            service.kill()
    await eventually(lambda: not mine & workers().keys(), GONE_S_MAX, "its end")


async def test_only_admins_verify(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    key = (await new_key(client))["key"]
    for method in ("GET", "POST", "DELETE"):
        headers = {"Authorization": f"Bearer {key}"}
        await refused(client, method, VERIFY, 403, "forbidden", headers=headers)
