"""Handlers of `/api/v1/log`: the signed head, and the proof that the log only grew."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.native import queries
from sessions.dialects.native.answers import json_answer
from sessions.web.appkeys import HEADS, LOG, VERIFYING
from sessions.web.auth import authorised

NOTE: Final = "text/plain"


class LogHead(msgspec.Struct, frozen=True, kw_only=True):
    """The log as it is, in a note that others can check and keep; hashes are in hex."""

    epoch: str
    size: int
    root: str
    checkpoint: str
    key: str


class Consistency(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that the log of `to` commits begins with that of `from`; hashes are in hex."""

    since: int = msgspec.field(name="from")
    to: int
    from_root: str
    root: str
    proof: list[str]
    checkpoint: str
    key: str


async def head(request: web.Request) -> web.Response:
    """The size of the log and the root over all its commits, signed."""
    authorised(request, "sessions:read")
    checkpoint, note = request.app[HEADS].signed()
    if _wants_note(request):
        return web.Response(text=note, content_type=NOTE)
    body = LogHead(
        epoch=request.app[LOG].head().epoch,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        checkpoint=note,
        key=request.app[HEADS].vkey,
    )
    return json_answer(body)


async def consistency(request: web.Request) -> web.Response:
    """That today's log extends the one that the caller saw (RFC 9162 section 2.1.4).

    Whoever kept a head checks with it that nothing before was changed, moved or taken away.
    """
    authorised(request, "sessions:read")
    log = request.app[LOG]
    old, size = queries.proof_range(request, log.size)
    root = await log.root_at(size)
    old_root = await log.root_at(old)
    proof = await log.consistency(old, size) if old else []  # all extend the empty log
    body = Consistency(
        since=old,
        to=size,
        from_root=old_root.hex(),
        root=root.hex(),
        proof=[node.hex() for node in proof],
        checkpoint=request.app[HEADS].sign(size, root),
        key=request.app[HEADS].vkey,
    )
    return json_answer(body)


async def verify(request: web.Request) -> web.Response:
    """Verify the log beside the traffic: every commit, the tree, the signed heads, the indexes."""
    authorised(request, "admin")
    return json_answer(request.app[VERIFYING].start(), 202)


async def verification(request: web.Request) -> web.Response:
    """How far the last verification is, or what it found."""
    authorised(request, "admin")
    return json_answer(request.app[VERIFYING].state)


async def stop_verification(request: web.Request) -> web.Response:
    """Break off the verification that runs; how far it came."""
    authorised(request, "admin")
    return json_answer(await request.app[VERIFYING].stop())


def _wants_note(request: web.Request) -> bool:
    # Some clients name both, JSON first, without being asked.
    accept = request.headers.get("Accept", "")
    return NOTE in accept and "application/json" not in accept
