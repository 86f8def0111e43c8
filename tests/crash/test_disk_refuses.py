"""A disk that is full or refuses writes: clear answers, reads go on, and no restart is needed."""

import asyncio
import random
import resource
import signal
import time

import pytest

from eventstore.errors import StorageFull
from eventstore.vault import Vault
from tests.support.aftermath import check_whole
from tests.support.load import REFUSED, Load, Promises
from tests.support.process import eventually, serving, start
from tests.support.small_disk import small_disk

SESSIONS = "/api/v1/sessions"
FULL = 507
UNAVAILABLE = 503
PROBLEM = "application/problem+json"
CREATE = {"kind": "agent", "status": "running", "labels": ["a"]}
MESSAGE = {"content": "x" * 20_000}
RECOVERS_S_MAX = 120.0
# Where the disk is when it is full: nothing left, or room for a few commits, or for the log only.
LEAVES = [0, 30_000, 90_000, 300_000]

pytestmark = pytest.mark.slow(
    reason="fills real disks under load and waits for the service to notice"
)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "data", "64m") as disk:
        yield disk


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy"


async def answer_of(client, method, path, **more):
    """Status, media type and body of an answer."""
    async with client.request(method, path, **more) as answer:
        return answer.status, answer.content_type, await answer.json(content_type=None)


async def until(client, method, path, status, **more):
    """Ask until the answer has the status; that answer."""
    give_up = time.monotonic() + RECOVERS_S_MAX
    while True:
        found = await answer_of(client, method, path, **more)
        if found[0] == status:
            return found
        assert time.monotonic() < give_up, str(found)
        await asyncio.sleep(0.05)


async def create(client, **headers):
    """A session; its view."""
    status, _, body = await answer_of(client, "POST", SESSIONS, json=CREATE, headers=headers)
    assert status == 201, body
    return body


async def check_refusals(client, session, status, code):
    """Every kind of write is refused in the same clear words."""
    path = f"{SESSIONS}/{session['id']}"
    writes = (
        ("POST", SESSIONS, CREATE),
        ("POST", f"{path}/transitions", {"to": "paused"}),
        ("POST", f"{path}/messages", {"content": "hello"}),
        ("PATCH", path, {"title": "other"}),
        ("DELETE", path, None),
        ("POST", "/api/v1/keys", {"name": "other"}),
    )
    for method, target, body in writes:
        found, media, problem = await answer_of(client, method, target, json=body)
        assert (found, media, problem["code"]) == (status, PROBLEM, code), (method, target)


async def check_reads(client, session, sessions):
    """Reads and lists go on as if nothing was."""
    status, _, body = await answer_of(client, "GET", f"{SESSIONS}/{session['id']}")
    assert (status, body) == (200, session)
    for path in ("events", "messages", "vms"):
        assert (await answer_of(client, "GET", f"{SESSIONS}/{session['id']}/{path}"))[0] == 200
    status, _, body = await answer_of(client, "GET", f"{SESSIONS}?limit=200")
    assert status == 200, body
    assert [item["id"] for item in body["items"]] == sessions
    status, _, body = await answer_of(client, "GET", "/api/v1/feed?after=0&limit=1000")
    assert status == 200
    assert len(body["items"]) == body["position"]
    assert (await answer_of(client, "GET", "/livez"))[0] == 200
    assert (await answer_of(client, "GET", "/api/v1/keys"))[0] == 200


async def test_a_full_disk_refuses_writes_until_there_is_room(disk, copy):
    promises = Promises()
    async with serving(disk.folder, wrapper=disk.wrapper) as service, service.client() as client:
        sessions = [await create(client) for _ in range(20)]
        first = await create(client, **{"Idempotency-Key": "one"})
        newest_first = [s["id"] for s in (first, *reversed(sessions))]
        assert (await answer_of(client, "GET", "/readyz"))[0] == 200
        await check_reads(client, sessions[0], newest_first)
        disk.fill()
        path = f"{SESSIONS}/{first['id']}/messages"
        await until(client, "POST", path, FULL, json=MESSAGE)
        _, _, first = await answer_of(client, "GET", f"{SESSIONS}/{first['id']}")

        await check_refusals(client, sessions[0], FULL, "storage_full")
        await check_reads(client, sessions[0], newest_first)
        again = await create(client, **{"Idempotency-Key": "one"})
        assert again["id"] == first["id"]
        status, _, ready = await answer_of(client, "GET", "/readyz")
        assert (status, ready["ready"]) == (503, False)
        assert "full" in ready["reason"].lower()

        disk.relieve()
        _, _, made = await until(client, "POST", SESSIONS, 201, json=CREATE)
        await until(client, "GET", "/readyz", 200)
        await check_reads(client, sessions[0], [made["id"], *newest_first])
        assert service.exit_code is None
        await service.stop()
    async with serving(disk.folder, wrapper=disk.wrapper) as service:
        async with service.client() as client:
            await check_reads(client, sessions[0], [made["id"], *newest_first])
        await service.stop()
    await check_whole(disk.outside, copy, promises)


