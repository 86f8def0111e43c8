"""Galtea: runs, and sessions that join them. Sections are those of the contract."""

import asyncio
import uuid

import pytest

from tests.support.galtea import ERROR, URL, a_test_case, post, product, refused
from tests.support.service import ask, client_of_a_tenant

RUNS = "/galtea/runs"
KEYS = [
    *("id", "productId", "versionId", "customId", "userId", "ordinal", "relaunchedFromRunId"),
    *("openedBy", "status", "evaluationCount", "sessionCount", "kind", "jobId", "error"),
    *("request", "resolvedInputs", "createdAt", "finishedAt", "deletedAt"),
]


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


@pytest.fixture
async def version(client):
    made = await product(client, uuid.uuid4().hex)
    return await post(client, "versions", productId=made["id"])


async def run(client, version, status=201, /, **fields):
    return await post(client, "runs", status, productId=version["productId"], **fields)


async def close(client, run, status=200):
    return await ask(client, "POST", f"{RUNS}/{run['id']}/close", status)


async def listed(client, query="", status=200):
    return await ask(client, "GET", f"{RUNS}?{query}", status)


async def test_a_run_is_opened_and_closed(client, version):
    """Section 7: what the SDK requires is there, and a run is closed once."""
    made = await run(client, version, customId="nightly", versionId=version["id"])
    assert list(made) == KEYS
    assert made == {
        **dict.fromkeys(KEYS),
        **{name: made[name] for name in ("id", "userId", "createdAt")},
        "productId": version["productId"],
        "versionId": version["id"],
        "customId": "nightly",
        "ordinal": 1,
        "openedBy": "CALLER",
        "status": "RUNNING",
        "evaluationCount": 0,
        "sessionCount": 0,
    }
    assert await ask(client, "GET", f"{RUNS}/{made['id']}") == made
    closed = await close(client, made)
    assert closed == {**made, "status": "COMPLETED", "finishedAt": closed["finishedAt"]}
    assert closed["finishedAt"] >= made["createdAt"]
    assert "closed" in (await close(client, made, 400))["message"]


async def test_an_ordinal_is_not_used_again(client, version):
    """Section 7: runs of a product are counted, also those that are gone."""
    other = await product(client, uuid.uuid4().hex)
    made = await asyncio.gather(*(run(client, version) for _ in range(4)))
    assert sorted(one["ordinal"] for one in made) == [1, 2, 3, 4]
    assert (await post(client, "runs", productId=other["id"]))["ordinal"] == 1
    for one in made:
        assert (await client.delete(f"{RUNS}/{one['id']}")).status == 204
        await ask(client, "GET", f"{RUNS}/{one['id']}", 404)
    assert (await run(client, version))["ordinal"] == 5


async def test_a_label_is_one_runs_at_a_time(client, version):
    """Section 2: a duplicate is 400; another product may have it, and it is free after deletion."""
    made = await run(client, version, customId="n")
    refusal = await run(client, version, 400, customId="n")
    assert refusal["message"].startswith("A Run with the same ")
    other = await product(client, uuid.uuid4().hex)
    await post(client, "runs", productId=other["id"], customId="n")
    await client.delete(f"{RUNS}/{made['id']}")
    await run(client, version, customId="n")


async def test_what_a_run_refuses(client, version):
    """Section 2."""
    other = await post(client, "versions", productId=(await product(client, "other"))["id"])
    for status, body in (
        (400, {}),
        (400, {"productId": None}),
        (404, {"productId": "product_x"}),
        (404, {"productId": version["productId"], "versionId": "version_x"}),
        (400, {"productId": version["productId"], "versionId": other["id"]}),
        (400, {"productId": version["productId"], "customId": " "}),
        (400, {"productId": version["productId"], "customId": 1}),
    ):
        await refused(client, status, body, RUNS)
    for unknown in ("x", "run_" + "0" * 25, version["id"]):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/close")):
            assert set(await ask(client, method, f"{RUNS}/{unknown}{path}", 404)) == ERROR


