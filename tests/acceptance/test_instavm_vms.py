"""InstaVM: machines, their copies and their snapshots (instavm.md sections 5 and 7)."""

import asyncio
import uuid
from datetime import datetime
from typing import Any

import pytest

from tests.support.instavm import (
    VMS,
    P,
    created,
    execute,
    made,
    start_scripted,
    status_of,
    wrong_fields,
)
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import SESSIONS, ask, create, move, new_key

Client = Any


@pytest.fixture
def runtime() -> ScriptedMachines:
    return ScriptedMachines()


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any, runtime: ScriptedMachines) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, runtime)


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


async def listed(client: Client, path: str = VMS) -> list[str]:
    found = await ask(client, "GET", path)
    assert isinstance(found, list), "a wrapped list silently becomes an empty one (7.3)"
    return [vm["vm_id"] for vm in found]


async def shows(client: Client, path: str, **fields: Any) -> None:
    """Return as soon as the answer has these fields."""
    async with asyncio.timeout(60):
        found = await ask(client, "GET", path)
        while any(found[name] != value for name, value in fields.items()):
            await asyncio.sleep(0.01)
            found = await ask(client, "GET", path)


async def test_5_a_machine_has_a_session_of_its_own(client: Client) -> None:
    vm = await created(
        client, vcpu_count=1, memory_mb=256, vm_lifetime_seconds=60, metadata={"a": 1}
    )
    for name in ("created_at", "started_at", "expires_at"):
        assert datetime.fromisoformat(vm.pop(name)).tzinfo is None
    # Whole seconds of both, which a busy machine may have lived for some of.
    assert vm["uptime_seconds"] + vm.pop("expires_in_seconds") in (59, 60)
    assert 0 <= vm.pop("uptime_seconds") < 60
    session_id = vm.pop("session_id")
    assert str(uuid.UUID(session_id)) == session_id
    assert vm.pop("vm_id").startswith("vmid-")
    assert vm == {
        "name": "",
        "status": "active",
        "reason": "requested",
        "detail": "",
        "ended_at": None,
        "vm_lifetime_seconds": 60,
        "memory_mb": 256,
        "vcpu_count": 1,
        "metadata": {"a": 1},
        "env_names": [],
        "snapshot_id": None,
        "snapshots": [],
        "cloned_from": None,
        "resumed_from": None,
        "resumed_as": None,
        "generation": 1,
        "acceleration": "script",
        "boot_ms": 7,
        "executions": 0,
        "queue_position": None,
        "auto_suspend": False,
        "auto_resume": True,
        "snapshot_on_terminate": False,
        "image_variant": "standard",
    }
    # Section 7.10: the machine is reached by its session.
    assert (await execute(client, session_id, "echo a"))["stdout"] == "a\n"
    assert (await status_of(client, session_id))["vm_status"] == "active"


async def test_5_a_machine_of_a_session_that_has_none(
    client: Client, runtime: ScriptedMachines
) -> None:
    session_id = await made(client, metadata={"a": 1}, vcpu_count=4)
    vm = await created(client, session_id=session_id, memory_mb=1024)
    assert (vm["session_id"], vm["vcpu_count"], vm["memory_mb"]) == (session_id, 4, 1024)
    assert vm["metadata"] == {"a": 1}
    # One that has a machine is attached to; that machine does not become another.
    assert (await created(client, session_id=session_id))["vm_id"] == vm["vm_id"]
    error = await created(client, 409, session_id=session_id, memory_mb=2048)
    assert vm["vm_id"] in error["detail"]
    await ask(client, "DELETE", f"{VMS}/{vm['vm_id']}")
    assert (await created(client, session_id=session_id))["generation"] == 2
    await created(client, 409, session_id=session_id, vcpu_count=1)
    assert len(runtime.made) == 2


