"""Query parameters of the native API: unknown ones and bad values are refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from eventstore.commit import Position
from projections.events.status import ENDED, KINDS, STATUSES
from projections.folds.session import Session
from projections.folds.vm import VM_STATUSES
from projections.views.lists import SessionFilter, VmFilter
from sessions.caller import Caller
from sessions.domain.policy import WORKED_ON
from sessions.failure import Failure, FieldError
from sessions.waiters import Wanted

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
CURSOR: Final = "p"
AS_OF: Final = "as_of"
POSITION_MAX: Final = (1 << 63) - 1
POSITION_DIGITS_MAX: Final = 19
_DIALECTS: Final = ("native", "wave", "notte", "galtea", "devin", "instavm")
_LIST: Final = frozenset(
    [
        AS_OF,
        "kind",
        "status",
        "dialect",
        "label",
        "owner",
        "tenant",
        "created_after",
        "created_before",
        "text",
        "cursor",
        "limit",
    ]
)
_VMS: Final = frozenset({AS_OF, "status", "session", "cursor", "limit"})
WORK_STATES: Final = ("waiting", "held")
_WORK: Final = frozenset({"kind", "state", "cursor", "limit"})
CURSOR_PAGE: Final = frozenset({"cursor", "limit"})
_PAGE: Final = frozenset({"after", "limit"})
_DELETE: Final = frozenset({"erase"})
_PROOF: Final = frozenset({"from", "to"})
_GET: Final = frozenset({AS_OF, "wait", "timeout"})
_ARTIFACT: Final = frozenset({"name"})
_EVIDENCE: Final = frozenset({"artifacts"})
METADATA: Final = "metadata."
# Each one is a condition of its own, and SQLite's limit on the depth of an expression is 1000.
CONDITIONS_MAX: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


def bad(name: str, detail: str, code: str = "invalid_query") -> Failure:
    """The refusal of one query parameter."""
    return Failure(400, code, f"{name}: {detail}", fields=(FieldError(("query", name), detail),))


def session_filter(request: web.Request, who: Caller) -> SessionFilter:
    """The filters of a list of sessions."""
    query = request.query
    known(query, _LIST, METADATA)
    tenant = query.get("tenant")
    return SessionFilter(
        tenant=tenant if who.admin else who.tenant,
        kinds=words(query.getall("kind", []), "kind", KINDS),
        statuses=words(query.getall("status", []), "status", STATUSES),
        dialects=words(query.getall("dialect", []), "dialect", _DIALECTS),
        owner=query.get("owner"),
        labels=_few("label", query.getall("label", [])),
        metadata=_few(
            METADATA,
            [
                (name.removeprefix(METADATA), _scalar(value))
                for name, value in query.items()
                if name.startswith(METADATA)
            ],
        ),
        since=_time_us(query, "created_after"),
        until=_time_us(query, "created_before"),
        text=query.get("text"),
    )


def vm_filter(request: web.Request, who: Caller) -> VmFilter:
    """The filters of a list of machines."""
    query = request.query
    known(query, _VMS)
    return VmFilter(
        tenant=None if who.admin else who.tenant,
        statuses=words(query.getall("status", []), "status", VM_STATUSES),
        session=query.get("session"),
    )


def work_filter(request: web.Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which kinds of sessions that workers have are asked for, and in which states of that."""
    query = request.query
    known(query, _WORK)
    kinds = words(query.getall("kind", []), "kind", WORKED_ON)
    states = words(query.getall("state", []), "state", WORK_STATES)
    return tuple(dict.fromkeys(kinds)) or tuple(sorted(WORKED_ON)), states or WORK_STATES


def page(request: web.Request) -> tuple[int | None, int]:
    """The cursor and the size of a page."""
    cursor = request.query.get("cursor")
    before = None
    if cursor is not None:
        digits = cursor.removeprefix(CURSOR)
        if not cursor.startswith(CURSOR) or not _is_position(digits):
            raise bad("cursor", f"this is no cursor of a list without {AS_OF}", "bad_cursor")
        before = int(digits)
    return before, page_limit(request)


def page_limit(request: web.Request) -> int:
    """The size of a page."""
    return integer(request.query, "limit", PAGE_DEFAULT, 1, PAGE_MAX)


