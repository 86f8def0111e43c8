"""WAVE: a session that came by import is read, compared and gone on from like any other.

Sections are those of the WAVE contract.
"""

import asyncio
import json
from typing import Any

import pytest

from tests.support.service import start
from tests.support.wave import (
    lists_of,
    next_url,
    order,
    pages_at,
    read,
    report,
    started,
    status_of,
)
from tests.support.wave_results import FAIL, PASS, fetched, files_in, unzipped, zipped

PATHS = [
    *("/dom/a.html", "/dom/b.html", "/dom/c.html", "/html/a.html"),
    *("/html/b.https.html", "/html/press-manual.html"),
]
# Manual before automatic and http before https, each by API and path (section 3.6).
IN_ORDER = [PATHS[5], *PATHS[:4], PATHS[4]]
TOKEN = "11111111-2222-1333-8444-555555555555"
EMPTY: dict[str, list[str]] = {"pass": [], "fail": [], "timeout": []}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    folder = pages_at(tmp_path, *PATHS)
    return await start(aiohttp_client, tmp_path / "one", wave_tests=folder)


@pytest.fixture
async def other(aiohttp_client, tmp_path):
    """Another service, which has none of the tests."""
    return await start(aiohttp_client, tmp_path / "two")


async def last(client, token, query=""):
    """The last completed tests."""
    return await (await client.get(f"/api/tests/{token}/last_completed{query}")).json()


async def ran(client, **body):
    """The token of a session whose tests came back in an order of their own, each in its way."""
    token = await started(client, body)
    for _ in PATHS:
        await next_url(client, token)
    told = [("OK", PASS), ("OK", FAIL), ("ERROR", PASS), ("TIMEOUT", FAIL), ("OK", PASS)]
    for path, (status, subtest) in zip(PATHS, [*told, told[0]], strict=True):
        await report(client, token, path, status, subtests=[subtest])
    assert (await status_of(client, token))["status"] == "completed"
    return token


async def brought(client, other, token):
    """Bring a session over by its export."""
    content = await (await client.get(f"/api/results/{token}/export")).read()
    answer = await other.post("/api/results/import", data=content)
    assert await answer.json() == {"token": token}
    return content


async def test_its_tests_are_completed_and_the_last_are_in_order(client, other):
    """Sections 1.3 and 3.7: the order of execution, whatever that of the files is."""
    token = await ran(client)
    await brought(client, other, token)
    there = await last(client, token)
    assert there["fail"] == [PATHS[1], PATHS[2], PATHS[3]]
    assert (there["timeout"], there["pass"][-1]) == ([PATHS[3]], PATHS[4])
    for query in ("", "?count=1", "?count=2&status=fail,timeout", "?count=0", "?status=pass"):
        assert await last(other, token, query) == await last(client, token, query), query
    pending, running, completed = await lists_of(other, token)
    assert (pending, running, sorted(completed)) == ([], [], sorted(PATHS))
    assert await lists_of(client, token) == [[], [], PATHS]


async def test_its_counters_its_report_and_its_pages(client, other):
    """Sections 1.4 and 3.6."""
    token = await ran(client, type="dpctf", labels=["é"])
    await brought(client, other, token)
    assert await fetched(other, f"{token}/compact") == await fetched(client, f"{token}/compact")
    for api in ("dom", "html"):
        [uri, again] = [
            (await fetched(c, f"{token}/{api}/reporturl"))["uri"] for c in (other, client)
        ]
        assert uri == again
        pages = [await (await c.get(uri)).text() for c in (other, client)]
        assert pages[0] == pages[1]
        assert all(path in pages[0] for path in PATHS if path.startswith(f"/{api}/"))
    assert (await fetched(other, f"{token}/css/reporturl"))["uri"] is None
    assert (await next_url(other, token)).path == "/_wave/dpctf/finish.html"
    for path in (*PATHS, "/dom/new.html"):
        await report(other, token, path, "ERROR")
    for command in ("start", "pause", "stop"):
        await order(other, token, command)
    assert await status_of(other, token) == await status_of(client, token)
    assert await fetched(other, token) == await fetched(client, token)


