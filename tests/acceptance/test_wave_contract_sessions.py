"""WAVE, every call of section 1.2 and the session model behind it, over the wire.

Sections and calls are those of the WAVE contract.
"""

import asyncio
import re
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.support.wave import CHROME, KEYS
from tests.support.wave_contract import ADMIN_KEY, wave_service

TOKEN = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-1[a-f0-9]{3}-[a-f0-9]{4}-[a-f0-9]{12}")
NOBODY = "00000000-0000-1000-8000-000000000000"
FAR = "2100-01-01T00:00:00Z"
STATUS_KEYS = ["token", "status", "date_started", "date_finished", "expiration_date"]
ONE, TWO = "/apiOne/a.html", "/apiTwo/b.html"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    async with wave_service(tmp_path_factory.mktemp("wave"), ONE, TWO) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


async def made(wire, body: Any = b"") -> str:
    """The token of a new session."""
    token: str = (await wire.json("POST /api/sessions", body))["token"]
    return token


async def status_of(wire, token):
    return (await wire.json(f"GET /api/sessions/{token}/status"))["status"]


async def public(wire, **fields):
    """The token of a public session; only the native API makes one."""
    body = {"kind": "test_run", "spec": {"is_public": True}, **fields}
    made = await wire("POST /api/v1/sessions", body, status=201, **ADMIN_KEY)
    return made.json["id"]


INVALID = {"error": "Invalid input data!"}
REFUSED = [
    (b"{", {"error": "Invalid json data!"}),
    ({"types": ["other"]}, INVALID),
    ({"types": "automatic"}, INVALID),
    ({"expiration_date": "soon"}, INVALID),
    ({"expiration_date": 1.5}, INVALID),
]


async def test_create(wire):
    """Section 1.2, `POST /api/sessions`: nothing has to be given; what is wrong has its text."""
    nothing: list[Any] = [b"", {}, [], None, {"unknown": 1}, {"labels": None, "types": None}]
    for body in (*nothing, {"tests": {"include": ["("]}}, {"type": "dpctf"}):
        answer = await wire("POST /api/sessions", body)
        assert list(answer.json) == ["token"]
        assert TOKEN.fullmatch(answer.json["token"])  # section 2.1
    for body, said in REFUSED:
        assert (await wire("POST /api/sessions", body, status=400)).json == said


async def test_read(wire):
    """Sections 1.2 and 2.1, `GET /api/sessions/{token}`: the keys in their order, the defaults."""
    created = await wire("POST /api/sessions", User_Agent=CHROME)
    token = created.json["token"]
    found = await wire.json(f"GET /api/sessions/{token}")
    assert list(found) == KEYS
    made_at = found.pop("date_created")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00", made_at)
    assert found == {
        "token": token,
        "tests": {"include": ["/"], "exclude": []},
        "types": ["automatic", "manual"],
        "timeouts": {"automatic": 60000, "manual": 300000},
        "reference_tokens": [],
        "user_agent": CHROME,
        "browser": {"name": "Chrome", "version": "81.0.4044"},
        "is_public": False,
        "labels": [],
    }
    await wire(f"GET /api/sessions/{NOBODY}", status=404)


async def test_find(wire):
    """Sections 1.2 and 2.3, `GET /api/sessions/{token}`: a beginning of eight or more finds it."""
    token = await made(wire)
    for length in (8, 9, 35):
        assert await wire.json(f"GET /api/sessions/{token[:length]}") == {"token": token}
    upper = token[:8].upper() if token[:8].upper() != token[:8] else "A" * 8
    for miss in (token[:7], upper, f"{token}0", token[1:], "zzzzzzzz"):
        await wire(f"GET /api/sessions/{miss}", status=404)


GIVEN: dict[str, Any] = {
    "tests": {"include": ["/apiOne"], "exclude": ["/apiOne/x"]},
    "types": ["automatic"],
    "timeouts": {"automatic": 7, "manual": 8, "/apiOne/a.html": 9},
    "reference_tokens": [NOBODY],
    "labels": ["one"],
    "expiration_date": FAR,
}


async def test_update(wire):
    """Section 1.2, `PUT /api/sessions/{token}`: parts stay, path time-outs and references go."""
    token = await made(wire, GIVEN)
    before = await wire.json(f"GET /api/sessions/{token}")
    assert (await wire.json(f"GET /api/tests/{token}"))["pending_tests"] == {}
    changes = {"tests": {"exclude": []}, "labels": ["two"], "timeouts": {"manual": 1}}
    await wire.done(f"PUT /api/sessions/{token}", changes)
    after = await wire.json(f"GET /api/sessions/{token}")
    assert after == {
        **before,
        "tests": {"include": ["/apiOne"], "exclude": []},
        "timeouts": {"manual": 1, "automatic": 7},
        "reference_tokens": [],
    }
    lists = await wire.json(f"GET /api/tests/{token}")
    assert lists["pending_tests"] == {"apiOne": [ONE]}  # what it referred to never was
    await wire.done(f"POST /api/sessions/{token}/stop")
    await wire.done(f"PUT /api/sessions/{token}", {"types": []})
    assert await wire.json(f"GET /api/sessions/{token}") == after
    await wire(f"PUT /api/sessions/{NOBODY}", {}, status=404)


