"""WAVE, the rules of section 1.1 for every call, and every row of section 1.9, over the wire.

Sections are those of the WAVE contract; a row is named by its topic.
"""

from typing import Any

import pytest
import pytest_asyncio

from tests.support.wave import has_cors
from tests.support.wave_contract import ADMIN_KEY, CALLS, wave_service

NOBODY = "00000000-0000-1000-8000-000000000000"
A, B, C = "/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    async with wave_service(tmp_path_factory.mktemp("wave"), A, B, C, wave_poll_s=0.005) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


async def made(wire, body: Any = b"") -> str:
    """The token of a new session."""
    token: str = (await wire.json("POST /api/sessions", body))["token"]
    return token


async def started(wire, body: Any = b"") -> str:
    """The token of a session that runs."""
    token = await made(wire, body)
    await wire.done(f"POST /api/sessions/{token}/start")
    return token


async def public(wire) -> str:
    """The token of a public session; only the native API makes one."""
    body = {"kind": "test_run", "spec": {"is_public": True}}
    answer = await wire("POST /api/v1/sessions", body, status=201, **ADMIN_KEY)
    token: str = answer.json["id"]
    return token


READS = [call for call in CALLS if call.startswith("GET /api/") and "{api}" not in call]


def filled(call: str, token: str) -> str:
    return call.partition(" ")[2].replace("{token}", token)


@pytest.mark.parametrize("call", READS)
async def test_where_a_call_may_be_written(wire, call):
    """Section 1.1: under the web root and without it, with empty segments anywhere."""
    token = await made(wire)
    path = filled(call, token)
    if path.startswith("/api/devices/"):
        path = path.replace(token, (await wire.json("POST /api/devices"))["token"])
    status = 404 if path.endswith("/export") else 200  # it is not completed
    plain = await wire(f"GET {path}", status=status)
    slashed = path.replace("/", "//")
    for other in (f"/_wave{path}", f"{path}/", f"/_wave{slashed}//", f"/_wave/{path}"):
        answer = await wire(f"GET {other}", status=status)
        if not path.endswith("/next"):
            assert answer.body == plain.body, other
    assert (await wire(f"OPTIONS {path}")).body == b""
    await wire(f"HEAD {path}", status=404)


NOT_THERE = [
    *("PUT /api/sessions", "PATCH /api/sessions/x", "GET /_wave/api/nothing", "POST /api/status"),
    *("GET /api/sessions/x/y", "DELETE /api/tests", "PUT /api/results/x", "GET /_wave/api"),
    *("POST /api/tests/x/logs", "GET /_wave/api/v2/x", "POST /api/results/x/y/z"),
]


async def test_what_is_not_there(wire):
    """Section 1.1: 404 without a body; under `devices` nothing happens, and that is a 200."""
    for call in NOT_THERE:
        await wire(call, status=404)
    for call in ("PUT /api/devices", "DELETE /api/devices/x", "GET /api/devices/x/y"):
        await wire.done(call)