async def test_runs_are_found(client, version):
    """Section 3: AND between filters, OR within one."""
    first = await run(client, version, customId="Nightly 1")
    second = await close(client, await run(client, version, versionId=version["id"]))
    of = f"productIds[]={version['productId']}"
    assert await listed(client, of) == [second, first]
    assert await listed(client, f"{of}&sort=createdAt&sort=asc") == [first, second]
    assert await listed(client, f"versionIds={version['id']}") == [second]
    assert await listed(client, f"{of}&customIds[]=Nightly+1") == [first]
    assert await listed(client, f"{of}&statuses=RUNNING") == [first]
    assert await listed(client, f"{of}&statuses=RUNNING&statuses=COMPLETED") == [second, first]
    assert await listed(client, f"{of}&search=nightLY") == [first]
    assert await listed(client, f"{of}&search=%232") == [second]
    assert await listed(client, f"{of}&search=none") == []
    assert await listed(client, f"ids={first['id']}&productIds=x") == []
    assert await listed(client, "productIds=x") == []
    await listed(client, f"ids={first['id']}&ids=run_x", 404)
    await listed(client, f"{of}&statuses=open", 400)


async def test_a_list_of_runs_has_parts(client, version):
    """Section 5: offset and limit are of all that match, of whichever product."""
    other = await post(client, "versions", productId=(await product(client, "another"))["id"])
    made = [await run(client, of, customId=f"{n}") for n, of in enumerate((version, other) * 3)]
    await close(client, made[4])
    of = f"productIds={version['productId']}&productIds={other['productId']}"
    for query in (of, f"{of}&statuses=RUNNING"):
        newest = await listed(client, query)
        assert len(newest) == (5 if "statuses" in query else 6)
        for offset in range(7):
            for limit in (0, 2, 9):
                part = f"{query}&offset={offset}&limit={limit}"
                assert await listed(client, part) == newest[offset : offset + limit]
                oldest = newest[::-1][offset : offset + limit]
                assert await listed(client, f"{part}&sort=createdAt&sort=asc") == oldest


async def test_a_session_joins_a_run(client, version):
    """Section 5: it is counted as long as it is there."""
    made = await run(client, version)
    body = {"isProduction": False, "runId": made["id"]}
    joined = await post(client, "sessions", versionId=version["id"], **body)
    assert joined["runId"] == made["id"]
    case = await a_test_case(client, version["productId"])
    tested = {"testCaseId": case["id"], "runId": made["id"]}
    await post(client, "sessions", productId=version["productId"], **tested)
    assert (await ask(client, "GET", f"{RUNS}/{made['id']}"))["sessionCount"] == 2
    assert (await client.delete(f"{URL}/{joined['id']}")).status == 204
    assert (await listed(client, f"ids={made['id']}"))[0]["sessionCount"] == 1


async def test_a_run_that_a_session_cannot_join(client, version):
    """Section 5: on a production session, closed, deleted, of another product or version."""
    made = await run(client, version)
    narrow = await run(client, version, versionId=version["id"])
    closed = await close(client, await run(client, version))
    gone = await run(client, version)
    await client.delete(f"{RUNS}/{gone['id']}")
    newer = await post(client, "versions", productId=version["productId"])
    other = await product(client, uuid.uuid4().hex)
    of = {"versionId": version["id"], "isProduction": False}
    for status, body in (
        (400, {**of, "isProduction": True, "runId": made["id"]}),
        (400, {"versionId": version["id"], "runId": made["id"]}),
        (400, {**of, "runId": closed["id"]}),
        (404, {**of, "runId": gone["id"]}),
        (404, {**of, "runId": "run_x"}),
        (400, {**of, "versionId": newer["id"], "runId": narrow["id"]}),
        (400, {"productId": other["id"], "isProduction": False, "runId": made["id"]}),
    ):
        assert "run" in await refused(client, status, body)
    versions = await ask(client, "GET", "/galtea/versions", params={"productIds": other["id"]})
    assert versions == []  # none was made for a session that was refused


async def test_runs_of_another_tenant_are_not_there(client, version, aiohttp_client, shared):
    """Design section 6."""
    made = await run(client, version)
    stranger = await client_of_a_tenant(aiohttp_client, shared)
    await ask(stranger, "GET", f"{RUNS}/{made['id']}", 404)
    await ask(stranger, "DELETE", f"{RUNS}/{made['id']}", 404)
    await close(stranger, made, 404)
    assert await listed(stranger) == []