async def test_5_env_of_a_machine_is_there_for_its_programs(client: Client) -> None:
    vm = await created(client, env={"A": "x  $y"})
    assert vm["env_names"] == ["A"]
    assert (await execute(client, vm["session_id"], "env A"))["stdout"] == "x  $y\n"
    error = await created(client, 422, session_id=await made(client), env={"A": "1"})
    assert wrong_fields(error) == [(("body", "env"), "value_error")]


async def test_5_without_waiting_the_answer_comes_before_the_machine(
    client: Client, runtime: ScriptedMachines
) -> None:
    runtime.script.then("boot", "hang")
    vm = await created(client, query="?wait=false")
    assert vm["status"] == "creating"
    assert await listed(client) == [vm["vm_id"]]
    await ask(client, "DELETE", f"{VMS}/{vm['vm_id']}")
    assert await listed(client) == []
    error = await created(client, 422, query="?wait=perhaps")
    assert wrong_fields(error) == [(("query", "wait"), "bool_parsing")]


async def test_5_a_machine_that_does_not_come_up_says_why(
    client: Client, runtime: ScriptedMachines
) -> None:
    runtime.script.then("boot", "fail")
    error = await created(client, 503)
    assert "the script fails boot" in error["detail"]
    (vm_id,) = await listed(client, f"{VMS}/")
    await shows(client, f"{VMS}/{vm_id}", status="killed")
    vm = await ask(client, "GET", f"{VMS}/{vm_id}")
    assert (vm["status"], vm["reason"]) == ("killed", "runtime_failed")
    assert "the script fails boot" in vm["detail"]


@pytest.mark.parametrize("path", [VMS, f"{VMS}/"])
async def test_5_lists_are_two_calls(client: Client, keyless: Client, path: str) -> None:
    ended = (await created(client))["vm_id"]
    await ask(client, "DELETE", f"{VMS}/{ended}")
    suspended = (await created(client))["vm_id"]
    await ask(client, "POST", f"{VMS}/{suspended}/suspend")
    lives = (await created(client))["vm_id"]
    everything = path.endswith("/")
    assert await listed(client, path) == ([lives, suspended, ended] if everything else [lives])
    assert await listed(client, f"{path}?limit=1") == [lives]
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    assert await ask(keyless, "GET", path, headers=theirs) == []
    error = await ask(client, "GET", f"{path}?limit=0", 422)
    assert wrong_fields(error) == [(("query", "limit"), "greater_than_equal")]


async def test_5_a_change_is_read_back(client: Client) -> None:
    vm = await created(client, metadata={"a": 1})
    path = f"{VMS}/{vm['vm_id']}"
    changed = await ask(client, "PATCH", path, json={"metadata": {"b": [2]}, "memory_mb": 1024})
    assert (changed["metadata"], changed["memory_mb"]) == ({"b": [2]}, 1024)
    found = await ask(client, "GET", path)
    assert (found["metadata"], found["memory_mb"]) == ({"b": [2]}, 1024)
    error = await ask(client, "PATCH", path, 422, json={"memory_mb": 512})
    assert wrong_fields(error) == [(("body", "memory_mb"), "value_error")]
    error = await ask(client, "PATCH", path, 422, json={"vcpu_count": 4, "memory_mb": 2048})
    assert wrong_fields(error) == [(("body", "vcpu_count"), "extra_forbidden")]
    assert (await ask(client, "GET", path))["memory_mb"] == 1024
    assert (await ask(client, "PATCH", path, json={}))["memory_mb"] == 1024
    await ask(client, "DELETE", path)
    await ask(client, "PATCH", path, 409, json={"memory_mb": 2048})


async def test_5_a_delete_ends_the_machine(client: Client, runtime: ScriptedMachines) -> None:
    vm = await created(client)
    path = f"{VMS}/{vm['vm_id']}"
    for _ in range(2):
        assert (await ask(client, "DELETE", path))["status"] == "killed"
    assert runtime.running == {}
    found = await ask(client, "GET", path)
    assert (found["status"], found["expires_in_seconds"]) == ("killed", 0)
    assert found["ended_at"]


