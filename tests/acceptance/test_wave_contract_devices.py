"""WAVE, every call of sections 1.5 to 1.7, over the wire: devices, the service itself, pages.

Sections and calls are those of the WAVE contract.
"""

import re

import pytest
import pytest_asyncio

from tests.support.wave import CHROME
from tests.support.wave_contract import wave_service
from tests.support.wave_tests import put

# What a client adds to its polls, and nobody reads.
SENT = "id=1763791200000&last_active=5"
NOBODY = "00000000-0000-1000-8000-000000000000"
ONE = "/apiOne/a.html"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    async with wave_service(tmp_path_factory.mktemp("wave"), ONE) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


async def registered(wire) -> str:
    """The token of a new device."""
    token: str = (await wire.json("POST /api/devices", User_Agent=CHROME))["token"]
    return token


async def test_register(wire):
    """Section 1.5, `POST /api/devices`: all who listen are told."""
    poll = await wire.polling("/api/devices/events")
    token = await registered(wire)
    [told] = await poll
    assert (told["type"], told["data"]["token"]) == ("device_added", token)
    assert isinstance(told["number"], int)


async def test_list(wire):
    """Section 1.5, `GET /api/devices`."""
    token = await registered(wire)
    device = await wire.json(f"GET /api/devices/{token}")
    assert device in await wire.json("GET /api/devices")


async def test_read(wire):
    """Section 1.5, `GET /api/devices/{token}`."""
    token = await registered(wire)
    found = await wire.json(f"GET /api/devices/{token}")
    assert list(found) == ["token", "user_agent", "name", "last_active"]
    named = (found["token"], found["user_agent"], found["name"])
    assert named == (token, CHROME, "Chrome 81.0.4044")
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}(\.\d{6})?\+00:00", found["last_active"])
    unknown = (await wire.json("POST /api/devices", User_Agent="x"))["token"]
    assert (await wire.json(f"GET /api/devices/{unknown}"))["name"] == "Other 0"
    await wire(f"GET /api/devices/{NOBODY}", status=404)


async def test_events_of_a_device(wire):
    """Sections 1.5 and 4, `GET /api/devices/{token}/events`: an array of one, with its number."""
    token = await registered(wire)
    event = {"type": "start_session", "data": {"session_token": NOBODY}}
    for number in (0, 1):
        poll = await wire.polling(f"/api/devices/{token}/events?device_token={token}&{SENT}")
        await wire.done(f"POST /api/devices/{token}/events", event)
        assert await poll == [{**event, "number": number}]


async def test_posting_to_a_device(wire):
    """Section 1.5, `POST /api/devices/{token}/events`: without a type nothing is said."""
    token = await registered(wire)
    path = f"/api/devices/{token}/events"
    for body in (b"", {}, {"data": 1}, {"type": "first"}):
        await wire.done(f"POST {path}?device_token={token}", body)
    await wire.done(f"POST /api/devices/{NOBODY}/events", {"type": "x"})
    await wire(f"POST {path}", b"{", status=400)
    told = await wire.json(f"GET {path}?last_event=-1")
    assert told == [{"type": "first", "data": None, "number": 0}]


async def test_events_of_all(wire):
    """Sections 1.5 and 4, `GET /api/devices/events`."""
    poll = await wire.polling(f"/api/devices/events?{SENT}")
    await wire.done("POST /api/devices/events", {"type": "hello", "data": [1]})
    [told] = await poll
    assert (told["type"], told["data"]) == ("hello", [1])


async def test_posting_to_all(wire):
    """Sections 1.5 and 4, `POST /api/devices/events`."""
    token = await registered(wire)
    poll = await wire.polling("/api/devices/events")
    for body in (b"", {"data": 1}, {"type": "said", "data": None}):
        await wire.done(f"POST /api/devices/events?device_token={token}", body)
    assert [(one["type"], one["data"]) for one in await poll] == [("said", None)]
    await wire("POST /api/devices/events", b"{", status=400)


async def test_status(wire):
    """Section 1.6, `GET /api/status`: booleans that are booleans."""
    found = await wire.json("GET /api/status")
    assert list(found) == [
        "version_string",
        "read_sessions_enabled",
        "import_results_enabled",
        "reports_enabled",
        "test_type_selection_enabled",
        "test_file_selection_enabled",
    ]
    assert found.pop("version_string").startswith("v3.")
    assert all(value is True for value in found.values())


PAGES = [
    *("index", "configuration", "newsession", "next", "pause", "finish", "submitresult"),
    *("test", "results", "overview", "comparison"),
]


async def test_pages(wire):
    """Section 1.7, `GET /_wave/{page}`: each by its name, the landing page by none."""
    for name in PAGES:
        answer = await wire(f"GET /_wave/{name}.html")
        assert answer.headers["Content-Type"].startswith("text/html")
    landing = await wire("GET /_wave/")
    assert landing.body == (await wire("GET /_wave/index.html")).body
    script = (await wire("GET /_wave/lib/wave-service.js")).body
    assert b"WaveService" in script
    assert b"{{" not in script
    for missing in ("none.html", "none.svg", "lib/none.js"):
        await wire(f"GET /_wave/{missing}", status=404)


async def test_pages_of_a_type(wire):
    """Sections 1.7 and 3.6, `GET /_wave/dpctf/{page}`: two pages have a place of their own."""
    for name in ("pause", "finish"):
        answer = await wire(f"GET /_wave/dpctf/{name}.html?token=x", status=307)
        assert answer.headers["Location"] == f"../{name}.html?token=x"
    await wire("GET /_wave/dpctf/results.html", status=404)


async def test_without_the_last_slash(wire):
    """Section 1.7, `GET /_wave`: it leads to the landing page."""
    answer = await wire("GET /_wave", status=308)
    assert answer.headers["Location"] == "/_wave/"


async def test_qr_codes(wire):
    """Section 1.7, `GET /_wave/qr`: the pages' own picture, in an address that can be read."""
    answer = await wire("GET /_wave/qr?text=http%3A%2F%2Ftv.test%2F")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    await wire("GET /_wave/qr", status=400)


async def test_the_document_root(wire):
    """Sections 1.7 and 5.2: the report script is the service's, the rest is the folder's."""
    report = (await wire("GET /resources/testharnessreport.js")).body
    assert b"add_completion_callback" in report
    put(wire.folder, "/resources/testharness.js", "theirs")
    assert (await wire("GET /resources/testharness.js")).body == b"theirs"
    # What further clients read there: the list of tests, and subsets of it.
    for name in ("/tests.json", "/test-subsets.json"):
        await wire(f"GET {name}", status=404)
        put(wire.folder, name, '{"tests": {}}')
        answer = await wire(f"GET {name}")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json == {"tests": {}}
