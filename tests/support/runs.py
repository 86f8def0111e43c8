"""A test run as the service drives it, without the service: facts in commits, folded at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from eventstore.codec import Fact
from eventstore.commit import Commit
from projections.events import CODEC
from projections.events.test_run import TestStarted
from projections.folds import run as run_fold
from projections.folds import session as session_fold
from projections.folds.run import Run
from projections.folds.session import Session
from sessions.domain.commands import AnyCommand
from sessions.domain.decide import decide
from sessions.domain.turn import Plan, Turn, Wish, begin
from tests.support.sessions import EPOCH_US, commit_at, create

MS_US = 1_000
TIMEOUTS_MS = {"/slow": 300.5, "/none": 0}


def timeout_of(path: str) -> int | float:
    """100 ms, or what the first folder says."""
    return next((ms for begin, ms in TIMEOUTS_MS.items() if path.startswith(begin)), 100)


class Driven:
    """A session with tests to run, its log, and the states that the log adds up to."""

    def __init__(self, order: Sequence[str]) -> None:
        self.order = order
        self.now = EPOCH_US
        self.log: list[tuple[Commit, tuple[Fact, ...]]] = []
        self.run = Run()
        self.plan = Plan(order, timeout_of)
        self._session: Session | None = None
        self._append(decide(create("test_run", "wave"), None, self.now))

    @property
    def session(self) -> Session:
        """The session as it is now."""
        assert self._session is not None
        return self._session

    def begin(self) -> None:
        """Select the tests and start."""
        self._append(begin(self.session, self.run, self.order, "ab" * 32, 2))

    def ask(self, *wishes: Wish) -> list[Any]:
        """The answers to wishes that are one commit."""
        turn = Turn(self.session, self.run, self.plan, self.now)
        answers = [turn.decide(wish) for wish in wishes]
        self._append(turn.facts)
        return answers

    def order_to(self, command: AnyCommand) -> None:
        """Give a command to the session; raises Rejection."""
        self._append(decide(command, self.session, self.now))

    def wait(self, ms: float) -> None:
        """Let time pass."""
        self.now += int(ms * MS_US)

    def over(self) -> set[str]:
        """The tests that are out for longer than they may."""
        since = {
            fact.path: commit.at
            for commit, facts in self.log
            for fact in facts
            if isinstance(fact, TestStarted)
        }
        return {
            path for path in self.run.running if since[path] + timeout_of(path) * MS_US <= self.now
        }

    def folded(self) -> Run:
        """The run as a service makes it of the log when it starts anew."""
        fresh = Run()
        for commit, facts in self.log:
            for fact in facts:
                fresh = run_fold.evolve(fresh, CODEC.decode(CODEC.encode(fact)), commit)
        return fresh

    def restart(self) -> None:
        """Forget all that is not in the log."""
        self.run = self.folded()
        self.plan = Plan(self.order, timeout_of)

    def facts(self, kind: type[Any]) -> list[Any]:
        """All facts of one kind so far."""
        return [fact for _, facts in self.log for fact in facts if type(fact) is kind]

    def _append(self, facts: Iterable[Fact]) -> None:
        written = tuple(facts)
        if not written:
            return
        previous = 0 if self._session is None else self.session.position
        commit = commit_at(previous + 2, self.now, previous=previous)
        for fact in written:
            self._session = session_fold.evolve(self._session, fact, commit)
            run_fold.evolve(self.run, fact, commit)
        self.log.append((commit, written))
