"""WAVE: results while devices report them, by both APIs at once. Sections are the contract's."""

import asyncio
import io
import json

import pytest

from tests.support.service import start
from tests.support.wave import few_tests, lists_of, make, next_url, report, started, status_of
from tests.support.wave_results import FAIL, PASS, fetched, unzipped

PAGE = {"name": "a", "status": 0, "message": None, "stack": "at line 1"}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path / "one", wave_tests=few_tests(tmp_path))


async def walked(client, token):
    """The paths of all tests, in the order in which they went out and were reported."""
    paths = []
    while (url := await next_url(client, token)).path != "/_wave/finish.html":
        paths.append(url.path)
        await report(client, token, url.path, 0, tests=[PAGE], message=None)
    return paths


async def test_what_devices_report_is_read_counted_and_exported(aiohttp_client, client, tmp_path):
    """Sections 1.4 and 3.8: first as far as it came, then all of it, then elsewhere."""
    token = await started(client)
    first = (await next_url(client, token)).path
    await report(client, token, first, subtests=[FAIL], extra=1)
    api = first.split("/")[1]
    expected = {"test": first, "status": "OK", "message": None, "subtests": [FAIL], "extra": 1}
    assert await fetched(client, token) == {api: [expected]}
    sums = await fetched(client, f"{token}/compact")
    assert (sums[api]["complete"], sums[api]["fail"]) == (1, 1)
    assert sums[api]["total"] > 1
    assert (await client.get(f"/api/results/{token}/export")).status == 404

    rest = await walked(client, token)
    assert (await status_of(client, token))["status"] == "completed"
    found = await fetched(client, token)
    told = [one["test"] for results in found.values() for one in results]
    assert sorted(told) == sorted([first, *rest])
    assert found[rest[-1].split("/")[1]][-1]["subtests"] == [PASS]
    sums = await fetched(client, f"{token}/compact")
    assert all(one["total"] == one["complete"] == len(found[api]) for api, one in sums.items())

    content = await (await client.get(f"/api/results/{token}/export")).read()
    other = await start(aiohttp_client, tmp_path / "two")
    assert (await other.post("/api/results/import", data=content)).status == 200
    for path in ("", "/compact"):
        assert await fetched(other, token + path) == await fetched(client, token + path)
    assert (await lists_of(other, token))[:2] == [[], []]
    assert (await next_url(other, token)).path == "/_wave/finish.html"


async def test_what_a_pending_session_will_run_is_counted_already(client):
    """Sections 1.4 and 3.3: its totals, also in an overview."""
    token = await make(client)
    sums = await fetched(client, f"{token}/compact")
    assert sum(one["total"] for one in sums.values()) == len(
        await walked(client, await started(client))
    )
    assert {one["complete"] for one in sums.values()} == {0}
    _, files = await unzipped(client, f"{token}/overview")
    details = files["details.json.js"].decode().removeprefix("const details = ").rstrip(";\n")
    assert json.loads(details)["test_state"] == sums
    assert (await client.post(f"/api/results/{token}/apiOne/json", json={})).status == 404


async def test_an_upload_in_mid_run_disturbs_no_device(client):
    """Sections 1.4, 2.5, 3.8 and 5.2: what comes at the same moment or later is counted too."""
    token = await started(client)
    first = (await next_url(client, token)).path
    api = first.split("/")[1]
    sent = {"results": [{"test": first, "status": "OK", "subtests": [PASS, PASS]}]}
    uploads = [client.post(f"/api/results/{token}/{api}/json", json=sent) for _ in range(4)]
    reported = report(client, token, first, subtests=[FAIL])
    *answers, _ = await asyncio.gather(*uploads, reported)
    assert [answer.status for answer in answers] == [200] * 4
    paths = [first, *await walked(client, token)]
    assert (await status_of(client, token))["status"] == "completed"
    found = await fetched(client, token)
    rest = [path for path in paths[1:] if path.split("/")[1] == api]
    # Its own result is in the file, or came after the last upload; what came later is added.
    told = [one["test"] for one in found[api]]
    assert told in ([first, *rest], [first, first, *rest])
    sums = await fetched(client, f"{token}/compact")
    assert (sums[api]["total"], sums[api]["complete"]) == (len(told), len(told))
    assert sums[api]["pass"] == 2 + len(rest)
    assert len(paths) == len(set(paths))


async def test_of_two_imports_at_once_one_makes_the_session(aiohttp_client, client, tmp_path):
    """Section 1.4."""
    token = await started(client)
    await walked(client, token)
    content = await (await client.get(f"/api/results/{token}/export")).read()
    other = await start(aiohttp_client, tmp_path / "two")
    sent = [other.post("/api/results/import", data=io.BytesIO(content)) for _ in range(5)]
    answers = await asyncio.gather(*sent)
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400]
    assert await fetched(other, token) == await fetched(client, token)


async def test_a_session_may_refer_to_an_imported_one(aiohttp_client, client, tmp_path):
    """Sections 1.4 and 3.4: also to results that were uploaded."""
    token = await started(client)
    first, *rest = await walked(client, token)
    api = first.split("/")[1]
    sent = {"results": [{"test": first, "status": "OK", "subtests": [FAIL]}]}
    assert (await client.post(f"/api/results/{token}/{api}/json", json=sent)).status == 200
    content = await (await client.get(f"/api/results/{token}/export")).read()
    other = await start(aiohttp_client, tmp_path / "two", wave_tests=few_tests(tmp_path))
    assert (await other.post("/api/results/import", data=content)).status == 200
    again = await walked(other, await started(other, {"reference_tokens": [token]}))
    assert again == [path for path in rest if path.split("/")[1] != api]
