"""Shapes of the WAVE sessions API beyond create and read: updates, lists, labels, resume; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from projections.folds.session import Session
from sessions.dialects.wave.wire import (
    TIMEOUTS_MS,
    Configuration,
    NewSession,
    NewTests,
    SessionType,
    StatusView,
    TestType,
    configuration,
    new_session,
    status_view,
)
from sessions.failure import Failure

INDEX: Final = 0
COUNT: Final = 10
COUNT_MAX: Final = 1000

_LIST: Final = "/_wave/api/sessions"
_DIGITS_MAX: Final = 15


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a PUT may change; labels and expiration are not among it (section 1.2)."""

    tests: NewTests | None = None
    types: tuple[TestType, ...] | None = None
    timeouts: dict[str, int | float | None] | None = None
    reference_tokens: tuple[str, ...] | None = None
    type: SessionType | None = None


class NewLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The longer form of the labels in a request."""

    labels: tuple[str, ...] | None = None


class ResumeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The session that a device is to go on with."""

    resume_token: str | None = None


ChangesBody = Changes | list[Any] | None
LabelsBody = tuple[str, ...] | NewLabels | None


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something is."""

    href: str
    templated: bool = False


class Links(msgspec.Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """The links of a page of sessions (section 1.2)."""

    configuration: Link = Link(_LIST + "/{token}", templated=True)
    status: Link = Link(_LIST + "/{token}/status", templated=True)
    own: Link
    first: Link
    last: Link
    next: Link | UnsetType = UNSET
    previous: Link | UnsetType = UNSET


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked to have along with the tokens."""

    configuration: list[Configuration] | UnsetType = UNSET
    status: list[StatusView] | UnsetType = UNSET


class SessionsPage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"links": "_links", "embedded": "_embedded"},
):
    """A page of sessions in the order in which they were made."""

    links: Links
    items: list[str]
    embedded: Embedded | UnsetType = UNSET


def changed_spec(body: ChangesBody, state: Session) -> dict[str, Any]:
    """What a session is asked for after a PUT (section 1.2, Update); raises Failure.

    A missing part keeps its value, but time-outs of paths and reference tokens are what was sent.
    """
    given = body if isinstance(body, Changes) else Changes()
    new_session(NewSession(timeouts=given.timeouts))
    kept = configuration(state)
    tests = given.tests or NewTests()
    timeouts = {key: ms for key, ms in (given.timeouts or {}).items() if ms is not None}
    for name, ms in TIMEOUTS_MS.items():
        timeouts.setdefault(name, kept.timeouts.get(name, ms))
    spec: dict[str, Any] = {
        "tests": {
            "include": kept.tests.include if tests.include is None else tests.include,
            "exclude": kept.tests.exclude if tests.exclude is None else tests.exclude,
        },
        "types": kept.types if given.types is None else given.types,
        "timeouts": timeouts,
        "reference_tokens": given.reference_tokens or (),
    }
    return spec if given.type is None else {**spec, "type": given.type}


def labels_of(body: LabelsBody) -> tuple[str, ...] | None:
    """The labels in either form of the request; None where there are none."""
    return body.labels if isinstance(body, NewLabels) else body


def page_number(name: str, text: str, default: int, least: int) -> int:
    """A number of the query, `default` where it is blank; raises Failure."""
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) >= least:
        return int(text)
    detail = f"{name}: a whole number of {least} or more"
    raise Failure(400, "invalid_parameter", detail)


def sessions_page(
    page: Sequence[Session], total: int, index: int, count: int, expand: Iterable[str]
) -> SessionsPage:
    """The page of `count` sessions from the one numbered `index` on, of `total`."""
    asked = set(expand)
    embedded = Embedded(
        configuration=list(map(configuration, page)) if "configuration" in asked else UNSET,
        status=list(map(status_view, page)) if "status" in asked else UNSET,
    )
    return SessionsPage(
        links=_links(total, index, count),
        items=[state.id for state in page],
        embedded=UNSET if embedded == Embedded() else embedded,
    )


def _links(total: int, index: int, count: int) -> Links:
    return Links(
        own=_at(index, count),
        first=_at(0, count),
        last=_at(total - total % count, count),
        next=_at(index + count, count) if index + count <= total else UNSET,
        previous=_at(max(index - count, 0), count) if index else UNSET,
    )


def _at(index: int, count: int) -> Link:
    return Link(f"{_LIST}?index={index}&count={count}")