async def test_it_is_compared_with_one_that_ran_here(client, other):
    """Section 1.4."""
    token, mine = await ran(client), await ran(client, tests={"include": ["/dom", "/html"]})
    await brought(client, other, token)
    await brought(client, other, mine)
    [here, there] = [
        (await fetched(each, f"dom/reporturl?tokens={token},{mine}"))["uri"]
        for each in (client, other)
    ]
    assert here == there
    pages = [await (await each.get(here)).text() for each in (client, other)]
    assert pages[0] == pages[1]
    assert token in pages[0]
    assert mine in pages[0]


async def test_its_last_test_comes_along_from_service_to_service(aiohttp_client, client, tmp_path):
    """Sections 1.4 and 2.1: also after a restart."""
    token = await ran(client)
    service, exports = client, []
    for name in ("two", "three"):
        following = await start(aiohttp_client, tmp_path / name)
        exports.append(await brought(service, following, token))
        service = following
    await service.close()
    service = await start(aiohttp_client, tmp_path / "three")
    _, files = await unzipped(service, f"{token}/export")
    told = [json.loads(raw["info.json"]) for raw in (*map(files_in, exports), files)]
    assert told[0] == told[1] == told[2]
    assert told[0]["last_completed_test"] == PATHS[-1]
    assert (await last(service, token)) == await last(client, token)


async def test_what_an_old_export_does_not_say_is_found_in_its_results(client):
    """Section 2.1: a last test that is none is not kept, and changes nothing else."""
    results = [
        {"test": "/dom/z.html", "status": "OK"},
        {"test": "/dom/a.html", "status": "ERROR", "subtests": []},
        {"test": "/dom/B-manual.html", "status": "OK", "subtests": [{"status": [1]}]},
    ]
    said: list[dict[str, Any]] = [{}, {"last_completed_test": None}]
    for digit, info in zip("345", [*said, {"last_completed_test": ""}], strict=True):
        token = TOKEN.replace("1", digit)
        files: dict[str, Any] = {"info.json": {"token": token, **info}}
        files["dom/Xx00.json"] = {"results": results}
        assert (await client.post("/api/results/import", data=zipped(files))).status == 200
        assert await last(client, token) == {
            "pass": ["/dom/a.html", "/dom/z.html"],
            "fail": ["/dom/B-manual.html", "/dom/a.html"],
            "timeout": [],
        }
        assert (await read(client, token))["tests"] == {"include": ["/"], "exclude": []}
    empty = zipped({"info.json": {"token": TOKEN}, "dom/Xx00.json": {"results": []}})
    assert (await client.post("/api/results/import", data=empty)).status == 200
    assert await last(client, TOKEN) == EMPTY
    assert await lists_of(client, TOKEN) == [[], [], []]
    wrong = zipped({"info.json": {"token": TOKEN.replace("1", "9"), "last_completed_test": 1}})
    assert (await client.post("/api/results/import", data=wrong)).status == 400


async def test_an_upload_in_mid_run_takes_the_place_of_what_its_tests_reported(client):
    """Sections 1.4 and 3.7: what is out or still to run is not completed by it."""
    token = await started(client, {"tests": {"include": ["/dom"]}})
    for _ in PATHS[:2]:
        await next_url(client, token)
    await report(client, token, PATHS[0], subtests=[FAIL])
    assert await last(client, token) == {**EMPTY, "fail": PATHS[:1]}
    sent = [{"test": path, "status": "OK", "subtests": [PASS]} for path in PATHS[:3]]
    sent.append({"test": "/dom/extra.html", "status": "TIMEOUT", "subtests": [FAIL]})
    path = f"/api/results/{token}/dom/json"
    assert (await client.post(path, json={"results": sent})).status == 200
    found = await last(client, token)
    assert found == {"pass": PATHS[:3], "fail": ["/dom/extra.html"], "timeout": ["/dom/extra.html"]}
    lists = await lists_of(client, token)
    assert lists == [[PATHS[2]], [PATHS[1]], [PATHS[0], "/dom/extra.html"]]
    await asyncio.gather(next_url(client, token), report(client, token, PATHS[1], "ERROR"))
    found["fail"] = [PATHS[1], *found["fail"]]
    assert await last(client, token) == found
