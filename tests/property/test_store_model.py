"""Whatever is asked of the log on SQLite, the oracle could have answered it, byte for byte."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventstore.commit import Append, Commit, Position, same_content
from eventstore.errors import CommitIdReused, Conflict, EventStoreError
from eventstore.memory import MemoryLog
from eventstore.sqlite.log import SqliteLog
from tests.support.logs import ANY, Clock, check_log, commit_id, positions, whole, wish

STREAMS = ["a", "b", "c"]
HEAD = -1  # stands for wherever the stream is when it is asked


class Draft(NamedTuple):
    """What an append will ask; a low `id` repeats an earlier one."""

    stream: str
    expected: int | None
    data: tuple[int, ...]
    id: int | None


drafts = st.builds(
    Draft,
    stream=st.sampled_from(STREAMS),
    expected=st.sampled_from([ANY, ANY, HEAD, HEAD, 0]) | st.integers(0, 12),
    data=st.lists(st.integers(0, 2), min_size=1, max_size=2).map(tuple),
    id=st.none() | st.none() | st.integers(0, 12),
)


def twin(oracle):
    """A copy that may be asked what it would say without changing the oracle."""
    copy = MemoryLog(oracle._clock_us)
    copy._log, copy._heads, copy._ids = [*oracle._log], {**oracle._heads}, {**oracle._ids}
    copy._tree = oracle._tree.copy()
    return copy


async def outcome_of(log, asked):
    """The commit, or the error as a value that can be compared."""
    try:
        return await log.append(asked)
    except EventStoreError as error:
        return comparable(error)


def comparable(outcome):
    """An error as its type and its parts; anything else as it is."""
    if isinstance(outcome, Conflict):
        return Conflict, outcome.stream, outcome.expected, outcome.actual
    if isinstance(outcome, CommitIdReused):
        return CommitIdReused, outcome.position
    return outcome


class LogsAgree(RuleBasedStateMachine):
    """Drives both logs; whatever SQLite makes of concurrency must be some order of the oracle's."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.clock = Clock()
        self.asked: list[Append] = []
        self.heard: list[int] = []
        self.oracle = MemoryLog(self.clock)

    @initialize()
    def open(self):
        self.log = self.runner.run(SqliteLog.open(Path(self.folder.name), clock_us=self.clock))
        self.log.listen(lambda batch: self.heard.extend(positions(batch)))

    def ask(self, draft):
        """The append that `draft` stands for now."""
        expected = draft.expected
        if expected == HEAD:
            expected = self.oracle._heads.get(draft.stream, 0)
        number = len(self.asked) + 100 if draft.id is None else draft.id
        asked = wish(draft.stream, expected, id=commit_id(number), data=draft.data)
        self.asked.append(asked)
        return asked

    @rule(draft=drafts)
    def append(self, draft):
        self.compare_append(self.ask(draft))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def repeat(self, data):
        self.compare_append(data.draw(st.sampled_from(self.asked)))

    def compare_append(self, asked):
        """Both logs must answer alike."""
        expected = self.runner.run(outcome_of(self.oracle, asked))
        assert self.runner.run(outcome_of(self.log, asked)) == expected

    @rule(group=st.lists(drafts, min_size=2, max_size=6))
    def append_together(self, group):
        self.runner.run(self.check_together([self.ask(draft) for draft in group], cut=(), turns=0))

    @rule(
        group=st.lists(drafts, min_size=1, max_size=5),
        cut=st.sets(st.integers(0, 4), min_size=1),
        turns=st.integers(0, 6),
    )
    def append_and_cancel(self, group, cut, turns):
        self.runner.run(self.check_together([self.ask(draft) for draft in group], cut, turns))

    async def check_together(self, group, cut, turns):
        """Append all at once and find the order in which the oracle gives the same answers."""
        size = self.log.head().size
        tasks = [asyncio.create_task(self.log.append(asked)) for asked in group]
        for _ in range(turns):
            await asyncio.sleep(0)
        for index in cut:
            if index < len(tasks):
                tasks[index].cancel()
        outcomes = [comparable(one) for one in await asyncio.gather(*tasks, return_exceptions=True)]
        # The writer may still be at it for appends that nobody waits for: they come before this.
        await self.log.append(last := wish("last", id=commit_id(10_000 + len(self.asked))))
        self.asked.append(last)
        landed = [one.commit for one in await self.log.read(size)]
        states = [twin(self.oracle)]
        for commit in landed:
            assert await self.replay(commit, [*group, last]), commit
            states.append(twin(self.oracle))
        for asked, outcome in zip(group, outcomes, strict=True):
            if not isinstance(outcome, asyncio.CancelledError):
                # Read after it was written, or refused at any point on the way.
                possible = [await outcome_of(twin(state), asked) for state in states]
                assert outcome in possible, (asked, outcome, possible)

    async def replay(self, commit: Commit, group):
        """True if the oracle, asked one of `group`, makes the very same commit."""
        for asked in group:
            same = asked.commit_id.hex() == commit.id and same_content(asked, commit)
            if same and await outcome_of(twin(self.oracle), asked) == commit:
                await self.oracle.append(asked)
                return True
        return False

    @rule()
    def reopen(self):
        self.runner.run(self.log.close())
        self.open()

    @rule(us=st.integers(-5, 1_000_000))
    def time_passes(self, us):
        self.clock.now_us += us

    @rule(after=st.integers(0, 60), limit=st.integers(0, 20))
    def read(self, after, limit):
        page = self.runner.run(self.log.read(Position(after), limit))
        assert page == self.runner.run(self.oracle.read(Position(after), limit))

    @rule(stream=st.sampled_from(STREAMS), after=st.integers(0, 60), limit=st.integers(0, 20))
    def read_stream(self, stream, after, limit):
        page = self.runner.run(self.log.read_stream(stream, Position(after), limit))
        assert page == self.runner.run(self.oracle.read_stream(stream, Position(after), limit))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def find(self, data):
        asked = data.draw(st.sampled_from(self.asked))
        found = self.runner.run(self.log.find(asked.commit_id))
        assert found == self.runner.run(self.oracle.find(asked.commit_id))

    @invariant()
    def heads_are_equal(self):
        ours, theirs = self.log.head(), self.oracle.head()
        assert (ours.size, ours.root) == (theirs.size, theirs.root)

    @invariant()
    def all_was_told_once_and_in_order(self):
        assert self.heard == list(range(1, self.log.head().size + 1))

    def teardown(self):
        try:
            if hasattr(self, "log"):
                self.runner.run(self.compare_logs())
                self.runner.run(self.log.close())
        finally:
            self.runner.close()
            self.folder.cleanup()

    async def compare_logs(self):
        """The logs must be equal to the byte."""
        assert await check_log(self.log) == await whole(self.oracle)


@pytest.mark.parametrize(
    "examples",
    [20, pytest.param(60, marks=pytest.mark.slow)],  # 1,500 steps
)
def test_the_log_answers_as_the_oracle_does(examples):
    chosen = settings(max_examples=examples, stateful_step_count=25)
    run_state_machine_as_test(LogsAgree, settings=chosen)
