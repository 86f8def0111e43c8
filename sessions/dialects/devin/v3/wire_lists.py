"""Which part of which list is wanted in Devin's API v3 (contract devin.md, section 4)."""

from __future__ import annotations

from typing import Final

import msgspec
from multidict import MultiMapping

from projections.folds.references import ON_BEHALF_OF, PLAYBOOK
from projections.views.lists import SessionFilter
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import native_id
from sessions.dialects.devin.v3.wire import SECOND_US
from sessions.dialects.devin.wire import TAGS_MAX
from sessions.dialects.queries import DIGITS_MAX, integer
from sessions.failure import Failure, FieldError

FIRST_DEFAULT: Final = 100
FIRST_MAX: Final = 200
NAMED_MAX: Final = 200
SECONDS_MAX: Final = 10**11
ORIGINS: Final = (
    *("webapp", "slack", "teams", "api", "linear", "jira", "scheduled", "cli", "other"),
)
# How all sessions of this service were made.
ORIGIN: Final = "api"

Mark = tuple[int, int]
"""A message: the position of its commit, and which of the commit it is; 0 is the prompt."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a list of sessions; `wanted` None is a list of none."""

    wanted: SessionFilter | None
    before: int | None
    first: int


def sessions(query: MultiMapping[str], tenant: str) -> Wanted:
    """Which sessions of a tenant; raises Failure 422."""
    names = _names(query, "session_ids")
    session_ids = tuple(found for name in names if (found := native_id(name)) is not None)
    none = (names and not session_ids) or not _made_so(query) or query.get("schedule_id")
    wanted = SessionFilter(
        tenant=tenant,
        kinds=("agent",),
        ids=session_ids,
        labels_any=_names(query, "tags", TAGS_MAX),
        owners=_names(query, "service_user_ids"),
        refs={PLAYBOOK: _one(query, "playbook_id"), ON_BEHALF_OF: _names(query, "user_ids")},
        since=_instant(query, "created_after"),
        until=_instant(query, "created_before"),
        updated_since=_instant(query, "updated_after"),
        updated_until=_instant(query, "updated_before"),
    )
    return Wanted(wanted=None if none else wanted, before=before_of(query), first=first_of(query))


def first_of(query: MultiMapping[str]) -> int:
    """The size of a page; a client calls it `limit`."""
    name = "first" if "first" in query else "limit"
    return integer(query, name, FIRST_DEFAULT, 1, FIRST_MAX)


def cursor_of(created: int) -> str:
    """Where the list goes on after the session or entry that was created there."""
    return str(created)


def mark_text(mark: Mark) -> str:
    """Where a conversation goes on after this message."""
    return f"{mark[0]}.{mark[1]}"


def mark_of(query: MultiMapping[str]) -> Mark | None:
    """After which message the page begins; raises Failure 422."""
    text = query.get("after")
    if not text:
        return None
    position, dot, index = text.partition(".")
    if not (dot and _is_number(position) and _is_number(index)):
        raise _bad("after", "this is no cursor of these messages", "value_error")
    return int(position), int(index)


def before_of(query: MultiMapping[str]) -> int | None:
    """Before which position what is on the page was created; raises Failure 422."""
    text = query.get("after")
    if not text:
        return None
    if not _is_number(text):
        raise _bad("after", "this is no cursor of this list", "value_error")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX


def _made_so(query: MultiMapping[str]) -> bool:
    """True where sessions that were made as all here were are among those wanted."""
    origins = _names(query, "origins")
    for origin in origins:
        if origin not in ORIGINS:
            named = " or ".join(f"'{each}'" for each in ORIGINS)
            raise _bad("origins", f"Input should be {named}", "literal_error")
    return not origins or ORIGIN in origins


def _names(query: MultiMapping[str], name: str, names_max: int = NAMED_MAX) -> tuple[str, ...]:
    """A list, as one key or several, with commas in it or none: clients write either."""
    parts = (part for text in query.getall(name, []) for part in text.split(","))
    names = tuple(dict.fromkeys(part for part in parts if part))
    if len(names) > names_max:
        message = f"List should have at most {names_max} items, not {len(names)}"
        raise _bad(name, message, "too_long")
    return names


def _one(query: MultiMapping[str], name: str) -> tuple[str, ...]:
    value = query.get(name)
    return (value,) if value else ()


def _instant(query: MultiMapping[str], name: str) -> int | None:
    if not query.get(name):
        return None
    return integer(query, name, 0, 0, SECONDS_MAX) * SECOND_US


def _bad(name: str, message: str, code: str) -> Failure:
    return fastapi.refusal([FieldError(("query", name), message, code)])
