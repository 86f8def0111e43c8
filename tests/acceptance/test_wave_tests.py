"""WAVE: the tests of a session and what its device reports. Sections are the WAVE contract's."""

import asyncio
import io
import json
from typing import Any

import pytest

from tests.support import service
from tests.support.service import bearer, sharing, start
from tests.support.wave import has_cors, lists_of, make, next_url, order, pages_at, report, started

ADMIN = bearer(service.ADMIN)
PATHS = ["/dom/a.html", "/dom/b.html", "/dom/c.html", "/html/a.html", "/html/manual.html"]
IN_ORDER = [PATHS[-1], *PATHS[:-1]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with sharing(folder, wave_tests=pages_at(folder, *PATHS)) as service:
        yield service


@pytest.fixture
async def client(aiohttp_client, shared):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(shared)


async def get(client, path, status=200):
    """The JSON of an answer for any origin."""
    answer = await client.get(path)
    assert (answer.status, has_cors(answer)) == (status, True)
    return await answer.json() if status == 200 else await answer.read()


async def put(client, token, body, status=200):
    """Replace the list of malfunctioning tests."""
    answer = await client.put(f"/api/tests/{token}/malfunctioning", data=body)
    assert (answer.status, has_cors(answer)) == (status, True)


async def last(client, token, query=""):
    """The last completed tests."""
    return await get(client, f"/api/tests/{token}/last_completed{query}")


async def reported(client, body):
    """The one result of a session whose device reported `body`; its counts."""
    token = await started(client, {"tests": {"include": ["/dom/a"]}})
    await next_url(client, token)
    sent = io.BytesIO(json.dumps({"test": PATHS[0], **body}).encode())
    answer = await client.post(f"/api/results/{token}", data=sent)
    assert answer.status == 200, await answer.text()
    [result] = (await get(client, f"/api/results/{token}"))["dom"]
    counts = (await get(client, f"/api/results/{token}/compact"))["dom"]
    return result, [counts[key] for key in ("pass", "fail", "timeout", "not_run")]


async def test_the_lists_of_a_session_by_api_in_the_order_of_execution(client):
    """Sections 1.3 and 3.6: also before it starts."""
    token = await make(client)
    found = await get(client, f"/api/tests/{token}")
    assert found["pending_tests"] == {"html": [PATHS[4], PATHS[3]], "dom": PATHS[:3]}
    counts = await get(client, f"/api/results/{token}/compact")
    none = dict.fromkeys(("pass", "fail", "timeout", "not_run"), 0)
    assert counts["dom"] == {**none, "total": 3, "complete": 0}
    await order(client, token, "start")
    assert await get(client, f"/api/results/{token}/compact") == counts
    for path in IN_ORDER[:3]:
        assert (await next_url(client, token)).path == path
    await report(client, token, IN_ORDER[1])
    left = [IN_ORDER[3], IN_ORDER[4]]
    assert await lists_of(client, token) == [left, [IN_ORDER[0], IN_ORDER[2]], [IN_ORDER[1]]]


async def test_an_api_may_be_given_a_title(aiohttp_client, tmp_path):
    """Section 1.3: the others are named as their folders are."""
    titles = {"dom": "Größe & <b>", "css": "not there"}
    folder = pages_at(tmp_path, *PATHS)
    client = await start(aiohttp_client, tmp_path, wave_tests=folder, wave_api_titles=titles)
    found = await get(client, "/api/tests/apis")
    assert [list(api.values()) for api in found] == [
        ["Größe & <b>", "Größe & <b>", "/dom"],
        ["html", "html", "/html"],
    ]


@pytest.mark.parametrize("prefix", ["/_wave/api", "/api/", "/_wave//api/"])
async def test_the_paths_are_also_written_with_empty_segments(client, prefix):
    """Section 1.1."""
    token = await started(client)
    for tail in ("/", "/next/", "//last_completed", "/malfunctioning"):
        assert (await client.get(f"{prefix}/tests/{token}{tail}")).status == 200, tail
    answer = await client.post(f"{prefix}/results/{token}/", json={"test": "/x", "status": 0})
    assert answer.status == 200


async def test_a_result_as_the_documents_have_it(client):
    """Section 3.8, form 1: other keys are kept."""
    body = {
        "status": "OK",
        "message": "done",
        "subtests": [{"name": "x", "status": "PASS", "message": None, "more": {"a": [1]}}],
        "meta": "größe",
    }
    result, counts = await reported(client, body)
    assert result == {"test": PATHS[0], **body}
    assert counts == [1, 0, 0, 0]


async def test_a_result_as_test_pages_send_it(client):
    """Section 3.8, form 2: numbers become words, stacks go, `tests` are subtests."""
    tests = [{"name": str(n), "status": n, "message": None, "stack": "s"} for n in range(5)]
    body = {"status": 0, "message": None, "stack": "s", "tests": tests}
    result, counts = await reported(client, body)
    assert list(result) == ["test", "status", "message", "subtests"]
    words = [subtest["status"] for subtest in result["subtests"]]
    assert words[:4] == ["PASS", "FAIL", "TIMEOUT", "NOTRUN"]
    assert all(list(subtest) == ["name", "status", "message"] for subtest in result["subtests"])
    assert (counts[:3], sum(counts)) == ([1, 1, 1], 5)


HARNESS = [
    (0, "OK", [1, 0, 0, 0]),
    ("ERROR", "ERROR", [0, 1, 0, 0]),
    (2, "TIMEOUT", [0, 0, 1, 0]),
    ("NOTRUN", "NOTRUN", [0, 0, 0, 1]),
    ("NOT_RUN", "NOTRUN", [0, 0, 0, 1]),
]


async def test_a_result_without_subtests_counts_as_its_harness_says(client):
    """Sections 1.9 and 3.8."""
    for status, word, counts in HARNESS:
        result, found = await reported(client, {"status": status})
        assert (result["status"], found) == (word, counts)
        _, none = await reported(client, {"status": status, "subtests": []})
        assert none == [0, 0, 0, 0]


async def test_the_last_completed_are_the_last_in_the_order_of_execution(client):
    """Section 3.7."""
    token = await started(client)
    for _ in IN_ORDER:
        await next_url(client, token)
    empty: dict[str, list[str]] = {"pass": [], "fail": [], "timeout": []}
    assert await last(client, token) == empty
    passed, failed = ([{"name": "x", "status": word}] for word in ("PASS", "FAIL"))
    for path in reversed(IN_ORDER[1:]):
        await report(client, token, path, subtests=passed)
    assert await last(client, token) == {**empty, "pass": IN_ORDER[1:]}
    assert await last(client, token, "?count=2&status=pass") == {"pass": IN_ORDER[-2:]}
    assert await last(client, token, "?count=0") == empty
    assert await last(client, token, "?count=&status=") == {**empty, "pass": IN_ORDER[1:]}
    await report(client, token, IN_ORDER[0], "TIMEOUT", subtests=failed)
    found = await last(client, token, "?status=FAIL,TimeOut,nonsense&count=9999999")
    assert found == {"fail": [IN_ORDER[0]], "timeout": [IN_ORDER[0]]}
    everything = await last(client, token)
    for query in ("status=all,pass", "status=ALL", "status=,", "count=%205%20&status=%20All%20"):
        assert await last(client, token, f"?{query}") == everything, query
    for query in ("FAIL,TimeOut", "timeout&status=fail", "%20fail%20,timeout,fail,,none"):
        assert await last(client, token, f"?status={query}&count=007") == found, query
    assert await last(client, token, "?status=passed") == {}


LISTS = [
    ("OK", "PASS", ["pass"]),
    ("OK", "FAIL", ["fail"]),
    ("OK", "NOTRUN", ["fail"]),
    ("OK", None, ["pass"]),
    ("ERROR", "PASS", ["pass", "fail"]),
    ("ERROR", "FAIL", ["fail"]),
    ("TIMEOUT", "PASS", ["pass", "timeout"]),
    ("TIMEOUT", None, ["pass", "timeout"]),
]


async def test_which_lists_a_result_is_in(client):
    """Section 3.7; in the original one that has no subtests is an error."""
    for status, subtest, lists in LISTS:
        token = await started(client)
        await next_url(client, token)
        told = {} if subtest is None else {"subtests": [{"name": "x", "status": subtest}]}
        await report(client, token, IN_ORDER[0], status, **told)
        found = await last(client, token)
        assert [verdict for verdict, paths in found.items() if paths] == lists


async def test_last_completed_of_an_unknown_session_and_with_a_wrong_count(client):
    """Sections 1.3 and 1.9."""
    assert await last(client, "unknown", "?status=pass,fail") == {"pass": [], "fail": []}
    for wrong in (
        "x",
        "-1",
        "1.5",
        "9" * 5000,
        "%D9%A1",
        "%2B1",
        "1e1",
        "0x1",
        "1_0",
        "1,2",
        "%00",
    ):
        answer = await client.get(f"/api/tests/unknown/last_completed?count={wrong}")
        assert (answer.status, list(await answer.json())) == (400, ["error"])


async def test_the_list_of_malfunctioning_tests(client):
    """Sections 1.3 and 3.9: it changes nothing of the run."""
    token = await started(client)
    path = f"/api/tests/{token}/malfunctioning"
    assert await get(client, path) == []
    await put(client, token, json.dumps([PATHS[0], "größe", PATHS[0]]))
    assert await get(client, path) == [PATHS[0], "größe"]
    for nothing in ("", "null"):
        await put(client, token, nothing)
    assert await get(client, path) == [PATHS[0], "größe"]
    many = json.dumps([f"x{n}" for n in range(10_001)])
    for wrong in ("{}", "[1]", '"x"', "[", '["\\u0000"]', many):
        await put(client, token, wrong, 400)
    await order(client, token, "stop")
    await put(client, token, "[]")
    assert await get(client, path) == []
    await put(client, "unknown", "[]", 404)
    assert await get(client, "/api/tests/unknown/malfunctioning", 404) == b""


async def test_the_list_of_a_public_session_stays(client):
    """Section 1.3."""
    token = (await service.create(client, "test_run", headers=ADMIN, spec={"is_public": True}))[
        "id"
    ]
    await put(client, token, '["/x"]')
    assert await get(client, f"/api/tests/{token}/malfunctioning") == []


WRONG = [
    b"",
    b"null",
    b"[]",
    b"7",
    b"{",
    b"\xff",
    b"{}",
    b'{"test": "/dom/a.html"}',
    b'{"status": 0}',
    b'{"test": 7, "status": 0}',
    b'{"test": "", "status": 0}',
    b'{"test": "/x", "status": "BEST"}',
    b'{"test": "/x", "status": null}',
    b'{"test": "/x", "status": true}',
    b'{"test": "/x", "status": 0, "tests": 7}',
    b'{"test": "/x", "status": 0, "subtests": ["x"]}',
    b'{"test": "/x", "status": 0, "more": ' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"test": "/x\\u0000", "status": 0}',
]


