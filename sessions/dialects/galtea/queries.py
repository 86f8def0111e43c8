"""Query parameters of Galtea's lists; an array comes as `name[]` or as repeated `name`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.dialects.galtea.wire import instant
from sessions.failure import Failure

LIMIT_DEFAULT: Final = 10_000
NUMBER_CHARS_MAX: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted; instants are texts as answers have them, both included."""

    since: str | None
    until: str | None
    ascending: bool
    offset: int
    limit: int

    def of(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The part of `items`, which come newest first."""
        found = [item for item in items if self._holds(item["createdAt"])]
        if self.ascending:
            found.reverse()
        return found[self.offset : self.offset + self.limit]

    def _holds(self, created_at: str) -> bool:
        return (self.since or "") <= created_at <= (self.until or created_at)


def array(request: web.Request, name: str) -> list[str]:
    """The values of an array parameter, in either spelling (section 3)."""
    return [*request.query.getall(f"{name}[]", []), *request.query.getall(name, [])]


def page(request: web.Request) -> Page:
    """The part of a list that is wanted; raises Failure 400."""
    sort = array(request, "sort") or ["createdAt", "desc"]
    if sort not in (["createdAt", "asc"], ["createdAt", "desc"]):
        raise _bad("sort", "createdAt, then asc or desc")
    return Page(
        since=_instant(request, "fromCreatedAt"),
        until=_instant(request, "toCreatedAt"),
        ascending=sort[1] == "asc",
        offset=_number(request, "offset", 0),
        limit=_number(request, "limit", LIMIT_DEFAULT),
    )


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS_MAX):
        raise _bad(name, "a number that is not negative")
    return int(text)


def _instant(request: web.Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return instant((at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // _US)
    except (ValueError, OverflowError):
        raise _bad(name, "an ISO 8601 time") from None


def _bad(name: str, detail: str) -> Failure:
    return Failure(400, "invalid_query", f"{name}: {detail}")
