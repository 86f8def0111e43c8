"""An action that led to a place that the guard keeps shut has failed, and says so."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from sessions.runtimes.browser.port import Done

ERROR_TYPE: Final = "NavigationError"
_ERROR_PAGE: Final = "chrome-error:"
_CLEAR: Final = "http:"
_NOT_CONNECTED: Final = "the proxy does not connect"


class Ways(Protocol):
    """Knows what was not reached."""

    def trouble(self, url: str, mark: int = 0) -> str:
        """Why what the URL names was not reached after the mark; empty if it was."""

    def last_trouble(self, mark: int = 0) -> str:
        """Why the last thing after the mark was not reached, whatever it was."""


def explained(done: Done, url: str, ways: Ways, mark: int) -> Done:
    """What came of an action, where `url` is what it asked for and `mark` lies before it.

    A page that could not be had is no success, also where the browser shows one that says so; and
    the reason is the guard's, which says more than the browser's. What only parts of a page ask
    for does not count.
    """
    at = "" if done.place is None else done.place.url
    lost = at.startswith(_ERROR_PAGE)
    # A page that came by a tunnel did come; one in clear may be the guard's own.
    why = ways.trouble(at, mark) if at.startswith(_CLEAR) else ""
    if not why and url and (lost or not done.success):
        why = ways.trouble(url, mark)
    if not why and (lost or (not done.success and _NOT_CONNECTED in done.message)):
        why = ways.last_trouble(mark)
    if not why:
        return done
    return msgspec.structs.replace(
        done, success=False, message=why, error_type=done.error_type or ERROR_TYPE
    )
