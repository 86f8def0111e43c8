"""Handlers of InstaVM's snapshots and clones (contract section 5)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.vm_snapshot import Snapshot
from sessions.dialects import queries
from sessions.dialects.instavm import wire_snapshots, wire_vms
from sessions.dialects.instavm.lookups import vm_of_path
from sessions.dialects.instavm.vms import shown
from sessions.dialects.reading import json_answer
from sessions.failure import Failure
from sessions.web.appkeys import MACHINES
from sessions.web.auth import authorised
from sessions.web.bodies import decode, read_body

_any: Final = msgspec.json.Decoder(Any)


async def of_vm(request: web.Request) -> web.Response:
    """A copy of a machine that runs; the machine goes on."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wait = queries.boolean(request.query, "wait", True)
    name = (await _named(request)).name or ""
    copies = request.app[MACHINES].copies
    return _shown(await copies.snapshot(vm.id, name, who, wait=wait))


async def clone(request: web.Request) -> web.Response:
    """A machine in a session of its own that goes on as this one does, which goes on too.

    Raises NoMachine for one that has ended.
    """
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wait = queries.boolean(request.query, "wait", True)
    name = (await _named(request)).snapshot_name or ""
    machines = request.app[MACHINES]
    if vm.status != "suspended":
        machines.living(vm)
    return shown(request, await machines.copies.clone(vm.id, name, who, wait=wait))


async def build(request: web.Request) -> web.Response:
    """Raises Failure 400: no snapshot is built from an image here."""
    authorised(request, "sessions:write")
    raise Failure(400, "not_offered", wire_snapshots.NO_BUILD)


async def list_(request: web.Request) -> web.Response:
    """The snapshots, newest first, as a bare array; the system has none of its own."""
    who = authorised(request, "sessions:read")
    wanted = queries.word(request.query, "type", *wire_snapshots.TYPES)
    found = [] if wanted == "system" else await request.app[MACHINES].copies.list(who)
    return json_answer([wire_snapshots.snapshot_record(each) for each in found])


async def get(request: web.Request) -> web.Response:
    """A snapshot."""
    who = authorised(request, "sessions:read")
    return _shown(await request.app[MACHINES].copies.get(request.match_info["id"], who))


async def delete(request: web.Request) -> web.Response:
    """The snapshot, which is no more; machines that began with it go on."""
    who = authorised(request, "sessions:write")
    snapshot = await request.app[MACHINES].copies.delete(request.match_info["id"], who)
    deleted = wire_snapshots.DeletedSnapshot(id=snapshot.id, snapshot_id=snapshot.id)
    return json_answer(deleted)


async def _named(request: web.Request) -> wire_vms.Named:
    raw = await read_body(request)
    return wire_vms.named(decode(raw, _any) if raw else None)


def _shown(snapshot: Snapshot) -> web.Response:
    return json_answer(wire_snapshots.snapshot_record(snapshot))
