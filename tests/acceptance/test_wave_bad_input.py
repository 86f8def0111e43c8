"""WAVE: every field of every body, of every kind of wrong value, in every endpoint; never a crash.

Sections are those of the WAVE contract.
"""

import io
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from yarl import URL

from sessions.dialects.wave.result_routes import REPORTS
from sessions.dialects.wave.routes import PAGES, ROUTES
from tests.support.service import start
from tests.support.wave import few_tests, make, next_url, report, started
from tests.support.wave_devices import register
from tests.support.wave_results import zipped

FEW = 80
TOKEN = "11111111-2222-1333-8444-555555555555"
PASS = {"name": "a", "status": "PASS", "message": None, "more": {"a": [1]}}
BODIES: dict[str, list[Any]] = {
    "sessions.create": [
        {
            "tests": {"include": ["/apiOne?a=b"], "exclude": ["/apiTwo"]},
            "types": ["automatic"],
            "timeouts": {"automatic": 1000, "manual": 2000, "/apiOne/a": 5},
            "reference_tokens": [TOKEN],
            "labels": ["a"],
            "expiration_date": 4102444800000,
            "type": "dpctf",
        }
    ],
    "sessions.update": [
        {
            "tests": {"include": ["/apiOne"], "exclude": ["/apiTwo"]},
            "types": ["manual"],
            "timeouts": {"automatic": 1000, "/apiOne/a": 5},
            "reference_tokens": [TOKEN],
            "type": "wmas",
        }
    ],
    "sessions.resume": [{"resume_token": TOKEN}],
    "sessions.relabel": [["a", "b"], {"labels": ["a", "b"]}],
    "sessions.post": [{"type": "playback", "data": {"at": 1}}],
    "devices.post_event": [{"type": "start_session", "data": {"session_token": TOKEN}}],
    "devices.post_to_all": [{"type": "x", "data": None}],
    "tests.mark": [["/apiOne/a.html"]],
    "results.report": [
        {"test": "/apiOne/a.html", "status": "OK", "message": "m", "subtests": [PASS], "x": 1},
        {
            "test": "/apiOne/a.html",
            "status": 0,
            "message": None,
            "stack": None,
            "tests": [{"name": "a", "status": 0, "message": None, "stack": "s"}],
        },
    ],
    "results.replace": [
        {"results": [{"test": "/apiOne/a.html", "status": "OK", "subtests": [PASS]}], "meta": {}}
    ],
    "results.import": [
        {
            "token": TOKEN,
            "types": ["manual"],
            "user_agent": "x",
            "labels": ["a"],
            "timeouts": {"automatic": 1},
            "tests": {"include": ["/a"], "exclude": []},
            "path": "/a, /b",
            "status": "completed",
            "browser": {"name": "x", "version": "1"},
            "date_created": 1,
            "date_started": "2020-01-01",
            "date_finished": 1.5,
            "is_public": False,
            "reference_tokens": [],
            "malfunctioning_tests": ["/a"],
            "last_completed_test": "/a",
            "test_state": {},
            "type": "wmas",
        }
    ],
}
WRONG: list[Any] = [
    *(None, True, 0, -1, 1.5, 1e308, 2**63, 2**70, -(2**63) - 1, "", "x", "\0", "a\0b"),
    *("🦊\u202e", "é" * 5000, "../../etc/passwd", "(?P<x>[", "%s%00", "9" * 400, "\ud800"),
    *([], {}, [None], [[]], [1], ["x"], [{}], ["x"] * 500, {"a": {}}, {"": None}, {"\0": 1}),
    {"a": {"a": [[[[[[[[[[{}]]]]]]]]]]}},
]
RAW = [
    *(b"", b" ", b"null", b"[]", b"{}", b"1", b'"x"', b"{", b"\xff\xfe{", b"[" * 9999, b"nul"),
    *(b'{"a":' * 500, b"\x00", b'{"type": "\\ud800"}', b"[1e999]", b"{}{}", b"\xef\xbb\xbf{}"),
]
PARTS = [
    *("x", "null", "%00", "%ff", "..", "%2e%2e", "..%2f..%2fetc", "%5c..%5c", "http:%2F%2Fx"),
    *("0" * 36, "-" * 36, "%F0%9F%A6%8A", "a" * 2000, "%ED%A0%80" * 12, "config", "import"),
    *("events", "public", "apis", "0" * 8, "*" * 36, "%25" * 36, "comparison-" + "0" * 8 + "-x"),
]
QUERIES = [
    *("", "?count=x", "?count=-1&index=1e9", "?index=%00", "?status=%ff,pass", "?path=..%2f%00"),
    *("?tokens=x,,y", "?tokens=" + "0" * 36, "?last_event=x", "?last_event=9e9", "?expand=,,x"),
    *(
        "?device_token=%00",
        "?text=%ff",
        "?text=" + "x" * 600,
        "?%00=%00&&&=",
        "?count=" + "9" * 99,
    ),
]


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, wave_poll_s=0.001, wave_tests=few_tests(tmp_path))


