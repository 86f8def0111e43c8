"""Handlers of InstaVM's files: up as they come, down as base64 text (contract section 4)."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Final

from aiohttp import web

from sessions.dialects.forms import fields_of, form_of
from sessions.dialects.instavm import wire_files
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.failure import Failure
from sessions.runtimes.vm.port import GuestRefused, MachineError
from sessions.web.appkeys import LINE, MACHINES, SETTINGS
from sessions.web.auth import authorised
from sessions.web.edge import REQUEST_ID

NEEDED: Final = ("session_id", "remote_path")
TRIPLET: Final = 3
"""So many bytes are four letters of base64, of which texts can be put together."""


async def upload(request: web.Request) -> web.Response:
    """Write a file into the machine of a session, which is made where there is none."""
    who = authorised(request, "sessions:write")
    machines = request.app[MACHINES]
    async with form_of(request, NEEDED, request.app[SETTINGS].artifact_bytes_max) as form:
        wanted = wire_files.upload(form.fields)
        state = await session_of_kind(request, wanted.session_id, who, "vm")
        size = await machines.upload(state.id, wanted.remote_path, form.file, who)
    vm = await machines.newest(state.id, who)
    return json_answer(
        wire_files.Uploaded(
            status="success",
            session_id=state.id,
            vm_id=None if vm is None else vm.id,
            remote_path=wanted.remote_path,
            size=size,
        )
    )


async def download(request: web.Request) -> web.StreamResponse:
    """A file of the machine of a session; one that is not there is 404."""
    who = authorised(request, "sessions:write")
    wanted = wire_files.download(await fields_of(request))
    state = await session_of_kind(request, wanted.session_id, who, "vm")
    parts = request.app[MACHINES].download(state.id, wanted.filename, who)
    async with _closing(parts):
        with _not_there():
            first = await anext(parts, b"")
        return await _answered(request, wanted.filename, first, parts)


async def _answered(
    request: web.Request, path: str, first: bytes, parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    headers = {"Content-Type": "application/json", REQUEST_ID: request[LINE].correlation_id}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await response.write(wire_files.download_head(path))
        size = await _write_base64(response, first, parts)
        await response.write(wire_files.download_tail(size))
        await response.write_eof()
    except (MachineError, ConnectionError):
        # The answer has begun: that it is cut off is all that can still be said.
        if request.transport is not None:
            request.transport.abort()
    return response


@contextlib.asynccontextmanager
async def _closing(parts: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Who leaves early leaves nothing open behind."""
    try:
        yield
    finally:
        if isinstance(parts, AsyncGenerator):
            await parts.aclose()


async def _write_base64(
    response: web.StreamResponse, first: bytes, parts: AsyncIterator[bytes]
) -> int:
    """Write the text of `first` and `parts`; how many bytes they are."""
    await response.write(base64.b64encode(first[: len(first) // TRIPLET * TRIPLET]))
    size, rest = len(first), first[len(first) // TRIPLET * TRIPLET :]
    async for part in parts:
        size += len(part)
        part = rest + part
        whole = len(part) // TRIPLET * TRIPLET
        await response.write(base64.b64encode(part[:whole]))
        rest = part[whole:]
    await response.write(base64.b64encode(rest))
    return size


@contextlib.contextmanager
def _not_there() -> Iterator[None]:
    try:
        yield
    except GuestRefused as error:
        raise Failure(404, "no_such_file", str(error)) from None