async def test_5_a_suspended_machine_goes_on_under_another_id(
    client: Client, runtime: ScriptedMachines
) -> None:
    vm = await created(client, memory_mb=256)
    session_id, path = vm["session_id"], f"{VMS}/{vm['vm_id']}"
    suspended = await ask(client, "POST", f"{path}/suspend")
    assert (suspended["status"], suspended["expires_at"]) == ("suspended", None)
    assert runtime.running == {}
    status = await status_of(client, session_id)
    assert (status["vm_alive"], status["vm_status"]) == (False, "suspended")
    assert (await ask(client, "POST", f"{path}/suspend"))["status"] == "suspended"
    resumed = await ask(client, "POST", f"{path}/resume")
    assert resumed["vm_id"] != vm["vm_id"]
    assert (resumed["status"], resumed["session_id"]) == ("active", session_id)
    assert (resumed["resumed_from"], resumed["generation"]) == (vm["vm_id"], 2)
    assert (await ask(client, "GET", path))["resumed_as"] == resumed["vm_id"]
    await ask(client, "POST", f"{path}/resume", 409)
    await ask(client, "POST", f"{path}/suspend", 409)


async def test_5_resume_without_waiting(client: Client) -> None:
    vm = await created(client)
    path = f"{VMS}/{vm['vm_id']}"
    await ask(client, "POST", f"{path}/suspend")
    resumed = await ask(client, "POST", f"{path}/resume?wait=false")
    assert resumed["vm_id"] != vm["vm_id"]
    await shows(client, f"{P}/v1/sessions/status/{vm['session_id']}", vm_status="active")


async def test_5_an_execution_wakes_a_suspended_machine(client: Client) -> None:
    vm = await created(client)
    await ask(client, "POST", f"{VMS}/{vm['vm_id']}/suspend")
    answer = await execute(client, vm["session_id"], "echo a")
    assert answer["stdout"] == "a\n"
    assert (await ask(client, "GET", f"{VMS}/{answer['vm_id']}"))["resumed_from"] == vm["vm_id"]


async def test_5_a_snapshot_is_a_copy_that_machines_begin_with(
    client: Client, runtime: ScriptedMachines
) -> None:
    vm = await created(client, vcpu_count=4, memory_mb=1024)
    runtime.made[0].files["a"] = b"kept"
    snapshot = await ask(
        client, "POST", f"{VMS}/{vm['vm_id']}/snapshot?wait=true", json={"name": "mine"}
    )
    assert snapshot["id"] == snapshot["snapshot_id"]
    assert (snapshot["status"], snapshot["name"], snapshot["type"]) == ("ready", "mine", "user")
    assert (snapshot["vm_id"], snapshot["vcpu_count"]) == (vm["vm_id"], 4)
    assert (snapshot["size_bytes"], snapshot["last_error"]) == (4096, None)
    path = f"{P}/v1/snapshots/{snapshot['id']}"
    assert await ask(client, "GET", path) == snapshot
    for query, found in (("", [snapshot]), ("?type=user", [snapshot]), ("?type=system", [])):
        assert await ask(client, "GET", f"{P}/v1/snapshots{query}") == found
    again = await created(client, snapshot_id=snapshot["id"])
    assert (again["snapshot_id"], again["vcpu_count"], again["memory_mb"]) == (
        snapshot["id"],
        4,
        1024,
    )
    assert runtime.made[1].files == {"a": b"kept"}
    error = await created(client, 422, snapshot_id=snapshot["id"], vcpu_count=2)
    assert wrong_fields(error) == [(("body", "vcpu_count"), "value_error")]
    assert (await ask(client, "DELETE", path))["status"] == "deleted"
    await ask(client, "GET", path, 404)
    await ask(client, "DELETE", path, 404)
    assert await ask(client, "GET", f"{P}/v1/snapshots") == []
    assert (await execute(client, again["session_id"], "echo a"))["stdout"] == "a\n"
    error = await created(client, 422, snapshot_id=snapshot["id"])
    assert wrong_fields(error) == [(("body", "snapshot_id"), "value_error")]
    error = await ask(client, "GET", f"{P}/v1/snapshots?type=x", 422)
    assert wrong_fields(error) == [(("query", "type"), "literal_error")]


