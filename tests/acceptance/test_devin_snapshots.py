"""Devin v1: `snapshot_id` names a copy of a machine of this service, or is somebody else's."""

from pathlib import Path
from typing import Any

from tests.support import instavm
from tests.support.devin import made, read
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import API, ask, bearer, client_of, new_key, nothing_written, start

UNKNOWN = "snap-" + "0" * 32
FOREIGN = ["snap-1", "snapshot-" + "0" * 32, "10d5cfa1-3b7c-4d0a-9a0e-9f6c8f6a1b2c", ""]

Client = Any


async def refused(client: Client, snapshot_id: str, **request: Any) -> None:
    async with nothing_written(client):
        body = {"prompt": "x", "snapshot_id": snapshot_id}
        error = await ask(client, "POST", "/v1/sessions", 400, json=body, **request)
    assert error["detail"].startswith("snapshot_id: ")


async def test_a_snapshot_of_ours_is_handed_to_the_worker(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path, machines=ScriptedMachines(), vm="auto")
    vm = await instavm.created(client)
    path = f"{instavm.VMS}/{vm['vm_id']}/snapshot?wait=true"
    snapshot = (await ask(client, "POST", path, json={"name": "mine"}))["id"]
    session = await made(client, snapshot_id=snapshot)
    assert (await read(client, session))["snapshot_id"] == snapshot
    asked = {"kind": "agent", "worker": "w", "labels": [], "wait_s": 0}
    claim = await ask(client, "POST", f"{API}/work/claims", json=asked)
    assert claim["spec"]["snapshot_id"] == snapshot
    theirs = await new_key(client, "theirs")
    await refused(client, snapshot, headers=bearer(theirs["key"]))
    await ask(client, "DELETE", f"{instavm.P}/v1/snapshots/{snapshot}")
    # An id like ours must be there; another means what it means.
    await refused(client, snapshot)
    await refused(client, UNKNOWN)
    for snapshot_id in FOREIGN:
        session = await made(client, snapshot_id=snapshot_id)
        assert (await read(client, session))["snapshot_id"] == snapshot_id


async def test_without_machines_every_id_is_kept(aiohttp_client: Any, shared: Any) -> None:
    client = await client_of(aiohttp_client, shared)
    for snapshot_id in (UNKNOWN, *FOREIGN):
        session = await made(client, snapshot_id=snapshot_id)
        assert (await read(client, session))["snapshot_id"] == snapshot_id
