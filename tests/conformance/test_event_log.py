"""What every log promises, whatever it is built on."""

import asyncio

import pytest

from eventstore.commit import BODY_BYTES_MAX, Position
from eventstore.errors import CommitIdReused, CommitTooLarge, Conflict, EventStoreError
from eventstore.memory import MemoryLog
from eventstore.sqlite.log import SqliteLog
from tests.support.logs import (
    ANY,
    NEW,
    AnyLog,
    Clock,
    check_log,
    commit_id,
    event,
    filled,
    gather_outcomes,
    positions,
    wish,
)
from tests.support.trees import path, proof, tree_hash


@pytest.fixture(params=["memory", "sqlite"])
async def timed(request, tmp_path):
    """A log and the clock that it reads."""
    clock = Clock()
    if request.param == "memory":
        yield MemoryLog(clock), clock
        return
    sqlite = await SqliteLog.open(tmp_path, clock_us=clock)
    yield sqlite, clock
    await sqlite.close()


@pytest.fixture
def log(timed):
    return timed[0]


async def test_a_new_log_is_empty(log: AnyLog):
    assert await log.read() == []
    assert await log.find(commit_id(1)) is None
    assert (log.head().size, log.head().root) == (0, tree_hash([]))


async def test_a_commit_tells_all_that_was_asked_and_when(log: AnyLog):
    asked = wish(
        "thing/1",
        id=commit_id(7),
        data=[{"n": 1}, "two"],
        actor="alice",
        tenant="lab",
        tags=("kind=thing", "label=ü"),
        correlation_id="request-1",
        causation=Position(3),
        traceparent="00-a-b-01",
    )
    commit = await log.append(asked)
    assert commit.position == 1
    assert commit.previous == 0
    assert commit.id == commit_id(7).hex()
    assert commit.at == Clock().now_us
    for field in ("stream", "actor", "tenant", "tags", "correlation_id", "causation"):
        assert getattr(commit, field) == getattr(asked, field)
    assert commit.traceparent == asked.traceparent
    assert commit.events == asked.events
    assert [one.commit for one in await log.read()] == [commit]


@pytest.mark.parametrize("expected", [NEW, ANY])
async def test_a_new_stream_may_be_expected_new_or_anything(log: AnyLog, expected):
    assert (await log.append(wish("thing/1", expected))).previous == 0


@pytest.mark.parametrize("expected", [2, ANY])
async def test_a_stream_goes_on_from_its_last_commit(log: AnyLog, expected):
    await filled(log, ["a", "b", "c"])
    commit = await log.append(wish("b", expected))
    assert (commit.position, commit.previous) == (4, 2)


@pytest.mark.parametrize(
    ("stream", "expected", "actual"),
    [("b", NEW, 4), ("b", 2, 4), ("b", 3, 4), ("b", 99, 4), ("c", 3, 0)],
    ids=["new", "stale", "of another stream", "to come", "no such stream"],
)
async def test_a_conflict_says_where_the_stream_is(log: AnyLog, stream, expected, actual):
    await filled(log, ["a", "b", "a", "b"])
    with pytest.raises(Conflict) as caught:
        await log.append(wish(stream, expected))
    error = caught.value
    assert (error.stream, error.expected, error.actual) == (stream, expected, actual)
    assert log.head().size == 4


@pytest.mark.parametrize("expected", [NEW, ANY])
async def test_a_repeat_returns_the_original_though_the_stream_moved_on(log: AnyLog, expected):
    asked = wish("a", expected, id=commit_id(1), data=[{"n": 1}])
    original = await log.append(asked)
    await filled(log, ["a", "b", "a"])
    assert await log.append(asked) == original
    assert log.head().size == 4


@pytest.mark.parametrize(
    "other",
    [
        wish("b", id=commit_id(1), data=[1]),
        wish("a", id=commit_id(1), data=[2]),
        wish("a", id=commit_id(1), data=[1, 1]),
        wish("a", 77, id=commit_id(1), data=[2]),
    ],
    ids=["stream", "data", "count", "data and expectation"],
)
async def test_an_id_does_not_stand_for_two_contents(log: AnyLog, other):
    await filled(log, ["a"])
    await log.append(wish("a", id=commit_id(1), data=[1]))
    with pytest.raises(CommitIdReused) as caught:
        await log.append(other)
    assert caught.value.position == 2
    assert log.head().size == 2


async def test_a_refused_append_leaves_its_id_free(log: AnyLog):
    with pytest.raises(Conflict):
        await log.append(wish("a", 9, id=commit_id(1)))
    assert await log.find(commit_id(1)) is None
    assert (await log.append(wish("b", id=commit_id(1)))).position == 1


