"""How the browser of a session is to be: as its caller said, or as the log has it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from projections.events.browser import BrowserRequested
from projections.folds.browser import Visit
from projections.folds.session import Session
from sessions.browser_answers import Opening
from sessions.browser_book import BrowserBook
from sessions.runtimes.browser.port import UpstreamProxy

SIDE_MIN: Final = 500
SIDE_MAX: Final = 10_000


class _Sealed(msgspec.Struct, frozen=True):
    """What of an opening only the key of the session opens."""

    headers: dict[str, str] = {}
    proxy: UpstreamProxy | None = None


_sealed: Final = msgspec.json.Decoder(_Sealed)


async def requested(book: BrowserBook, session_id: str, opening: Opening) -> BrowserRequested:
    """The fact that such a browser is wanted, with everything that may be secret sealed.

    Raises StorageError and SubjectErased.
    """
    sealed = ""
    if opening.headers or opening.proxy is not None:
        sealed = await book.seal(session_id, _Sealed(opening.headers, opening.proxy))
    width, height = (None, None) if opening.viewport is None else opening.viewport
    return BrowserRequested(
        viewport_width=width,
        viewport_height=height,
        user_agent=opening.user_agent,
        headers=tuple(opening.headers),
        proxied=opening.proxy is not None,
        record=opening.record,
        sealed=sealed,
    )


async def opening_of(book: BrowserBook, session_id: str, visit: Visit) -> Opening:
    """The opening that the log has; raises StorageError and SubjectErased."""
    secret = _Sealed()
    if visit.sealed:
        secret = _sealed.decode(await book.unseal_one(session_id, visit.sealed))
    width, height = visit.viewport_width, visit.viewport_height
    return Opening(
        viewport=None if width is None or height is None else (width, height),
        user_agent=visit.user_agent,
        headers=secret.headers,
        proxy=secret.proxy,
        record=visit.record,
    )


def opening_of_spec(session: Session) -> Opening:
    """What the words of a session say that nobody asked for with an opening of its own."""
    width, height = (_side(session.spec, f"viewport_{side}") for side in ("width", "height"))
    agent = session.spec.get("user_agent")
    return Opening(
        viewport=None if width is None or height is None else (width, height),
        user_agent=agent if isinstance(agent, str) and agent else None,
    )


def _side(spec: dict[str, Any], name: str) -> int | None:
    value = spec.get(name)
    if type(value) is not int or not SIDE_MIN <= value <= SIDE_MAX:
        return None
    return value
