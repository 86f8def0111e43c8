"""Test runs: tests go out to devices and results come in, as fast as the log takes them.

The state of a run is folded once and brought forward by what is appended. Wishes to one run that
come while a commit is under way wait for the next one, which holds them all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import structlog

from eventstore.commit import START, Commit, Recorded
from eventstore.errors import CommitTooLarge, Conflict
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.status import Status
from projections.events.test_run import TestStarted
from projections.folds.run import Counts, Run, evolve
from projections.folds.session import PREFIX, Session
from sessions.artifacts import Artifacts
from sessions.caller import Caller
from sessions.domain.commands import ChangeStatus
from sessions.domain.policy import WAITING
from sessions.domain.rejections import (
    NotFound,
    Rejection,
    RevisionMismatch,
    TransitionNotAllowed,
)
from sessions.domain.turn import (
    HANDING_OUT,
    Complete,
    HandOut,
    Handout,
    MarkMalfunctioning,
    Plan,
    Turn,
    Wish,
    begin,
    totals_of,
)
from sessions.service import CONFLICT_RETRIES_MAX, STREAM_PAGE, Sessions

HOT_RUNS_MAX: Final = 4_096
HOT_TESTS_MAX: Final = 1_000_000
# One commit takes so many wishes and so many bytes of results; the rest goes into the next.
WISHES_MAX: Final = 64
BATCH_BYTES: Final = 256 << 10
_NOTHING: Final = Plan((), lambda _: 0)

_log = structlog.get_logger()

Choose = Callable[[Session], Awaitable[Sequence[str]]]
"""The paths of the tests that a session selects, in the order of their execution."""
TimeoutsOf = Callable[[Session], Callable[[str], int | float]]
"""How many milliseconds each test of a session has to report."""
Out = Callable[[str, str, int], None]
"""Told of each test that goes out: the session, the path, and the deadline in microseconds."""

PAUSED: Final[frozenset[Status]] = frozenset({"pausing", "paused"})
GO_ON: Final = ChangeStatus(to="running", only_from=PAUSED)
_paths: Final = msgspec.json.Decoder(tuple[str, ...])


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A wish that waits for its commit."""

    wish: Wish
    size: int
    who: Caller
    answer: asyncio.Future[Any]


class Hot:
    """A run in memory; while it is read, what is appended waits in `tail`."""

    def __init__(self) -> None:
        self.run = Run()
        self.plan: Plan | None = None
        self.tail: list[Commit] | None = []
        self.waiting: deque[Asked] = deque()
        self.turn = asyncio.Lock()
        self.worker: asyncio.Task[None] | None = None
        self.users = 0


