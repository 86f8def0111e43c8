"""Which tests a session runs, of those that the service has, and how long each may take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from projections.folds.session import Session
from sessions.caller import Caller
from sessions.dialects.wave.outcomes import Result
from sessions.dialects.wave.selection import (
    Test,
    execution_order,
    passed_in_references,
    select,
    timeout_of,
)
from sessions.dialects.wave.wire import Configuration, configuration
from sessions.domain.rejections import Rejection

ResultsOf = Callable[[str, Caller], Awaitable[dict[str, list[Result]]]]
"""The results of a session by API; raises Rejection."""


class Choosing:
    """Chooses from one set of tests; what a session refers to is looked up by `results_of`."""

    def __init__(self, tests: Iterable[Test], results_of: ResultsOf) -> None:
        self._tests = execution_order(tests)
        self._results_of = results_of

    async def choose(self, session: Session) -> tuple[str, ...]:
        """The paths that a session selects, in the order of execution (sections 3.2 to 3.6)."""
        wanted = configuration(session)
        # Only what the owner of the session may see can speak for a test.
        who = Caller(actor=session.owner, tenant=session.tenant, scopes=("sessions:read",))
        references = [await self._results(token, who) for token in wanted.reference_tokens]
        return await asyncio.to_thread(self._chosen, wanted, references)

    def _chosen(self, wanted: Configuration, references: list[list[Result]]) -> tuple[str, ...]:
        tests = select(self._tests, wanted.tests.include, wanted.tests.exclude, wanted.types)
        return tuple(test.path for test in passed_in_references(tests, references))

    async def _results(self, token: str, who: Caller) -> list[Result]:
        with contextlib.suppress(Rejection):
            found = await self._results_of(token, who)
            return [result for results in found.values() for result in results]
        return []


def timeouts_of(session: Session) -> Callable[[str], int | float]:
    """How long each test of a session may take, in milliseconds (section 3.5)."""
    timeouts = configuration(session).timeouts
    return lambda path: timeout_of(path, timeouts)
