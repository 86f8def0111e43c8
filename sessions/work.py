"""The work of sessions, done by programs elsewhere: they ask for it, report on it, are waited for.

A worker holds a session by a lease; each of its requests renews it. One that is not heard of in
time has lost the session, and whatever it says later is refused (`Fenced`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from eventstore.codec import Fact
from eventstore.commit import Position
from eventstore.errors import CommitIdReused
from eventstore.ports import EventLog
from eventstore.vault import Vault
from projections.events.work import Released, WorkTerms
from projections.folds.session import Session
from sessions.caller import SERVICE, Caller
from sessions.conversation import Said
from sessions.domain import work as rules
from sessions.domain.output_schema import fits_of
from sessions.domain.rejections import Fenced, InvalidValue, Rejection
from sessions.domain.reporting import report as reported
from sessions.domain.worker_reports import Report
from sessions.metrics import Metrics
from sessions.service import Once, Sessions
from sessions.work_claims import Asking, Claimed, Claims
from sessions.work_leases import Leases
from sessions.work_messages import Hearing, heard
from sessions.work_queue import WorkQueue

LEASE_SHARE: Final = 3
"""A poll waits for at most this part of its lease."""

_log = structlog.get_logger()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What users said since the worker last asked, and how the session is."""

    session: Session
    messages: list[Said]
    after: Position


