"""Handlers of InstaVM's machines (contract section 5)."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET

from projections.events.vm import VmConfigured
from projections.folds.session import PREFIX, Session
from projections.folds.vm import Vm
from projections.folds.vm_snapshot import Snapshot
from projections.views.lists import VmFilter
from sessions import ids
from sessions.caller import Caller
from sessions.dialects import queries
from sessions.dialects.instavm import wire_records, wire_vms
from sessions.dialects.instavm.lookups import all_vms, own, vm_of_path
from sessions.dialects.reading import answer, json_answer, session_of_kind
from sessions.domain.rejections import NoMachine, NotFound
from sessions.web.appkeys import CLOCK_US, MACHINES, SESSIONS, VAULT
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

LIMIT_MAX: Final = 1000
LIVE: Final = ("requested", "starting", "running")
_any: Final = msgspec.json.Decoder(Any)


async def create(request: web.Request) -> web.Response:
    """A machine in a session of its own, or that of a session, which is made where it has none."""
    who = authorised(request, "sessions:write")
    wait = queries.boolean(request.query, "wait", True)
    wanted = wire_vms.create_vm(await json_body(request, _any))
    await request.app[MACHINES].check()
    machines = request.app[MACHINES]
    if wanted.snapshot_id is not None:
        wire_vms.check_snapshot(wanted, await _snapshot(request, wanted.snapshot_id, who))
    state = await _session_for(request, wanted, who)
    vm = await (machines.ensure if wait else machines.begin)(state.id, who)
    return shown(request, vm)


async def live(request: web.Request) -> web.Response:
    """The machines that live or are about to, newest first, as a bare array."""
    who = authorised(request, "sessions:read")
    return await _listed(request, VmFilter(tenant=own(who), statuses=LIVE))


async def all_records(request: web.Request) -> web.Response:
    """The newest machines, ended ones too, as a bare array: another call than `live` (7.3)."""
    who = authorised(request, "sessions:read")
    return await _listed(request, VmFilter(tenant=own(who)))


async def get(request: web.Request) -> web.Response:
    """A machine, ended or not."""
    who = authorised(request, "sessions:read")
    return shown(request, await vm_of_path(request, who))


async def patch(request: web.Request) -> web.Response:
    """The machine with other metadata or more memory; all of it is done, or said to be not."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wanted = wire_vms.patch_vm(await json_body(request, _any))
    machines = request.app[MACHINES]
    if wanted.memory_mb is not UNSET:
        vm = await machines.resize(vm.id, wanted.memory_mb, who)
    if wanted.metadata is not UNSET:
        vm = await machines.configure(vm.id, VmConfigured(metadata=wanted.metadata), who)
    return shown(request, vm)


async def delete(request: web.Request) -> web.Response:
    """The machine, which has ended."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    return shown(request, await request.app[MACHINES].stop(vm.id, who))


async def suspend(request: web.Request) -> web.Response:
    """The machine, which stands still on the disk of the service."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    return shown(request, await request.app[MACHINES].suspend(vm.id, who))


async def resume(request: web.Request) -> web.Response:
    """The machine that goes on where the suspended one stood, under an id of its own."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wait = queries.boolean(request.query, "wait", True)
    return shown(request, await request.app[MACHINES].resume(vm.id, who, wait=wait))


async def stage_env(request: web.Request) -> web.Response:
    """Variables for the programs of a machine that are yet to come; no value is kept."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wanted = wire_vms.stage_env(await json_body(request, _any))
    vm = await request.app[MACHINES].stage_env(vm.id, wanted.env, who)
    staged = wire_vms.Staged(vm_id=vm.id, staged=tuple(wanted.env), status="ok")
    return answer(staged, vm)


async def volumes(request: web.Request) -> web.Response:
    """The volumes of a machine: there are none."""
    await vm_of_path(request, authorised(request, "sessions:read"))
    return json_answer([])


async def _snapshot(request: web.Request, snapshot_id: str, who: Caller) -> Snapshot | None:
    with contextlib.suppress(NotFound):
        return await request.app[MACHINES].copies.get(snapshot_id, who)
    return None


async def _session_for(request: web.Request, wanted: wire_vms.CreateVm, who: Caller) -> Session:
    """The session of the machine, new or one of the caller's.

    Raises NoMachine where one lives that is to be another, and NotConfigurable where one did.
    """
    if wanted.session_id is None:
        session_id = ids.uuid7()
        sealed = await request.app[VAULT].seal_many(PREFIX + session_id, wanted.env or {})
        command = wire_vms.to_command(wanted, who.actor, sealed)
        state, _ = await request.app[SESSIONS].create(session_id, command, who)
        return state
    state = await session_of_kind(request, wanted.session_id, who, "vm")
    wire_vms.check_of_session(wanted)
    change = wire_vms.to_change(wanted)
    if change is None:
        return state
    vm = await request.app[MACHINES].newest(state.id, who)
    if vm is not None and not vm.ended:
        raise NoMachine(f"The session has a machine already: {vm.id}.")
    return await request.app[SESSIONS].execute(state.id, change, who)


async def _listed(request: web.Request, wanted: VmFilter) -> web.Response:
    limit = queries.integer(request.query, "limit", LIMIT_MAX, 1, LIMIT_MAX)
    now_us = request.app[CLOCK_US]()
    found: list[wire_records.VmRecord] = []
    async for vm in all_vms(request, wanted):
        position = request.app[MACHINES].position(vm.id)
        found.append(wire_records.vm_record(vm, now_us, position))
        if len(found) == limit:
            break
    return json_answer(found)


def shown(request: web.Request, vm: Vm) -> web.Response:
    """The record of a machine as it is now."""
    position = request.app[MACHINES].position(vm.id)
    return answer(wire_records.vm_record(vm, request.app[CLOCK_US](), position), vm)
