"""Results of tests: the two forms that devices send, brought into one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from projections.events.test_run import TestCompleted, TestStatus, TestTimedOut

Result = TestCompleted
"""A result as it is kept: as the fact that says it came."""

# An event holds a megabyte: this leaves room for its envelope and for a change of status.
RESULT_BYTES_MAX: Final = 900_000
PATH_CHARS_MAX: Final = 2048
# What is too long is cut to the first of these lengths with which it fits.
TEXT_CHARS: Final = (16_384, 2048, 256)

# Numbers of testharness.js in its order; what newer ones add is the nearest of the old words.
_HARNESS: Final[tuple[TestStatus, ...]] = ("OK", "ERROR", "TIMEOUT", "NOTRUN")
_SUBTEST: Final = ("PASS", "FAIL", "TIMEOUT", "NOTRUN", "NOTRUN")
_HARNESS_WORDS: Final[dict[str, TestStatus]] = {
    **{word: word for word in _HARNESS},
    "NOT_RUN": "NOTRUN",
    "PRECONDITION_FAILED": "NOTRUN",
}
_OWN: Final = frozenset({"test", "status", "message", "stack", "tests", "subtests"})
_CODES: Final = {
    "Chrome": "Ch",
    "Chrome Mobile WebView": "Ch",
    "Chromium": "Cm",
    "WebKit": "Wk",
    "Safari": "Sf",
    "Firefox": "FF",
    "IE": "IE",
    "Edge": "Ed",
    "Opera": "Op",
}
_MAJOR: Final = re.compile(r"[0-9]{1,6}(?![0-9])", re.ASCII)


class Refused(msgspec.Struct, frozen=True):
    """Why something is no result, in one sentence."""

    reason: str


def normal_result(raw: object) -> Result | Refused:
    """What a device reported, in the one form that is kept (section 3.8); never raises.

    Numbers become words, `tests` becomes `subtests`, stacks go, other keys stay; what is too long
    for one event is shortened. The path is kept as sent: it may be that of a variant.
    """
    if not isinstance(raw, Mapping):
        return Refused("a result is an object")
    path = raw.get("test")
    if not isinstance(path, str) or not path or len(path) > PATH_CHARS_MAX:
        return Refused(f"`test` is a path of 1 to {PATH_CHARS_MAX} characters")
    status = _harness_status(raw.get("status"))
    if status is None:
        return Refused(f"`status` is one of {', '.join(_HARNESS)}")
    told = raw.get("subtests") if raw.get("tests") is None else raw["tests"]
    subtests = None if told is None else _subtests(told, of_page=raw.get("tests") is not None)
    if isinstance(subtests, Refused):
        return subtests
    message = raw.get("message")
    result = Result(
        path=path,
        status=status,
        message=message if message is None or isinstance(message, str) else _json(message),
        subtests=subtests,
        extra={str(key): value for key, value in raw.items() if key not in _OWN},
    )
    return _fitting(result)


def server_timeout(fact: TestTimedOut) -> Result:
    """The result that the service gives a test which did not report in time (section 3.5)."""
    subtest = {"status": "TIMEOUT", "xstatus": "SERVERTIMEOUT"}
    return Result(
        path=fact.path, status="TIMEOUT", subtests=(subtest,), extra={"logs": list(fact.logs)}
    )


def shown(result: Result) -> dict[str, Any]:
    """A result as it is read: the keys of the API first, then what else was sent with it."""
    found: dict[str, Any] = {
        "test": result.path,
        "status": result.status,
        "message": result.message,
    }
    if result.subtests is not None:
        found["subtests"] = result.subtests
    return found | {key: value for key, value in result.extra.items() if key not in _OWN}


def has_passed(result: Result) -> bool:
    """True if no subtest is other than PASS; so also where there is none (section 3.4)."""
    return all(subtest.get("status") == "PASS" for subtest in result.subtests or ())


def browser_code(name: str, version: str) -> str:
    """Two letters and the major version in at least two digits: `Ch81`, `Xx00` (section 1.4)."""
    major = _MAJOR.match(version)
    return f"{_CODES.get(name, 'Xx')}{int(major[0]) if major else 0:02}"


def _harness_status(raw: object) -> TestStatus | None:
    if isinstance(raw, str):
        return _HARNESS_WORDS.get(raw)
    if not isinstance(raw, int) or isinstance(raw, bool):
        return None
    return _HARNESS[raw] if 0 <= raw < len(_HARNESS) else "ERROR"


def _subtests(raw: object, *, of_page: bool) -> tuple[dict[str, Any], ...] | Refused:
    if not isinstance(raw, list | tuple) or not all(isinstance(each, dict) for each in raw):
        return Refused("subtests are an array of objects")
    return tuple(_subtest(each, of_page=of_page) for each in raw)


def _subtest(raw: dict[str, Any], *, of_page: bool) -> dict[str, Any]:
    kept = {key: value for key, value in raw.items() if not (of_page and key == "stack")}
    status = raw.get("status")
    if status == "NOT_RUN":
        kept["status"] = "NOTRUN"
    elif isinstance(status, int) and not isinstance(status, bool):
        kept["status"] = _SUBTEST[status] if 0 <= status < len(_SUBTEST) else "FAIL"
    return kept


def _fitting(result: Result) -> Result | Refused:
    """The result in at most RESULT_BYTES_MAX, its texts cut where it has to be."""
    if len(msgspec.json.encode(result)) <= RESULT_BYTES_MAX:
        return result
    for chars in TEXT_CHARS:
        cut = msgspec.convert(_cut(msgspec.to_builtins(result), chars), Result)
        if len(msgspec.json.encode(cut)) <= RESULT_BYTES_MAX:
            return msgspec.structs.replace(cut, path=result.path)
    return Refused(f"a result has at most {RESULT_BYTES_MAX} bytes")


def _cut(value: Any, chars: int) -> Any:
    match value:
        case str():
            return value[:chars]
        case dict():
            return {key: _cut(each, chars) for key, each in value.items()}
        case list() | tuple():
            return [_cut(each, chars) for each in value]
        case _:
            return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
