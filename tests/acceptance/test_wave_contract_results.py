"""WAVE, every call of section 1.4 and the results of section 3.8, over the wire.

Sections and calls are those of the WAVE contract.
"""

import json
import re
from typing import Any

import pytest
import pytest_asyncio

from tests.support.wave import CHROME
from tests.support.wave_contract import wave_service
from tests.support.wave_results import FAIL, GONE, PASS, SKIPPED, ZIP, files_in, zipped

NOBODY = "00000000-0000-1000-8000-000000000000"
A, B, C = "/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"
NONE = {"pass": 0, "fail": 0, "timeout": 0, "not_run": 0}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    async with wave_service(tmp_path_factory.mktemp("wave"), A, B, C) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


async def all_out(wire, **body: Any) -> str:
    """The token of a session all of whose tests are out."""
    token: str = (await wire.json("POST /api/sessions", body, User_Agent=CHROME))["token"]
    await wire.done(f"POST /api/sessions/{token}/start")
    for _ in (A, B, C):
        await wire.json(f"GET /api/tests/{token}/next")
    return token


async def ran(wire, **body: Any) -> str:
    """The token of a completed session."""
    token = await all_out(wire, **body)
    told = {A: [PASS, FAIL, GONE, SKIPPED], B: [PASS], C: [FAIL]}
    for path, subtests in told.items():
        result = {"test": path, "status": "OK", "message": None, "subtests": subtests}
        await wire.done(f"POST /api/results/{token}", result)
    return token


def result_of(path, *subtests):
    return {"test": path, "status": "OK", "message": None, "subtests": list(subtests)}


async def test_report(wire):
    """Sections 1.4 and 3.8, `POST /api/results/{token}`: both forms, each counted."""
    token = await all_out(wire)
    documented = {**result_of(A, PASS, FAIL, GONE, SKIPPED), "meta": {"seen": ["é"]}}
    await wire.done(f"POST /api/results/{token}", documented)
    numbers = [{"name": "n", "status": n, "message": "m", "stack": "s"} for n in range(5)]
    page = {"test": B, "status": 2, "message": "late", "stack": "s", "tests": numbers}
    await wire.done(f"POST /api/results/{token}", page)
    await wire.done(f"POST /api/results/{token}", {"test": C, "status": "NOT_RUN"})
    words = ["PASS", "FAIL", "TIMEOUT", "NOTRUN", "NOTRUN"]
    subtests = [{"name": "n", "status": word, "message": "m"} for word in words]
    found = await wire.json(f"GET /api/results/{token}")
    assert found["apiOne"] == [
        documented,
        {"test": B, "status": "TIMEOUT", "message": "late", "subtests": subtests},
    ]
    assert found["apiTwo"] == [{"test": C, "status": "NOTRUN", "message": None}]
    compact = await wire.json(f"GET /api/results/{token}/compact")
    sums = {"pass": 2, "fail": 2, "timeout": 2, "not_run": 3, "total": 2, "complete": 2}
    assert compact["apiOne"] == sums
    assert compact["apiTwo"] == {**NONE, "not_run": 1, "total": 1, "complete": 1}


async def test_reports_that_change_nothing(wire):
    """Section 1.4, `POST /api/results/{token}`: 200 for what is not out, 400 for no result."""
    token = await all_out(wire)
    await wire.done(f"POST /api/results/{token}", result_of(A, PASS))
    before = await wire.json(f"GET /api/results/{token}")
    for path in (A, "/apiOne/none.html", "apiOne/b.html"):
        await wire.done(f"POST /api/results/{token}", result_of(path, FAIL))
    await wire.done(f"POST /api/results/{NOBODY}", result_of(A, PASS))
    for body in (b"", b"{", {"test": B}, {"status": 0}, {"test": B, "status": "GOOD"}):
        await wire(f"POST /api/results/{token}", body, status=400)
    assert await wire.json(f"GET /api/results/{token}") == before


