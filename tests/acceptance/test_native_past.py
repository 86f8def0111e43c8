"""`as_of` in the native API: what was shown once is shown for ever."""

import asyncio
import functools
import shutil

import pytest

from projections.events.vm import VmReady, VmStarted
from projections.snapshotting import Snapshotting
from sessions.web.appkeys import PAST, SNAPSHOTS
from tests.support.logs import Clock
from tests.support.machines import append, requested
from tests.support.service import (
    API,
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

SECOND_US = 1_000_000
FIRST = "2023-11-14T22:13:20Z"
VMS = f"{API}/vms"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock):
    return await start(aiohttp_client, tmp_path, clock_us=clock)


async def at(client, path, as_of, **query):
    """What was there."""
    return await ask(client, "GET", path, params={"as_of": str(as_of), **query})


async def test_a_session_is_shown_as_it_was_after_each_of_its_commits(client):
    session = await create(client, labels=["red"], metadata={"n": 1})
    path = f"{SESSIONS}/{session['id']}"
    seen = [session]
    for status in ("running", "paused", "running"):
        await create(client, "vm")  # others take positions too
        seen.append(await move(client, session, status))
    seen.append(await ask(client, "PATCH", path, json={"title": "Late"}))
    await ask(client, "DELETE", path, 204)
    onward = [*(one["position"] for one in seen[1:]), seen[-1]["position"] + 1]
    for one, until in zip(seen, onward, strict=True):
        for position in range(one["position"], until):
            async with client.get(path, params={"as_of": str(position)}) as answer:
                assert await answer.json() == one
                assert answer.headers["Session-Position"] == str(position)
                assert answer.headers["ETag"] == f'"{one["position"]}"'


async def test_before_its_creation_there_was_none_and_after_its_deletion_it_is_gone(client):
    await create(client)
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    await ask(client, "DELETE", path, 204)
    await create(client)
    for position, status, code in [(0, 404, "not_found"), (1, 404, "not_found")]:
        await refused(client, "GET", f"{path}?as_of={position}", status, code)
    assert (await at(client, path, 2))["status"] == "pending"
    for position in (3, 4):
        await refused(client, "GET", f"{path}?as_of={position}", 410, "session_deleted")
    await refused(client, "GET", f"{SESSIONS}/none?as_of=4", 404, "not_found")


async def test_a_time_means_the_last_commit_up_to_it(client, clock):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    clock.now_us += SECOND_US
    await move(client, session, "running")
    for time, status in [
        (FIRST, "pending"),
        ("2023-11-14T22:13:20.999999Z", "pending"),
        ("2023-11-14T22:13:21Z", "running"),
        ("2023-11-14T23:13:21+01:00", "running"),
        ("2199-01-01T00:00:00Z", "running"),
    ]:
        assert (await at(client, path, time))["status"] == status
        assert [one["status"] for one in (await at(client, SESSIONS, time))["items"]] == [status]
    for where in (path, SESSIONS):
        early = "2023-11-14T22:13:19.999999Z"
        await refused(client, "GET", f"{where}?as_of={early}", 400, "bad_time")


NO_POINTS = [
    ("as_of=2", "bad_position"),
    ("as_of=9223372036854775808", "bad_position"),
    ("as_of=" + "9" * 40, "bad_position"),
    ("as_of=", "invalid_query"),
    ("as_of=-1", "invalid_query"),
    ("as_of=x", "invalid_query"),
    ("as_of=%D9%A3", "invalid_query"),
    ("as_of=2023-11-14T22:13:20", "invalid_query"),
    ("as_of=2023-13-14T22:13:20Z", "invalid_query"),
    ("as_of=1&colour=red", "invalid_query"),
]


async def test_what_is_no_point_of_the_log_is_refused_everywhere(client, subtests):
    session = await create(client)
    for path in (f"{SESSIONS}/{session['id']}", SESSIONS, f"{VMS}/none", VMS):
        for query, code in NO_POINTS:
            with subtests.test(path=path, query=query):
                await refused(client, "GET", f"{path}?{query}", 400, code)