async def test_what_is_no_result_is_refused(client):
    """Section 1.4: in the original each is an error of the server."""
    token = await started(client)
    await next_url(client, token)
    for body in WRONG:
        answer = await client.post(f"/api/results/{token}", data=body)
        assert (answer.status, has_cors(answer)) == (400, True), body
        assert list(await answer.json()) == ["error"]
    assert (await lists_of(client, token))[1] == [IN_ORDER[0]]


ODD: list[dict[str, Any]] = [
    {"message": {"no": "text"}, "subtests": [{"name": 7, "status": [1], "message": {}}]},
    {"message": 1e308, "more": 2**70, "subtests": [{}]},
    {"subtests": None, "tests": [{"status": -1}, {"status": 2**70}, {"status": 1.5}]},
    {"": "", "path": "x", "extra": {"extra": 1}, "a" * 5000: [[[]]]},
    {"message": "\ud7ff\ue000😀\u202e", "subtests": [{"name": "ü" * 5000}] * 50},
]


async def test_odd_results_are_kept_and_read_back(client):
    """Section 3.8."""
    for more in ODD:
        result, _ = await reported(client, {"status": 1, **more})
        assert (result["test"], result["status"]) == (PATHS[0], "ERROR"), more


async def test_a_large_result_is_taken_and_a_huge_one_refused(client):
    """Section 1.4: what is kept of it is bounded, and it never takes the service down."""
    stack = "at x (y.js:1)\n" * 200
    tests = [{"name": f"n{n}", "status": 0, "message": None, "stack": stack} for n in range(700)]
    result, counts = await reported(client, {"status": 0, "tests": tests})
    assert (len(result["subtests"]), counts[0]) == (700, 700)
    texts = [{"name": "x" * 20_000, "status": 1, "message": None} for _ in range(100)]
    result, counts = await reported(client, {"status": 0, "tests": texts})
    assert counts[1] == 100
    token = await started(client)
    await next_url(client, token)

    async def endless():
        for _ in range(50):
            yield b"x" * (1 << 20)

    for body in (io.BytesIO(b"x" * (9 << 20)), endless()):
        answer = await client.post(f"/api/results/{token}", data=body)
        assert (answer.status, has_cors(answer)) == (413, True)
    assert (await lists_of(client, token))[1] == [IN_ORDER[0]]


async def test_many_results_at_once_that_no_commit_could_hold_together(client):
    """Section 1.4."""
    token = await started(client)
    for _ in IN_ORDER:
        await next_url(client, token)
    long = "x" * 16_000
    subtests = [{"name": long, "status": "PASS"} for _ in range(50)]
    await asyncio.gather(*[report(client, token, path, subtests=subtests) for path in IN_ORDER])
    pending, running, completed = await lists_of(client, token)
    assert (pending, running, sorted(completed)) == ([], [], sorted(IN_ORDER))
