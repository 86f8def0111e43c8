"""WAVE, what its clients ask of a service: the calls they make, in their order and spelling.

Sections are those of the WAVE contract. The clients are told again here from what it says of them.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import pytest_asyncio

from tests.support.wave import CHROME, few_tests
from tests.support.wave_contract import Wire, wave_service
from tests.support.wave_results import FAIL, PASS, files_in
from tests.support.wave_tests import page, put, write_tests

ONE, TWO = "/apiOne/a.html", "/apiTwo/c.html"
SUBTESTS = {0: "PASS", 1: "FAIL", 2: "TIMEOUT", 3: "NOTRUN", 4: "NOTRUN"}
STAMP = "id=1763791200000"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wave")
    few_tests(folder)
    variants = "".join(f'<meta name="variant" content="?{each}">\n' for each in ("one", "two=2"))
    put(folder / "few_tests", "/apiThree/v.html", page("", variants))
    async with wave_service(folder, ONE, TWO) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


class Listener:
    """Listens as the browser script does: its first number is none, an empty answer says again."""

    def __init__(self, wire: Wire, path: str) -> None:
        self.heard: list[Any] = []
        self._wire = wire
        self._path = path
        self._last = 0

    async def poll(self) -> asyncio.Task[None]:
        """One poll, which waits already or has an answer."""
        last = f"&last_event={self._last}" if self._last else ""
        answer = await self._wire.polling(f"/_wave/api/{self._path}/events?{STAMP}{last}")
        return asyncio.create_task(self._take(answer))

    async def _take(self, answer: asyncio.Task[Any]) -> None:
        for event in await answer:
            self._last = event["number"]
            self.heard.append(event["data"])


def in_half_an_hour() -> str:
    """As a browser writes a date."""
    at = datetime.now(UTC) + timedelta(minutes=30)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def told(wire, url) -> dict[str, str]:
    """What a test page reads in its address; it opens it, as a browser does."""
    assert url.startswith(wire.root)
    await wire(f"GET {url.removeprefix(wire.root)}")
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


async def test_a_session_from_the_landing_page_to_the_results(wire):
    """Section 5.1: a device and a companion, each answer exactly 200; odd slashes and stamps."""
    device = (await wire.json("POST /_wave/api/devices/", User_Agent=CHROME))["token"]
    on_device = await wire.polling(
        f"/_wave/api/devices/{device}/events?device_token={device}&{STAMP}"
    )
    sent = {"tests": {"include": []}, "types": ["automatic", "manual"], "labels": []}
    made = await wire.json(
        "POST /_wave/api/sessions", {**sent, "expiration_date": in_half_an_hour()}
    )
    token = made["token"]
    listener = Listener(wire, f"sessions/{token}")
    waits = await listener.poll()

    # The companion finds the session and needs its expiration date, its tests and their APIs.
    assert device in [one["token"] for one in await wire.json("GET /_wave/api/devices/")]
    assert await wire.json(f"GET /_wave/api/sessions/{token[:8]}") == {"token": token}
    status = await wire.json(f"GET /_wave/api/sessions/{token}/status")
    assert datetime.fromisoformat(status["expiration_date"]) > datetime.now(UTC)
    found = await wire.json(f"GET /_wave/api/sessions/{token}")
    assert datetime.fromisoformat(found["date_created"]) <= datetime.now(UTC)
    apis = await wire.json("GET /_wave/api/tests/apis")
    tests = await wire.json("GET /_wave/api/tests")
    assert {api["path"].lstrip("/") for api in apis} == tests.keys()
    include = [api["path"] for api in apis if api["title"] != "apiThree"]
    changed = {"tests": {"include": include, "exclude": []}, "type": "wmas"}
    await wire.done(
        f"PUT /_wave/api/sessions/{token}", {**changed, "expiration_date": in_half_an_hour()}
    )
    await wire.done(f"PUT /_wave/api/sessions/{token}/labels", {"labels": ["tv"]})
    await wire.done(f"POST /_wave/api/sessions/{token}/start")
    await waits
    assert listener.heard == ["running"]
    start = {"type": "start_session", "data": {"session_token": token}}
    await wire.done(f"POST /_wave/api/devices/{device}/events", start)
    assert [event["data"] for event in await on_device] == [start["data"]]

    # The device walks; the companion looks on.
    for path in ("/apiOne/a.html", "/apiOne/b.html", TWO):
        url = (await wire.json(f"GET /_wave/api/tests/{token}/next"))["next_test"]
        assert urlsplit(url).path == path
        result = {"test": path, "status": 0, "message": None, "tests": []}
        await wire.done(f"POST /_wave/api/results/{token}", result)
        last = await wire.json(
            f"GET /_wave/api/tests//{token}//last_completed?status=pass,fail,timeout"
        )
        assert last["pass"][-1] == path

    compact = await wire.json(f"GET /_wave/api/results/{token}/compact")
    assert all(counts["complete"] == counts["total"] for counts in compact.values())
    assert compact.keys() == {"apiOne", "apiTwo"}
    status = await wire.json(f"GET /_wave/api/sessions/{token}/status")
    assert status["status"] == "completed"
    assert (await wire.json(f"GET /_wave/api/sessions/{token}"))["labels"] == ["tv"]
    for path in ("status", "sessions/public", f"tests/{token}/malfunctioning"):
        await wire(f"GET /_wave/api/{path}")
    for path in ("apiOne/reporturl", "json", "overview", "export", "apiOne/json"):
        await wire(f"GET /_wave/api/results/{token}/{path}")
    await wire.done(f"DELETE /_wave/api/sessions/{token}")


async def test_a_listener_that_takes_the_first_number_for_none(wire):
    """Section 5.1: from its second event on it misses none, whenever they come."""
    token = (await wire.json("POST /_wave/api/sessions"))["token"]
    listener = Listener(wire, f"sessions/{token}")
    path = f"POST /_wave/api/sessions/{token}/events"
    for number in range(8):
        between = number > 2 and number % 2
        early = [] if between else [await listener.poll()]
        await wire.done(path, {"type": "test_ready", "data": number})
        late = [await listener.poll()] if between else []
        await asyncio.gather(*early, *late)
    assert listener.heard == list(range(8))


async def test_a_poll_without_an_event_is_answered_and_asked_again(tmp_path):
    """Sections 5.1 and 1.9: 200 without a body says poll again; any other answer is an error."""
    async with wave_service(tmp_path, ONE, wave_poll_s=0.01) as wire:
        token = (await wire.json("POST /_wave/api/sessions"))["token"]
        device = (await wire.json("POST /_wave/api/devices/"))["token"]
        for path in (f"sessions/{token}", f"devices/{device}", "devices"):
            for _ in range(2):
                answer = await wire(f"GET /_wave/api/{path}/events?{STAMP}")
                assert answer.body == b""


async def test_a_test_page_reports_and_asks_for_the_next(wire):
    """Section 5.2: what it reads in its address, numbers for words, and texts as text/plain."""
    include = {"include": ["/apiThree", "/apiOne"]}
    token = (await wire.json("POST /api/sessions", {"tests": include}))["token"]
    await wire.done(f"POST /api/sessions/{token}/start")
    statuses = [(0, "OK"), (1, "ERROR"), (2, "TIMEOUT"), (3, "NOTRUN")]
    paths = []
    for number, _ in statuses:
        url = (await wire.json(f"GET /_wave/api/tests/{token}/next"))["next_test"]
        query = await told(wire, url)
        assert (query["token"], query["timeout"]) == (token, "60000")
        assert (query["web_root"], query.keys() >= {"https_port"}) == ("/_wave/", True)
        # As a page says it that knows nothing of variants.
        paths.append(unquote(urlsplit(url).path))
        body = {
            "test": paths[-1],
            "tests": [
                {"name": f"é {n}", "status": n, "message": None, "stack": None} for n in SUBTESTS
            ],
            "status": number,
            "message": None,
            "stack": "Error\n    at a.js",
        }
        call = f"POST {query['web_root']}api/results/{query['token']}"
        await wire.done(call, body, Content_Type="text/plain;charset=UTF-8")
    assert paths == ["/apiOne/a.html", "/apiOne/b.html", *["/apiThree/v.html"] * 2]
    url = (await wire.json(f"GET /_wave/api/tests/{token}/next"))["next_test"]
    assert urlsplit(url).path == "/_wave/finish.html"
    found = await wire.json(f"GET /_wave/api/results/{token}")
    results = [result for some in found.values() for result in some]
    assert [result["status"] for result in results] == [word for _, word in statuses]
    for result in results:
        assert [one["status"] for one in result["subtests"]] == list(SUBTESTS.values())
        assert not [one for one in (result, *result["subtests"]) if "stack" in one]
    tested = {result["test"] for result in found["apiThree"]}
    assert tested == {"/apiThree/v.html?one", "/apiThree/v.html?two=2"}
    compact = await wire.json(f"GET /_wave/api/results/{token}/compact")
    sums = {"pass": 2, "fail": 2, "timeout": 2, "not_run": 4, "total": 2, "complete": 2}
    assert compact == {"apiOne": sums, "apiThree": sums}


async def test_a_test_page_that_is_never_done_just_goes_on(wire):
    """Section 5.2: it asks for the next one, and its own test stays out until its time is over."""
    token = (await wire.json("POST /api/sessions", {"tests": {"include": ["/apiOne"]}}))["token"]
    await wire.done(f"POST /api/sessions/{token}/start")
    urls = [await wire.json(f"GET /_wave/api/tests/{token}/next") for _ in range(2)]
    assert len({url["next_test"] for url in urls}) == 2
    found = await wire.json(f"GET /api/tests/{token}")
    assert found["running_tests"] == {"apiOne": ["/apiOne/a.html", "/apiOne/b.html"]}


async def test_an_observer_adds_to_the_results_of_an_api(wire):
    """Section 5.2: it reads the file, adds to it with a `meta` of its own, and sends it back."""
    assert (await wire("GET /tests.json", status=404)).status == 404
    put(wire.folder, "/tests.json", json.dumps({"tests": {"apiOne/a.html": {}}}))
    assert list((await wire.json("GET /tests.json"))["tests"]) == ["apiOne/a.html"]
    token = (await wire.json("POST /api/sessions", {"tests": {"include": ["/apiOne"]}}))["token"]
    await wire.done(f"POST /api/sessions/{token}/start")
    read: Any = {}
    for path in ("/apiOne/a.html", "/apiOne/b.html"):
        await wire(f"GET /_wave/api/tests/{token}/next")
        result = {"test": path, "status": "OK", "message": None, "subtests": [PASS]}
        await wire.done(f"POST /_wave/api/results/{token}", result)
        # During the run, after each test, and every time on top of what was there.
        read = (await wire(f"GET /_wave/api/results/{token}/apiOne/json")).json
        assert read["results"][-1] == result
        assert await wire.json(f"GET /_wave/api/results/{token}") == {"apiOne": read["results"]}
        compact = await wire.json(f"GET /_wave/api/results/{token}/compact")
        assert compact["apiOne"]["complete"] == len(read["results"]) <= compact["apiOne"]["total"]
        read["results"][-1]["subtests"].append(FAIL)
        read["meta"] = {"datetime_observation": "2026-01-01", "seen": read.get("meta")}
        await wire.done(f"POST /_wave/api/results/{token}/apiOne/json", read)
        assert (await wire(f"GET /_wave/api/results/{token}/apiOne/json")).json == read
        assert await wire.json(f"GET /_wave/api/results/{token}") == {"apiOne": read["results"]}
    status = await wire.json(f"GET /_wave/api/sessions/{token}/status")
    assert status["status"] == "completed"
    compact = await wire.json(f"GET /_wave/api/results/{token}/compact")
    assert compact["apiOne"] == {
        "pass": 2,
        "fail": 2,
        "timeout": 0,
        "not_run": 0,
        "total": 2,
        "complete": 2,
    }
    exported = (await wire(f"GET /_wave/api/results/{token}/export")).body
    [kept] = [json.loads(raw) for name, raw in files_in(exported).items() if "/" in name]
    assert kept == read


async def test_the_tests_of_a_full_run_are_fit_for_a_check_of_compatibility(tmp_path):
    """Section 5.3: so many APIs, tests and folders, in an order that tells them apart."""
    write_tests(tmp_path / "few_tests")
    async with wave_service(tmp_path) as wire:
        assert (await wire.json("GET /api/status"))["read_sessions_enabled"] is True
        tests = await wire.json("GET /api/tests")
        assert len(tests) >= 2
        first, second = [paths[0] for paths in tests.values()][:2]
        assert not any(one.startswith(other) for one, other in ((first, second), (second, first)))
        assert any(
            len(paths) > 50 and len({path.split("/")[2] for path in paths}) > 2
            for paths in tests.values()
        )
        token = (await wire.json("POST /api/sessions"))["token"]
        pending = (await wire.json(f"GET /api/tests/{token}"))["pending_tests"]
        listed = [sorted(chain(*by_api.values())) for by_api in (tests, pending)]
        assert listed[0] == listed[1]
        await wire.done(f"POST /api/sessions/{token}/start")
        out: list[str] = []
        while not out or out[-1] != second:
            url = (await wire.json(f"GET /api/tests/{token}/next"))["next_test"]
            out.append(unquote(urlsplit(url).path))
        assert first in out
