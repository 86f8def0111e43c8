"""InstaVM: the status of a session is what the facts of its newest machine say (instavm.md 4.1)."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from eventstore.commit import START, Append, Position
from projections.events import CODEC
from projections.events.vm import VmLost, VmReady, VmRequested, VmStarted, VmSuspended
from sessions.web.appkeys import LOG
from tests.support.instavm import made, start_scripted
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ask

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Path) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())


async def vm_facts(client: Client, session_id: str, *facts: Any, vm: str = "vmid-1") -> None:
    """Write what a runtime would write."""
    previous = START
    wanted = VmRequested(session=session_id, vcpu_count=2, memory_mb=512, lifetime_s=300)
    for fact in (wanted, *facts):
        wish = Append(
            stream=f"vm/{vm}",
            expected=previous,
            commit_id=uuid.uuid4().bytes,
            events=(CODEC.encode(fact),),
            actor="runtime",
            tenant="default",
        )
        previous = Position((await client.app[LOG].append(wish)).position)


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ([], (False, False, "creating")),
        ([VmStarted()], (False, False, "creating")),
        ([VmStarted(), VmReady()], (True, True, "active")),
        ([VmStarted(), VmReady(), VmSuspended()], (True, False, "suspended")),
        ([VmStarted(), VmReady(), VmLost(reason="runtime_lost")], (True, False, "killed")),
    ],
)
async def test_4_1_status_with_a_vm_is_what_its_facts_say(
    client: Client, facts: list[Any], shown: Any
) -> None:
    session_id = await made(client)
    await vm_facts(client, session_id, *facts)
    status = await ask(client, "GET", f"/v1/sessions/status/{session_id}")
    assert (status["vm_assigned"], status["vm_alive"], status["vm_status"]) == shown
    assert status["vm_id"] == "vmid-1"
    alive = shown[1]
    assert (status["uptime_seconds"] is not None) == alive
    expected = {"active": 300, "killed": 0}.get(shown[2])
    assert status["expires_in_seconds"] == expected or expected == 300


async def test_4_1_the_newest_vm_counts(client: Client) -> None:
    session_id = await made(client)
    await vm_facts(client, session_id, VmLost(reason="runtime_lost"))
    await vm_facts(client, session_id, VmStarted(), VmReady(), vm="vmid-2")
    status = await ask(client, "GET", f"/v1/sessions/status/{session_id}")
    assert (status["vm_id"], status["vm_status"]) == ("vmid-2", "active")
    assert 290 <= status["expires_in_seconds"] <= 300
