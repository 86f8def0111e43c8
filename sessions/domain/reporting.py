"""What becomes of the reports of a worker: all those of one request are one commit; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from eventstore.codec import Fact
from projections.events.session import MessageAdded, SessionStatusChanged
from projections.events.status import ENDED, Reason, Status
from projections.events.work import AgentReported
from projections.folds.session import Session
from sessions.domain import checks
from sessions.domain.policy import (
    DETAIL_CHARS_MAX,
    PULL_REQUEST_STATE_CHARS_MAX,
    PULL_REQUESTS_MAX,
    URL_CHARS_MAX,
    allowed,
)
from sessions.domain.rejections import InvalidValue
from sessions.domain.work import check_holder
from sessions.domain.worker_reports import (
    Became,
    Finished,
    Output,
    Proposed,
    Report,
    Said,
    Started,
    Used,
)

ACU_LIMIT: Final = "max_acu_limit"
_BEGUN_FROM: Final[frozenset[Status]] = frozenset({"pending", "queued", "starting", "resuming"})

Fits = Callable[[Any], None]
"""Raises InvalidValue for a structured output that is not as the session wants it."""


def report(
    state: Session, generation: int, reports: Sequence[Report], fits: Fits
) -> tuple[Fact, ...]:
    """What the reports come to; raises Fenced, AlreadyEnded, and InvalidValue for any of them."""
    check_holder(state, generation)
    turn = _Turn(state, fits)
    for each in reports:
        turn.take(each)
    return turn.facts()


class _Turn:
    """Reports taken one after the other; what ends the session comes last in its commit."""

    def __init__(self, state: Session, fits: Fits) -> None:
        self._state = state
        self._fits = fits
        self._status = state.status
        self._facts: list[Fact] = []
        self._end: tuple[Status, Reason, str] | None = None
        agent = state.agent
        self._acus = 0.0 if agent is None else agent.acus
        self._urls = set() if agent is None else {one.url for one in agent.pull_requests}

    def take(self, told: Report) -> None:
        match told:
            case Started():
                if self._status in _BEGUN_FROM:
                    self._move("running", "")
            case Said():
                self._say(told)
            case Became():
                checks.detail(told.detail)
                # Who steers the session may have paused or stopped it meanwhile: that stands.
                if told.status != self._status and allowed(self._status, told.status):
                    self._move(told.status, told.detail)
            case Output():
                self._fits(told.structured_output)
                self._facts.append(AgentReported(structured_output=told.structured_output))
            case Proposed():
                self._propose(told)
            case Used():
                self._use(told)
            case Finished():
                checks.detail(told.detail)
                self._end = self._end or _ending(self._status, told)

    def facts(self) -> tuple[Fact, ...]:
        if self._end is None:
            return tuple(self._facts)
        to, reason, detail = self._end
        ended = SessionStatusChanged(was=self._status, to=to, reason=reason, detail=detail)
        assert to in ENDED
        return (*self._facts, ended)

    def _move(self, to: Status, detail: str) -> None:
        step = SessionStatusChanged(was=self._status, to=to, reason="requested", detail=detail)
        self._facts.append(step)
        self._status = to

    def _say(self, said: Said) -> None:
        checks.content(said.content)
        message = MessageAdded(id=said.id, role="agent", content=said.content, data=said.data)
        self._facts.append(message)

    def _propose(self, told: Proposed) -> None:
        url, state = told.pull_request.url, told.pull_request.state
        if not 0 < len(url) <= URL_CHARS_MAX:
            raise InvalidValue("url", f"1 to {URL_CHARS_MAX} characters")
        if len(state) > PULL_REQUEST_STATE_CHARS_MAX:
            raise InvalidValue("state", f"at most {PULL_REQUEST_STATE_CHARS_MAX} characters")
        self._urls.add(url)
        if len(self._urls) > PULL_REQUESTS_MAX:
            raise InvalidValue("url", f"at most {PULL_REQUESTS_MAX} pull requests a session")
        self._facts.append(AgentReported(pull_requests=(told.pull_request,)))

    def _use(self, told: Used) -> None:
        if not (math.isfinite(told.acus) and told.acus >= 0):
            raise InvalidValue("used", "a number, 0 or more")
        if told.acus > self._acus:
            self._acus = told.acus
            self._facts.append(AgentReported(acus=told.acus))
        limit = acu_limit(self._state)
        if limit is not None and told.acus >= limit:
            detail = f"{told.acus:g} of {limit:g} ACUs are used."
            self._end = ("failed", "limit_reached", detail)


def acu_limit(state: Session) -> float | None:
    """How much the session may use; None for as much as it needs."""
    limit = state.spec.get(ACU_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0:
        return None
    return limit


def _ending(status: Status, told: Finished) -> tuple[Status, Reason, str]:
    words = told.detail
    if told.signal is not None or told.exit_code:
        how = f"exit code {told.exit_code}" if told.signal is None else f"signal {told.signal}"
        words = f"{how}: {told.detail}" if told.detail else how
    detail = words[:DETAIL_CHARS_MAX]
    if status == "stopping":
        return "stopped", "requested", detail
    if told.exit_code == 0 and told.signal is None:
        return "completed", "finished", detail
    return "failed", "runtime_failed", detail
