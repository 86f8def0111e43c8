"""WAVE: a session that expired is gone for every reader, before a clock has removed it.

Sections are those of the WAVE contract.
"""

import pytest

from sessions import ids
from sessions.caller import SERVICE
from sessions.domain.commands import CreateSession
from sessions.web.appkeys import SESSIONS, VITAL
from tests.support.logs import Clock
from tests.support.service import start
from tests.support.wave import few_tests, make, next_url, order, status_of
from tests.support.wave_results import zipped

SECOND_US = 1_000_000
FRONT = "abcdef01-2222-11f1-8444-"
TOKENS = [f"{FRONT}{n:012}" for n in range(9)]
CALLS = [
    *(("GET", ""), ("GET", "/status"), ("GET", "/labels"), ("PUT", ""), ("DELETE", "")),
    *(("POST", "/pause"), ("POST", "/stop"), ("POST", "/resume")),
]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock, monkeypatch):
    """A service whose clocks never sweep, and whose tokens all begin alike."""
    client = await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=few_tests(tmp_path))
    [sweeping] = [task for task in client.server.app[VITAL] if task.get_name() == "clocks"]
    sweeping.cancel()
    tokens = iter(TOKENS)
    monkeypatch.setattr(ids, "uuid1", lambda: next(tokens))
    return client


async def expiring(client, clock, seconds=60):
    """The token of a session that goes in so many seconds."""
    return await make(client, {"expiration_date": clock.now_us // 1000 + seconds * 1000})


async def found(client, fragment):
    """The token that a fragment stands for, or the status that refuses it."""
    answer = await client.get(f"/api/sessions/{fragment}")
    return (await answer.json())["token"] if answer.status == 200 else answer.status


async def listed(client, **query):
    """A page of the list, without its links to itself."""
    answer = await client.get("/api/sessions", params=query)
    page = await answer.json()
    return page["items"], page["_links"]["last"]["href"], "next" in page["_links"]


async def test_an_expired_session_is_not_found_and_makes_no_fragment_ambiguous(client, clock):
    """Sections 2.3 and 2.4."""
    going, staying = await expiring(client, clock), await expiring(client, clock, 120)
    assert await found(client, FRONT) == 404
    assert await found(client, going[:-1] + "0") != 404
    clock.now_us += 60 * SECOND_US - 1
    assert await found(client, FRONT) == 404
    clock.now_us += 1
    assert await found(client, FRONT) == staying
    assert await found(client, going) == 404
    clock.now_us += 60 * SECOND_US
    assert await found(client, FRONT) == 404


async def test_an_expired_session_is_neither_listed_nor_counted(client, clock):
    """Sections 1.2 and 2.4: an index counts those that are there."""
    tokens = [await make(client)]
    tokens += [await expiring(client, clock) for _ in range(2)]
    tokens += [await make(client)]
    at = "/_wave/api/sessions?index={}&count=1".format
    assert await listed(client, count="1") == (tokens[:1], at(4), True)
    clock.now_us += 60 * SECOND_US
    assert await listed(client, count="1") == (tokens[:1], at(2), True)
    assert await listed(client, count="1", index="1") == (tokens[3:], at(2), True)
    assert await listed(client, count="1", index="2") == ([], at(2), False)
    answer = await client.get("/api/sessions?expand=status,configuration")
    embedded = (await answer.json())["_embedded"]
    for shown in embedded.values():
        assert [each["token"] for each in shown] == [tokens[0], tokens[3]]


async def test_an_expired_session_is_no_public_one(client, clock):
    """Sections 1.2 and 2.4."""
    tokens = []
    for seconds in (60, 120):
        command = CreateSession(
            kind="test_run",
            dialect="wave",
            owner="wave",
            spec={"is_public": True},
            expires_at=clock.now_us + seconds * SECOND_US,
        )
        tokens.append(ids.uuid1())
        await client.server.app[SESSIONS].create(tokens[-1], command, SERVICE)
    assert await (await client.get("/api/sessions/public")).json() == tokens
    clock.now_us += 60 * SECOND_US
    assert await (await client.get("/api/sessions/public")).json() == tokens[1:]


async def test_nothing_of_an_expired_session_is_answered(client, clock):
    """Sections 1.2 and 2.4: whichever call is the first after its time."""
    for method, tail in CALLS:
        token = await expiring(client, clock)
        clock.now_us += 60 * SECOND_US
        answer = await client.request(method, f"/api/sessions/{token}{tail}")
        assert (answer.status, await answer.read()) == (404, b""), (method, tail)


async def test_an_expired_session_runs_nothing(client, clock):
    """Sections 1.3, 1.4 and 2.4: where an unknown one is 200, so is this one."""
    token, reference = await expiring(client, clock), await make(client)
    clock.now_us += 60 * SECOND_US
    await order(client, token, "start")
    for tail in ("", "/next", "/malfunctioning"):
        assert (await client.get(f"/api/tests/{token}{tail}")).status == 404
    empty: dict[str, list[str]] = {"pass": [], "fail": [], "timeout": []}
    assert await (await client.get(f"/api/tests/{token}/last_completed")).json() == empty
    for tail in ("", "/compact", "/export", "/overview", "/apiOne/json"):
        assert (await client.get(f"/api/results/{token}{tail}")).status == 404
    tokens = f"{token},{reference}"
    assert (await client.get(f"/api/results/apiOne/reporturl?tokens={tokens}")).status == 404
    for tail in ("labels", "events"):
        path = f"/api/sessions/{token}/{tail}"
        sent = client.put if tail == "labels" else client.post
        assert (await sent(path, json=["x"])).status == 200


async def test_only_a_start_in_time_keeps_a_session(client, clock):
    """Section 2.2: its expiration is cleared; an import has none."""
    token = await expiring(client, clock)
    clock.now_us += 60 * SECOND_US - 1
    await order(client, token, "start")
    clock.now_us += 3600 * SECOND_US
    assert (await status_of(client, token))["status"] == "running"
    assert (await next_url(client, token)).path.startswith("/api")
    assert await listed(client) == ([token], "/_wave/api/sessions?index=0&count=10", False)
    other = "00000000-1111-1222-8333-444444444444"
    content = zipped({"info.json": {"token": other, "expiration_date": 1}})
    assert (await client.post("/api/results/import", data=content)).status == 200
    assert (await listed(client))[0] == [token, other]
