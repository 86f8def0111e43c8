"""Shapes of the WAVE REST API: what is accepted, what is answered, and how errors look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar

import msgspec

from projections.events.status import Status
from projections.folds.session import Session
from sessions.failure import Failure, FieldError, Reply

JSON: Final = "application/json"
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "*",
}
TOKEN_CHARS: Final = 36
FRAGMENT_CHARS_MIN: Final = 8
TIMEOUTS_MS: Final[dict[str, int | float]] = {"automatic": 60_000, "manual": 300_000}
# Beyond this a JSON number is no longer the same number for every client.
NUMBER_MAX: Final = 1 << 53
TYPE: Final = "wmas"

IMPORTED: Final = "imported"
"""Where the spec of an imported session says what happened where it ran."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_MS_MIN: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
_MS_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
# The contract has one text for these two fields, and clients may compare it (section 1.2).
_TERSE: Final = ("types", "expiration_date")
_GONE: Final = (404, 405, 410)
_INVALID: Final = "Invalid input data!"
# What is wrong may be quoted in the words that say so, and it may be long.
_WORDS_CHARS_MAX: Final = 500

TestType = Literal["automatic", "manual"]
WaveStatus = Literal["pending", "running", "paused", "completed", "aborted"]
SessionType = Literal["wmas", "dpctf"]
"""Whose control pages the device is shown (section 3.6)."""
T = TypeVar("T")

STATUS: Final[dict[Status, WaveStatus]] = {
    "pending": "pending",
    "queued": "pending",
    "starting": "pending",
    "running": "running",
    "blocked": "running",
    "pausing": "paused",
    "paused": "paused",
    "resuming": "running",
    "stopping": "running",
    "completed": "completed",
    "failed": "aborted",
    "timed_out": "aborted",
    "stopped": "aborted",
    "lost": "aborted",
}


class NewTests(msgspec.Struct, frozen=True, kw_only=True):
    """The selection of tests in a request; null is the same as not given."""

    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session to make; every field may be left out or null, others are ignored (section 1.2)."""

    tests: NewTests | None = None
    types: tuple[TestType, ...] | None = None
    timeouts: dict[str, int | float | None] | None = None
    reference_tokens: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    expiration_date: int | str | None = None
    type: SessionType | None = None


Body = NewSession | list[Any] | None
"""What may come as JSON: an array and null say no more than an empty object (section 1.2)."""


class Tests(msgspec.Struct, frozen=True, kw_only=True):
    """The selection of tests of a session."""

    include: tuple[str, ...] = ("/",)
    exclude: tuple[str, ...] = ()


class Browser(msgspec.Struct, frozen=True, kw_only=True):
    """The browser behind a User-Agent."""

    name: str = "Other"
    version: str = "0"


class Token(msgspec.Struct, frozen=True):
    """The answer to a create and to a find."""

    token: str


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A session as it is read; keys and their order are the contract's (section 1.2)."""

    token: str
    tests: Tests
    types: tuple[str, ...]
    timeouts: dict[str, int | float]
    reference_tokens: tuple[str, ...]
    user_agent: str
    browser: Browser
    is_public: bool
    date_created: str
    labels: tuple[str, ...]


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a session is; keys and their order are the contract's (section 1.2)."""

    token: str
    status: WaveStatus
    date_started: str | None
    date_finished: str | None
    expiration_date: str | None


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """What an imported session says of where it ran: instants in microseconds, and its last test.

    All of it is None for a session that ran here.
    """

    created: int | None = None
    started: int | None = None
    finished: int | None = None
    last_completed_test: str | None = None


def new_session(body: Body) -> NewSession:
    """The request that a JSON body stands for; raises Failure for what only looks well-formed."""
    if not isinstance(body, NewSession):
        return NewSession()
    for key, value in (body.timeouts or {}).items():
        if value is not None and abs(value) > NUMBER_MAX:
            raise _invalid("the number is too large", "timeouts", key)
    return body


def spec(body: NewSession, agent: str, browser: Browser) -> dict[str, Any]:
    """What is kept of a request: WAVE's own words, with its defaults filled in (section 1.2)."""
    tests = body.tests or NewTests()
    timeouts = {key: ms for key, ms in (body.timeouts or {}).items() if ms is not None}
    return {
        "tests": {
            "include": ["/"] if tests.include is None else tests.include,
            "exclude": tests.exclude or (),
        },
        "types": tuple(TIMEOUTS_MS) if body.types is None else body.types,
        "timeouts": timeouts | {k: ms for k, ms in TIMEOUTS_MS.items() if k not in timeouts},
        "reference_tokens": body.reference_tokens or (),
        "type": TYPE if body.type is None else body.type,
        "user_agent": agent,
        "browser": msgspec.to_builtins(browser),
    }


