"""Virtual machines in the native API."""

import pytest

from projections.events.vm import (
    ExecutionFinished,
    ExecutionStarted,
    VmLost,
    VmReady,
    VmResized,
    VmSnapshotted,
    VmStarted,
    VmStopped,
    VmSuspended,
)
from tests.support.machines import append, requested
from tests.support.service import API, SESSIONS, ask, bearer, create, new_key, refused, start

VMS = f"{API}/vms"


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def names(client, path=VMS, **request):
    """The ids of a list of machines, page by page."""
    found, params = [], {"limit": 2}
    while params:
        page = await ask(client, "GET", path, params=params, **request)
        found += [item["id"] for item in page["items"]]
        params = {"limit": 2, "cursor": page["next"]} if page["next"] else {}
    return found


async def test_a_machine_is_what_its_facts_add_up_to(client):
    session = await create(client, "vm")
    await append(
        client,
        "m1",
        requested(session),
        VmStarted(acceleration="kvm"),
        VmReady(boot_ms=321),
        VmResized(memory_mb=1024),
        VmSnapshotted(snapshot="s1"),
        ExecutionStarted(id="e1", language="python"),
        ExecutionFinished(id="e1", exit_code=0, duration_ms=5),
        ExecutionStarted(id="e2", language="bash"),
    )
    async with client.get(f"{VMS}/m1") as answer:
        machine = await answer.json()
        assert answer.headers["ETag"] == f'"{machine["position"]}"'
        assert answer.headers["Session-Position"] == str(machine["position"])
    shown = {
        "id": "m1",
        "session": session["id"],
        "tenant": "default",
        "status": "running",
        "reason": "requested",
        "vcpu_count": 2,
        "memory_mb": 1024,
        "lifetime_s": 600,
        "acceleration": "kvm",
        "snapshots": ["s1"],
        "executions": 2,
        "executing": 1,
        "boot_ms": 321,
        "ended_at": None,
    }
    assert {name: machine[name] for name in shown} == shown
    assert machine["started_at"]
    assert (await ask(client, "GET", VMS))["items"] == [machine]
    await append(client, "m1", VmSuspended(), VmStopped(reason="finished"))
    machine = await ask(client, "GET", f"{VMS}/m1")
    assert (machine["status"], machine["reason"], machine["executing"]) == (
        "stopped",
        "finished",
        0,
    )
    assert machine["ended_at"]


async def test_lists_of_machines_by_session_and_status(client):
    one, two = await create(client, "vm"), await create(client, "vm")
    for number in range(5):
        await append(client, f"m{number}", requested(one if number % 2 else two))
    await append(client, "m1", VmStarted())
    await append(client, "m3", VmLost(reason="runtime_lost", detail="gone"))
    assert await names(client) == ["m4", "m3", "m2", "m1", "m0"]
    assert await names(client, f"{SESSIONS}/{one['id']}/vms") == ["m3", "m1"]
    assert await names(client, f"{VMS}?session={two['id']}") == ["m4", "m2", "m0"]
    assert await names(client, f"{VMS}?status=requested") == ["m4", "m2", "m0"]
    assert await names(client, f"{VMS}?status=lost&status=starting") == ["m3", "m1"]
    assert await names(client, f"{VMS}?session={one['id']}&status=lost") == ["m3"]
    assert await names(client, f"{VMS}?session=none") == []


async def test_machines_of_another_tenant_do_not_exist(client):
    ours = bearer((await new_key(client, "ours"))["key"])
    theirs = bearer((await new_key(client, "theirs"))["key"])
    session = await create(client, "vm", headers=ours)
    await append(client, "m1", requested(session), tenant="ours")
    assert await names(client, headers=ours) == ["m1"]
    assert await names(client, headers=theirs) == []
    hidden = await refused(client, "GET", f"{VMS}/m1", 404, "not_found", headers=theirs)
    unknown = await refused(client, "GET", f"{VMS}/none", 404, "not_found", headers=theirs)
    assert hidden == unknown
    assert (await ask(client, "GET", f"{VMS}/m1", headers=ours))["tenant"] == "ours"


async def test_a_bad_query_for_machines_is_refused(client, subtests):
    for query in ("status=paused", "kind=vm", "limit=0", "cursor=p9999999999999999999", "cursor=x"):
        with subtests.test(query=query):
            code = "bad_cursor" if "cursor" in query else "invalid_query"
            await refused(client, "GET", f"{VMS}?{query}", 400, code)
