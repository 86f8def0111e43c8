"""Shapes of Galtea's sessions: ids, times, what is accepted, what is answered, and errors."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Literal

import msgspec

from projections.events.status import ENDED, Reason, Status
from projections.folds.references import VALUE_CHARS_MAX, in_production
from projections.folds.session import Session
from sessions.dialects.uuids import public_id
from sessions.domain.rejections import AlreadyEnded, AlreadyExists
from sessions.failure import Failure, FieldError, Reply

JSON: Final = {"Content-Type": "application/json"}
SESSION: Final = "session"
# No client is older than 0.0.0: a higher number here would lock some out (section 8.9).
SDK_VERSIONS: Final = {
    "minimumSdkVersionSupported": "0.0.0",
    "latestSdkVersionPublished": "5.12.0",
}

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as all of it

GalteaStatus = Literal["PENDING", "COMPLETED", "FAILED"]

INITIAL: Final[dict[GalteaStatus, tuple[Status, Reason]]] = {
    "PENDING": ("pending", "requested"),
    "COMPLETED": ("completed", "finished"),
    "FAILED": ("failed", "client_error"),
}
# What a client asked for needs no explanation; any other reason to end is told.
_UNTOLD: Final[frozenset[Reason]] = frozenset({"requested", "finished", "client_error"})


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A body that a client sends; what it does not name is ignored, null is not given (8.1)."""


class NewSession(Body, frozen=True, kw_only=True):
    """A session to make (section 5)."""

    version_id: str | None = None
    product_id: str | None = None
    custom_id: str | None = None
    test_case_id: str | None = None
    is_production: bool | None = None
    context: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    status: GalteaStatus | None = None
    run_id: str | None = None

    @property
    def production(self) -> bool:
        """What was said, else whether there is no test case."""
        return self.test_case_id is None if self.is_production is None else self.is_production


class Origin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the references of a new session stand for, by the ids that clients see."""

    version_id: str
    product_id: str
    test_id: str | None = None
    context: dict[str, Any] | None = None


class SessionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A session as it is answered: every key, in the order of section 4."""

    id: str
    custom_id: str | None
    version_id: str | None
    user_id: str | None
    test_case_id: str | None
    context: dict[str, Any] | None
    stopping_reason: str | None
    recording_uri: str | None
    error: str | None
    status: GalteaStatus
    is_production: bool
    is_seed: bool
    metadata: dict[str, Any] | None
    run_id: str | None
    created_at: str
    deleted_at: str | None


class Error(msgspec.Struct, frozen=True):
    """A refusal (section 2)."""

    error: str
    message: str


def instant(at_us: int) -> str:
    """Microseconds since the epoch in the one form that sorts as text (section 4)."""
    at = _EPOCH + timedelta(milliseconds=at_us // 1000)
    return at.isoformat(timespec="milliseconds") + "Z"


def wrapped(value: str | dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    """A text as the object that stands for it; an object as it is (sections 4 and 7)."""
    return {key: value} if isinstance(value, str) else value


def check(body: NewSession) -> None:
    """Raises Failure where the fields contradict each other (the table of section 5)."""
    if body.version_id is None and body.product_id is None:
        raise bad("versionId", "versionId or productId is required")
    if body.custom_id is not None:
        check_custom_id(body.custom_id)
    if body.test_case_id is not None and body.is_production:
        raise bad("isProduction", "a session with a testCaseId is not a production session")
    if body.test_case_id is not None and body.context is not None:
        raise bad("context", "context comes from the test case when testCaseId is set")
    if body.run_id is not None and body.production:
        raise bad("runId", "a production session belongs to no run")


def check_custom_id(text: str) -> None:
    """Raises Failure for a custom id that is blank or too long."""
    if not text.strip():
        raise bad("customId", "customId is not blank")
    if len(text) > VALUE_CHARS_MAX:  # nobody would find it by a longer one
        raise bad("customId", f"customId has at most {VALUE_CHARS_MAX} characters")


def spec(body: NewSession, origin: Origin) -> dict[str, Any]:
    """What is kept of a request: Galtea's own words, and nothing that is null."""
    kept = {
        "versionId": origin.version_id,
        "productId": origin.product_id,
        "customId": body.custom_id,
        "testCaseId": body.test_case_id,
        "testId": origin.test_id,
        "isProduction": body.production,
        "context": origin.context if body.test_case_id else wrapped(body.context, "value"),
        "runId": body.run_id,
    }
    return {name: value for name, value in kept.items() if value is not None}


def session_view(state: Session, shown_id: str = "") -> SessionView:
    """The session as Galtea shows it, whichever API made it (section 4).

    Who has the id that clients see at hand gives it, for to make it takes longest of all.
    """
    test_case_id = _text(state.spec, "testCaseId")
    production = in_production(state)
    context = state.spec.get("context")
    status = status_of(state.status)
    told = state.detail or (None if state.reason in _UNTOLD else state.reason.upper())
    return SessionView(
        id=shown_id or public_id(SESSION, state.id),
        custom_id=_text(state.spec, "customId"),
        version_id=_text(state.spec, "versionId"),
        user_id=None if production else state.owner,
        test_case_id=test_case_id,
        context=context if isinstance(context, dict) else None,
        stopping_reason=_said(state, "stoppingReason", told if status == "COMPLETED" else None),
        recording_uri=None,
        error=_said(state, "error", told if status == "FAILED" else None),
        status=status,
        is_production=production,
        is_seed=False,
        metadata=state.metadata or None,
        run_id=_text(state.spec, "runId"),
        created_at=instant(state.created_at),
        deleted_at=None,
    )


def status_of(status: Status) -> GalteaStatus:
    """Galtea's word for a status."""
    if status not in ENDED:
        return "PENDING"
    return "COMPLETED" if status == "completed" else "FAILED"


def bad(field: str, message: str) -> Failure:
    """The refusal of one field."""
    return Failure(400, "invalid_body", message, fields=(FieldError(("body", field), message),))


def refusal(failure: Failure) -> Reply:
    """A refusal as Galtea says it; what is no route answers no JSON object (section 2)."""
    if failure.code == "no_such_route":
        return Reply(404, failure.detail.encode(), {"Content-Type": "text/plain"})
    status = {410: 404, 422: 400}.get(failure.status, failure.status)
    if failure.code in (AlreadyEnded.code, AlreadyExists.code):
        status = 400
    body = Error(HTTPStatus(status).phrase, _words(failure))
    return Reply(status, msgspec.json.encode(body), JSON)


def _words(failure: Failure) -> str:
    if failure.status != 422 or not failure.fields:
        return failure.detail
    field = failure.fields[0]
    place = ".".join(map(str, field.path[1:]))
    return f"{place}: {field.message}" if place else field.message


def _said(state: Session, name: str, told: str | None) -> str | None:
    """What a client said, be it that there is nothing to say; else what the session tells."""
    value = state.spec.get(name)
    return (value or None) if isinstance(value, str) else told


def _text(kept: dict[str, Any], name: str) -> str | None:
    value = kept.get(name)
    return value if isinstance(value, str) else None