async def test_delete(wire):
    """Section 1.2, `DELETE /api/sessions/{token}`."""
    token = await made(wire)
    await wire.done(f"DELETE /api/sessions/{token}")
    for call in (f"DELETE /api/sessions/{token}", f"GET /api/sessions/{token[:8]}"):
        await wire(call, status=404)


async def test_status(wire):
    """Sections 1.2, 2.1 and 2.4, `GET /api/sessions/{token}/status`."""
    token = await made(wire, {"expiration_date": FAR})
    found = await wire.json(f"GET /api/sessions/{token}/status")
    assert list(found) == STATUS_KEYS
    assert found == {
        **dict.fromkeys(STATUS_KEYS),
        "token": token,
        "status": "pending",
        "expiration_date": "2100-01-01T00:00:00+00:00",
    }
    await wire(f"GET /api/sessions/{NOBODY}/status", status=404)
    past = await made(wire, {"expiration_date": 1})
    await wire(f"GET /api/sessions/{past}/status", status=404)


async def test_start(wire):
    """Sections 1.2 and 2.2, `POST /api/sessions/{token}/start`: always 200, whoever it is."""
    token = await made(wire, {"expiration_date": FAR})
    await wire.done(f"POST /api/sessions/{token}/start")
    found = await wire.json(f"GET /api/sessions/{token}/status")
    assert (found["status"], found["expiration_date"]) == ("running", None)
    assert datetime.fromisoformat(found["date_started"]).tzinfo is not None
    for other in (token, NOBODY, "x"):
        await wire.done(f"POST /api/sessions/{other}/start")
    assert await wire.json(f"GET /api/sessions/{token}/status") == found


async def test_pause(wire):
    """Sections 1.2 and 2.2, `POST /api/sessions/{token}/pause`: of what runs; start goes on."""
    token = await made(wire)
    for before, after in (("", "pending"), ("start", "paused"), ("start", "paused")):
        if before:
            await wire.done(f"POST /api/sessions/{token}/{before}")
        await wire.done(f"POST /api/sessions/{token}/pause")
        assert await status_of(wire, token) == after
    await wire(f"POST /api/sessions/{NOBODY}/pause", status=404)


async def test_stop(wire):
    """Sections 1.2 and 2.2, `POST /api/sessions/{token}/stop`: the end, which stays as it is."""
    token = await made(wire, {"expiration_date": FAR})
    await wire.done(f"POST /api/sessions/{token}/stop")
    found = await wire.json(f"GET /api/sessions/{token}/status")
    assert (found["status"], found["date_started"]) == ("aborted", None)
    assert found["date_finished"]
    assert found["expiration_date"] is not None
    for command in ("stop", "start", "pause", "resume"):
        await wire.done(f"POST /api/sessions/{token}/{command}")
    assert await wire.json(f"GET /api/sessions/{token}/status") == found
    await wire(f"POST /api/sessions/{NOBODY}/stop", status=404)


async def test_results_after_a_stop(wire):
    """Section 2.2: they are taken, and the last one of all does not make it completed."""
    token = await made(wire)
    await wire.done(f"POST /api/sessions/{token}/start")
    for _ in (ONE, TWO):
        await wire.json(f"GET /api/tests/{token}/next")
    await wire.done(f"POST /api/sessions/{token}/stop")
    for path in (ONE, TWO):
        await wire.done(f"POST /api/results/{token}", {"test": path, "status": "OK"})
    found = await wire.json(f"GET /api/results/{token}")
    assert list(found) == ["apiOne", "apiTwo"]
    assert await status_of(wire, token) == "aborted"


async def test_resume(wire):
    """Sections 1.2 and 4, `POST /api/sessions/{token}/resume`: only what is pending goes."""
    landing, other = await made(wire), await made(wire)
    poll = await wire.polling(f"/api/sessions/{landing}/events")
    await wire.done(f"POST /api/sessions/{landing}/resume", {"resume_token": other})
    assert await poll == [{"type": "resume", "data": other, "number": 0}]
    await wire(f"GET /api/sessions/{landing}", status=404)
    await wire.done(f"POST /api/sessions/{other}/start")
    await wire.done(f"POST /api/sessions/{other}/resume", {"resume_token": landing})
    assert await status_of(wire, other) == "running"
    await wire(f"POST /api/sessions/{NOBODY}/resume", {"resume_token": other}, status=404)