def history_page(request: web.Request, *beside: str) -> tuple[Position, int]:
    """Where a page of a history begins, and its size; `beside` are parameters that others read."""
    known(request.query, _PAGE.union(beside))
    after = integer(request.query, "after", 0, 0, POSITION_MAX, "bad_position")
    return Position(after), integer(request.query, "limit", PAGE_DEFAULT, 1, PAGE_MAX)


def proof_range(request: web.Request, size: Position) -> tuple[Position, Position]:
    """Between which two sizes of a log of `size` commits a proof is asked for."""
    query = request.query
    known(query, _PROOF)
    if "from" not in query:
        raise bad("from", "the size of the log that you know")
    to = integer(query, "to", size, 0, size, "bad_position")
    return Position(integer(query, "from", 0, 0, to, "bad_position")), Position(to)


def wait_for(request: web.Request, wait_s_max: float) -> tuple[Wanted, float] | None:
    """What `wait=status:...` asks for, and for how long; `ended` stands for every last status."""
    query = request.query
    known(query, _GET)
    if "wait" not in query:
        return None
    what, _, value = query["wait"].partition(":")
    if what != "status" or not value:
        raise bad("wait", "status:STATUS[,STATUS...] or status:ended")
    names = [name for part in value.split(",") for name in (ENDED if part == "ended" else (part,))]
    statuses = frozenset(words(names, "wait", STATUSES))
    timeout = number(query, "timeout", min(30.0, wait_s_max), 0, wait_s_max)

    def wanted(state: Session) -> bool:
        return state.status in statuses or state.deleted

    return wanted, timeout


def erase(request: web.Request) -> bool:
    """Whether a deletion is to be an erasure."""
    query = request.query
    known(query, _DELETE)
    return words([query.get("erase", "false")], "erase", ("false", "true")) == ("true",)


def artifact_name(request: web.Request) -> str:
    """What a file is to be called."""
    known(request.query, _ARTIFACT)
    return request.query.get("name", "artifact")


def with_artifacts(request: web.Request) -> bool:
    """Whether evidence is to hold the files."""
    query = request.query
    known(query, _EVIDENCE)
    return words([query.get("artifacts", "true")], "artifacts", ("false", "true")) == ("true",)


def _few(name: str, values: list[_T]) -> tuple[_T, ...]:
    if len(values) > CONDITIONS_MAX:
        raise bad(name, f"at most {CONDITIONS_MAX} of these")
    return tuple(values)


def words(values: list[str], name: str, allowed: Collection[str]) -> tuple[str, ...]:
    """The values, each one of `allowed`."""
    for value in values:
        if value not in allowed:
            raise bad(name, f"{value!r} is none of {', '.join(sorted(allowed))}")
    return tuple(values)


def integer(
    query: Mapping[str, str], name: str, default: int, low: int, high: int, code: str = ""
) -> int:
    """An integer parameter within its range."""
    text = query.get(name)
    if text is None:
        return default
    if not _is_integer(text, low, high):
        raise bad(name, f"an integer between {low} and {high}", code or "invalid_query")
    return int(text)


def number(query: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    """A number parameter within its range."""
    text = query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise bad(name, f"a number between {low} and {high}")
    return value


def _is_position(digits: str) -> bool:
    return _is_integer(digits, 0, POSITION_MAX)


def _is_integer(text: str, low: int, high: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high


def known(query: Mapping[str, str], names: Collection[str], prefix: str | None = None) -> None:
    """Refuse parameters that are neither named nor begin with `prefix`."""
    for name in query:
        if name not in names and not (prefix and name.startswith(prefix)):
            raise bad(name, f"there is no such parameter; there are {', '.join(sorted(names))}")


def _time_us(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    return None if text is None else time_us(text, name)


def time_us(text: str, name: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time."""
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise bad(name, "an RFC 3339 time such as 2026-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise bad(name, "the time needs a zone")
    return (at - _EPOCH) // timedelta(microseconds=1)


def _scalar(text: str) -> str | int | float | bool | None:
    try:
        value = msgspec.json.decode(text, type=str | int | float | bool | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text
    return value if not isinstance(value, int) or abs(value) <= POSITION_MAX else text
