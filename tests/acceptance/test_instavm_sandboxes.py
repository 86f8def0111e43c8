"""InstaVM: sandboxes by their metadata, and what machines had at hand (instavm.md 4, 4.2)."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.instavm import VMS, P, created, execute, made, start_scripted, wrong_fields
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ask, new_key

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


async def sandboxes(client: Client, metadata: Any = None, **query: str) -> list[str]:
    if metadata is not None:
        query["metadata"] = metadata if isinstance(metadata, str) else json.dumps(metadata)
    found = await ask(client, "GET", f"{P}/v1/sessions/sandboxes", params=query)
    assert isinstance(found, list)
    return [entry["sandbox_id"] for entry in found]


async def test_4_2_sandboxes_hold_all_given_pairs(client: Client) -> None:
    first = (await created(client, metadata={"team": "a", "n": 1}))["vm_id"]
    second = (await created(client, metadata={"team": "a", "n": True, "x": {"y": [1]}}))["vm_id"]
    other = await made(client, metadata={"team": "b"})
    third = (await execute(client, other, "echo a"))["vm_id"]
    assert await sandboxes(client) == [third, second, first]
    assert await sandboxes(client, {}) == [third, second, first]
    assert await sandboxes(client, {"team": "a"}) == [second, first]
    assert await sandboxes(client, {"team": "a", "n": 1}) == [first]
    assert await sandboxes(client, {"n": 1.0}) == [first]
    assert await sandboxes(client, {"n": True}) == [second]
    assert await sandboxes(client, {"x": {"y": [1]}}) == [second]
    assert await sandboxes(client, {"x": {}}) == []
    assert await sandboxes(client, {"team": "c"}) == []
    assert await sandboxes(client, {"team": "a"}, limit="1") == [second]
    change = {"metadata": {"team": "c"}}
    await ask(client, "PATCH", f"{VMS}/{first}", json=change)
    assert await sandboxes(client, {"team": "c"}) == [first]
    assert await sandboxes(client, {"team": "a", "n": 1}) == []


async def test_4_2_a_sandbox_shows_its_machine(client: Client) -> None:
    session_id = await made(client, metadata={"a": 1}, vm_lifetime_seconds=60)
    assert await sandboxes(client) == []
    vm_id = (await execute(client, session_id, "echo a"))["vm_id"]
    (entry,) = await ask(client, "GET", f"{P}/v1/sessions/sandboxes")
    started = datetime.fromisoformat(entry.pop("started_at"))
    assert datetime.fromisoformat(entry.pop("end_at")) - started == timedelta(seconds=60)
    assert entry == {
        "sandbox_id": vm_id,
        "session_id": session_id,
        "template_id": None,
        "name": "default",
        "metadata": {"a": 1},
        "status": "active",
    }
    await ask(client, "POST", f"{P}/kill", json={"session_id": session_id})
    (entry,) = await ask(client, "GET", f"{P}/v1/sessions/sandboxes")
    assert entry["status"] == "killed"


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"metadata": "{"}, "metadata", "json_invalid"),
    ({"metadata": ""}, "metadata", "json_invalid"),
    ({"metadata": "[]"}, "metadata", "dict_type"),
    ({"metadata": "null"}, "metadata", "dict_type"),
    ({"limit": "0"}, "limit", "greater_than_equal"),
    ({"limit": "1001"}, "limit", "less_than_equal"),
    ({"limit": "x"}, "limit", "int_parsing"),
    ({"limit": "9" * 5000}, "limit", "int_parsing"),
]


async def test_4_2_a_wrong_filter_is_422(client: Client) -> None:
    for query, name, code in WRONG:
        error = await ask(client, "GET", f"{P}/v1/sessions/sandboxes", 422, params=query)
        assert wrong_fields(error) == [(("query", name), code)], query


async def test_4_2_nobody_sees_the_sandboxes_of_others(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    await created(client, metadata={"a": 1})
    path = f"{P}/v1/sessions/sandboxes"
    assert await ask(keyless, "GET", path, headers=theirs) == []
    await ask(keyless, "GET", path, 401)
    await ask(keyless, "GET", f"{path}?limit=0", 401)


async def test_4_usage_is_what_machines_had(client: Client, keyless: Client) -> None:
    vm = await created(client)
    await execute(client, vm["session_id"], "echo a")
    await asyncio.sleep(0.05)  # a few milliseconds are none of an hour
    usage = await ask(client, "GET", f"{P}/v1/sessions/usage/{vm['session_id']}")
    assert (usage["vm_count"], usage["executions"], usage["cost_dollars"]) == (1, 1, 0.0)
    assert usage["cpu_hours"] > 0
    assert usage["ram_gib_hours"] > 0
    path = f"{P}/v1/users/me/usage-breakdown"
    days = [datetime.now(UTC).date()]
    found = await ask(client, "GET", f"{path}?days=3")
    days.append(datetime.now(UTC).date())
    assert found["total_days"] == len(found["daily_breakdown"]) == 3
    assert found["period_end"] in [day.isoformat() for day in days]
    assert found["totals"]["cpu_hours"] >= usage["cpu_hours"]
    assert found["totals"]["cost_dollars"] == 0.0
    past = await ask(client, "GET", f"{path}?start_date=2020-01-01&end_date=2020-01-31")
    assert (past["total_days"], past["totals"]["cpu_hours"]) == (31, 0.0)
    for query in (
        "days=0",
        "days=366",
        "start_date=x",
        "start_date=2020-02-01&end_date=2020-01-01",
    ):
        await ask(client, "GET", f"{path}?{query}", 422)
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    assert (await ask(keyless, "GET", path, headers=theirs))["totals"]["cpu_hours"] == 0.0
    await ask(client, "GET", f"{P}/v1/sessions/usage/{uuid.uuid4()}", 404)