async def test_read(wire):
    """Sections 1.4 and 1.9, `GET /api/results/{token}`: by API, as they came, or below a path."""
    token = await ran(wire)
    found = await wire.json(f"GET /api/results/{token}")
    tests = {api: [one["test"] for one in results] for api, results in found.items()}
    assert tests == {"apiOne": [A, B], "apiTwo": [C]}
    for path, expected in (("/APIone/b", {"apiOne": [B]}), ("apiTwo", {"apiTwo": [C]}), ("/x", {})):
        below = await wire.json(f"GET /api/results/{token}?path={path}")
        assert {api: [one["test"] for one in some] for api, some in below.items()} == expected
    empty = (await wire.json("POST /api/sessions"))["token"]
    assert await wire.json(f"GET /api/results/{empty}") == {}
    await wire(f"GET /api/results/{NOBODY}", status=404)


async def test_compact(wire):
    """Sections 1.4 and 3.8, `GET /api/results/{token}/compact`: subtests, but files in total."""
    found = await wire.json(f"GET /api/results/{await ran(wire)}/compact")
    one = {"pass": 2, "fail": 1, "timeout": 1, "not_run": 1, "total": 2, "complete": 2}
    assert found == {"apiOne": one, "apiTwo": {**NONE, "fail": 1, "total": 1, "complete": 1}}
    assert list(found["apiOne"]) == list(one)
    await wire(f"GET /api/results/{NOBODY}/compact", status=404)


async def downloaded(wire, path, name):
    """The files of a zip that is given this name."""
    answer = await wire(f"GET /api/results/{path}")
    assert answer.headers["Content-Type"] == ZIP
    assert answer.headers["Content-Disposition"] == f"attachment;filename={name}"
    return files_in(answer.body)


async def test_json(wire):
    """Section 1.4, `GET /api/results/{token}/json`."""
    token = await ran(wire)
    files = await downloaded(wire, f"{token}/json", f"{token[:8]}_results_json.zip")
    assert sorted(files) == ["apiOne.json", "apiTwo.json"]
    assert json.loads(files["apiTwo.json"]) == {"results": [result_of(C, FAIL)]}
    for nobody, front in ((NOBODY, "00000000"), ("x", "x"), ("%22%0D%0Ax", "%22%0D%0Ax")):
        assert await downloaded(wire, f"{nobody}/json", f"{front}_results_json.zip") == {}


async def test_export(wire):
    """Sections 1.4 and 2.1, `GET /api/results/{token}/export`: of what is completed."""
    token = await ran(wire)
    files = await downloaded(wire, f"{token}/export", f"{token}.zip")
    assert sorted(files) == ["apiOne/Ch81.json", "apiTwo/Ch81.json", "info.json"]
    info = json.loads(files["info.json"])
    assert (info["token"], info["status"]) == (token, "completed")
    assert not info.keys() & {"pending_tests", "running_tests", "recent_completed_count"}
    for other in (await all_out(wire), NOBODY):
        await wire(f"GET /api/results/{other}/export", status=404)


async def test_overview(wire):
    """Section 1.4, `GET /api/results/{token}/overview`."""
    token = await ran(wire)
    files = await downloaded(wire, f"{token}/overview", f"{token[:8]}_results_html.zip")
    assert {"results.json.js", "details.json.js", "index.html"} <= files.keys()
    for name in ("results", "details"):
        assert files[f"{name}.json.js"].startswith(f"const {name} = {{".encode())
    await wire(f"GET /api/results/{NOBODY}/overview", status=404)


async def test_api_json(wire):
    """Section 1.4, `GET /api/results/{token}/{api}/json`: named after the browser."""
    token = await ran(wire)
    answer = await wire(f"GET /api/results/{token}/apiTwo/json")
    named = f"attachment;filename={token[:8]}-apiTwo-Ch81.json"
    assert answer.headers["Content-Disposition"] == named
    assert answer.headers["Content-Type"] == ZIP
    assert answer.json == {"results": [result_of(C, FAIL)]}
    for path in (f"{token}/none/json", f"{NOBODY}/apiTwo/json"):
        await wire(f"GET /api/results/{path}", status=404)


