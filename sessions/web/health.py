"""`/livez`, `/readyz` and `/metrics`: no key needed, nothing about any session in them."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec
from aiohttp import web

from sessions.metrics import CONTENT_TYPE
from sessions.web.answer import Answer
from sessions.web.appkeys import FOLLOWER, HEADS, LOG, METRICS


class Liveness(msgspec.Struct, frozen=True):
    """That the process turns."""

    alive: bool = True


class Readiness(msgspec.Struct, frozen=True):
    """Whether the service answers from the present; `lag` is commits that the views miss.

    `heads` is why the folder of the signed heads takes none; the service goes on without.
    """

    ready: bool
    head: int
    lag: int
    sqlite: str
    reason: str = ""
    heads: str = ""


_ALIVE: Final = msgspec.json.encode(Liveness())


async def livez(_: web.Request) -> web.Response:
    """200 while the process turns."""
    return Answer(_ALIVE)


async def readyz(request: web.Request) -> web.Response:
    """200 when lists are up to date and the disk takes writes, else 503."""
    follower = request.app[FOLLOWER]
    failures = {"log": request.app[LOG].failure, "views": follower.failure}
    reason = "; ".join(f"{name}: {error}" for name, error in failures.items() if error is not None)
    body = Readiness(
        ready=not reason,
        head=request.app[LOG].size,
        lag=follower.lag,
        sqlite=sqlite3.sqlite_version,
        reason=reason,
        heads=str(request.app[HEADS].failure or ""),
    )
    return Answer(msgspec.json.encode(body), 200 if body.ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """The counters, for Prometheus."""
    found = request.app[METRICS]
    found.view_lag.set(request.app[FOLLOWER].lag)
    return web.Response(body=found.text(), headers={"Content-Type": CONTENT_TYPE})
