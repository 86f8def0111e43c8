"""InstaVM's client 0.26.1, unmodified, against the service (instavm.md sections 3 to 7).

What it is told and refused needs no machine; what runs in machines is slow, for they are real.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.instavm import P, start_scripted
from tests.support.instavm_sdk import Client
from tests.support.process import ADMIN_KEY, Service, start
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, new_key
from tests.support.vm import needs_qemu

SMALL = ["--memory", "256", "--vcpu", "1", "--timeout", "600"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with real machines."""
    needs_qemu()
    running = start(tmp_path_factory.mktemp("instavm") / "data")
    try:
        asyncio.run(running.ready())
        yield running
    finally:
        running.close()


@pytest.fixture
def real(service: Service, tmp_path: Path) -> Client:
    return Client(service.url + P, ADMIN_KEY, tmp_path)


async def test_6_what_the_client_is_refused(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    theirs = (await new_key(client, "theirs"))["key"]
    url = str(client.make_url(P))
    await Client(url, ADMIN, tmp_path).scenario("refusals", theirs)


@pytest.mark.slow(reason="runs the command line six times")
async def test_6_what_the_command_line_is_refused(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    cli = Client(str(client.make_url(P)), ADMIN, tmp_path).cli
    ran = await cli("ls", key="wrong")
    assert (ran.exit_code, "Invalid API key" in ran.err) == (1, True)
    ran = await cli("create", "--vcpu", "3")
    assert (ran.exit_code, "vcpu_count" in ran.err) == (1, True)
    ran = await cli("snapshot", "build", "debian:12")
    assert (ran.exit_code, "OCI image" in ran.err) == (1, True), ran
    ran = await cli("volume", "ls")
    assert (ran.exit_code, "offers no volumes" in ran.err) == (1, True)
    ran = await cli("whoami", "--json")
    assert (ran.exit_code, json.loads(ran.out)["ssh_keys"]) == (0, [])
    assert (await cli("ls")).out.startswith("No active VMs")
    ran = await cli("billing", "usage", "--days", "3", "--json")
    assert (ran.exit_code, json.loads(ran.out)["total_days"]) == (0, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        *("programs", "too_long", "later", "files", "sandboxes"),
        *("machines", "rest", "terminal", "lifetime"),
    ],
)
async def test_the_client_works_with_real_machines(
    service: Service, real: Client, scenario: str
) -> None:
    """Slow: it boots machines, moves 20 MiB both ways, and waits a lifetime out."""
    await real.scenario(scenario)
    lines = service.stderr
    # Section 7.12: a terminal has the key in its URL.
    assert ("/connect" in lines) >= (scenario == "terminal")
    assert ADMIN_KEY not in lines + service.stdout


@pytest.mark.slow
async def test_the_command_line_works_with_real_machines(real: Client) -> None:
    """Slow: it boots machines."""

    async def told(*words: str) -> Any:
        ran = await real.cli(*words, "--json")
        assert ran.exit_code == 0, ran
        return json.loads(ran.out)

    vm = await told("create", *SMALL)
    session_id, vm_id = vm["session_id"], vm["vm_id"]
    assert vm["status"] == "active"
    assert vm_id in [each["vm_id"] for each in (await told("ls"))["vms"]]
    of_session = ("--session", session_id)
    done = await told("exec", "--cmd", "print(6 * 7)", *of_session)
    assert done["stdout"] == "42\n"
    done = await told("exec", "--cmd", "echo $0; exit 4", "--language", "bash", *of_session)
    assert done["exit_code"] == 4
    task = await told("exec", "--async", "--cmd", "echo later", "--language", "bash", *of_session)
    assert (await told("exec", "result", task["task_id"]))["stdout"] == "later\n"
    typed = [(b"echo a$((1 + 1))b\n", b"$ "), (b"exit 6\n", b"a2b")]
    assert await real.at_terminal("pty", vm_id, typed=typed) == 6
    snapshot = await told("snapshot", "create", vm_id, "--name", "mine")
    assert (await told("snapshot", "get", snapshot["id"]))["status"] == "ready"
    assert [each["name"] for each in (await told("snapshot", "ls"))["snapshots"]] == ["mine"]
    clone = await told("clone", vm_id)
    assert clone["vm_id"] != vm_id
    assert (await told("rm", clone["vm_id"]))["results"][0]["status"] == "killed"
    assert (await told("vm", "update", vm_id, "--memory-mb", "512"))["memory_mb"] == 512
    assert (await told("vm", "suspend", vm_id))["status"] == "suspended"
    resumed = (await told("vm", "resume", vm_id))["vm_id"]
    assert resumed != vm_id
    assert (await told("egress", "get", "--vm", resumed))["allow_https"] is False
    await told("snapshot", "rm", snapshot["id"])
    assert (await told("rm", resumed))["results"][0]["status"] == "killed"
    assert resumed not in [each["vm_id"] for each in (await told("ls"))["vms"]]
    assert resumed in [each["vm_id"] for each in (await told("ls", "--all"))["vms"]]
