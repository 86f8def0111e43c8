"""Answers of the native API and the headers that go with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from eventstore.commit import START, Commit, Position
from eventstore.errors import StorageUnavailable
from projections.folds.session import Session
from sessions.caller import Caller
from sessions.dialects.native import queries, wire
from sessions.dialects.rendered import Rendered
from sessions.failure import Failure
from sessions.service import Once
from sessions.web.answer import Answer
from sessions.web.appkeys import FOLLOWER, LOG, SESSIONS

SESSION_POSITION: Final = "Session-Position"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY_OK: Final = re.compile(r"[!-~]{1,255}")
_rendered: Final = Rendered()
_encode: Final = msgspec.json.Encoder().encode
_T = TypeVar("_T")


def json_answer(
    body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """`body` as JSON."""
    return Answer(_encode(body), status, headers or {})


def _view(state: Session, _: str) -> wire.SessionView:
    return wire.session_view(state)


def session_answer(state: Session, status: int = 200) -> Answer:
    """A session with its revision as `ETag` and `Session-Position`."""
    revision = str(state.position)
    headers = {"ETag": f'"{revision}"', SESSION_POSITION: revision}
    if status == 201:
        headers["Location"] = f"/api/v1/sessions/{state.id}"
        body = _encode(wire.session_view(state))  # most sessions are never read in this state
    else:
        body = _rendered.body(state, "", _view)
    return Answer(body, status, headers)


def seen_position(request: web.Request) -> Position:
    """What the caller has seen by `Session-Position`, else everything up to now."""
    head = request.app[LOG].size
    text = request.headers.get(SESSION_POSITION)
    if text is None:
        return head
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Failure(400, "bad_position", f"{SESSION_POSITION} is the position of a commit.")
    if int(text) > head:
        detail = f"{SESSION_POSITION} {text} is beyond the end of the log, which is {head}."
        raise Failure(400, "bad_position", detail)
    return head


async def views_reach(request: web.Request) -> Position:
    """Wait until lists show what the caller has seen; the position is the answer's.

    Where the disk refuses the views, lists go on from where they stand, but not for a caller who
    says that it has seen more.
    """
    position = seen_position(request)
    follower = request.app[FOLLOWER]
    if follower.lag:
        position = await follower.reached(position)
        if int(request.headers.get(SESSION_POSITION, START)) > position:
            raise StorageUnavailable(f"lists stand at {position}")
    return position


def expected_revision(request: web.Request) -> Position | None:
    """The revision that `If-Match` names; None if it is absent or `*`."""
    text = request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None
    digits = text.strip().strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        detail = 'If-Match holds the revision of a session, such as "42".'
        raise Failure(400, "bad_if_match", detail)
    return Position(int(digits))


def once_of(request: web.Request, asked: bytes, *, sensitive: bool = False) -> Once | None:
    """What `Idempotency-Key` says of a request for `asked`; None if there is none."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not _KEY_OK.fullmatch(key):
        detail = f"{IDEMPOTENCY_KEY} is 1 to 255 visible ASCII characters."
        raise Failure(400, "bad_idempotency_key", detail)
    whole = b"\0".join((request.method.encode(), request.path.encode(), asked))
    return Once(f"native {key}", hashlib.sha256(whole).hexdigest(), sensitive)


async def items_of_history(
    request: web.Request,
    who: Caller,
    items_in: Callable[[Commit], list[_T]],
    *beside: str,
    until: Position | None = None,
) -> tuple[list[_T], Position | None]:
    """A page of what the commits of a session hold, and where the next page begins, if any.

    What came after `until` is left out; `beside` are parameters that others read.
    """
    after, limit = queries.history_page(request, *beside)
    items: list[_T] = []
    more = True
    while more and len(items) < limit:
        page = await request.app[SESSIONS].commits(request.match_info["id"], who, after, limit)
        more = len(page) == limit
        if until is not None and page and page[-1].position > until:
            page, more = [commit for commit in page if commit.position <= until], False
        for commit in page:
            if len(items) >= limit:
                more = True
                break
            items.extend(items_in(commit))
            after = commit.position
    return items, after if more else None