async def test_readyz_recovers_by_itself_when_nobody_writes(disk):
    async with serving(disk.folder, wrapper=disk.wrapper) as service, service.client() as client:
        session = await create(client)
        disk.fill()
        path = f"{SESSIONS}/{session['id']}/messages"
        await until(client, "POST", path, FULL, json=MESSAGE)
        assert (await answer_of(client, "GET", "/readyz"))[0] == 503
        disk.relieve()
        await until(client, "GET", "/readyz", 200)


@pytest.mark.parametrize("leave", LEAVES)
async def test_under_load_a_full_disk_loses_and_invents_nothing(disk, copy, leave):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    promises = Promises()
    load = Load(promises, random.Random(seed), "r", REFUSED | {FULL})
    async with serving(disk.folder, wrapper=disk.wrapper) as service, service.client() as client:
        working = asyncio.create_task(load.run(client))
        for _ in range(2):
            await asyncio.sleep(0.2)
            disk.fill(leave)
            refused = load.statuses[FULL]
            give_up = time.monotonic() + RECOVERS_S_MAX
            while load.statuses[FULL] < refused + 20:
                assert time.monotonic() < give_up, load.statuses
                assert not working.done(), working.result()
                status, _, body = await answer_of(client, "GET", SESSIONS)
                assert status == 200, body
            disk.relieve()
        await asyncio.sleep(0.2)
        load.stop()
        await working
        await until(client, "GET", "/readyz", 200)
        await create(client)
        assert "crashed" not in service.stderr
        await service.stop()
    await check_whole(disk.outside, copy, promises)


async def test_a_rebuild_on_a_full_disk_fails_and_leaves_the_lists(disk, copy):
    async with serving(disk.folder, wrapper=disk.wrapper) as service, service.client() as client:
        sessions = [(await create(client))["id"] for _ in range(30)]
        assert (await answer_of(client, "GET", SESSIONS))[2]["position"] == 30
        disk.fill()
        assert (await answer_of(client, "POST", "/api/v1/views/rebuild"))[0] == 202
        give_up = time.monotonic() + RECOVERS_S_MAX
        while (await answer_of(client, "GET", "/api/v1/views/rebuild"))[2]["status"] == "running":
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        _, _, body = await answer_of(client, "GET", f"{SESSIONS}?limit=200")
        assert [item["id"] for item in body["items"]] == sessions[::-1]
        disk.relieve()
        await client.post("/api/v1/views/rebuild")
        state = {"status": "running"}
        while state["status"] == "running":
            assert time.monotonic() < give_up
            _, _, state = await answer_of(client, "GET", "/api/v1/views/rebuild")
        assert state["status"] == "done", state
        await service.stop()
    await check_whole(disk.outside, copy, Promises())


async def test_sigterm_on_a_full_disk_exits_in_time_and_loses_nothing(disk, copy):
    promises = Promises()
    load = Load(promises, random.Random(5), "r", REFUSED | {FULL})
    async with serving(disk.folder, wrapper=disk.wrapper) as service, service.client() as client:
        working = asyncio.create_task(load.run(client))
        await asyncio.sleep(0.2)
        disk.fill()
        await eventually(lambda: load.statuses[FULL] > 0, RECOVERS_S_MAX, "a full disk")
        load.stop()
        await working
        await service.stop()
    # A start on a full disk works or says why not; it does not hang.
    service = start(disk.folder, wrapper=disk.wrapper)
    try:
        give_up = time.monotonic() + RECOVERS_S_MAX
        while "ready" not in service.stdout and service.exit_code is None:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        assert service.exit_code in (None, 1)
        assert "Traceback" not in service.stderr
    finally:
        service.close()
    disk.relieve()
    async with serving(disk.folder, wrapper=disk.wrapper) as service:
        await service.stop()
    await check_whole(disk.outside, copy, promises)