async def test_replace(wire):
    """Sections 1.4 and 3.8, `POST /api/results/{token}/{api}/json`: total is what came."""
    token = await ran(wire)
    sent = {"results": [result_of(A, PASS)], "meta": {"kept": True}}
    await wire.done(f"POST /api/results/{token}/apiOne/json", sent)
    assert (await wire(f"GET /api/results/{token}/apiOne/json")).json == sent
    found = await wire.json(f"GET /api/results/{token}/compact")
    assert found["apiOne"] == {**NONE, "pass": 1, "total": 1, "complete": 1}
    assert found["apiTwo"]["complete"] == 1
    await wire(f"POST /api/results/{token}/apiOne/json", b"{", status=400)
    for path in (f"{token}/none/json", f"{NOBODY}/apiOne/json"):
        await wire(f"POST /api/results/{path}", {"results": []}, status=404)


async def test_report_uri(wire):
    """Section 1.4, `GET /api/results/{token}/{api}/reporturl`: null where there is no result."""
    token = await ran(wire)
    path = f"/api/results/{token}"
    uri = f"/results/{token}/apiOne/all.html"
    assert await wire.json(f"GET {path}/apiOne/reporturl") == {"uri": uri}
    assert await wire.json(f"GET {path}/none/reporturl") == {"uri": None}
    assert await wire.json(f"GET /api/results/{NOBODY}/apiOne/reporturl") == {"uri": None}


async def test_report_page(wire):
    """Sections 1.4 and 1.7, `GET /results/{place}/{api}/all.html`: what the URIs lead to."""
    token = await ran(wire)
    page = await wire(f"GET /results/{token}/apiOne/all.html")
    assert A in page.body.decode()
    await wire(f"GET /results/{NOBODY}/apiOne/all.html", status=404)


async def test_comparison(wire):
    """Sections 1.4 and 1.9, `GET /api/results/{api}/reporturl`: the API is in the address."""
    tokens = [await ran(wire), await ran(wire)]
    fronts = "-".join(sorted(token[:8] for token in tokens))
    found = await wire.json(f"GET /api/results/apiOne/reporturl?tokens={','.join(tokens)}")
    uri = found["uri"]
    assert re.fullmatch(rf"/results/comparison-{fronts}-[0-9a-f]{{8}}/apiOne/all\.html", uri)
    page = (await wire(f"GET {uri}")).body.decode()
    assert all(token in page for token in tokens)
    await wire("GET /api/results/apiOne/reporturl", status=400)
    await wire(f"GET /api/results/apiOne/reporturl?tokens={NOBODY}", status=404)


async def test_import(wire):
    """Sections 1.4 and 1.9, `POST /api/results/import`: once, and with the text of the contract."""
    exported = await wire(f"GET /api/results/{await ran(wire)}/export")
    said = await wire("POST /api/results/import", exported.body, status=400)
    assert said.json == {"error": "Session already exists!"}
    said = await wire("POST /api/results/import", b"no zip", status=400)
    assert said.json == {"error": "Invalid input data!"}
    files = files_in(exported.body)
    info = {**json.loads(files.pop("info.json")), "token": NOBODY.replace("0000-1", "0001-1")}
    content = zipped({"info.json": info, **files})
    assert await wire.json("POST /api/results/import", content) == {"token": info["token"]}
    found = await wire.json(f"GET /api/results/{info['token']}/compact")
    assert found == info["test_state"]


async def test_config(wire):
    """Sections 1.4 and 1.9, `GET /api/results/config`: it comes before a token of that name."""
    found = await wire.json("GET /api/results/config")
    assert found == {"import_enabled": True, "reports_enabled": True}


async def test_links_of_old_that_lead_nowhere(wire):
    """Section 1.4: as they did."""
    token = await ran(wire)
    for path in (f"{token}/apiOne/report", f"apiOne/report?tokens={token}"):
        await wire(f"GET /api/results/{path}", status=404)
