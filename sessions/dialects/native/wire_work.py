"""Shapes of the native API for workers: what they ask for, what they are given, what they tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from projections.events.status import Dialect, Kind, Reason, Status
from projections.events.work import PullRequest
from projections.folds.session import Session
from sessions.conversation import Said
from sessions.dialects.instants import instant
from sessions.dialects.native.wire import Request
from sessions.domain import worker_reports as reports
from sessions.domain.rejections import InvalidValue
from sessions.work import Heard
from sessions.work_claims import Claimed

WAIT_S_MAX: Final = 30.0
REPORTS_MAX: Final = 100


class NewClaim(Request, frozen=True, kw_only=True):
    """What a worker asks for: the oldest session of the kind that it is fit for."""

    kind: Kind
    worker: str
    labels: tuple[str, ...] = ()
    wait_s: float = 0.0


class NewPoll(Request, frozen=True, kw_only=True):
    """What a worker has heard so far; `after` is that of the last answer."""

    generation: int
    after: int = 0
    wait_s: float = 0.0


class ReportedStart(Request, frozen=True, kw_only=True, tag="started"):
    """The work has begun."""


class ReportedMessage(Request, frozen=True, kw_only=True, tag="message"):
    """The agent said something."""

    content: str
    data: dict[str, Any] = {}


class ReportedStatus(Request, frozen=True, kw_only=True, tag="status"):
    """The work goes on, or waits for a person."""

    status: Literal["running", "blocked"]
    detail: str = ""


class ReportedOutput(Request, frozen=True, kw_only=True, tag="output"):
    """The structured output is this now."""

    structured_output: Any


class ReportedPullRequest(Request, frozen=True, kw_only=True, tag="pull_request"):
    """A pull request exists, or stands otherwise than before."""

    url: str
    state: str = ""


class ReportedAcus(Request, frozen=True, kw_only=True, tag="acus"):
    """So many units of the budget were used in all, those of earlier attempts included."""

    used: float


class ReportedEnd(Request, frozen=True, kw_only=True, tag="finished"):
    """The work is over: how the command ended, 0 being success."""

    exit_code: int
    signal: int | None = None
    detail: str = ""


Report = (
    ReportedStart
    | ReportedMessage
    | ReportedStatus
    | ReportedOutput
    | ReportedPullRequest
    | ReportedAcus
    | ReportedEnd
)


class NewReports(Request, frozen=True, kw_only=True):
    """What a worker has to tell, in order; the same `sequence` again changes nothing."""

    generation: int
    sequence: int
    reports: tuple[Report, ...]


class NewRelease(Request, frozen=True, kw_only=True):
    """A worker gives the session back: it stops working, or cannot do this one."""

    generation: int
    why: Literal["drained", "refused"]
    detail: str = ""


class WorkerMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a user said."""

    position: int
    id: str
    role: str
    content: str
    at: datetime


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A session that the worker has from now on.

    `secrets` are here and nowhere else. `acus` is what earlier attempts have used.
    """

    session_id: str
    generation: int
    lease_s: int
    attempt: int
    kind: Kind
    dialect: Dialect
    title: str
    prompt: str
    labels: tuple[str, ...]
    metadata: dict[str, Any]
    spec: dict[str, Any]
    secrets: dict[str, str]
    acus: float
    messages: list[WorkerMessage]
    after: int


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended."""

    status: Status
    reason: Reason
    detail: str


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """What is new for a worker; once `ended` is there, its command is to be killed."""

    messages: list[WorkerMessage]
    after: int
    ended: Ending | None
    status: Status
    lease_s: int


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The reports are in the log."""

    status: Status
    position: int
    lease_s: int


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a session that was given back."""

    status: Status


class WorkItem(msgspec.Struct, frozen=True, kw_only=True):
    """A session that waits for a worker, or that one holds."""

    session_id: str
    kind: Kind
    title: str
    status: Status
    requires: tuple[str, ...]
    attempts: int
    attempts_max: int
    created_at: datetime
    worker: str | None
    generation: int
    claimed_at: datetime | None
    lease_s: int | None
    lease_left_s: float | None


