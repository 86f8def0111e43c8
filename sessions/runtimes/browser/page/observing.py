"""Observation of a page: each frame is asked at the same time, and what they say put together."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from playwright.async_api import Error, Frame

from sessions.runtimes.browser.page.elements import about_of
from sessions.runtimes.browser.page.model import (
    Known,
    RawDocument,
    category_of,
    description_of,
    known_of,
)
from sessions.runtimes.browser.page.outcomes import clean
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.port import PageRefused

ACTIONS_MAX: Final = 1_000
FRAMES_MAX: Final = 20
FRAME_S: Final = 2.0


class Seen(msgspec.Struct, frozen=True):
    """What was seen of a page."""

    known: tuple[Known, ...]
    description: str
    category: str


async def look(tab: Tab, most: int) -> Seen:
    """What can be done on the page of a tab, which remembers it; raises PageRefused."""
    most = max(1, min(most, ACTIONS_MAX))
    main = tab.page.main_frame
    document, inner = await asyncio.gather(
        _document(tab, main, most), _framed(tab, main, most), return_exceptions=True
    )
    if isinstance(document, BaseException):
        raise document
    frames = [] if isinstance(inner, BaseException) else inner
    tab.title, tab.view = clean(document.title, 500), document.view
    tab.numbering.begin(document.token)
    found = [(known, main) for known in known_of(tab.numbering, document, ())]
    total = document.total
    for frame, path, raw in frames:
        total += raw.total
        found += [(known, frame) for known in known_of(tab.numbering, raw, path)]
    found = found[:most]
    # An id stays good for what is out of sight now, as long as the page is the same.
    if tab.document != document.token or len(tab.known) > 20 * ACTIONS_MAX:
        tab.document = document.token
        tab.known.clear()
    tab.known.update({known.action.id: (known, frame) for known, frame in found})
    shown = tuple(known for known, _ in found)
    return Seen(
        shown,
        description_of(document, shown, total),
        category_of(tab.url, document.features, total),
    )


async def _document(tab: Tab, frame: Frame, most: int) -> RawDocument:
    seconds = {} if frame is tab.page.main_frame else {"seconds": FRAME_S}
    answer = await tab.ask("observe", {"most": most}, frame=frame, **seconds)
    try:
        return msgspec.json.decode(answer, type=RawDocument)
    except (msgspec.MsgspecError, TypeError):
        raise PageRefused("the page cannot be read") from None


Framed = tuple[Frame, tuple[str, ...], RawDocument]


async def _framed(tab: Tab, main: Frame, most: int) -> list[Framed]:
    """All frames that can be seen, outer ones first; one that does not answer is left out."""
    found: list[Framed] = []
    level: list[tuple[Frame, tuple[str, ...]]] = [(main, ())]
    asked = 0
    while level and asked < FRAMES_MAX:
        children = [(child, path) for frame, path in level for child in frame.child_frames][
            : FRAMES_MAX - asked
        ]
        asked += len(children)
        answers = await asyncio.gather(
            *(_one(tab, child, path, most) for child, path in children), return_exceptions=True
        )
        met = [one for one in answers if isinstance(one, tuple)]
        found += met
        level = [(frame, path) for frame, path, _ in met]
    return found


async def _one(tab: Tab, frame: Frame, above: tuple[str, ...], most: int) -> Framed | None:
    try:
        async with asyncio.timeout(FRAME_S):
            about = await about_of(await frame.frame_element())
            if not about.shown:
                return None
            path = " >> ".join(f"css={one}" for one in [*about.hosts, about.css])
            return frame, (*above, path), await _document(tab, frame, most)
    except (Error, TimeoutError, PageRefused):
        return None
