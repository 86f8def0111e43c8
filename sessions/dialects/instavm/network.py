"""Handlers of InstaVM's app URLs and egress rules: machines have no network, and they say so."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.dialects import queries
from sessions.dialects.instavm import wire_network
from sessions.dialects.instavm.lookups import vm_of_path
from sessions.dialects.reading import answer, session_of_kind
from sessions.failure import Failure
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

PORT: Final = 80
PORT_MAX: Final = 65_535
_any: Final = msgspec.json.Decoder(Any)


async def app_url(request: web.Request) -> web.Response:
    """Raises Failure 409: no address leads to a port of a machine."""
    who = authorised(request, "sessions:read")
    await session_of_kind(request, request.match_info["id"], who, "vm")
    queries.integer(request.query, "port", PORT, 1, PORT_MAX)
    raise Failure(409, "no_network", wire_network.NO_ADDRESS)


async def session_egress(request: web.Request) -> web.Response:
    """What the machines of a session may reach: nothing."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    return answer(wire_network.Egress(target_type="session", target_id=state.id), state)


async def set_session_egress(request: web.Request) -> web.Response:
    """The same, for who asks for nothing more; raises Failure 422 for all others."""
    who = authorised(request, "sessions:write")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    wire_network.check_egress(await json_body(request, _any))
    return answer(wire_network.Egress(target_type="session", target_id=state.id), state)


async def vm_egress(request: web.Request) -> web.Response:
    """What a machine may reach: nothing."""
    who = authorised(request, "sessions:read")
    vm = await vm_of_path(request, who)
    return answer(wire_network.Egress(target_type="vm", target_id=vm.id), vm)


async def set_vm_egress(request: web.Request) -> web.Response:
    """The same, for who asks for nothing more; raises Failure 422 for all others."""
    who = authorised(request, "sessions:write")
    vm = await vm_of_path(request, who)
    wire_network.check_egress(await json_body(request, _any))
    return answer(wire_network.Egress(target_type="vm", target_id=vm.id), vm)
