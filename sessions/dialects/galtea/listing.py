"""Lists of Galtea's sessions: bare arrays, AND between the filters, OR within one (section 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from aiohttp import web

from projections.events.status import STATUSES
from projections.folds.references import LAUNCHER
from projections.folds.session import Session
from projections.views.lists import PAGE_MAX, SessionFilter, list_sessions
from projections.views.matching import session_matches
from projections.views.store import Views
from sessions.caller import Caller
from sessions.dialects.galtea import queries, wire
from sessions.dialects.galtea.queries import Page
from sessions.dialects.galtea.sessions import named
from sessions.web.answer import Answer
from sessions.web.appkeys import FOLLOWER, LOG, VIEWS
from sessions.web.auth import authorised

# By the parameter what a session is asked for; of `testIds` an empty one means those without.
_REFERENCES: Final = {
    "customIds": "customId",
    "versionIds": "versionId",
    "productIds": "productId",
    "testCaseIds": "testCaseId",
    "testIds": "testId",
    "runIds": "runId",
    "userIds": LAUNCHER,
}
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    word: tuple(status for status in STATUSES if wire.status_of(status) == word)
    for word in wire.INITIAL
}
_TEST: Final = "testId"
_NOTHING: Final = "\0"
"""What no session refers to."""


async def list_(request: web.Request) -> web.Response:
    """A page of sessions, newest first unless `sort` says otherwise; past the end it is empty.

    An unknown id is 404, an unknown parent an empty page (section 3).
    """
    who = authorised(request, "sessions:read")
    part = queries.page(request)
    wanted = _filter(request, part, who)
    ids = queries.array(request, "ids")
    if ids:
        pages = _one_page(await _named(request, ids, wanted, part, who))
    else:
        await request.app[FOLLOWER].reached(request.app[LOG].size)
        pages = _pages(request.app[VIEWS], wanted, part)
    encoded: list[bytes] = []
    async for page in pages:
        # One after the other, so that thousands do not keep everybody else waiting.
        encoded += [msgspec.json.encode(wire.session_view(state)) for state in page]
    return Answer(b"[%b]" % b",".join(encoded))


def _filter(request: web.Request, part: Page, who: Caller) -> SessionFilter:
    refs = {name: queries.array(request, parameter) for parameter, name in _REFERENCES.items()}
    without = queries.array(request, "excludeTestIds")
    return SessionFilter(
        tenant=None if who.admin else who.tenant,
        kinds=("evaluation",),
        statuses=_statuses(queries.array(request, "statuses")),
        refs={
            name: values if name == _TEST else [value or _NOTHING for value in values]
            for name, values in refs.items()
            if values
        },
        no_refs={_TEST: without} if without else {},
        since=part.since,
        until=part.until,
    )


def _statuses(words: Sequence[str]) -> tuple[str, ...]:
    for word in words:
        if word not in _WORDS:
            raise queries.bad("statuses", f"{word!r} is none of {', '.join(_WORDS)}")
    return tuple(status for word in dict.fromkeys(words) for status in _WORDS[word])


async def _named(
    request: web.Request, ids: Sequence[str], wanted: SessionFilter, part: Page, who: Caller
) -> Sequence[Session]:
    states = [await named(request, public, who) for public in dict.fromkeys(ids)]
    found = [state for state in states if session_matches(wanted, state)]
    return part.of(sorted(found, key=lambda state: state.created, reverse=True))


async def _one_page(states: Sequence[Session]) -> AsyncIterator[Sequence[Session]]:
    yield states


async def _pages(
    views: Views, wanted: SessionFilter, part: Page
) -> AsyncIterator[Sequence[Session]]:
    """The part of the list that is wanted, in pages that one query answers."""
    left, offset = part.limit, part.offset
    before: int | None = None
    after: int | None = None
    while left > 0:
        asked = min(left, PAGE_MAX)
        page = await list_sessions(
            views,
            wanted,
            before=before,
            after=after,
            ascending=part.ascending,
            offset=offset,
            limit=asked,
        )
        yield page
        if len(page) < asked:
            return
        left, offset = left - asked, 0
        before, after = (None, page[-1].created) if part.ascending else (page[-1].created, None)
