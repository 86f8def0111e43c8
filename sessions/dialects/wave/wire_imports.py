"""What comes in as whole files of results: the results of one API, and the export of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from projections.folds.run import Counts, outcomes
from sessions.dialects.wave import wire
from sessions.dialects.wave.outcomes import PATH_CHARS_MAX, Refused, Result, normal_result, shown

INFO: Final = "info.json"
INFO_BYTES_MAX: Final = 512 << 10
INVALID: Final = "Invalid input data!"
EXISTS: Final = "Session already exists!"
APIS_MAX: Final = 500
API_CHARS_MAX: Final = 255
LISTED_MAX: Final = 20_000
# Results come out again inside more JSON, and from deeper in the stack.
_DEPTH_TO_SPARE: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BadResults(Exception):
    """What came is not what it has to be."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one API as they came, in a file of their own; `counts` is their sum."""

    api: str
    content: bytes
    counts: Counts


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """The `info.json` of an export; null is the same as not there (section 2.1).

    Old ones have `path` for `tests`, and numbers for dates.
    """

    token: str
    types: tuple[wire.TestType, ...] | None = None
    user_agent: str | None = None
    labels: tuple[str, ...] | None = None
    timeouts: dict[str, int | float | None] | None = None
    tests: wire.NewTests | None = None
    path: str | None = None
    status: str | None = None
    last_completed_test: str | None = None
    browser: wire.Browser | None = None
    date_created: int | float | str | None = None
    date_started: int | float | str | None = None
    date_finished: int | float | str | None = None
    is_public: bool | None = None
    reference_tokens: tuple[str, ...] | None = None
    malfunctioning_tests: tuple[str, ...] | None = None
    type: wire.SessionType | None = None


def upload(raw: bytes, api: str) -> Upload:
    """The results of `api` and of no other; raises BadResults.

    Whatever else the file holds is kept, such as the `meta` of an observer (section 5.2).
    """
    value = _value(raw)
    counts, found = Counts(), []
    for told in value["results"]:
        result = normal_result(told)
        if isinstance(result, Refused):
            raise BadResults(result.reason)
        if not result.path.startswith(f"/{api}/"):
            raise BadResults(f"{result.path[:200]} is no test of {api}")
        _count(counts, result)
        found.append(shown(result))
    return Upload(api=api, content=_encoded({**value, "results": found}), counts=counts)


def exported(name: str, raw: bytes) -> Upload:
    """The results in the file `name` of an export, whose folder is its API; raises BadResults."""
    folder = name.partition("/")[0]
    first = next(iter(_value(raw)["results"]), None)
    path = first.get("test") if isinstance(first, dict) else None
    # Ours quote what is no plain word; others have it as it is.
    plain = isinstance(path, str) and path.startswith(f"/{folder}/")
    api = folder if plain else unquote(folder, errors="replace")
    if not api.isprintable() or "\ufffd" in api or len(api) > API_CHARS_MAX:
        raise BadResults("no name of an API")
    return upload(raw, api)


def _value(raw: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadResults(f"not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("results"), list):
        raise BadResults("an object with a list of results")
    return value


def is_result_file(name: str) -> bool:
    """True for `<api>/<XxNN>.json` (section 1.4)."""
    return name.count("/") == 1 and name.endswith(".json")


def new_session(info: Info) -> wire.NewSession:
    """What the session was asked for, as a request would say it."""
    tests = info.tests
    if tests is None and info.path:
        tests = wire.NewTests(include=tuple(part.strip() for part in info.path.split(", ")))
    listed = (*(info.malfunctioning_tests or ()), *(info.reference_tokens or ()))
    if len(listed) > LISTED_MAX:
        raise BadResults("more than anybody lists")
    return wire.NewSession(
        tests=tests,
        types=info.types,
        timeouts=info.timeouts,
        reference_tokens=info.reference_tokens,
        labels=info.labels,
        type=info.type,
    )


def elsewhere(info: Info) -> wire.Elsewhere:
    """When it was made, started and finished where it ran, and with which test; raises BadResults.

    A path that no test can have is none.
    """
    last = info.last_completed_test
    return wire.Elsewhere(
        created=_us(info.date_created),
        started=_us(info.date_started),
        finished=_us(info.date_finished),
        last_completed_test=last if last and len(last) <= PATH_CHARS_MAX else None,
    )


def _count(counts: Counts, result: Result) -> None:
    counts.total += 1
    counts.complete += 1
    for name in outcomes(result):
        setattr(counts, name, getattr(counts, name) + 1)


def _encoded(value: dict[str, Any]) -> bytes:
    deep: Any = value
    for _ in range(_DEPTH_TO_SPARE):
        deep = [deep]
    try:
        msgspec.json.encode(deep)
    except RecursionError:
        raise BadResults("nested too deeply") from None
    return msgspec.json.encode(value)


def _us(value: float | str | None) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            us = (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)
        else:
            us = int(value) * 1000
        _ = _EPOCH + timedelta(microseconds=us)
    except (ValueError, OverflowError):
        raise BadResults("a date is milliseconds or an ISO 8601 time") from None
    return us