async def test_5_a_snapshot_without_a_name_or_a_body(client: Client) -> None:
    vm = await created(client)
    snapshot = await ask(client, "POST", f"{VMS}/{vm['vm_id']}/snapshot")
    assert snapshot["name"] == snapshot["id"]
    wrong = await ask(client, "POST", f"{VMS}/{vm['vm_id']}/snapshot", 422, json={"name": 5})
    assert wrong_fields(wrong) == [(("body", "name"), "string_type")]


async def test_5_a_snapshot_of_what_does_not_run_is_409(client: Client) -> None:
    vm = await created(client)
    await ask(client, "DELETE", f"{VMS}/{vm['vm_id']}")
    for what in ("snapshot", "clone", "suspend", "resume", "stage-env"):
        body: Any = {"entries": []} if what == "stage-env" else None
        error = await ask(client, "POST", f"{VMS}/{vm['vm_id']}/{what}", 409, json=body)
        assert isinstance(error["detail"], str)


async def test_5_no_snapshot_is_built_from_an_image(client: Client) -> None:
    error = await ask(client, "POST", f"{P}/v1/snapshots", 400, json={"oci_image": "debian"})
    assert "OCI" in error["detail"]


@pytest.mark.parametrize("name", [None, "kept"])
async def test_5_a_clone_goes_on_beside_the_first(
    client: Client, runtime: ScriptedMachines, name: str | None
) -> None:
    vm = await created(client, env={"A": "1"}, metadata={"a": 1})
    runtime.made[0].files["f"] = b"same"
    clone = await ask(
        client, "POST", f"{VMS}/{vm['vm_id']}/clone?wait=true", json={"snapshot_name": name}
    )
    assert clone["vm_id"] != vm["vm_id"]
    assert clone["session_id"] != vm["session_id"]
    assert (clone["status"], clone["cloned_from"]) == ("active", vm["vm_id"])
    assert clone["metadata"] == {"a": 1}
    assert runtime.made[1].files == {"f": b"same"}
    for session_id in (vm["session_id"], clone["session_id"]):
        assert (await execute(client, session_id, "env A"))["stdout"] == "1\n"
    names = [each["name"] for each in await ask(client, "GET", f"{P}/v1/snapshots")]
    assert names == ([] if name is None else [name])


async def test_5_staged_variables_are_there_and_kept_nowhere(client: Client, tmp_path: Any) -> None:
    vm = await created(client)
    path = f"{VMS}/{vm['vm_id']}/stage-env"
    entries = [{"env_name": "T", "value": "s3cret $x"}, {"env_name": "E", "value": ""}]
    answer = await ask(client, "POST", path, json={"entries": entries})
    assert answer == {"vm_id": vm["vm_id"], "staged": ["T", "E"], "status": "ok"}
    assert (await execute(client, vm["session_id"], "env T"))["stdout"] == "s3cret $x\n"
    record = await ask(client, "GET", f"{VMS}/{vm['vm_id']}")
    assert record["env_names"] == ["T", "E"]
    for bad in ({"env_name": "A=B", "value": "s3cret"}, {"env_name": "A", "value": 5}, {}):
        error = await ask(client, "POST", path, 422, json={"entries": [bad]})
        assert "s3cret" not in str(error)
    feed = await ask(client, "GET", "/api/v1/feed", params={"after": "0"})
    assert "s3cret" not in str(feed)