def limit_files(service, limit):
    """No write of the running service may go beyond `limit` bytes of a file."""
    _, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (limit, hard))


async def test_a_disk_that_refuses_writes_is_unavailable_until_it_takes_them_again(tmp_path, copy):
    folder = tmp_path / "data"
    promises = Promises()
    async with serving(folder) as service, service.client() as client:
        sessions = [await create(client) for _ in range(20)]
        newest_first = [session["id"] for session in reversed(sessions)]
        for _ in range(3):
            await check_reads(client, sessions[0], newest_first)
            limit_files(service, 1)
            await check_refusals(client, sessions[0], UNAVAILABLE, "storage_unavailable")
            await check_reads(client, sessions[0], newest_first)
            status, _, ready = await answer_of(client, "GET", "/readyz")
            assert (status, ready["ready"]) == (503, False)
            limit_files(service, resource.RLIM_INFINITY)
            _, _, made = await until(client, "POST", SESSIONS, 201, json=CREATE)
            newest_first.insert(0, made["id"])
            await until(client, "GET", "/readyz", 200)
        await service.stop()
    await check_whole(folder, copy, promises)


async def one_by_one(steps):
    for step in steps:
        await step


async def test_a_vault_on_a_full_disk_makes_no_key_but_opens_what_it_sealed(tmp_path):
    vault = await Vault.open(tmp_path)
    try:
        sealed = await vault.seal("session/1", "secret")
        connection = vault._connection
        await connection.execute_fetchall("PRAGMA max_page_count = 1")
        new = (vault.seal(f"session/new-{number}", "secret") for number in range(1000))
        with pytest.raises(StorageFull):
            await one_by_one(new)
        assert await vault.unseal("session/1", sealed) == "secret"
        await connection.execute_fetchall("PRAGMA max_page_count = 10000")
        again = await vault.seal("session/2", "other")
        assert await vault.unseal("session/2", again) == "other"
    finally:
        await vault.close()


async def test_lists_that_cannot_be_brought_forward_say_where_they_stand(tmp_path):
    async with serving(tmp_path / "data") as service, service.client() as client:
        for _ in range(20):
            made = await create(client)
            limit_files(service, 1)  # before the row of the session is written, most times
            seen = {"Session-Position": str(made["position"])}
            status, _, body = await answer_of(client, "GET", SESSIONS)
            behind = made["id"] not in [item["id"] for item in body["items"]]
            assert (status, behind) == (200, body["position"] < made["position"])
            status, _, problem = await answer_of(client, "GET", SESSIONS, headers=seen)
            if behind:
                assert (status, problem["code"]) == (UNAVAILABLE, "storage_unavailable")
                assert (await answer_of(client, "GET", "/readyz"))[0] == 503
            limit_files(service, resource.RLIM_INFINITY)
            _, _, body = await until(client, "GET", SESSIONS, 200, headers=seen)
            assert body["items"][0] == made
            if behind:
                return
    pytest.fail("the views were always faster")


async def test_under_load_a_disk_that_comes_and_goes_loses_and_invents_nothing(tmp_path, copy):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    promises = Promises()
    load = Load(promises, chance, "r", REFUSED | {FULL, UNAVAILABLE})
    folder = tmp_path / "data"
    async with serving(folder) as service, service.client() as client:
        working = asyncio.create_task(load.run(client))
        for _ in range(12):
            await asyncio.sleep(chance.random() * 0.2)
            limit_files(service, chance.choice([1, 50_000, 500_000]))
            await asyncio.sleep(chance.random() * 0.2)
            status, _, body = await answer_of(client, "GET", SESSIONS)
            assert status == 200, body
            limit_files(service, resource.RLIM_INFINITY)
        assert not working.done(), working.result()
        # Each of the moments may have been too short for any write, or its limit too high.
        limit_files(service, 1)
        refused = load.statuses[UNAVAILABLE] + load.statuses[FULL]
        await eventually(
            lambda: load.statuses[UNAVAILABLE] + load.statuses[FULL] > refused,
            RECOVERS_S_MAX,
            "a write that is refused",
        )
        limit_files(service, resource.RLIM_INFINITY)
        await asyncio.sleep(0.3)
        load.stop()
        await working
        await until(client, "GET", "/readyz", 200)
        await create(client)
        service.send(signal.SIGTERM)
        assert await service.exited() == 0
    await check_whole(folder, copy, promises)
