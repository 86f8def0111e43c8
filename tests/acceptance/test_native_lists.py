"""Lists of the native API: every filter, alone and with others, and pages under traffic."""

import asyncio
import datetime

import pytest

from sessions.domain.policy import DURATION_S_MAX
from tests.support.logs import Clock
from tests.support.service import (
    SESSIONS,
    ask,
    bearer,
    create,
    ids_of_list,
    move,
    new_key,
    refused,
    start,
)

DAY_US = 86_400_000_000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock):
    return await start(aiohttp_client, tmp_path, clock_us=clock)


@pytest.fixture
async def lab(client, clock):
    """Six sessions a day apart in two tenants, by name."""
    other = bearer((await new_key(client, "other", name="wave"))["key"])
    made = {}

    async def add(name, kind, *way, headers=None, **fields):
        session = await create(
            client,
            kind,
            headers=headers,
            title=f"Session {name}",
            max_duration_s=DURATION_S_MAX,
            **fields,
        )
        made[name] = (await move(client, session, *way))["id"]
        clock.now_us += DAY_US

    await add("a", "browser", labels=["red", "big"], metadata={"v": 1, "w": "x"})
    await add("b", "browser", "running", labels=["red"], metadata={"v": "1"})
    await add("c", "vm", "running", "paused", labels=["big"], metadata={"v": True})
    await add(
        "d", "vm", "completed", labels=["red", "big"], metadata={"v": 1.5}, spec={"os": "Linux"}
    )
    await add("e", "agent", headers=other, labels=["red"], metadata={"v": 1})
    await add("f", "agent", "failed", metadata={"v": None, "w": "x", "o": {"v": 1}})
    return made


def at(days):
    return (
        datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
        + datetime.timedelta(days=days)
    ).isoformat()


FILTERS: list[tuple[list[tuple[str, str]], str]] = [
    ([], "fedcba"),
    ([("kind", "browser")], "ba"),
    ([("kind", "browser"), ("kind", "vm")], "dcba"),
    ([("kind", "evaluation")], ""),
    ([("status", "pending")], "ea"),
    ([("status", "paused"), ("status", "failed")], "fc"),
    ([("kind", "vm"), ("status", "paused")], "c"),
    ([("kind", "vm"), ("kind", "agent"), ("status", "pending"), ("status", "paused")], "ec"),
    ([("dialect", "native")], "fedcba"),
    ([("dialect", "wave"), ("dialect", "notte")], ""),
    ([("label", "red")], "edba"),
    ([("label", "red"), ("label", "big")], "da"),
    ([("label", "red"), ("label", "none")], ""),
    ([("label", "re")], ""),
    ([("owner", "key:admin")], "fdcba"),
    ([("owner", "key:wave")], "e"),
    ([("tenant", "other")], "e"),
    ([("tenant", "default"), ("label", "red")], "dba"),
    ([("tenant", "none")], ""),
    ([("metadata.w", "x")], "fa"),
    ([("metadata.v", '"1"')], "b"),
    ([("metadata.v", "1.5")], "d"),
    ([("metadata.v", "null")], "f"),
    ([("metadata.v", "2")], ""),
    ([("metadata.u", "1")], ""),
    ([("metadata.v", "1"), ("metadata.w", "x")], "a"),
    ([("created_after", at(2))], "fedc"),
    ([("created_before", at(2))], "ba"),
    ([("created_after", at(1)), ("created_before", at(3))], "cb"),
    ([("text", "session E")], "e"),
    ([("text", "RED")], "edba"),
    ([("text", "linux")], "d"),
    ([("text", "%")], ""),
    ([("text", "_")], ""),
    ([("kind", "vm"), ("label", "big"), ("metadata.v", "1.5"), ("text", "session")], "d"),
    (
        [
            ("kind", "browser"),
            ("status", "running"),
            ("label", "red"),
            ("owner", "key:admin"),
            ("created_after", at(1)),
            ("created_before", at(2)),
            ("tenant", "default"),
            ("dialect", "native"),
        ],
        "b",
    ),
]


async def test_a_list_holds_what_all_its_filters_let_through(client, lab, subtests):
    for query, names in FILTERS:
        for more in ([], [("limit", "1")]):
            with subtests.test(query=[*query, *more]):
                assert await names_of_list(client, lab, [*query, *more]) == names


async def names_of_list(client, lab, query):
    """The names of the sessions of a list."""
    name_of = {session_id: name for name, session_id in lab.items()}
    return "".join(name_of[session_id] for session_id in await ids_of_list(client, query))


