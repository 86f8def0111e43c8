"""A session that workers may have, one commit after the other, without a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from eventstore.codec import Fact
from projections.events.status import Kind, Status
from projections.events.work import Released, WorkTerms
from sessions.domain import work as rules
from sessions.domain.commands import AddMessage, ChangeStatus, CreateSession
from sessions.domain.decide import decide
from sessions.domain.reporting import report
from sessions.domain.worker_reports import Report
from tests.support.sessions import EPOCH_US, commit_at, fold


class Life:
    """A session and what happens to it, one commit after the other."""

    def __init__(self, kind: Kind = "agent", terms: WorkTerms | None = None, **fields: Any) -> None:
        command = CreateSession(kind=kind, dialect="native", owner="o", work=terms, **fields)
        self.position = 0
        self.state: Any = None
        self.added(decide(command, None, EPOCH_US))

    def added(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """What comes to be true."""
        self.position += 1
        if facts:
            self.state = fold(self.state, facts, commit_at(self.position, EPOCH_US))
        return facts

    def moved(self, *statuses: Status) -> Life:
        """Somebody moves it."""
        for status in statuses:
            self.added(decide(ChangeStatus(to=status), self.state, EPOCH_US))
        return self

    def claimed(self) -> Life:
        """A worker gets it."""
        assert self.added(rules.claim(self.state, "w", 30))
        return self

    def told(self, *reports: Report, generation: int | None = None) -> Life:
        """The worker of a generation, the present one unless given, reports."""
        now = self.state.work.generation if generation is None else generation
        self.added(report(self.state, now, reports, lambda _: None))
        return self

    def released(self, why: Released, detail: str = "") -> Life:
        """It is given back, or taken from its worker."""
        self.added(rules.release(self.state, self.state.work.generation, why, detail))
        return self

    def said(self, role: Literal["user", "agent"] = "user") -> Life:
        """Somebody says something."""
        self.added(decide(AddMessage(id="m", role=role, content="x"), self.state, EPOCH_US))
        return self

    @property
    def is_(self) -> tuple[str, str, str]:
        """How it stands."""
        return self.state.status, self.state.reason, self.state.detail