class Runs:
    """Every change to a test run goes through here; `on_out` is told of each test's deadline."""

    def __init__(
        self,
        log: EventLog,
        sessions: Sessions,
        artifacts: Artifacts,
        choose: Choose,
        timeouts_of: TimeoutsOf,
    ) -> None:
        self.on_out: Out = lambda *_: None
        self._log = log
        self._sessions = sessions
        self._artifacts = artifacts
        self._choose = choose
        self._timeouts_of = timeouts_of
        self._hot: OrderedDict[str, Hot] = OrderedDict()
        self._reading: dict[str, asyncio.Task[None]] = {}
        log.listen(self._apply)

    async def get(self, token: str, who: Caller) -> Run:
        """The run as it is now, which goes on changing; raises NotFound or Deleted."""
        async with self._entered(token, who) as (_, hot):
            return hot.run

    async def plan(self, token: str, who: Caller) -> tuple[Run, Plan]:
        """The run, and its tests: those that it would select now if it has not begun.

        Raises as `get`.
        """
        async with self._entered(token, who) as (session, hot), hot.turn:
            begun = session.started_at is not None and session.status not in HANDING_OUT
            if hot.run.selection is None and not begun:
                return hot.run, self._plan_of(session, await self._choose(session))
            return hot.run, await self._planned(session, hot)

    async def counts(self, token: str, who: Caller) -> dict[str, Counts]:
        """What the results of each API add up to, also before the first; raises as `get`."""
        run = await self.get(token, who)
        if run.selection is not None or run.counts:
            return run.counts
        _, plan = await self.plan(token, who)
        return {api: Counts(total=total) for api, total in totals_of(plan.order).items()}

    async def start(self, token: str, who: Caller) -> bool:
        """Select the tests and begin, or go on after a pause; False where neither can be done.

        Raises NotFound or Deleted.
        """
        async with self._entered(token, who) as (session, hot):
            if session.status in WAITING:
                return await self._begin(session, hot, who)
            return session.status in PAUSED and await self._go_on(token, who)

    async def next(self, token: str, who: Caller) -> Handout:
        """The next test, which is out from now on; raises NotFound or Deleted."""
        async with self._entered(token, who) as (session, hot):
            if hot.run.selection is None and session.status in HANDING_OUT:
                await self._begin(session, hot, who)  # another API began it
            handout: Handout = await self._ask(token, hot, HandOut(), 0, who)
            return handout

    async def complete(self, token: str, result: Complete, size: int, who: Caller) -> bool:
        """Take a result whose JSON has `size` bytes; False where the test is not out.

        Raises CommitTooLarge and StorageError.
        """
        # Written out, since this is the most frequent of all and a context manager has its price.
        try:
            _, hot = await self._enter(token, who)
            try:
                taken: bool = await self._ask(token, hot, result, size, who)
            finally:
                hot.users -= 1
        except Rejection:
            return False
        return taken

    async def mark(self, token: str, paths: Sequence[str], size: int, who: Caller) -> None:
        """Replace the list of malfunctioning tests; raises NotFound or Deleted."""
        async with self._entered(token, who) as (_, hot):
            await self._ask(token, hot, MarkMalfunctioning(tuple(paths)), size, who)

    async def ask(self, token: str, wish: Wish, who: Caller) -> Any:
        """The answer to any wish; raises NotFound or Deleted."""
        async with self._entered(token, who) as (_, hot):
            return await self._ask(token, hot, wish, 0, who)

    async def close(self) -> None:
        """Break off what is under way; what was not appended is told to nobody."""
        tasks = [hot.worker for hot in self._hot.values() if hot.worker is not None]
        tasks += self._reading.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _entered(self, token: str, who: Caller) -> AsyncIterator[tuple[Session, Hot]]:
        """The session and its run, which stays in memory for so long."""
        session, hot = await self._enter(token, who)
        try:
            yield session, hot
        finally:
            hot.users -= 1

    async def _enter(self, token: str, who: Caller) -> tuple[Session, Hot]:
        """The session and its run, which stays in memory until its `users` are one less."""
        session = self._sessions.at_hand(token, who) or await self._sessions.get(token, who)
        if session.kind != "test_run":
            raise NotFound("There is no such session.")
        hot = self._hot.get(token)
        if hot is None:
            self._evict()
            hot = self._hot[token] = Hot()
            self._reading[token] = asyncio.create_task(self._read(token, hot))
        self._hot.move_to_end(token)
        hot.users += 1
        if hot.tail is not None:
            try:
                await asyncio.shield(self._reading[token])
            except BaseException:
                hot.users -= 1
                raise
        return session, hot

    async def _read(self, token: str, hot: Hot) -> None:
        stream, after, until = PREFIX + token, START, self._log.size
        try:
            while page := await self._log.stream_commits(stream, after, until, STREAM_PAGE):
                for commit in page:
                    self._fold(hot, commit)
                after = page[-1].position
                await asyncio.sleep(0)
            tail, hot.tail = hot.tail or [], None
            for commit in tail:
                if commit.position > after:
                    self._fold(hot, commit)
        except BaseException:
            self._hot.pop(token, None)
            raise
        finally:
            del self._reading[token]
        for path, running in hot.run.running.items():
            self.on_out(token, path, running.deadline)

    def _apply(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            commit = recorded.commit
            token = commit.stream.removeprefix(PREFIX)
            hot = self._hot.get(token)
            if hot is None or len(token) == len(commit.stream):
                continue
            if hot.tail is not None:
                hot.tail.append(commit)
                continue
            for fact in self._fold(hot, commit):
                running = hot.run.running.get(fact.path)
                if running is not None:
                    self.on_out(token, fact.path, running.deadline)

    def _fold(self, hot: Hot, commit: Commit) -> list[TestStarted]:
        """Bring the run forward; the tests that went out."""
        facts = [CODEC.decode(event) for event in commit.events]
        for fact in facts:
            evolve(hot.run, fact, commit)
        return [fact for fact in facts if type(fact) is TestStarted]

    def _evict(self) -> None:
        """Forget the runs that nobody has used for longest."""
        tests = sum(hot.run.total for hot in self._hot.values())
        for token, hot in list(self._hot.items()):
            if len(self._hot) <= HOT_RUNS_MAX and tests <= HOT_TESTS_MAX:
                return
            if not hot.users and hot.worker is None:
                tests -= hot.run.total
                del self._hot[token]

    async def _ask(self, token: str, hot: Hot, wish: Wish, size: int, who: Caller) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        hot.waiting.append(Asked(wish, size, who, answer))
        if hot.worker is None:
            hot.worker = asyncio.create_task(self._work(token, hot))
        return await answer

    async def _work(self, token: str, hot: Hot) -> None:
        try:
            while hot.waiting:
                await self._answer(token, hot, list(_together(hot.waiting)))
        finally:
            hot.worker = None
            for asked in hot.waiting:
                asked.answer.cancel()
            hot.waiting.clear()

    async def _answer(self, token: str, hot: Hot, batch: list[Asked]) -> None:
        try:
            answers = await self._commit(token, hot, batch)
        except CommitTooLarge as error:
            if len(batch) == 1:
                _fail(batch, error)
            for asked in batch if len(batch) > 1 else ():
                await self._answer(token, hot, [asked])
        except asyncio.CancelledError:
            for asked in batch:
                asked.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the next go on
            _fail(batch, error)
        else:
            for asked, answer in zip(batch, answers, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(answer)

    async def _commit(self, token: str, hot: Hot, batch: list[Asked]) -> list[Any]:
        answers: list[Any] = []
        who = batch[0].who
        async with hot.turn:
            plan = await self._planned(await self._sessions.get(token, who), hot)

            def facts_of(session: Session, now: int) -> tuple[Any, ...]:
                if hot.run.position != session.position:
                    raise Conflict(PREFIX + token, hot.run.position, session.position)
                turn = Turn(session, hot.run, plan, now)
                answers[:] = [turn.decide(asked.wish) for asked in batch]
                return tuple(turn.facts)

            await self._sessions.change(token, facts_of, who)
        return answers

    async def _planned(self, session: Session, hot: Hot) -> Plan:
        """The plan of a run whose turn it is."""
        if hot.plan is None and hot.run.selection is not None:
            async with self._artifacts.read(session.id, hot.run.selection) as pieces:
                order = _paths.decode(b"".join([piece async for piece in pieces]))
            hot.plan = self._plan_of(session, order)
        return hot.plan or _NOTHING

    def _plan_of(self, session: Session, order: Sequence[str]) -> Plan:
        return Plan(order, self._timeouts_of(session))

    async def _go_on(self, token: str, who: Caller) -> bool:
        try:
            await self._sessions.execute(token, GO_ON, who)
        except Rejection:
            return False
        return True

    async def _begin(self, session: Session, hot: Hot, who: Caller) -> bool:
        for _ in range(CONFLICT_RETRIES_MAX):
            try:
                await self._begin_as(session, hot, who)
            except RevisionMismatch:
                session = await self._sessions.get(session.id, who)
            except TransitionNotAllowed:
                return False
            else:
                return True
        return False

    async def _begin_as(self, session: Session, hot: Hot, who: Caller) -> None:
        order = await self._choose(session)
        text = msgspec.json.encode(order)

        async def text_parts() -> AsyncIterator[bytes]:
            yield text

        async with hot.turn, self._artifacts.receive(text_parts()) as incoming:

            def facts_of(state: Session, _: int) -> tuple[Any, ...]:
                if state.spec != session.spec:  # it may be changed until it begins
                    raise RevisionMismatch(state.position)
                return tuple(begin(state, hot.run, order, incoming.sha256, incoming.size))

            await self._artifacts.keep(
                session.id, incoming, lambda: self._sessions.change(session.id, facts_of, who)
            )
            hot.plan = self._plan_of(session, order)


def _together(waiting: deque[Asked]) -> Iterator[Asked]:
    """The first wishes, of one caller, that fit into one commit; they wait no longer."""
    first = waiting[0]
    size = count = 0
    while waiting and count < WISHES_MAX:
        asked = waiting[0]
        size += asked.size
        count += 1
        if count > 1 and (size > BATCH_BYTES or not _same_party(asked.who, first.who)):
            return
        yield waiting.popleft()


def _same_party(one: Caller, other: Caller) -> bool:
    return (one.actor, one.tenant, one.scopes) == (other.actor, other.tenant, other.scopes)


def _fail(batch: Sequence[Asked], error: Exception) -> None:
    for asked in batch:
        if not asked.answer.done():
            asked.answer.set_exception(error)
