"""Programs through the native API: what is said while they wait, and where nothing can run."""

import asyncio

import pytest

from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import API, SESSIONS, ask, create, move, new_key, refused, start


def path(session):
    return f"{SESSIONS}/{session['id']}/executions"


async def status(client, session):
    return (await ask(client, "GET", f"{SESSIONS}/{session['id']}"))["status"]


async def test_nothing_starts_before_a_program_asks_for_it(aiohttp_client, tmp_path):
    runtime = ScriptedMachines()
    client = await start(aiohttp_client, tmp_path, machines=runtime)
    session = await create(client, "vm", status="queued")
    await move(client, session, "starting", "running")
    assert runtime.made == []
    done = await ask(client, "POST", path(session), 201, json={"code": "echo hi"})
    assert (done["stdout"], done["vm"]) == ("hi\n", runtime.made[0].id)
    vm = await ask(client, "GET", f"{API}/vms/{done['vm']}")
    assert (vm["status"], vm["executions"], vm["queue_position"]) == ("running", 1, None)
    assert vm["ends_at"] > vm["started_at"]


async def test_switched_off_everything_else_is_served(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, vm="off")
    session = await create(client, "vm")
    for _ in range(2):
        problem = await refused(
            client, "POST", path(session), 503, "runtime_unavailable", json={"code": "x"}
        )
        assert "--vm auto" in problem["detail"]
    assert await status(client, session) == "pending"
    assert (await ask(client, "GET", f"{API}/vms"))["items"] == []


async def test_without_qemu_it_says_what_to_install(aiohttp_client, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    cache = str(tmp_path / "cache")
    client = await start(aiohttp_client, tmp_path, vm="auto", vm_cache=cache)
    session = await create(client, "vm")
    problem = await refused(
        client, "POST", path(session), 503, "runtime_unavailable", json={"code": "x"}
    )
    assert "apt-get install" in problem["detail"]
    assert "qemu-system-x86" in problem["detail"]
    assert await status(client, session) == "pending"


async def test_who_waits_for_room_sees_its_place(aiohttp_client, tmp_path):
    runtime = ScriptedMachines()
    client = await start(aiohttp_client, tmp_path, machines=runtime, vm_count=1, vm_queue=1)
    first, second, third = [await create(client, "vm") for _ in range(3)]
    await ask(client, "POST", path(first), 201, json={"code": "echo"})
    promised = {"code": "echo on", "wait": False}
    made = await ask(client, "POST", path(second), 202, json=promised)
    waiting = {"wait": "status:queued", "timeout": "60"}
    queued = await ask(client, "GET", f"{SESSIONS}/{second['id']}", params=waiting)
    assert (queued["status"], queued["reason"]) == ("queued", "capacity")
    (vm,) = (await ask(client, "GET", f"{SESSIONS}/{second['id']}/vms"))["items"]
    assert (vm["status"], vm["queue_position"]) == ("requested", 1)
    await refused(client, "POST", path(third), 429, "limit_reached", json={"code": "echo"})
    await ask(client, "DELETE", f"{SESSIONS}/{first['id']}", 204)
    async with asyncio.timeout(60):
        found = made
        while found["status"] != "finished":
            await asyncio.sleep(0.01)
            found = await ask(client, "GET", f"{path(second)}/{made['id']}")
    assert await status(client, second) == "running"
    assert found["stdout"] == "on\n"


async def suspended(client, session):
    async with asyncio.timeout(60):
        while True:
            (vm,) = (await ask(client, "GET", f"{SESSIONS}/{session['id']}/vms"))["items"]
            if vm["status"] == "suspended":
                return vm
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("word", ["paused", "pausing"])
async def test_whoever_pauses_a_session_suspends_its_machine(aiohttp_client, tmp_path, word):
    runtime = ScriptedMachines()
    client = await start(aiohttp_client, tmp_path, machines=runtime)
    session = await create(client, "vm")
    await ask(client, "POST", path(session), 201, json={"code": "echo"})
    await move(client, session, word)
    vm = await suspended(client, session)
    assert (vm["status"], vm["kept_bytes"]) == ("suspended", 4096)
    again = await ask(client, "POST", path(session), 201, json={"code": "echo on"})
    assert (await ask(client, "GET", f"{API}/vms/{again['vm']}"))["goes_on"] == vm["id"]


async def test_the_programs_of_another_tenant_are_not_there(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, machines=ScriptedMachines())
    session = await create(client, "vm")
    done = await ask(client, "POST", path(session), 201, json={"code": "echo hi"})
    headers = {"X-API-Key": (await new_key(client, "other"))["key"], "Authorization": ""}
    asked = {"code": "echo"}
    await refused(client, "POST", path(session), 404, "not_found", json=asked, headers=headers)
    for more in ("", f"/{done['id']}"):
        await refused(client, "GET", path(session) + more, 404, "not_found", headers=headers)