async def test_5_unknown_machines_are_404(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    vm_id = (await created(client))["vm_id"]
    calls = [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/volumes")]
    calls += [("POST", f"/{what}") for what in ("suspend", "resume", "clone", "snapshot")]
    calls += [("POST", "/stage-env"), ("GET", "/pty/sessions"), ("POST", "/pty/sessions")]
    for method, below in calls:
        for unknown in ("vmid-" + "0" * 32, "nonsense", "%00", "%ff", "..%2f"):
            await ask(client, method, f"{VMS}/{unknown}{below}", 404, json={})
        path = f"{VMS}/{vm_id}{below}"
        await ask(keyless, method, path, 404, json={}, headers=theirs)
        await ask(keyless, method, path, 401, json={}, headers={"X-API-Key": "x"})
        await ask(keyless, method, path, 401, json={})
    for unknown in ("snap-x", "%00"):
        await ask(client, "GET", f"{P}/v1/snapshots/{unknown}", 404)
        await ask(client, "DELETE", f"{P}/v1/snapshots/{unknown}", 404)
    snapshot = (await ask(client, "POST", f"{VMS}/{vm_id}/snapshot"))["id"]
    path = f"{P}/v1/snapshots/{snapshot}"
    await ask(keyless, "GET", path, 404, headers=theirs)
    await ask(keyless, "DELETE", path, 404, headers=theirs)
    assert await ask(keyless, "GET", f"{P}/v1/snapshots", headers=theirs) == []
    asked = {"json": {"snapshot_id": snapshot}, "headers": theirs}
    await ask(keyless, "POST", VMS, 422, **asked)


WRONG: list[tuple[Any, str, str]] = [
    ({"vcpu_count": 3}, "vcpu_count", "literal_error"),
    ({"memory_mb": 127}, "memory_mb", "greater_than_equal"),
    ({"memory_mb": 8193}, "memory_mb", "less_than_equal"),
    ({"vm_lifetime_seconds": 19}, "vm_lifetime_seconds", "greater_than_equal"),
    ({"vm_lifetime_seconds": 86_401}, "vm_lifetime_seconds", "less_than_equal"),
    ({"session_id": []}, "session_id", "string_type"),
    ({"snapshot_id": 5}, "snapshot_id", "string_type"),
    ({"volumes": [{"volume_id": "v"}]}, "volumes", "value_error"),
    ({"share": {"port": 80}}, "share", "value_error"),
    ({"egress_policy": {"allow_https": True}}, "egress_policy", "value_error"),
]


async def test_5_what_no_machine_can_be_is_422_and_makes_nothing(
    client: Client, runtime: ScriptedMachines
) -> None:
    for field, loc, code in WRONG:
        assert wrong_fields(await created(client, 422, **field)) == [(("body", loc), code)]
    assert (await ask(client, "GET", SESSIONS))["items"] == []
    assert runtime.made == []


async def test_5_a_machine_of_a_session_that_is_not_there(client: Client) -> None:
    browser = (await create(client, "browser"))["id"]
    for unknown in (str(uuid.uuid4()), "nonsense", "", browser):
        await created(client, 404, session_id=unknown)
    ended = await made(client)
    await move(client, {"id": ended}, "stopped")
    await created(client, 409, session_id=ended)


async def test_5_more_memory_than_the_host_gives_is_409(aiohttp_client: Any, tmp_path: Any) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines(), vm_memory_mb=512)
    error = await created(client, 409, memory_mb=1024)
    assert "512" in str(error["detail"])
    vm = await created(client, memory_mb=512)
    await ask(client, "PATCH", f"{VMS}/{vm['vm_id']}", 429, json={"memory_mb": 1024})


async def test_deleting_the_session_ends_its_machine(
    client: Client, runtime: ScriptedMachines
) -> None:
    vm = await created(client)
    await ask(client, "DELETE", f"{SESSIONS}/{vm['session_id']}", 204)
    await shows(client, f"{VMS}/{vm['vm_id']}", status="killed")
    assert runtime.running == {}
