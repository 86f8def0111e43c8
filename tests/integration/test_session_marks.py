"""What sessions are found by in the live lists: right after every write, also when it goes."""

import asyncio
import contextlib
import random
import sqlite3

import pytest
from msgspec.structs import replace

from eventstore.sqlite.log import SqliteLog
from projections.events import CODEC
from projections.events.session import (
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
)
from projections.events.span import SpanDeleted, SpanRecorded
from projections.events.work import WorkClaimed, WorkReleased, WorkTerms
from projections.folds.span import stream_of
from projections.follower import Follower
from projections.views.lists import MERGED_MAX, SessionFilter, list_sessions
from projections.views.references import count_by_reference
from projections.views.spans import SpanFilter, list_spans
from projections.views.store import FILE_NAME, Views
from projections.views.work import held_sessions, waiting_sessions
from tests.support.logs import Clock, wish
from tests.support.pasts import wishes
from tests.support.replays import Replay, bodies_in, checkpoint_in, tables_in


class Live:
    """A log, its views, and the follower between them."""

    def __init__(self, log, views):
        self.log = log
        self.views = views
        self.follower = Follower(log, views)

    async def say(self, stream, *facts, tenant="lab"):
        """One commit of these facts, and the lists that show it."""
        events = tuple(map(CODEC.encode, facts))
        await self.log.append(replace(wish(stream, tenant=tenant), events=events))
        await self.follower.reached(self.log.size)

    async def ids(self, **wanted):
        """The ids of the sessions that a list holds."""
        found = await list_sessions(self.views, SessionFilter(**wanted), limit=100)
        return [state.id for state in found]