async def test_nobody_waits_in_the_past(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}?as_of=1"
    for more in ("wait=status:running", "timeout=1"):
        problem = await refused(client, "GET", f"{path}&{more}", 400, "invalid_query")
        assert "as_of" in problem["detail"]


async def test_another_tenant_has_no_past_here(client):
    session = await create(client, "vm")
    await append(client, "m1", requested(session))
    other = bearer((await new_key(client, "other"))["key"])
    for path in (f"{SESSIONS}/{session['id']}", f"{VMS}/m1"):
        await refused(client, "GET", f"{path}?as_of=2", 404, "not_found", headers=other)
    for path in (SESSIONS, VMS):
        page = await ask(client, "GET", f"{path}?as_of=2", headers=other)
        assert page["items"] == []


async def test_lists_are_what_they_were_with_all_their_filters(client):
    queries = [{}, {"status": "running"}, {"label": "red"}, {"kind": "vm"}, {"metadata.n": "1"}]
    queries += [{"text": "ABC"}, {"owner": "key:admin", "limit": "1"}]
    shown = []

    async def look():
        for query in queries:
            page = await ask(client, "GET", SESSIONS, params=query)
            shown.append((query, page["position"], page["items"]))

    await look_after(client, look)
    for query, position, items in shown:
        page = await at(client, SESSIONS, position, **query)
        assert (page["items"], page["position"]) == (items, position)
    assert len({position for _, position, _ in shown}) > 5


async def look_after(client, look):
    """Make and change sessions, with a look after each step."""
    first = await create(client, labels=["red"], metadata={"n": 1}, title="abc")
    await look()
    second = await create(client, "vm", metadata={"n": "1"})
    await look()
    await move(client, first, "running")
    await look()
    await ask(client, "PATCH", f"{SESSIONS}/{second['id']}", json={"labels": ["red"]})
    await look()
    await ask(client, "DELETE", f"{SESSIONS}/{first['id']}", 204)
    await look()
    await create(client, "vm", title="xabcx")
    await look()


@pytest.mark.parametrize("limit", ["1", "2", "5", "200"])
async def test_pages_of_the_past_hold_while_the_present_goes_on(client, limit):
    made = [(await create(client))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for as_of in iter(lambda: "5", None):
        page = await at(client, SESSIONS, as_of, limit=limit, **cursor)
        assert page["position"] == 5
        seen += [item["id"] for item in page["items"]]
        await create(client)
        await ask(client, "DELETE", f"{SESSIONS}/{made[len(seen) - 1]}", 204)
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]


async def test_the_pages_as_of_now_show_the_moment_of_the_first(client):
    made = [(await create(client))["id"] for _ in range(3)]
    later = {"as_of": "2199-01-01T00:00:00Z", "limit": "1"}
    first = await ask(client, "GET", SESSIONS, params=later)
    await create(client)
    second = await ask(client, "GET", SESSIONS, params={**later, "cursor": first["next"]})
    assert (second["position"], second["items"][0]["id"]) == (3, made[1])


async def test_a_cursor_is_of_one_list_only(client):
    for _ in range(3):
        await create(client)
    live = (await ask(client, "GET", SESSIONS, params={"limit": "1"}))["next"]
    past = (await at(client, SESSIONS, 3, limit="1"))["next"]
    for query in (
        {"as_of": "3", "cursor": live},
        {"as_of": "2", "cursor": past},
        {"cursor": past},
        {"as_of": FIRST, "cursor": "a4.1"},
        {"as_of": "3", "cursor": "a3"},
        {"as_of": "3", "cursor": "a3.-1"},
        {"as_of": "3", "cursor": "a3." + "9" * 30},
    ):
        problem = await refused(client, "GET", SESSIONS, 400, "bad_cursor", params=query)
        assert "cursor" in problem["detail"]