class WorkList(msgspec.Struct, frozen=True, kw_only=True):
    """A page, oldest first; `next` is the cursor of the page after it, null on the last."""

    items: list[WorkItem]
    next: str | None
    position: int


def check_wait(wait_s: float) -> None:
    """Raises InvalidValue for a time that nobody waits."""
    if not 0 <= wait_s <= WAIT_S_MAX:
        raise InvalidValue("wait_s", f"between 0 and {WAIT_S_MAX:g}")


def report(told: Report, new_id: Callable[[], str]) -> reports.Report:
    """A report as the domain has it; `new_id` names a message."""
    match told:
        case ReportedStart():
            return reports.Started()
        case ReportedMessage():
            return reports.Said(id=new_id(), content=told.content, data=told.data)
        case ReportedStatus():
            return reports.Became(status=told.status, detail=told.detail)
        case ReportedOutput():
            return reports.Output(structured_output=told.structured_output)
        case ReportedPullRequest():
            request = PullRequest(url=told.url, state=told.state)
            return reports.Proposed(pull_request=request)
        case ReportedAcus():
            return reports.Used(acus=told.used)
        case ReportedEnd():
            return reports.Finished(
                exit_code=told.exit_code, signal=told.signal, detail=told.detail
            )


def check_reports(body: NewReports) -> None:
    """Raises InvalidValue for too few or too many, and for numbers that are none of a system."""
    if not 1 <= len(body.reports) <= REPORTS_MAX:
        raise InvalidValue("reports", f"1 to {REPORTS_MAX} of them")
    if not 0 <= body.sequence < 1 << 63:
        raise InvalidValue("sequence", "an integer, 0 or more")
    for told in body.reports:
        if isinstance(told, ReportedEnd):
            if not -(1 << 31) <= told.exit_code < 1 << 32:
                raise InvalidValue("exit_code", "an integer of 32 bits")
            if told.signal is not None and not 0 < told.signal < 128:
                raise InvalidValue("signal", "between 1 and 127")


def claim(claimed: Claimed) -> Claim:
    """What a worker needs to begin."""
    state = claimed.session
    work = state.work
    assert work is not None
    prompt = state.spec.get("prompt")
    return Claim(
        session_id=state.id,
        generation=work.generation,
        lease_s=work.lease_s,
        attempt=work.attempts,
        kind=state.kind,
        dialect=state.dialect,
        title=state.title,
        prompt=prompt if isinstance(prompt, str) else "",
        labels=state.labels,
        metadata=state.metadata,
        spec=state.spec,
        secrets=claimed.secrets,
        acus=0.0 if state.agent is None else state.agent.acus,
        messages=list(map(_message, claimed.messages)),
        after=claimed.after,
    )


def _message(said: Said) -> WorkerMessage:
    fact, commit = said.fact, said.commit
    return WorkerMessage(
        position=commit.position,
        id=fact.id,
        role=fact.role,
        content=fact.content,
        at=instant(commit.at),
    )


def poll(heard: Heard) -> Poll:
    """What is new for a worker."""
    state = heard.session
    ended = None
    if state.ended:
        ended = Ending(status=state.status, reason=state.reason, detail=state.detail)
    return Poll(
        messages=list(map(_message, heard.messages)),
        after=heard.after,
        ended=ended,
        status=state.status,
        lease_s=_lease_s(state),
    )


def reported(state: Session) -> Reported:
    """What became of the session by its reports."""
    return Reported(status=state.status, position=state.position, lease_s=_lease_s(state))


def _lease_s(state: Session) -> int:
    return 0 if state.work is None else state.work.lease_s


def work_item(state: Session, lease_left_s: float | None) -> WorkItem:
    """A session as those see it who look after workers."""
    work = state.work
    assert work is not None
    held = state.held
    return WorkItem(
        session_id=state.id,
        kind=state.kind,
        title=state.title,
        status=state.status,
        requires=work.requires,
        attempts=work.attempts,
        attempts_max=work.attempts_max,
        created_at=instant(state.created_at),
        worker=work.worker if held else None,
        generation=work.generation,
        claimed_at=instant(work.claimed_at) if held and work.claimed_at is not None else None,
        lease_s=work.lease_s if held else None,
        lease_left_s=lease_left_s if held else None,
    )