async def test_to_a_filter_one_and_true_are_not_the_same(client, lab):
    assert await names_of_list(client, lab, {"metadata.v": "1"}) == "ea"
    assert await names_of_list(client, lab, {"metadata.v": "true"}) == "c"


async def test_a_list_shows_a_session_as_it_is_read(client, lab):
    page = await ask(client, "GET", SESSIONS)
    for item in page["items"]:
        assert item == await ask(client, "GET", f"{SESSIONS}/{item['id']}")


async def test_the_bounds_of_time_are_exact_to_the_microsecond(client, clock):
    clock.now_us += 333_332
    made = []
    for _ in range(3):
        made.append(await create(client))
        clock.now_us += 1
    before, exact, after = (session["id"] for session in made)
    bound = made[1]["created_at"]
    assert await ids_of_list(client, {"created_after": bound}) == [after, exact]
    assert await ids_of_list(client, {"created_before": bound}) == [before]


async def test_a_caller_of_one_tenant_sees_only_that_whatever_it_asks(client, lab):
    other = bearer((await new_key(client, "other"))["key"])
    for query in ({}, {"tenant": "default"}, {"tenant": "other"}):
        assert await ids_of_list(client, query, headers=other) == [lab["e"]]
    assert await ids_of_list(client, {"label": "big"}, headers=other) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_neither_skip_nor_repeat_while_sessions_are_made(client, limit):
    kept = [(await create(client, title="kept"))["id"] for _ in range(10)]
    seen: list[str] = []
    params: dict[str, object] = {"limit": limit}
    while params:
        page = await ask(client, "GET", SESSIONS, params=params)
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        await asyncio.gather(*(create(client, title="new") for _ in range(3)))
        params = {"limit": limit, "cursor": page["next"]} if page["next"] else {}
    assert seen == kept[::-1]


async def test_sessions_deleted_between_pages_leave_the_others_in_place(client):
    made = [(await create(client))["id"] for _ in range(6)]
    first = await ask(client, "GET", SESSIONS, params={"limit": 2})
    for gone in (made[5], made[4], made[2]):
        await ask(client, "DELETE", f"{SESSIONS}/{gone}", 204)
    rest = await ids_of_list(client, {"limit": "2"})
    second = await ask(client, "GET", SESSIONS, params={"limit": 2, "cursor": first["next"]})
    assert [item["id"] for item in second["items"]] == [made[3], made[1]]
    assert rest == [made[3], made[1], made[0]]


async def test_the_last_page_has_no_cursor_though_it_is_full(client):
    for _ in range(4):
        await create(client)
    first = await ask(client, "GET", SESSIONS, params={"limit": 2})
    second = await ask(client, "GET", SESSIONS, params={"limit": 2, "cursor": first["next"]})
    assert first["next"] is not None
    assert second["next"] is None


BAD_QUERIES = [
    ("cursor=", "bad_cursor"),
    ("cursor=p", "bad_cursor"),
    ("cursor=7", "bad_cursor"),
    ("cursor=p-7", "bad_cursor"),
    ("cursor=px", "bad_cursor"),
    ("cursor=p%D9%A3", "bad_cursor"),
    ("cursor=p9223372036854775808", "bad_cursor"),
    ("cursor=p9999999999999999999", "bad_cursor"),
    ("cursor=p" + "9" * 40, "bad_cursor"),
    ("limit=0", "invalid_query"),
    ("limit=201", "invalid_query"),
    ("limit=-1", "invalid_query"),
    ("limit=x", "invalid_query"),
    ("limit=", "invalid_query"),
    ("kind=car", "invalid_query"),
    ("status=done", "invalid_query"),
    ("dialect=x", "invalid_query"),
    ("created_after=yesterday", "invalid_query"),
    ("created_after=2026-01-31T12:00:00", "invalid_query"),
    ("created_before=1700000000", "invalid_query"),
    ("colour=red", "invalid_query"),
    ("metadata=x", "invalid_query"),
    ("&".join(["label=x"] * 1000), "invalid_query"),
    ("&".join(["metadata.x=1"] * 600), "invalid_query"),
]


async def test_a_bad_query_is_refused_and_named(client, subtests):
    for query, code in BAD_QUERIES:
        with subtests.test(query=query[:40]):
            problem = await refused(client, "GET", f"{SESSIONS}?{query}", 400, code)
            assert query.partition("=")[0].partition(".")[0] in problem["detail"]
            assert problem["errors"]


async def test_the_ends_of_the_limit_are_taken(client):
    await create(client)
    for limit in (1, 200):
        page = await ask(client, "GET", SESSIONS, params={"limit": limit})
        assert len(page["items"]) == 1
