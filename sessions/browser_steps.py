"""The steps of a visit out of the log, with what was sealed opened again for those who may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.commit import Commit, Position
from projections.events import CODEC
from projections.events.browser import (
    BrowserActed,
    BrowserClosed,
    BrowserCookiesSet,
    BrowserObserved,
    BrowserOpened,
    BrowserPictured,
    BrowserScraped,
)
from sessions.browser_actions import HIDDEN
from sessions.browser_answers import Step
from sessions.browser_book import BrowserBook
from sessions.caller import Caller
from sessions.service import STREAM_PAGE

_object: Final = msgspec.json.Decoder(dict[str, Any])


async def steps_of(
    book: BrowserBook, session_id: str, who: Caller, after: int, limit: int
) -> list[Step]:
    """Up to `limit` steps of the session behind a position, and the rest of the last commit."""
    found: list[tuple[Step, str]] = []
    position = Position(after)
    while len(found) < limit:
        page = await book.sessions.commits(session_id, who, position, STREAM_PAGE)
        if not page:
            break
        for commit in page:
            found += _steps_in(commit)
            position = commit.position
            if len(found) >= limit:
                break
    opened = await book.unseal(session_id, [sealed for _, sealed in found])
    return [_opened(step, text) for (step, _), text in zip(found, opened, strict=True)]


def _steps_in(commit: Commit) -> list[tuple[Step, str]]:
    found = []
    for event in commit.events:
        told = _STEPS.get(event.type)
        if told is not None:
            fact: Any = CODEC.decode(event)
            step = replace(told(fact), at=commit.at, position=commit.position)
            sealed = fact.sealed if isinstance(fact, BrowserActed) and not fact.secret else ""
            found.append((step, sealed))
    return found


def _opened(step: Step, text: str | None) -> Step:
    if text is None:
        return step
    return replace(step, action={**step.action, **_object.decode(text)})


def _acted(fact: BrowserActed) -> Step:
    return Step(
        kind="acted",
        at=0,
        position=0,
        type=fact.type,
        success=fact.success,
        action={**fact.action, **dict.fromkeys(fact.hidden, HIDDEN)},
        message=fact.message,
        error_type=fact.error_type,
        label=fact.label,
        url=fact.url,
        title=fact.title,
        duration_ms=fact.duration_ms,
        files=fact.files,
    )


def _observed(fact: BrowserObserved) -> Step:
    return Step(
        kind="observed",
        at=0,
        position=0,
        url=fact.url,
        title=fact.title,
        screenshot=fact.screenshot,
    )


def _pictured(fact: BrowserPictured) -> Step:
    return Step(kind="pictured", at=0, position=0, url=fact.url, screenshot=fact.screenshot)


_STEPS: Final[dict[str, Callable[[Any], Step]]] = {
    BrowserOpened.NAME: lambda fact: Step(
        kind="opened", at=0, position=0, duration_ms=fact.open_ms
    ),
    BrowserObserved.NAME: _observed,
    BrowserActed.NAME: _acted,
    BrowserScraped.NAME: lambda fact: Step(
        kind="scraped", at=0, position=0, url=fact.url, title=fact.title
    ),
    BrowserPictured.NAME: _pictured,
    BrowserCookiesSet.NAME: lambda _: Step(kind="cookies_set", at=0, position=0),
    BrowserClosed.NAME: lambda fact: Step(
        kind="closed", at=0, position=0, success=fact.reason == "requested", message=fact.detail
    ),
}
