"""`sessiond keys`: what it asks of a running service, and what it does without one."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from sessions import folder_command
from sessions.caller import DEFAULT_TENANT, SERVICE
from sessions.dialects.native import wire
from sessions.folder_command import Request
from sessions.settings import Settings
from sessions.web.appkeys import ACCESS

PATH: Final = "/api/v1/keys"


class Operation(msgspec.Struct, frozen=True):
    """`create`, `list` or `revoke`, with its options."""

    name: str
    options: dict[str, Any]


async def run_keys(settings: Settings, operation: Operation) -> Any:
    """What the native API answers to the operation; raises CommandError."""
    options = {name: value for name, value in operation.options.items() if value is not None}
    requests = {
        "create": Request("POST", PATH, options),
        "list": Request("GET", PATH),
        "revoke": Request("DELETE", f"{PATH}/{options.get('id')}"),
    }

    async def offline(app: web.Application) -> Any:
        access = app[ACCESS]
        if operation.name == "create":
            return await _create(access, options)
        if operation.name == "revoke":
            return wire.key_view(await access.revoke(SERVICE, options["id"]))
        return wire.KeyList(items=[wire.key_view(key) for key in access.keys(SERVICE)])

    return await folder_command.run(settings, requests[operation.name], offline)


async def _create(access: Any, options: dict[str, Any]) -> wire.IssuedKey:
    asked = msgspec.convert(options, wire.NewKey)
    tenant = DEFAULT_TENANT if asked.tenant is None else asked.tenant
    made = await access.issue(
        SERVICE, name=asked.name, tenant=tenant, scopes=asked.scopes, prefix=asked.prefix
    )
    view = msgspec.structs.asdict(wire.key_view(made.key))
    return wire.IssuedKey(**view, key=made.secret)