def expires_at(body: NewSession) -> int | None:
    """When the session is to be removed, in microseconds; raises Failure (sections 1.2 and 2.4)."""
    match body.expiration_date:
        case None:
            return None
        case str(text):
            ms = _parsed_ms(text)
        case number:
            ms = number
    if ms is None or not _MS_MIN <= ms <= _MS_MAX:
        raise _invalid("neither milliseconds nor an ISO 8601 time", "expiration_date")
    return ms * 1000


def agent_text(header: str) -> str:
    """A User-Agent header as text that JSON can hold: bytes that were no UTF-8 become `?`."""
    return header.encode("utf-8", "replace").decode()


def configuration(state: Session) -> Configuration:
    """The session as WAVE reads it; one that another API made shows WAVE's defaults."""
    kept = state.spec
    return Configuration(
        token=state.id,
        tests=_kept(kept, "tests", Tests, Tests()),
        types=_kept(kept, "types", tuple[TestType, ...], tuple(TIMEOUTS_MS)),
        timeouts=_kept(kept, "timeouts", dict[str, int | float], TIMEOUTS_MS),
        reference_tokens=_kept(kept, "reference_tokens", tuple[str, ...], ()),
        user_agent=_kept(kept, "user_agent", str, ""),
        browser=_kept(kept, "browser", Browser, Browser()),
        is_public=_kept(kept, "is_public", bool, False),
        date_created=iso(_first(elsewhere(state).created, state.created_at)),
        labels=state.labels,
    )


def include_of(state: Session) -> tuple[str, ...]:
    """What `configuration` shows as included; alone, since every test that goes out asks for it."""
    return _kept(state.spec, "tests", Tests, Tests()).include


def type_of(state: Session) -> SessionType:
    """What a create or an update said; no read call shows it (section 1.2)."""
    return "dpctf" if state.spec.get("type") == "dpctf" else TYPE


def status_view(state: Session) -> StatusView:
    """How far the session is; only a start takes its expiration away (section 2.4)."""
    there = elsewhere(state)
    return StatusView(
        token=state.id,
        status=STATUS[state.status],
        date_started=_iso_or_none(_first(there.started, state.started_at)),
        date_finished=_iso_or_none(_first(there.finished, state.ended_at)),
        expiration_date=_iso_or_none(state.expires_at) if state.started_at is None else None,
    )


def elsewhere(state: Session) -> Elsewhere:
    """What an import told of the session."""
    # Only an import of this API says so: the spec of another's session is in its own words.
    if state.dialect != "wave":
        return Elsewhere()
    return _kept(state.spec, IMPORTED, Elsewhere, Elsewhere())


def _first(there: T | None, here: T) -> T:
    return here if there is None else there


def iso(at_us: int) -> str:
    """Microseconds since the epoch in ISO 8601, cut to the millisecond (section 2.1)."""
    return (_EPOCH + at_us // 1000 * _MS).isoformat()


def text(value: Any) -> bytes:
    """`value` as JSON the way WAVE writes it: four spaces deep (section 1.1)."""
    return msgspec.json.format(msgspec.json.encode(value), indent=4)


def refusal(failure: Failure) -> Reply:
    """A refusal as WAVE says it: what is not there has no body, the rest one `error`."""
    if failure.status in _GONE:
        return Reply(404, b"", {**CORS, "Content-Type": "text/plain"})
    status = 400 if failure.status == 422 else failure.status
    body = text({"error": _words(failure)[:_WORDS_CHARS_MAX]})
    return Reply(status, body, {**CORS, "Content-Type": JSON})


def _words(failure: Failure) -> str:
    if failure.code == "malformed_json":
        return "Invalid json data!"
    if not failure.fields:
        return failure.detail
    field = failure.fields[0]
    steps = [str(step) for step in field.path[1:]]
    if steps and steps[0] in _TERSE:
        return _INVALID
    return " ".join((_INVALID, *([".".join(steps) + ":"] if steps else []), field.message))


def _invalid(message: str, *steps: str) -> Failure:
    field = FieldError(("body", *steps), message)
    return Failure(400, "invalid_body", f"{'.'.join(steps)}: {message}", fields=(field,))


def _parsed_ms(value: str) -> int | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // _MS


def _iso_or_none(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)


def _kept(kept: dict[str, Any], name: str, shape: type[T], default: T) -> T:
    try:
        return msgspec.convert(kept[name], shape)
    except (KeyError, msgspec.ValidationError):
        return default
