"""`sessiond keys`: through the running service if there is one, else on the log itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from eventstore.errors import EventStoreError
from sessions.app import make_app, open_service, wall_clock_us
from sessions.caller import DEFAULT_TENANT, SERVICE
from sessions.control import SOCKET_NAME, running
from sessions.dialects.native import wire
from sessions.domain.rejections import Rejection
from sessions.settings import Settings
from sessions.web.appkeys import ACCESS


class KeysError(Exception):
    """The keys could not be read or changed."""


class Operation(msgspec.Struct, frozen=True):
    """`create`, `list` or `revoke`, with its options."""

    name: str
    options: dict[str, Any]


async def run_keys(folder: Path, operation: Operation) -> Any:
    """What the native API answers to the operation; raises KeysError."""
    if not folder.is_dir():
        raise KeysError(f"{folder} is no data folder: start the service once, or name another")
    options = {name: value for name, value in operation.options.items() if value is not None}
    if running(folder):
        return await _by_service(folder, operation.name, options)
    return await _by_log(folder, operation.name, options)


async def _by_service(folder: Path, name: str, options: dict[str, Any]) -> Any:
    methods = {"create": "POST", "list": "GET", "revoke": "DELETE"}
    path = f"/api/v1/keys/{options['id']}" if name == "revoke" else "/api/v1/keys"
    # A socket's path may be 107 bytes long; its name in the folder is always short enough.
    with contextlib.chdir(folder):
        connector = aiohttp.UnixConnector(SOCKET_NAME)
        async with (
            aiohttp.ClientSession("http://sessiond", connector=connector) as client,
            client.request(
                methods[name], path, json=options if name == "create" else None
            ) as answer,
        ):
            body = await answer.json(content_type=None)
            if not answer.ok:
                raise KeysError(body["detail"])
            return body


async def _by_log(folder: Path, name: str, options: dict[str, Any]) -> Any:
    settings = Settings(data=str(folder))
    app = make_app(settings)
    try:
        async with open_service(app, settings, wall_clock_us):
            access = app[ACCESS]
            if name == "create":
                return await _create(access, options)
            if name == "revoke":
                return wire.key_view(await access.revoke(SERVICE, options["id"]))
            return wire.KeyList(items=[wire.key_view(key) for key in access.keys(SERVICE)])
    except (EventStoreError, Rejection) as error:
        raise KeysError(str(error)) from None


async def _create(access: Any, options: dict[str, Any]) -> wire.IssuedKey:
    asked = msgspec.convert(options, wire.NewKey)
    tenant = DEFAULT_TENANT if asked.tenant is None else asked.tenant
    made = await access.issue(
        SERVICE, name=asked.name, tenant=tenant, scopes=asked.scopes, prefix=asked.prefix
    )
    view = msgspec.structs.asdict(wire.key_view(made.key))
    return wire.IssuedKey(**view, key=made.secret)