async def test_machines_have_a_past_too(client):
    session = await create(client, "vm")
    await append(
        client, "m1", requested(session), VmStarted(acceleration="kvm"), VmReady(boot_ms=1)
    )
    await refused(client, "GET", f"{VMS}/m1?as_of=1", 404, "not_found")
    for position, status in ((2, "requested"), (3, "starting"), (4, "running")):
        assert (await at(client, f"{VMS}/m1", position))["status"] == status
        assert len((await at(client, VMS, position, status=status))["items"]) == 1
        assert (await at(client, VMS, position, status="lost"))["items"] == []
    assert (await at(client, VMS, 1))["items"] == []
    assert (await at(client, VMS, 4))["items"] == [await ask(client, "GET", f"{VMS}/m1")]


async def test_many_lists_of_the_past_at_once_are_all_answered(client):
    made = [(await create(client))["id"] for _ in range(12)]

    async def one(position):
        page = await at(client, SESSIONS, position)
        assert [item["id"] for item in page["items"]] == made[:position][::-1]

    await asyncio.gather(*(one(position) for position in [*range(1, 13)] * 3))


async def test_the_past_is_the_same_while_the_service_makes_snapshots(
    aiohttp_client, tmp_path, clock, monkeypatch
):
    eager = functools.partial(Snapshotting, every=7, rest=0)
    monkeypatch.setattr("sessions.app.Snapshotting", eager)
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    shown = []
    for number in range(25):
        session = await create(client, metadata={"n": number})
        if number % 3:
            await move(client, session, "running")
        if number % 5 == 0:
            await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
        shown.append(await ask(client, "GET", SESSIONS))
    await client.close()
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    while (snapshots := client.server.app[SNAPSHOTS]).last < 42:
        await ask(client, "GET", "/livez")
    assert snapshots.positions == [7, 14, 21, 28, 35, 42]
    for page in shown:
        assert await at(client, SESSIONS, page["position"]) == page


class Slow:
    """A history that finds nothing, and takes its time."""

    def __init__(self):
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()

    async def select(self, *_, **__):
        self.begun.release()
        await self.go_on.wait()
        return []


@pytest.fixture
async def held(client):
    """Two lists of the past that are being made, and what holds them up."""
    await create(client)
    history = Slow()
    client.server.app[PAST]._history = history
    asking = [asyncio.create_task(at(client, SESSIONS, 1)) for _ in range(2)]
    for _ in asking:
        await history.begun.acquire()
    yield history
    history.go_on.set()
    assert [page["items"] for page in await asyncio.gather(*asking)] == [[], []]


async def test_who_would_wait_with_too_many_others_is_told_to_come_back(client, held, monkeypatch):
    monkeypatch.setattr("sessions.past.FLEETS_WAITING_MAX", 1)
    path = f"{SESSIONS}?as_of=1"
    asking = [asyncio.create_task(client.get(path)) for _ in range(2)]
    [refused_one], [waiting] = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert (await refused_one).status == 503
    assert (await refused_one).headers["Retry-After"]
    held.go_on.set()
    assert (await waiting).status == 200


async def test_who_waited_too_long_is_told_to_come_back(client, held, monkeypatch):
    monkeypatch.setattr("sessions.past.FLEET_WAIT_S", 0.01)
    await refused(client, "GET", f"{SESSIONS}?as_of=1", 503, "unavailable")
    session = (await ask(client, "GET", SESSIONS))["items"][0]
    assert session["position"] == 1  # the present is not held up


async def test_the_past_is_there_after_a_restart_and_without_its_cache(
    aiohttp_client, tmp_path, clock
):
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    made = [(await create(client))["id"] for _ in range(3)]
    file = tmp_path / "data" / "snapshots.db"
    for damage in (None, "delete", "folder"):
        await client.close()
        assert file.is_file()
        if damage is not None:
            file.unlink()
        if damage == "folder":
            file.mkdir()  # nothing can be made there: the service goes on without
        client = await start(aiohttp_client, tmp_path, clock_us=clock)
        assert await ids_of_list(client, {"as_of": "2"}) == [made[1], made[0]]
        assert (await at(client, f"{SESSIONS}/{made[0]}", 1))["position"] == 1
        if damage == "folder":
            await ask(client, "GET", "/readyz")
    await client.close()
    shutil.rmtree(file)