@pytest.fixture
async def live(tmp_path):
    """Lists that follow a log."""
    log = await SqliteLog.open(tmp_path, clock_us=Clock())
    made = Live(log, await Views.open(tmp_path, log.epoch))
    await made.follower.catch_up()
    running = asyncio.create_task(made.follower.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.views.close()
    await log.close()


def created(kind="evaluation", status="running", **more):
    """That there is a session."""
    return SessionCreated(
        kind=kind, dialect="native", owner="o", status=status, max_duration_s=60, **more
    )


def assert_right(folder):
    """Every table holds what the log says as of its checkpoint."""
    law = Replay()
    law.extend(bodies_in(folder)[: checkpoint_in(folder)])
    assert tables_in(folder) == law.tables()


async def test_every_write_leaves_the_lists_as_the_log_has_them(live, tmp_path):
    appended = list(wishes(31, 240, 60))
    source = random.Random(31)
    while appended:
        some = [appended.pop(0) for _ in range(min(len(appended), source.randrange(1, 40)))]
        for one in some:
            await live.log.append(one)
        await live.follower.reached(live.log.size)
        assert_right(tmp_path)
    await live.follower.rebuild()
    assert_right(tmp_path)


async def test_a_session_is_found_by_what_it_refers_to_now(live):
    def by(*values, name="customId"):
        return live.ids(tenant="lab", refs={name: values})

    await live.say("session/a", created(spec={"customId": "one", "versionId": "v"}))
    await live.say("session/b", created(spec={"versionId": "v"}))
    assert [await by("one"), await by("two"), await by("one", "two")] == [["a"], [], ["a"]]
    assert await by("v", name="versionId") == ["b", "a"]
    assert [await by(""), await by("", "one")] == [["b"], ["b", "a"]]
    await live.say("session/a", SessionConfigured(spec={"customId": "two"}))
    assert [await by("one"), await by("two"), await by("one", "two")] == [[], ["a"], ["a"]]
    await live.say("session/a", SessionConfigured(spec={"customId": None}))
    assert [await by("two"), await by("")] == [[], ["b", "a"]]
    await live.say("session/b", SessionDeleted(reason="deleted"))
    assert await by("v", name="versionId") == ["a"]
    assert await live.ids(tenant="other", refs={"versionId": ("v",)}) == []


@pytest.mark.parametrize("tenants", [2, MERGED_MAX + 1])
async def test_all_tenants_are_one_list_however_many_there_are(live, tenants):
    for number in range(tenants):
        spec = {"versionId": f"v{number % 3}"}
        fact = created("agent" if number % 5 == 4 else "evaluation", spec=spec, labels=("a", "b"))
        await live.say(f"session/{number}", fact, tenant=f"t{number}")
    newest = [str(number) for number in range(tenants)][::-1]
    assert await live.ids(labels_any=("a", "b", "c")) == newest
    evaluations = [one for one in newest if int(one) % 5 != 4]
    wanted = {"kinds": ("evaluation",), "refs": {"versionId": ("v0", "v1", "v1", "v2")}}
    assert await live.ids(**wanted) == evaluations
    assert await live.ids(**wanted, no_refs={"versionId": ("v1",)}) == [
        one for one in evaluations if int(one) % 3 != 1
    ]


async def waiting(live, **more):
    """The ids of the agents that wait for a worker."""
    given = {"kind": "agent", "tenant": "lab"}
    return [one.id for one in await waiting_sessions(live.views, **(given | more))]


async def held(live):
    """The ids of the sessions that a worker has."""
    return [one.id async for one in held_sessions(live.views)]


async def test_who_waits_comes_first_and_who_is_held_is_told(live):
    await live.say("session/a", created("agent", "queued"))
    await live.say("session/b", created("agent", "pending", work=WorkTerms()), tenant="other")
    await live.say("session/c", created("agent", "queued"))
    await live.say("session/d", created("test_run", "queued", work=WorkTerms()))
    await live.say("session/e", created("test_run", "queued"))
    assert await waiting(live) == ["a", "c"]
    assert await waiting(live, tenant=None) == ["a", "b", "c"]
    assert await waiting(live, tenant=None, limit=2) == ["a", "b"]
    assert await waiting(live, kind="test_run") == ["d"]
    await live.say("session/a", WorkClaimed(generation=1, worker="w", lease_s=30))
    assert (await waiting(live), await held(live)) == (["c"], ["a"])
    await live.say("session/a", WorkReleased(generation=1, why="lapsed"))
    assert (await waiting(live), await held(live)) == (["a", "c"], [])
    await live.say("session/a", SessionDeleted(reason="deleted"))
    assert await waiting(live) == ["c"]


async def test_spans_are_found_by_turn_and_by_the_id_that_their_tenant_chose(live):
    async def listed(**wanted):
        found = await list_spans(live.views, SpanFilter(**wanted))
        return [span.span_id for span in found]

    def span(session, turn, **data):
        return SpanRecorded(session=session, turn=turn, data=data)

    await live.say(stream_of("lab", "a/1"), span("s", 0, type="TOOL", name="n"))
    await live.say(stream_of("lab", "b"), span("s", 1, type="LLM"))
    await live.say(stream_of("lab", "c"), span("r", 0, type=7, name=["x"]))
    await live.say(stream_of("other", "b"), span("q", 0), tenant="other")
    assert await listed() == ["b", "c", "b", "a/1"]
    assert await listed(tenant="lab") == ["c", "b", "a/1"]
    assert await listed(tenant="lab", sessions=("s", "q")) == ["b", "a/1"]
    assert await listed(tenant="lab", turns=(("s", 0), ("r", 0), ("r", 1))) == ["c", "a/1"]
    assert await listed(types=("TOOL", "")) == ["b", "c", "a/1"]
    assert await listed(names=("n",)) == ["a/1"]
    await live.say(stream_of("lab", "b"), SpanDeleted())
    assert await listed(tenant="lab", sessions=("s",)) == ["a/1"]
    await live.say(stream_of("lab", "b"), span("r", 5, type="LLM"))
    assert await listed(tenant="lab", sessions=("r",)) == ["c", "b"]


class Asked:
    """Stands for the lists: what is asked of them, unanswered."""

    tenants = frozenset({"lab", "other"})

    def __init__(self):
        self.queries = []

    async def fetch(self, sql, parameters):
        self.queries.append((sql, parameters))
        return []

    async def listed(self, decode, sql, parameters):
        self.queries.append((sql, parameters))
        return []


def listing(**wanted):
    """A list of a tenant's sessions."""
    return lambda views: list_sessions(views, SessionFilter(tenant="lab", **wanted), limit=50)


async def who_is_held(views):
    """Everybody who is held."""
    return [one async for one in held_sessions(views)]


IN_ORDER = {
    "waiting": (
        lambda views: waiting_sessions(views, kind="agent", tenant="lab"),
        ["sessions_waiting_0 (tenant=? AND kind=? AND created>?)"],
    ),
    "held": (who_is_held, ["sessions_held_0 (created>?)"]),
    "tag": (
        listing(kinds=("agent",), labels_any=("a",)),
        ["session_labels_by_label_0 (tenant=? AND label=?)", "INTEGER PRIMARY KEY (rowid=?)"],
    ),
    "version": (
        listing(kinds=("evaluation",), statuses=("running", "pending"), refs={"versionId": ("v",)}),
        [
            "session_refs_by_value_0 (name=? AND value=? AND tenant=?)",
            "INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    "of runs": (
        lambda views: count_by_reference(views, "runId", ["a", "b"]),
        ["session_refs_by_value_0 (name=? AND value=?)", "INTEGER PRIMARY KEY (rowid=?)"],
    ),
    "status": (
        listing(kinds=("evaluation",), statuses=("failed",)),
        ["sessions_by_status_0 (tenant=? AND kind=? AND status=?)"],
    ),
    "owners": (listing(owners=("a", "b")), ["sessions_in_order_0 (tenant=?)"]),
}


@pytest.mark.parametrize("name", IN_ORDER)
async def test_a_page_is_read_in_the_order_of_an_index(tmp_path, name):
    views = await Views.open(tmp_path, "epoch")
    await views.close()
    ask, indexes = IN_ORDER[name]
    asked = Asked()
    await ask(asked)
    [(sql, parameters)] = asked.queries
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    steps = [
        step for step in plan if step.startswith(("SEARCH", "SCAN")) and "json_each" not in step
    ]
    assert [step.partition(" USING ")[2].removeprefix("COVERING ") for step in steps] == [
        f"INDEX {index}" if "_0 " in index else index for index in indexes
    ]
    assert not [step for step in plan if "TEMP B-TREE" in step]