async def test_positions_have_no_gap_and_streams_are_chained(log: AnyLog):
    await filled(log, ["a", "b", "a", "a", "b", "c"])
    with pytest.raises(Conflict):
        await log.append(wish("a", NEW))
    await filled(log, ["c"])
    commits = await check_log(log)
    assert [one.commit.previous for one in commits] == [0, 0, 1, 3, 2, 0, 6]


async def test_reading_goes_on_after_a_position(log: AnyLog):
    await filled(log, ["a", "b", "a", "b", "a"])
    assert positions(await log.read()) == [1, 2, 3, 4, 5]
    assert positions(await log.read(Position(2), 2)) == [3, 4]
    assert positions(await log.read(Position(4), 2)) == [5]
    assert await log.read(Position(5)) == []
    assert await log.read(Position(99)) == []


@pytest.mark.parametrize("after", range(8))
async def test_reading_a_stream_goes_on_after_any_position_of_the_log(log: AnyLog, after):
    await filled(log, ["a", "b", "b", "a", "b", "a", "b"])
    everything = [p for p in [2, 3, 5, 7] if p > after]
    assert positions(await log.read_stream("b", Position(after))) == everything
    assert positions(await log.read_stream("b", Position(after), 2)) == everything[:2]


async def test_the_commits_of_a_stream_end_at_a_position(log: AnyLog):
    await filled(log, ["a", "b", "a", "b", "a", "a"])
    own = [recorded.commit for recorded in await log.read_stream("a")]
    for after in range(7):
        for until in range(8):
            expected = [one for one in own if after < one.position <= until]
            window = Position(after), Position(until)
            assert await log.stream_commits("a", *window) == expected
            assert await log.stream_commits("a", *window, 2) == expected[:2]
    assert await log.stream_commits("c", Position(0), Position(6)) == []


async def test_a_stream_nobody_wrote_is_empty(log: AnyLog):
    await filled(log, ["a"])
    assert await log.read_stream("b") == []


async def test_names_of_streams_are_told_apart_to_the_last_character(log: AnyLog):
    names = ["a", "A", "a ", "a/1", "a/10", "a%", "ä", "a\u0308", "", "a\u0000b", "a\u0000"]
    await filled(log, names)
    for position, name in enumerate(names, 1):
        assert positions(await log.read_stream(name)) == [position]


async def test_a_commit_is_found_by_its_id(log: AnyLog):
    await filled(log, ["a", "b"])
    commit = await log.append(wish("a", id=commit_id(5)))
    assert await log.find(commit_id(5)) == commit
    assert await log.find(commit_id(6)) is None


async def test_the_root_is_the_merkle_tree_hash_of_the_bodies(log: AnyLog):
    for size in range(1, 20):
        await filled(log, [f"thing/{size % 3}"])
        bodies = [one.body for one in await log.read()]
        assert (log.head().size, log.head().root) == (size, tree_hash(bodies))


SIZES = (1, 2, 3, 7, 8, 12, 21)
SIZE_MAX = 21


async def filled_bodies(log: AnyLog):
    """The bodies of a log of SIZE_MAX commits."""
    await filled(log, [f"thing/{number % 4}" for number in range(SIZE_MAX)])
    return [one.body for one in await log.read()]


async def test_a_past_root_is_the_tree_hash_of_the_commits_of_then(log: AnyLog):
    bodies = await filled_bodies(log)
    for size in range(SIZE_MAX + 1):
        assert await log.root_at(size) == tree_hash(bodies[:size])
    await filled(log, ["a"])
    assert await log.root_at(SIZE_MAX) == tree_hash(bodies)


@pytest.mark.parametrize("size", SIZES)
async def test_a_proof_of_consistency_is_the_rfcs(log: AnyLog, size):
    bodies = await filled_bodies(log)
    for old in range(1, size + 1):
        assert await log.consistency(old, size) == proof(old, bodies[:size])


@pytest.mark.parametrize("size", SIZES)
async def test_proofs_of_inclusion_are_the_rfcs_in_the_order_asked(log: AnyLog, size):
    bodies = await filled_bodies(log)
    asked = [size, *range(1, size + 1)]
    assert await log.inclusion(asked, size) == [path(p - 1, bodies[:size]) for p in asked]
    assert await log.inclusion([], size) == []


async def test_many_proofs_of_inclusion_come_in_one_answer(log: AnyLog):
    bodies = await filled_bodies(log)
    asked = list(range(1, SIZE_MAX + 1)) * 40
    paths = {p: path(p - 1, bodies) for p in asked}
    assert await log.inclusion(asked, SIZE_MAX) == [paths[p] for p in asked]


@pytest.mark.parametrize("size", [SIZE_MAX + 1, -1, 1 << 70])
async def test_there_is_no_root_or_proof_of_a_log_that_never_was(log: AnyLog, size):
    await filled_bodies(log)
    for asking in (log.root_at(size), log.consistency(1, size), log.inclusion([1], size)):
        with pytest.raises(ValueError, match=f"{SIZE_MAX} commits"):
            await asking


@pytest.mark.parametrize("position", [0, -1, 6])
async def test_there_is_no_proof_from_outside_the_log(log: AnyLog, position):
    await filled_bodies(log)
    for asking in (log.consistency(position, 5), log.inclusion([1, position], 5)):
        with pytest.raises(ValueError, match=str(position)):
            await asking


async def test_a_time_stands_for_the_last_commit_until_then(timed):
    log, clock = timed
    assert await log.position_at(clock.now_us) == 0
    began = clock.now_us
    for step in (0, 10, 0, 5, 0):
        clock.now_us += step
        await log.append(wish("a"))
    times = {-1: 0, 0: 1, 9: 1, 10: 3, 14: 3, 15: 5, 10**9: 5}
    assert {after: await log.position_at(began + after) for after in times} == times


async def test_the_epoch_stays(log: AnyLog):
    epoch = log.head().epoch
    await filled(log, ["a"])
    assert log.head().epoch == epoch != ""


async def test_a_listener_hears_in_order_before_the_answer(log: AnyLog):
    heard: list[int] = []
    log.listen(lambda batch: heard.extend(positions(batch)))

    async def append(number):
        commit = await log.append(wish(f"thing/{number % 3}"))
        assert commit.position in heard

    await asyncio.gather(*(append(number) for number in range(50)))
    assert heard == list(range(1, 51))


async def test_a_listener_hears_only_what_comes_later_and_no_repeats(log: AnyLog):
    first = wish("a")
    await log.append(first)
    heard: list[int] = []
    log.listen(lambda batch: heard.extend(positions(batch)))
    await log.append(first)
    with pytest.raises(Conflict):
        await log.append(wish("a", NEW))
    await filled(log, ["a"])
    assert heard == [2]


async def test_a_commit_that_is_too_large_is_refused(log: AnyLog):
    quotes = len('""')
    with pytest.raises(CommitTooLarge):
        await log.append(wish(data=["x" * (BODY_BYTES_MAX - quotes), 1]))
    assert log.head().size == 0
    await log.append(wish(data=["x" * (BODY_BYTES_MAX - quotes)]))
    await check_log(log)


async def test_of_racing_writers_exactly_one_wins_each_revision(log: AnyLog):
    conflicts = 0

    async def bump(writer):
        nonlocal conflicts
        expected = NEW
        for number in range(5):
            while True:
                try:
                    commit = await log.append(wish("a", expected, data=[[writer, number]]))
                except Conflict as conflict:
                    conflicts += 1
                    expected = conflict.actual
                else:
                    assert commit.previous == expected
                    expected = commit.position
                    break

    await asyncio.gather(*(bump(writer) for writer in range(8)))
    commits = await check_log(log)
    assert len(commits) == 40
    assert conflicts > 0


async def test_equal_appends_at_once_become_one_commit(log: AnyLog):
    asked = wish("a", NEW, id=commit_id(1))
    outcomes = await gather_outcomes(log, [asked, asked, asked])
    assert [commit.position for commit in outcomes] == [1, 1, 1]
    assert len(await check_log(log)) == 1


async def test_one_id_with_two_contents_at_once_is_taken_by_the_first(log: AnyLog):
    both = [wish("a", id=commit_id(1), data=[n]) for n in (1, 2)]
    taken, refused = await gather_outcomes(log, both)
    assert taken.position == 1
    assert isinstance(refused, CommitIdReused)
    assert refused.position == 1


async def test_a_conflict_names_a_place_where_the_stream_was_not(log: AnyLog):
    # The first append is refused because position 1 does not exist yet; the second one makes it.
    refused, taken = await gather_outcomes(log, [wish("a", 1), wish("a", NEW)])
    assert taken.position == 1
    assert isinstance(refused, Conflict)
    assert refused.actual != refused.expected


async def test_an_append_that_is_no_text_fails_alone(log: AnyLog):
    # A header that is not UTF-8 reaches us as surrogates, which no JSON can hold.
    good, bad = await gather_outcomes(log, [wish("a"), wish("b", traceparent="\udcff")])
    assert good.position == 1
    assert isinstance(bad, UnicodeEncodeError)
    await filled(log, ["a"])
    assert len(await check_log(log)) == 2


async def test_events_come_back_byte_for_byte(log: AnyLog):
    data = [None, 1.5, "\u2028 \x00 \U0001f600", {"z": [], "a": {"": ""}}, 10**30, -0.0]
    await log.append(wish(data=data))
    [recorded] = await log.read()
    assert recorded.commit.events == tuple(event(one) for one in data)


def test_every_error_says_what_it_means():
    conflict = str(Conflict("a", NEW, Position(3)))
    assert conflict.startswith("The stream is not where the caller expected it.")
    assert "a" in conflict
    assert "3" in conflict
    for kind in EventStoreError.__subclasses__():
        assert kind.__doc__
