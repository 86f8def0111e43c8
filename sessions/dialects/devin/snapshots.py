"""The `snapshot_id` of a session: a copy of a machine of this service, or a name from elsewhere."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from sessions.caller import Caller
from sessions.domain.rejections import NotFound
from sessions.failure import Failure
from sessions.web.appkeys import MACHINES, SETTINGS

_OURS: Final = re.compile(r"snap-[0-9a-f]{32}")


async def check(request: web.Request, snapshot_id: str | None, who: Caller) -> None:
    """Raises Failure 400 for an id of our own form that is no snapshot a machine can begin with.

    Any other id means something to whoever does the work, and is handed on as it is.
    """
    ours = snapshot_id is not None and _OURS.fullmatch(snapshot_id) is not None
    if snapshot_id is None or not ours or request.app[SETTINGS].vm == "off":
        return
    try:
        snapshot = await request.app[MACHINES].copies.get(snapshot_id, who)
    except NotFound:
        raise _useless("there is no such snapshot") from None
    if snapshot.status == "failed":
        raise _useless("the snapshot failed")


def _useless(why: str) -> Failure:
    return Failure(400, "invalid_body", f"snapshot_id: {why}")
