"""Shapes of WAVE's results API: results as they are read, counted, exported and imported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from projections.folds.run import Counts
from projections.folds.session import Session
from sessions.dialects.wave import wire
from sessions.dialects.wave.outcomes import Result, browser_code, shown

ZIP: Final = "application/x-compressed"
FRONT_CHARS: Final = 8
COMPARED_MAX: Final = 32


class Compact(msgspec.Struct, frozen=True, kw_only=True):
    """What the results of one API add up to; keys and their order are the contract's."""

    passed: int = msgspec.field(name="pass")
    fail: int
    timeout: int
    not_run: int
    total: int
    complete: int


class Config(msgspec.Struct, frozen=True):
    """What the results API can do here (section 1.4)."""

    import_enabled: bool
    reports_enabled: bool


class Uri(msgspec.Struct, frozen=True):
    """Where a report is; None if there is nothing to report."""

    uri: str | None


def compact(counts: Mapping[str, Counts]) -> dict[str, Compact]:
    """The sums of each API (section 1.4)."""
    return {
        api: Compact(
            passed=one.passed,
            fail=one.failed,
            timeout=one.timed_out,
            not_run=one.not_run,
            total=one.total,
            complete=one.complete,
        )
        for api, one in sorted(counts.items())
    }


def selected(results: Mapping[str, Sequence[Result]], path: str) -> dict[str, list[Any]]:
    """The results below `path`, whose first segment names an API in any case (section 1.9)."""
    wanted, slash, rest = path.strip().lstrip("/").partition("/")
    if not wanted:
        return {api: [shown(one) for one in found] for api, found in results.items()}
    chosen: dict[str, list[Any]] = {}
    for api, found in results.items():
        start = f"/{api}{slash}{rest}"
        below = [shown(one) for one in found if one.path.startswith(start)]
        if below and api.lower() == wanted.lower():
            chosen[api] = below
    return chosen


def folder(api: str) -> str:
    """The API as the name of a folder that leads nowhere else."""
    name = quote(api, safe="")
    return name if name.strip(".") else name.replace(".", "%2E") or "%20"


def document(results: Sequence[Result], uploaded: bytes | None = None) -> bytes:
    """The results of one API as a file holds them; those of an `uploaded` file come before."""
    if uploaded is not None and not results:
        return uploaded
    told = {"results": []} if uploaded is None else msgspec.json.decode(uploaded)
    told["results"] += [shown(one) for one in results]
    return wire.text(told)


def script(name: str, value: Any) -> bytes:
    """A script that defines `name`; old browsers end a line at U+2028 also within a text."""
    text = wire.text(value).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"const {name} = {text};\n".encode()


def file_name(state: Session) -> str:
    """`<XxNN>`, the name of each file of results of a session (section 1.4)."""
    browser = wire.configuration(state).browser
    return browser_code(browser.name, browser.version)


def comparison(tokens: Iterable[str]) -> str:
    """The name of a comparison: the same sessions have the same, in whatever order (1.4)."""
    ordered = sorted(set(tokens))
    digest = hashlib.sha1("\0".join(ordered).encode(), usedforsecurity=False).hexdigest()
    return "-".join(("comparison", *(token[:FRONT_CHARS] for token in ordered), digest[:8]))


def report_uri(place: str, api: str) -> str:
    """Where the report page of an API is, of one session or of a comparison."""
    return f"/results/{place}/{quote(api, safe='')}/all.html"


def info(
    state: Session, counts: Mapping[str, Counts], malfunctioning: Sequence[str], last: str | None
) -> dict[str, Any]:
    """The session as a file tells of it, without what is pending or running (section 2.1)."""
    read = msgspec.to_builtins(wire.configuration(state))
    status = msgspec.to_builtins(wire.status_view(state))
    return {
        "token": state.id,
        "types": read["types"],
        "user_agent": read["user_agent"],
        "labels": read["labels"],
        "timeouts": read["timeouts"],
        "test_state": msgspec.to_builtins(compact(counts)),
        "last_completed_test": last,
        "tests": read["tests"],
        "status": status["status"],
        "browser": read["browser"],
        "date_created": read["date_created"],
        "date_started": status["date_started"],
        "date_finished": status["date_finished"],
        "is_public": read["is_public"],
        "reference_tokens": read["reference_tokens"],
        "expiration_date": status["expiration_date"],
        "malfunctioning_tests": list(malfunctioning),
        "type": wire.type_of(state),
    }