async def tokens_of(client) -> dict[str, str]:
    """A session to be configured, one that runs, one that has results; and a device."""
    done = await started(client)
    await report(client, done, (await next_url(client, done)).path)
    running = await started(client)
    await next_url(client, running)
    return {
        "pending": await make(client),
        "running": running,
        "done": done,
        "device": await register(client),
    }


def mutants(value: Any) -> Iterator[Any]:
    """The value, with each part of it in turn replaced by each wrong one."""
    yield from WRONG
    match value:
        case dict():
            for key in value:
                yield {each: value[each] for each in value if each != key}
                yield from ({**value, key: part} for part in mutants(value[key]))
        case [first, *rest]:
            yield from ([part, *rest] for part in mutants(first))
        case _:
            return


def bodies() -> list[tuple[str, bytes]]:
    """Endpoints and what is sent to them; an import is a zip."""
    made = []
    for name, templates in BODIES.items():
        for template in templates:
            for mutant in mutants(template):
                raw = json.dumps(mutant).encode()
                made.append((name, zipped({"info.json": raw}) if name == "results.import" else raw))
        made += [(name, raw) for raw in RAW]
    return made


def paths() -> list[tuple[str, str, str]]:
    """Methods and paths of every route, its parts filled with what is none."""
    made: list[tuple[str, str, str]] = []
    for route in (*ROUTES, *PAGES, *REPORTS):
        for part in PARTS:
            path = "" if route.root and len(made) % 2 else "/_wave"
            path += part.join(re.split(r"\{page:.*\}|\{\w+\}", route.path))
            made += [(route.method, path, query) for query in QUERIES[:: len(made) % 3 + 1]]
    return made


async def sound(client, method: str, path: str, raw: bytes | None = None) -> None:
    """Send what may be anything; the answer is no crash, and says what is wrong as it should."""
    body = None if raw is None else io.BytesIO(raw)
    url = URL(f"{client.make_url('/')}{path.lstrip('/')}", encoded=True)
    async with client.session.request(method, url, data=body, allow_redirects=False) as answer:
        text = await answer.read()
        told = (method, path[:200], None if raw is None else raw[:200], answer.status, text[:300])
        assert answer.status in (200, 307, 308, 400, 404, 413), told
        if answer.status in (400, 413):
            assert list(json.loads(text)) == ["error"], told
            assert len(text) < 2_000, told
        if answer.status == 404 and "/v1/" not in path:
            assert text == b"", told


def filled(name: str, tokens: dict[str, str]) -> tuple[str, str]:
    """The method and the path of an endpoint, for a session that is as it needs it."""
    [route] = [route for route in ROUTES if route.name == name]
    token = tokens["running"] if name.startswith(("results", "tests")) else tokens["pending"]
    if name.startswith("devices"):
        token = tokens["device"]
    if name == "results.replace":
        token = tokens["done"]
    return route.method, route.path.replace("{token}", token).replace("{api}", "apiOne")


async def send_all(client, sent: list[tuple[str, bytes]]) -> None:
    tokens = await tokens_of(client)
    for number, (name, raw) in enumerate(sent):
        if number % 50 == 0:
            tokens = await tokens_of(client)  # some of what is sent is sound
        await sound(client, *filled(name, tokens), raw)


def test_no_endpoint_that_reads_a_body_is_left_out():
    names = [route.name for route in ROUTES if route.method in ("POST", "PUT")]
    none = {"sessions.start", "sessions.pause", "sessions.stop", "devices.register"}
    assert sorted(names) == sorted(none | BODIES.keys())


def test_every_endpoint_has_a_name_of_its_own():
    """By it metrics and log lines tell of a request."""
    names = [route.name for route in ROUTES]
    assert sorted(names) == sorted(set(names))


async def test_some_wrong_values_of_some_fields(client):
    """Sections 1.1 to 1.5: the same few each time; all of them are in the slow test."""
    with structlog.testing.capture_logs() as logs:
        await send_all(client, random.Random(4).sample(bodies(), FEW))
        for method, path, query in random.Random(4).sample(paths(), FEW):
            await sound(client, method, path + query)
    assert [line for line in logs if line["event"].endswith(".crashed")] == []


@pytest.mark.slow  # some thousands of requests
async def test_every_wrong_value_of_every_field(client):
    """Sections 1.1 to 1.5: in the original most of them are a 500, or break the session."""
    with structlog.testing.capture_logs() as logs:
        await send_all(client, bodies())
    assert [line for line in logs if line["event"].endswith(".crashed")] == []


@pytest.mark.slow  # some thousands of requests
async def test_every_part_of_every_path(client):
    """Sections 1.1 to 1.7: also under the web root, and with a body where none is read."""
    with structlog.testing.capture_logs() as logs:
        for number, (method, path, query) in enumerate(paths()):
            await sound(client, method, path + query, RAW[number % len(RAW)])
    assert [line for line in logs if line["event"].endswith(".crashed")] == []