async def test_labels(wire):
    """Sections 1.2 and 1.9, `PUT /api/sessions/{token}/labels` in both forms, at any time."""
    token = await made(wire)
    path = f"/api/sessions/{token}/labels"
    for body, found in ((["a"], ["a"]), ({"labels": ["ü", "b"]}, ["ü", "b"]), (b"", ["ü", "b"])):
        await wire.done(f"PUT {path}", body)
        assert await wire.json(f"GET {path}") == found
        await wire.done(f"POST /api/sessions/{token}/stop")
    kept = await public(wire, labels=["kept"])
    for other in (NOBODY, kept):
        await wire.done(f"PUT /api/sessions/{other}/labels", ["new"])
    assert await wire.json(f"GET /api/sessions/{kept}/labels") == ["kept"]


async def test_labels_are_read(wire):
    """Sections 1.2 and 1.9, `GET /api/sessions/{token}/labels`."""
    token = await made(wire, {"labels": ["a", "b"]})
    assert await wire.json(f"GET /api/sessions/{token}/labels") == ["a", "b"]
    await wire(f"GET /api/sessions/{NOBODY}/labels", status=404)


async def test_events_are_heard(wire):
    """Sections 1.2 and 4, `GET /api/sessions/{token}/events`: an array, always."""
    token = await made(wire)
    path = f"/api/sessions/{token}/events"
    poll = await wire.polling(path)
    await wire.done(f"POST /api/sessions/{token}/start")
    assert await poll == [{"type": "status", "data": "running", "number": 0}]
    await wire.done(f"POST /api/sessions/{token}/pause")
    await wire.done(f"POST /api/sessions/{token}/stop")
    told = await wire.json(f"GET {path}?last_event=0")
    assert [(one["data"], one["number"]) for one in told] == [("paused", 1), ("aborted", 2)]
    await wire(f"GET {path}?last_event=x", status=400)
    unknown = await wire.polling(f"/api/sessions/{NOBODY}/events")
    assert not unknown.done()
    unknown.cancel()
    await asyncio.gather(unknown, return_exceptions=True)


async def test_events_are_posted(wire):
    """Sections 1.2 and 4, `POST /api/sessions/{token}/events`: 200, also where it is broken."""
    token = await made(wire)
    for body in (b"", b"{", {}, {"type": "x"}, {"data": 1}, [1]):
        await wire.done(f"POST /api/sessions/{token}/events", body)
    types = ["test_ready", "observation_ready", "observation_completed", "playback", "other"]
    for type in types:
        said = {"type": type, "data": {"test_path": ONE}}
        await wire.done(f"POST /api/sessions/{token}/events", said)
    await wire.done(f"POST /api/sessions/{NOBODY}/events", {"type": "x", "data": 1})
    told = await wire.json(f"GET /api/sessions/{token}/events?last_event=-1")
    assert [(one["type"], one["number"]) for one in told] == list(zip(types, range(5), strict=True))


async def test_list(wire):
    """Section 1.2, `GET /api/sessions`: HAL, with what was asked for embedded."""
    tokens = [await made(wire) for _ in range(3)][1:]
    items = (await wire.json("GET /api/sessions?count=1000"))["items"]
    total, count = len(items), len(items) - 1
    page = await wire.json(f"GET /api/sessions?index=1&count={count}&expand=configuration,status")
    assert list(page) == ["_links", "items", "_embedded"]
    assert page["items"] == items[1:]
    assert items[-2:] == tokens
    for name, tail in (("configuration", ""), ("status", "/status")):
        found = [await wire.json(f"GET /api/sessions/{token}{tail}") for token in tokens]
        assert page["_embedded"][name][-2:] == found
    at = {"self": 1, "first": 0, "last": total - 1, "next": total, "previous": 0}
    assert page["_links"] == {
        "configuration": {"href": "/_wave/api/sessions/{token}", "templated": True},
        "status": {"href": "/_wave/api/sessions/{token}/status", "templated": True},
        **{k: {"href": f"/_wave/api/sessions?index={n}&count={count}"} for k, n in at.items()},
    }
    for query in ("index=x", "count=0", "count=-1"):
        await wire(f"GET /api/sessions?{query}", status=400)


async def test_a_list_that_is_off(tmp_path):
    """Section 1.2, the list of sessions: 404 where the setting says so, and the status tells it."""
    async with wave_service(tmp_path, ONE, wave_read_sessions=False) as wire:
        await wire("GET /api/sessions", status=404)
        assert (await wire.json("GET /api/status"))["read_sessions_enabled"] is False
        assert await wire.json("GET /api/sessions/public") == []


async def test_public(wire):
    """Section 1.2, `GET /api/sessions/public`."""
    await made(wire)
    token = await public(wire)
    found = await wire.json("GET /api/sessions/public")
    assert token in found
    for one in found:
        assert (await wire.json(f"GET /api/sessions/{one}"))["is_public"] is True


async def test_what_is_public_is_not_deleted(wire):
    """Sections 1.2 and 1.9, `DELETE /api/sessions/{token}`: refused as the wire says no, by 200."""
    token = await public(wire)
    await wire.done(f"DELETE /api/sessions/{token}")
    assert token in await wire.json("GET /api/sessions/public")