async def test_bodies(wire):
    """Section 1.1: the type that is said does not matter, and no body means no fields."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "image/png"):
        found = await wire.json("POST /api/sessions", {"labels": [kind]}, Content_Type=kind)
        labels = await wire.json(f"GET /api/sessions/{found['token']}/labels")
        assert labels == [kind]
    token = await made(wire)
    await wire.done(f"PUT /api/sessions/{token}")


async def test_blank_parameters(wire):
    """Section 1.1: one without a value is not given."""
    token = await made(wire)
    for path, query in (
        (f"tests/{token}/last_completed", "status=&count="),
        (f"results/{token}", "path="),
        ("sessions", "index=&count=&expand="),
        (f"sessions/{token}/events", "last_event="),
    ):
        plain = await wire(f"GET /api/{path}")
        assert (await wire(f"GET /api/{path}?{query}")).body == plain.body


async def test_files_and_zips(wire):
    """Section 1.1: any origin may read the API, but no file and no download."""
    token = await started(wire, {"types": []})
    for path in (f"/api/results/{token}/json", "/_wave/index.html", A):
        assert not has_cors(await wire(f"GET {path}")), path
    for path in ("/_wave/index.html", "/_wave/nothing", "/_wave/api/nothing"):
        answer = await wire(f"OPTIONS {path}")
        assert has_cors(answer)


async def test_labels_are_read(wire):
    """Section 1.9, labels GET: implemented."""
    token = await made(wire, {"labels": ["a"]})
    assert await wire.json(f"GET /api/sessions/{token}/labels") == ["a"]


async def test_completed_tests(wire):
    """Section 1.9, completed_tests: there as well."""
    token = await started(wire)
    await wire.json(f"GET /api/tests/{token}/next")
    await wire.done(f"POST /api/results/{token}", {"test": A, "status": "OK"})
    found = await wire.json(f"GET /api/tests/{token}")
    assert found["completed_tests"] == {"apiOne": [A]}


async def ran(wire, **more: Any) -> str:
    """The token of a session that is completed."""
    token = await started(wire)
    for path in (A, B, C):
        await wire.json(f"GET /api/tests/{token}/next")
        result = {"test": path, "status": "OK", "message": None, "subtests": [], **more}
        await wire.done(f"POST /api/results/{token}", result)
    return token


async def test_results_below_a_path(wire):
    """Section 1.9, results path filter: the API in any case, then a beginning."""
    token = await ran(wire)
    for path, found in (
        ("/APIONE", [A, B]),
        ("/apiOne/b", [B]),
        ("apitwo/", [C]),
        ("/APIONE/A", []),
    ):
        below = await wire.json(f"GET /api/results/{token}?path={path}")
        assert [one["test"] for results in below.values() for one in results] == found


async def test_results_config(wire):
    """Section 1.9, results/config: implemented, and no token."""
    found = await wire.json("GET /api/results/config")
    assert list(found) == ["import_enabled", "reports_enabled"]


async def test_count_of_the_last(wire):
    """Section 1.9, last_completed count: a number."""
    token = await ran(wire)
    found = await wire.json(f"GET /api/tests/{token}/last_completed?count=2&status=pass")
    assert found == {"pass": [B, C]}


async def test_titles(wire):
    """Section 1.9, apis: both keys."""
    for api in await wire.json("GET /api/tests/apis"):
        assert api["title"] == api["name"] == api["path"].removeprefix("/")


async def test_answers_of_polls(wire):
    """Section 1.9, event answer: an array, of sessions, of devices and of all devices."""
    token = await made(wire)
    device = (await wire.json("POST /api/devices"))["token"]
    for path in (f"sessions/{token}", f"devices/{device}", "devices"):
        await wire.done(f"POST /api/{path}/events", {"type": "x", "data": {}})
        told = await wire.json(f"GET /api/{path}/events?last_event=-1")
        assert told[-1]["type"] == "x"
        assert list(told[-1]) == ["type", "data", "number"]


async def test_ends_of_polls(wire):
    """Section 1.9, session events timeout: 200 without a body after a while."""
    for token in (await made(wire), NOBODY, "x"):
        assert (await wire(f"GET /api/sessions/{token}/events")).body == b""


async def test_references_count(wire):
    """Section 1.9, reference_tokens: only what passed there is run."""
    reference = await started(wire)
    await wire.json(f"GET /api/tests/{reference}/next")
    await wire.done(f"POST /api/results/{reference}", {"test": A, "status": "OK"})
    token = await made(wire, {"reference_tokens": [reference]})
    found = await wire.json(f"GET /api/tests/{token}")
    assert found["pending_tests"] == {"apiOne": [A]}


async def test_imports_can_be_off(tmp_path):
    """Section 1.9, import: as the documents have it, and refused where it is off."""
    async with wave_service(tmp_path, A, wave_import=False) as wire:
        answer = await wire("POST /api/results/import", b"x", status=403)
        assert list(answer.json) == ["error"]
        found = await wire.json("GET /api/results/config")
        assert found["import_enabled"] is False
    async with wave_service(tmp_path / "on", A) as wire:
        answer = await wire("POST /api/results/import", b"x", status=400)
        assert answer.json == {"error": "Invalid input data!"}


async def test_reports_of_several(wire):
    """Section 1.9, multi report: the address has the API."""
    token = await ran(wire)
    found = await wire.json(f"GET /api/results/apiTwo/reporturl?tokens={token}")
    assert found["uri"].endswith("/apiTwo/all.html")


async def test_the_end_of_a_session(wire):
    """Section 1.9, session completed: with the last result, not with the last test handed out."""
    token = await started(wire)
    statuses = []
    for path in ("", A, B, C):
        if path:
            await wire.done(f"POST /api/results/{token}", {"test": path, "status": "OK"})
        else:
            for _ in range(4):
                await wire.json(f"GET /api/tests/{token}/next")
        statuses.append((await wire.json(f"GET /api/sessions/{token}/status"))["status"])
    assert statuses == ["running", "running", "running", "completed"]


async def test_not_run(wire):
    """Section 1.9, status NOT_RUN: either word, of a test and of its parts, is NOTRUN."""
    token = await started(wire)
    for word in ("NOT_RUN", "NOTRUN"):
        await wire.json(f"GET /api/tests/{token}/next")
        path = A if word == "NOT_RUN" else B
        await wire.done(f"POST /api/results/{token}", {"test": path, "status": word})
    await wire.json(f"GET /api/tests/{token}/next")
    subtests = [{"name": word, "status": word} for word in ("NOT_RUN", "NOTRUN")]
    body = {"test": C, "status": "OK", "subtests": subtests}
    await wire.done(f"POST /api/results/{token}", body)
    compact = await wire.json(f"GET /api/results/{token}/compact")
    assert [one["not_run"] for one in compact.values()] == [2, 2]
    found = await wire.json(f"GET /api/results/{token}")
    assert [one["status"] for one in found["apiOne"]] == ["NOTRUN"] * 2
    assert [one["status"] for one in found["apiTwo"][0]["subtests"]] == ["NOTRUN"] * 2


async def test_what_is_no_json(wire):
    """Section 1.9, malformed JSON: 400, and nothing changes."""
    token = await made(wire, {"labels": ["a"]})
    before = await wire.json(f"GET /api/sessions/{token}")
    for call in ("PUT", "PUT labels", "POST resume"):
        method, _, tail = call.partition(" ")
        path = f"/api/sessions/{token}/{tail}"
        answer = await wire(f"{method} {path}", b"{", status=400)
        assert answer.json == {"error": "Invalid json data!"}
    assert await wire.json(f"GET /api/sessions/{token}") == before


UNKNOWN = [
    *("POST sessions/{}/pause", "POST sessions/{}/stop", "POST sessions/{}/resume"),
    *("GET results/{}/compact", "GET results/{}/export", "GET results/{}/overview"),
    *("GET tests/{}/malfunctioning", "PUT tests/{}/malfunctioning"),
]


async def test_tokens_of_nobody(wire):
    """Section 1.9, unknown token: 404."""
    for call in UNKNOWN:
        method, _, path = call.partition(" ")
        for token in (NOBODY, "x", "%00", "a" * 99):
            await wire(f"{method} /api/{path.format(token)}", status=404)


async def test_deleting_what_is_public(wire):
    """Section 1.9, DELETE of a public session: it stays, and all that it holds."""
    token = await public(wire)
    await wire.done(f"POST /api/sessions/{token}/start")
    await wire.json(f"GET /api/tests/{token}/next")
    await wire.done(f"POST /api/results/{token}", {"test": A, "status": "OK"})
    await wire.done(f"DELETE /api/sessions/{token}")
    found = await wire.json(f"GET /api/results/{token}")
    assert [one["test"] for one in found["apiOne"]] == [A]


async def test_dates(wire):
    """Section 1.9, dates: ISO 8601 in UTC; a fraction has six digits or is not there."""
    for ms, shown in ((4102444800000, ""), (4102444800007, ".007000")):
        token = await made(wire, {"expiration_date": ms})
        found = await wire.json(f"GET /api/sessions/{token}/status")
        assert found["expiration_date"] == f"2100-01-01T00:00:00{shown}+00:00"