class Work:
    """Hands sessions to workers, and takes their reports."""

    def __init__(
        self,
        log: EventLog,
        sessions: Sessions,
        vault: Vault,
        queue: WorkQueue,
        claims: Claims,
        leases: Leases,
        metrics: Metrics,
    ) -> None:
        self.leases = leases
        self._sessions = sessions
        self._vault = vault
        self._queue = queue
        self._claims = claims
        self._metrics = metrics
        self._hearing = Hearing()
        log.listen(self._hearing.apply)
        metrics.workers_waiting.set_function(lambda: queue.workers)
        metrics.work_held.set_function(lambda: len(leases))

    # For those who have work done.

    async def offer(self, session_id: str, terms: WorkTerms, who: Caller) -> Session:
        """The session, which workers may claim from now on; raises Rejection."""
        return await self._sessions.change(
            session_id, lambda state, _: rules.offer(state, terms), who
        )

    # For workers.

    async def claim(self, asking: Asking, who: Caller) -> Claimed | None:
        """The oldest session that the worker is fit for; None if none came in time.

        Raises InvalidValue, and LimitReached where too many workers wait.
        """
        return await self._claims.claim(asking, who)

    async def poll(
        self, session_id: str, generation: int, after: Position, wait_s: float, who: Caller
    ) -> Heard:
        """What is new since `after` for the worker, as soon as there is something.

        New is what a user says, and another status. Raises Fenced and InvalidValue.
        """
        with self._hearing.of(session_id) as news:
            state = await self._held(session_id, generation, who)
            work = state.work
            assert work is not None
            if wait_s * LEASE_SHARE > work.lease_s:
                raise InvalidValue("wait_s", f"at most a third of the lease of {work.lease_s} s")
            if not 0 <= after <= state.position:
                raise InvalidValue("after", f"between 0 and {state.position}")
            self._renew(state, generation)
            loop = asyncio.get_running_loop()
            until = loop.time() + wait_s
            while True:
                news.clear()
                said, looked = await heard(self._sessions, self._vault, state, after, who)
                # What came while that was read is told now, or lies behind `looked`.
                state = await self._held(session_id, generation, who)
                left = until - loop.time()
                done = said or state.ended or state.status_position > after
                if done or left <= 0 or self._queue.closed:
                    return Heard(session=state, messages=said, after=looked)
                await _sleep(news, left)
                state = await self._held(session_id, generation, who)

    async def report(
        self,
        session_id: str,
        generation: int,
        sequence: int,
        reports: Sequence[Report],
        fingerprint: str,
        who: Caller,
    ) -> Session:
        """The session after the reports, which are one commit; a repeat changes nothing.

        Raises Fenced, AlreadyEnded, InvalidValue, and IdempotencyKeyReused where the sequence was
        used for other reports.
        """
        once = Once(f"work {session_id} {generation} {sequence}", fingerprint)
        lease = self.leases.of(session_id, generation)
        state = None
        if lease is None or sequence <= lease.sequence:
            state = await self._sessions.answered(once, who)
        if state is None:
            state = await self._report(session_id, generation, reports, once, who)
        self._renew(state, generation, sequence)
        return state

    async def release(
        self, session_id: str, generation: int, why: Released, detail: str, who: Caller
    ) -> Session:
        """The session, given back; raises Fenced and AlreadyEnded."""

        def facts_of(state: Session, _: int) -> tuple[Fact, ...]:
            return rules.release(state, generation, why, detail)

        return await self._change(session_id, facts_of, who)

    # What happens meanwhile.

    def notice(self, session: Session) -> None:
        """A session is as it is now. Told at the moment of each commit."""
        work = session.work
        if work is None:
            return
        self._queue.notice(session)
        if session.held:
            self.leases.begin(session.id, work.generation, work.lease_s)
        else:
            self.leases.end(session.id, work.generation)

    def remember(self, session: Session) -> None:
        """A worker had the session, by views that may be behind: it has a lease to say so."""
        if session.held and session.work is not None:
            self.leases.begin(session.id, session.work.generation, session.work.lease_s)

    def close(self) -> None:
        """Answer all who wait."""
        self._queue.close()
        self._hearing.wake_all()

    async def lapse(self, session_id: str, generation: int) -> None:
        """Take the session from a worker that was not heard of, unless it just was."""

        def facts_of(state: Session, _: int) -> tuple[Fact, ...]:
            if not self.leases.is_over(session_id, generation):
                return ()
            work = rules.check_holder(state, generation)
            detail = f"The worker {work.worker} was not heard of for {work.lease_s} s."
            return rules.release(state, generation, "lapsed", detail)

        try:
            await self._sessions.change(session_id, facts_of, SERVICE, deleted=True)
        except Rejection:
            self.leases.end(session_id, generation)  # it is not held any more
        else:
            if self.leases.of(session_id, generation) is None:
                self._metrics.work_lapses.inc()

    async def _report(
        self,
        session_id: str,
        generation: int,
        reports: Sequence[Report],
        once: Once,
        who: Caller,
    ) -> Session:
        def facts_of(state: Session, _: int) -> tuple[Fact, ...]:
            return reported(state, generation, reports, fits_of(state))

        try:
            return await self._change(session_id, facts_of, who, once)
        except (Rejection, CommitIdReused):
            # The same, sent twice at once, may have been faster.
            earlier = await self._sessions.answered(once, who)
            if earlier is None:
                raise
            return earlier

    async def _change(
        self,
        session_id: str,
        facts_of: Callable[[Session, int], tuple[Fact, ...]],
        who: Caller,
        once: Once | None = None,
    ) -> Session:
        try:
            # Also a deleted one: the worker is told that it has ended.
            return await self._sessions.change(session_id, facts_of, who, deleted=True, once=once)
        except Fenced:
            self._metrics.work_fenced.inc()
            raise

    async def _held(self, session_id: str, generation: int, who: Caller) -> Session:
        """The session, which this generation has or had at its end; raises Fenced."""
        state = await self._sessions.find(session_id, who)
        if not rules.was_held(state, generation):
            self._metrics.work_fenced.inc()
            raise Fenced
        return state

    def _renew(self, state: Session, generation: int, sequence: int = 0) -> None:
        work = state.work
        if work is not None and state.held and work.generation == generation:
            self.leases.renew(state.id, generation, work.lease_s, sequence)


def fingerprint_of(body: bytes) -> str:
    """What tells one report from another."""
    return hashlib.sha256(body).hexdigest()


async def _sleep(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass
