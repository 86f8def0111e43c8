"""The past: as of p it is the fold of the log up to p, whatever snapshots there are."""

import contextlib
import itertools
import random
import sqlite3

import pytest
from msgspec.structs import replace

from eventstore.commit import Position
from eventstore.memory import MemoryLog
from projections.follower import Follower
from projections.history import History, TooFar
from projections.snapshots import Snapshots
from projections.snapshotting import Snapshotting
from projections.subjects import SESSION, SUBJECTS, VM
from projections.views.lists import (
    SessionFilter,
    VmFilter,
    count_sessions,
    list_sessions,
    list_vms,
)
from projections.views.matching import session_matches, vm_matches
from projections.views.store import Views
from tests.support.logs import Clock
from tests.support.pasts import (
    KEYS,
    LABELS,
    METADATA,
    REFS,
    TENANTS,
    closing_snapshots,
    folded,
    grown,
    some,
)

COMMITS = 120
BEGAN_US = 1_700_000_000_000_000
SEED = 20_260_101
# What a filter can ask for: no integer that SQLite would take for a float.
SCALARS = [one for one in METADATA if not isinstance(one, dict | list) and one != 2**64]
SCALARS += [2.0**64]


@pytest.fixture(autouse=True)
async def all_closed():
    """A snapshot that stays open would keep the process from its end."""
    async with closing_snapshots():
        yield


async def snapshots_of(log, folder, every):
    """Snapshots of all of the log, one after every so many commits."""
    snapshots = Snapshots(folder, "memory")
    making = Snapshotting(log, snapshots, print, every=every, rest=0)
    await snapshots.open(log.size)
    await making.catch_up()
    assert snapshots.positions == list(range(every, log.size + 1, every))
    return snapshots


async def states_of(fleet):
    """Every state of a fleet by its stream; the order is checked on the way."""
    found: dict[str, object] = {}
    for prefix, subject in SUBJECTS.items():
        states = [state async for page in fleet.newest(subject) for state in page]
        created = [state.created for state in states]
        assert created == sorted(set(created), reverse=True)
        found |= {prefix + state.id: state for state in states}
    return found


@pytest.mark.parametrize(("seed", "every"), [(1, None), (2, 1), (3, 7), (4, 50), (5, 119)])
async def test_as_of_any_position_is_the_fold_up_to_it(tmp_path, seed, every):
    log = MemoryLog(Clock())
    commits = await grown(log, seed, COMMITS)
    snapshots = Snapshots(tmp_path, "memory")
    if every is not None:
        snapshots = await snapshots_of(log, tmp_path, every)
    history = History(log, snapshots)
    streams = {commit.stream for commit in commits}
    assert any(state.deleted for name, state in folded(commits, COMMITS).items() if "sess" in name)
    for position in map(Position, range(COMMITS + 1)):
        law = folded(commits, position)
        assert await states_of(await history.fleet(position)) == law
        for stream in streams | {"session/none"}:
            assert await history.state(stream, position) == law.get(stream)
    await snapshots.close()


async def test_a_page_goes_on_from_any_place(tmp_path):
    log = MemoryLog(Clock())
    await grown(log, 6, COMMITS)
    snapshots = await snapshots_of(log, tmp_path, 40)
    history = History(log, snapshots)
    for position in (Position(39), Position(75), Position(COMMITS)):
        whole = await history.select(position, SESSION, lambda _: True)
        for state in whole:
            rest = [one for one in whole if one.created < state.created]
            page = await history.select(
                position, SESSION, lambda _: True, before=state.created, limit=2
            )
            assert page == rest[:2]
    await snapshots.close()


async def test_where_a_snapshot_cannot_be_read_the_log_is(tmp_path):
    log = MemoryLog(Clock())
    commits = await grown(log, 7, COMMITS)
    snapshots = await snapshots_of(log, tmp_path, 10)
    history = History(log, snapshots)
    law = {name: state for name, state in folded(commits, 95).items() if "session/" in name}
    with contextlib.closing(sqlite3.connect(snapshots.path)) as file:
        file.execute("DROP TABLE states")
        file.commit()
    found = await history.select(Position(95), SESSION, lambda _: True)
    assert {f"session/{state.id}": state for state in found} == law
    for stream, state in law.items():
        assert await history.state(stream, Position(95)) == state
    await snapshots.close()


async def test_too_far_from_a_snapshot_is_refused_but_for_one_stream(tmp_path):
    log = MemoryLog(Clock())
    commits = await grown(log, 8, 100)
    snapshots = await snapshots_of(log, tmp_path, 60)
    history = History(log, snapshots, fold_max=39)
    await history.fleet(Position(39))
    await history.fleet(Position(99))
    for position in (40, 59, 100):
        with pytest.raises(TooFar):
            await history.select(Position(position), SESSION, lambda _: True)
        stream = commits[0].stream
        law = folded(commits, position)[stream]
        assert await history.state(stream, Position(position)) == law
    await snapshots.close()


@pytest.fixture
def random_source():
    """Chance, the same in every run."""
    return random.Random(SEED)


@pytest.fixture
async def lists(tmp_path):
    """The live lists of a log, and its past."""
    log = MemoryLog(itertools.count(BEGAN_US).__next__)
    await grown(log, 9, 600, streams=300)
    views = await Views.open(tmp_path, "memory")
    await Follower(log, views).catch_up()
    snapshots = await snapshots_of(log, tmp_path, 150)
    yield views, History(log, snapshots), log.size
    await snapshots.close()
    await views.close()


def session_filters(source):
    """Filters that let something through more often than not."""

    def maybe(value):
        return value if source.random() < 0.3 else None

    metadata = [(source.choice(KEYS), source.choice(SCALARS)) for _ in range(2)]
    return SessionFilter(
        tenant=maybe(source.choice(TENANTS)),
        kinds=tuple(source.sample(("browser", "vm", "agent"), source.choice((0, 0, 1, 3)))),
        statuses=tuple(source.sample(("running", "pending", "paused"), source.choice((0, 0, 2)))),
        dialects=maybe((source.choice(("native", "wave", "notte")),)) or (),
        owner=maybe(f"key:{source.randrange(3)}"),
        owners=tuple(source.sample(("key:0", "key:1", "key:2"), source.choice((0, 0, 1, 2)))),
        labels=maybe(some(source, LABELS)) or (),
        labels_any=maybe(some(source, LABELS)) or (),
        refs=maybe(refs(source)) or {},
        no_refs=maybe(refs(source)) or {},
        updated_since=maybe(BEGAN_US + source.randrange(300)),
        updated_until=maybe(BEGAN_US + source.randrange(900)),
        metadata=tuple(metadata[: source.choice((0, 0, 0, 1, 1, 2))]),
        since=maybe(BEGAN_US + source.randrange(300)),
        until=maybe(BEGAN_US + source.randrange(600)),
        text=maybe(source.choice(("NIGHT", "%", "_", "größe", "example", "i̇", ""))),
    )


def refs(source):
    """Some values of some references."""
    return {name: some(source, (*values, "")) for name, values in REFS.items()}


async def test_the_filters_mean_in_the_past_what_they_mean_now(lists, random_source):
    views, history, head = lists
    sizes = set()
    for _ in range(400):
        wanted = session_filters(random_source)
        before = random_source.choice((None, random_source.randrange(1, 600)))
        live = await list_sessions(views, wanted, before=before, limit=50)
        past = await history.select(
            head, SESSION, lambda one, w=wanted: session_matches(w, one), before=before, limit=50
        )
        assert past == live, wanted
        sizes.add(len(live))
    assert len(sizes) > 3


async def test_any_part_of_a_list_is_that_part_of_the_whole(lists, random_source):
    views, history, head = lists
    everything = await history.select(head, SESSION, lambda _: True)
    sizes = set()
    for _ in range(400):
        wanted = session_filters(random_source)
        if random_source.random() < 0.2:
            some_ids = random_source.sample([one.id for one in everything], 20)
            wanted = replace(wanted, ids=tuple(some_ids))
        after, before = sorted(random_source.choices(range(600), k=2))
        ascending = random_source.random() < 0.5
        offset, limit = random_source.choice((0, 1, 5)), random_source.choice((1, 3, 50))
        matching = [one for one in everything if session_matches(wanted, one)]
        assert await count_sessions(views, wanted) == len(matching), wanted
        between = [one for one in matching if after < one.created < before]
        whole = between[::-1] if ascending else between
        live = await list_sessions(
            views,
            wanted,
            before=before,
            after=after,
            ascending=ascending,
            offset=offset,
            limit=limit,
        )
        assert live == whole[offset : offset + limit], wanted
        sizes.add(len(live))
    assert len(sizes) > 3


async def test_the_filters_of_machines_too(lists, random_source):
    views, history, head = lists
    found = 0
    for _ in range(50):
        wanted = VmFilter(
            tenant=random_source.choice((None, *TENANTS)),
            statuses=random_source.choice(((), ("lost",), ("starting", "running"))),
            session=random_source.choice((None, None, "0", "1", "none")),
        )
        live = await list_vms(views, wanted, before=None, limit=50)
        past = await history.select(head, VM, lambda one, w=wanted: vm_matches(w, one), limit=50)
        assert past == live, wanted
        found += len(live)
    assert found > 10
