"""What dialects share: reading a body, which sessions are theirs, how an answer goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from projections.events.status import Kind
from projections.folds.session import Session
from projections.folds.vm import Vm
from sessions.caller import Caller
from sessions.domain.rejections import NotFound
from sessions.web.answer import Answer
from sessions.web.appkeys import SESSIONS
from sessions.web.bodies import decode, read_body

AT_ONCE: Final = 500
T = TypeVar("T")
SESSION_POSITION: Final = "Session-Position"
_any: Final = msgspec.json.Decoder(Any)


async def session_of_kind(
    request: web.Request, session_id: str, who: Caller, kind: Kind
) -> Session:
    """The session, whichever dialect made it; raises NotFound also for one of another kind."""
    sessions = request.app[SESSIONS]
    state = sessions.at_hand(session_id, who) or await sessions.get(session_id, who)
    if state.kind != kind:
        raise NotFound("There is no such session.")
    return state


def answer(body: Any, state: Session | Vm) -> web.Response:
    """200 with `body` as JSON, and the revision of the session or machine it tells of."""
    return encoded_answer(msgspec.json.encode(body), state)


def encoded_answer(body: bytes, state: Session | Vm) -> web.Response:
    """As `answer`, of JSON that is encoded already."""
    return Answer(body, 200, {SESSION_POSITION: str(state.position)})


def json_answer(body: Any, status: int = 200) -> web.Response:
    """`body` as JSON."""
    return Answer(msgspec.json.encode(body), status)


async def json_array(items: Sequence[T], view: Callable[[T], Any]) -> web.Response:
    """An array of what `view` makes of each, of which thousands do not hold up everybody else."""
    encoded: list[bytes] = []
    for start in range(0, len(items), AT_ONCE):
        encoded += [msgspec.json.encode(view(item)) for item in items[start : start + AT_ONCE]]
        await asyncio.sleep(0)
    return Answer(b"[%b]" % b",".join(encoded))


async def optional_body(request: web.Request) -> Any:
    """What the body holds, None where there is none; raises Failure 400 or 413."""
    raw = await read_body(request)
    return decode(raw, _any) if raw.strip() else None
