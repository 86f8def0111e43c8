"""Query parameters of Galtea's lists; an array comes as `name[]` or as repeated `name`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from sessions.failure import Failure

LIMIT_MAX: Final = 10_000
"""The largest page, and the one of who does not say."""
OFFSET_MAX: Final = 10**9
ARRAY_MAX: Final = 1_000
MS_US: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
TRUTH: Final = {"true": True, "false": False}
T = TypeVar("T")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted; instants in microseconds, `until` not included.

    Answers have milliseconds, so a bound means all of the millisecond that it names.
    """

    since: int | None
    until: int | None
    ascending: bool
    offset: int
    limit: int

    def holds(self, created_at: int) -> bool:
        """True if what was created then is in the range."""
        return (self.since is None or self.since <= created_at) and (
            self.until is None or created_at < self.until
        )

    def of(self, newest_first: Sequence[T]) -> Sequence[T]:
        """The part of a list."""
        found = newest_first[::-1] if self.ascending else newest_first
        return found[self.offset : self.offset + self.limit]


def array(request: web.Request, name: str) -> list[str]:
    """The values of an array parameter, in either spelling (section 3); raises Failure 400."""
    found = [*request.query.getall(f"{name}[]", []), *request.query.getall(name, [])]
    if len(found) > ARRAY_MAX:
        raise bad(name, f"at most {ARRAY_MAX} values")
    return found


def page(request: web.Request, field: str = "createdAt") -> Page:
    """The part of a list by an instant that is wanted; raises Failure 400."""
    sort = array(request, "sort") or [field, "desc"]
    if sort not in ([field, "asc"], [field, "desc"]):
        raise bad("sort", f"{field}, then asc or desc")
    named = field[:1].upper() + field[1:]
    since, until = _millisecond(request, f"from{named}"), _millisecond(request, f"to{named}")
    return Page(
        since=None if since is None else since * MS_US,
        until=None if until is None else (until + 1) * MS_US,
        ascending=sort[1] == "asc",
        offset=_number(request, "offset", 0, OFFSET_MAX),
        limit=_number(request, "limit", LIMIT_MAX, LIMIT_MAX),
    )


def word(request: web.Request, name: str, words: Mapping[str, T]) -> T | None:
    """What one of a few words stands for, None where it is not given; raises Failure 400."""
    text = request.query.get(name)
    if text is None:
        return None
    if text not in words:
        raise bad(name, f"one of {', '.join(words)}")
    return words[text]


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not digits or int(text) > most:
        raise bad(name, f"a number from 0 to {most}")
    return int(text)


def _millisecond(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // _MS
    except (ValueError, OverflowError):
        raise bad(name, "an ISO 8601 time") from None


def bad(name: str, detail: str) -> Failure:
    """The refusal of one parameter."""
    return Failure(400, "invalid_query", f"{name}: {detail}")
