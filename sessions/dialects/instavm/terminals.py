"""Handlers of InstaVM's terminals; the websocket of one is in `terminal_socket.py`.

Every route exists twice: below a session, whose machine is meant, and below a machine.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.caller import Caller
from sessions.dialects.instavm import wire_terminals
from sessions.dialects.instavm.lookups import vm_of_path
from sessions.dialects.instavm.wire_records import without_zone
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.domain.rejections import NotFound
from sessions.machine_terminals import Opened
from sessions.web.appkeys import MACHINES, SCREENS
from sessions.web.auth import authorised
from sessions.web.bodies import decode, json_body, read_body

_any: Final = msgspec.json.Decoder(Any)


async def create_in_session(request: web.Request) -> web.Response:
    """A new terminal in the machine of the session, which is made where there is none."""
    who = authorised(request, "sessions:write")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    return await _open(request, state.id, who)


async def create_in_vm(request: web.Request) -> web.Response:
    """A new terminal in a machine that runs; raises NoMachine for others."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    request.app[MACHINES].living(vm)
    return await _open(request, vm.session, who)


async def list_in_session(request: web.Request) -> web.Response:
    """The terminals of the session's machine that live, as a bare array."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    found = await request.app[MACHINES].terminals.list(state.id, who)
    return _listed(request, found)


async def list_in_vm(request: web.Request) -> web.Response:
    """The terminals of the machine that live, as a bare array."""
    who = authorised(request, "sessions:read")
    vm = await vm_of_path(request, who)
    found = await request.app[MACHINES].terminals.list(vm.session, who)
    return _listed(request, [opened for opened in found if opened.vm == vm.id])


async def get(request: web.Request) -> web.Response:
    """One terminal, also one that has ended while its machine lives."""
    opened = await terminal_of_path(request, authorised(request, "sessions:read"))
    return json_answer(_view(request, opened))


async def resize(request: web.Request) -> web.Response:
    """The terminal with a window of another size."""
    who = authorised(request, "sessions:write")
    opened = await terminal_of_path(request, who)
    size = wire_terminals.resize(await json_body(request, _any))
    terminals = request.app[MACHINES].terminals
    opened = await terminals.resize(opened.session, opened.id, size.cols, size.rows, who)
    return json_answer(_view(request, opened))


async def kill(request: web.Request) -> web.Response:
    """The terminal, in which nothing runs any more; it is forgotten."""
    who = authorised(request, "sessions:write")
    opened = await terminal_of_path(request, who)
    opened = await request.app[MACHINES].terminals.kill(opened.session, opened.id, who)
    return json_answer(_view(request, opened))


async def terminal_of_path(request: web.Request, who: Caller) -> Opened:
    """The terminal in the path, of a session or of a machine; raises NotFound."""
    terminals, terminal_id = request.app[MACHINES].terminals, request.match_info["pty"]
    if "vm" not in request.match_info:
        state = await session_of_kind(request, request.match_info["id"], who, "vm")
        return await terminals.get(state.id, terminal_id, who)
    vm = await vm_of_path(request, who)
    opened = await terminals.get(vm.session, terminal_id, who)
    if opened.vm != vm.id:
        raise NotFound("There is no such terminal.")
    return opened


async def _open(request: web.Request, session_id: str, who: Caller) -> web.Response:
    raw = await read_body(request)
    wanted = wire_terminals.create_terminal(decode(raw, _any) if raw else None)
    opened = await request.app[MACHINES].terminals.open(
        session_id,
        who,
        cols=wanted.cols or wire_terminals.COLS,
        rows=wanted.rows or wire_terminals.ROWS,
        shell=wanted.shell or "",
        command=wanted.command or "",
        id=wanted.id or "",
    )
    return json_answer(_view(request, opened))


def _listed(request: web.Request, found: list[Opened]) -> web.Response:
    return json_answer(
        [_view(request, opened) for opened in found if opened.terminal.exit_code is None]
    )


def _view(request: web.Request, opened: Opened) -> wire_terminals.TerminalView:
    return wire_terminals.TerminalView(
        session_id=opened.id,
        id=opened.id,
        vm_id=opened.vm,
        cols=opened.cols,
        rows=opened.rows,
        alive=opened.terminal.exit_code is None,
        connected=request.app[SCREENS].watched(opened),
        exit_code=opened.terminal.exit_code,
        created_at=without_zone(opened.created_at),
    )
