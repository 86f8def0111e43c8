"""WAVE, every call of section 1.3 and the rules of section 3 behind it, over the wire.

Sections and calls are those of the WAVE contract.
"""

from typing import Any

import pytest
import pytest_asyncio

from tests.support.wave_contract import ADMIN_KEY, wave_service

NOBODY = "00000000-0000-1000-8000-000000000000"
A, B, SUB, SECURE = "/alpha/a.html", "/alpha/b.html", "/alpha/sub/c.html", "/alpha/d.https.html"
BETA, BY_HAND = "/Beta/e.html", "/gamma/f-manual.html"
# Manual before automatic, then http before https, then by the name of the API in lower case.
IN_ORDER = [BY_HAND, A, B, SUB, BETA, SECURE]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wave")
    async with wave_service(folder, A, B, SUB, SECURE, BETA, BY_HAND) as wire:
        yield wire


@pytest.fixture
def wire(service, request):
    with service.claims_of(request.function):
        yield service


async def started(wire, **body: Any) -> str:
    """The token of a session that runs."""
    token: str = (await wire.json("POST /api/sessions", body))["token"]
    await wire.done(f"POST /api/sessions/{token}/start")
    return token


async def next_of(wire, token) -> str:
    """Where the device goes next, without the front of the service."""
    found = await wire.json(f"GET /api/tests/{token}/next")
    assert list(found) == ["next_test"]
    url: str = found["next_test"]
    assert url.startswith(wire.root)
    return url.removeprefix(wire.root)


async def walked(wire, token) -> list[str]:
    """The paths of all tests that are handed out; each is reported as passed."""
    paths = []
    while not (url := await next_of(wire, token)).startswith("/_wave/"):
        paths.append(url.partition("?")[0])
        await passed(wire, token, paths[-1])
    return paths


async def passed(wire, token, path, status="OK", subtest="PASS"):
    """Report a test."""
    subtests = [{"name": "x", "status": subtest, "message": None}]
    body = {"test": path, "status": status, "message": None, "subtests": subtests}
    await wire.done(f"POST /api/results/{token}", body)


async def test_all(wire):
    """Sections 1.3 and 3.1, `GET /api/tests`: automatic ones first, manual ones after them."""
    found = await wire.json("GET /api/tests")
    assert found == {"alpha": [A, B, SUB, SECURE], "Beta": [BETA], "gamma": [BY_HAND]}


async def test_apis(wire):
    """Sections 1.3 and 1.9, `GET /api/tests/apis`."""
    found = await wire.json("GET /api/tests/apis")
    listed = [{"title": api, "name": api, "path": f"/{api}"} for api in ("alpha", "Beta", "gamma")]
    assert sorted(found, key=str) == sorted(listed, key=str)


async def test_of_a_session(wire):
    """Sections 1.3 and 1.9, `GET /api/tests/{token}`: what is done is told of as well."""
    token = await started(wire, tests={"include": ["/alpha"]})
    await next_of(wire, token)
    await passed(wire, token, A)
    await next_of(wire, token)
    found = await wire.json(f"GET /api/tests/{token}")
    assert found == {
        "token": token,
        "pending_tests": {"alpha": [SUB, SECURE]},
        "running_tests": {"alpha": [B]},
        "completed_tests": {"alpha": [A]},
    }
    await wire(f"GET /api/tests/{NOBODY}", status=404)


async def test_next(wire):
    """Sections 1.3 and 3.6, `GET /api/tests/{token}/next`: each test once, in the one order."""
    token = await started(wire)
    out = [(await next_of(wire, token)).partition("?")[0] for _ in IN_ORDER]
    assert out == IN_ORDER
    assert await next_of(wire, token) == f"/_wave/finish.html?token={token}"
    for path in IN_ORDER:
        status = await wire.json(f"GET /api/sessions/{token}/status")
        assert status["status"] == "running"
        await passed(wire, token, path)
    status = await wire.json(f"GET /api/sessions/{token}/status")
    assert status["status"] == "completed"
    assert await next_of(wire, token) == f"/_wave/finish.html?token={token}"
    await wire(f"GET /api/tests/{NOBODY}/next", status=404)


async def test_next_where_there_is_none(wire):
    """Section 3.6, `GET /api/tests/{token}/next`: a page for each status."""
    token = (await wire.json("POST /api/sessions"))["token"]
    assert await next_of(wire, token) == f"/_wave/newsession.html?token={token}"
    for command, page in (("start", ""), ("pause", "pause"), ("stop", "finish")):
        await wire.done(f"POST /api/sessions/{token}/{command}")
        if page:
            assert await next_of(wire, token) == f"/_wave/{page}.html?token={token}"
    empty = await started(wire, types=[])
    found = await wire.json(f"GET /api/sessions/{empty}/status")
    assert found["status"] == "completed"


URLS: list[tuple[list[str], dict[str, Any], str, str]] = [
    (["/alpha/a"], {}, "60000", "&"),
    (["/alpha/a", "/alpha"], {}, "60000", "&&"),
    (["/alpha/a?x=1&y", "/Beta?no", "/alpha?z=%20"], {}, "60000", "x=1&y&z=%20&"),
    (["/alpha/a"], {"/alpha": 7, "/alpha/a": 8}, "7", "&"),
    (["/alpha/a"], {"/alpha/ahtml": 9.5}, "9.5", "&"),
    (["/alpha/a"], {"/alpha/a.html": 10}, "10", "&"),
    (["/alpha/a"], {"/ALPHA": 10, "automatic": 11}, "11", "&"),
]


async def test_the_url_of_a_test(wire):
    """Sections 3.2 and 3.5: queries in the order of the list, the first key that fits."""
    for include, timeouts, timeout, tail in URLS:
        token = await started(wire, tests={"include": include}, timeouts=timeouts)
        url = await next_of(wire, token)
        assert url.startswith(f"{A}?token={token}&timeout={timeout}&https_port="), url
        assert url.endswith(f"&web_root=/_wave/&{tail}"), url
    token = await started(wire, tests={"include": ["/gamma"]})
    assert "&timeout=300000&" in await next_of(wire, token)


SELECTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"tests": {"include": []}}, IN_ORDER),
    ({"tests": {"include": ["/al"]}}, [A, B, SUB, SECURE]),
    ({"tests": {"include": ["alpha", "/.*", "/ALPHA"]}}, []),
    ({"tests": {"include": ["/alpha/a?x"], "exclude": ["/alpha/b?x"]}}, [A]),
    ({"tests": {"exclude": ["/alpha/sub", "/Beta?x=1"]}}, [BY_HAND, A, B, SECURE]),
    ({"types": ["manual"]}, [BY_HAND]),
    ({"types": ["automatic"], "tests": {"include": ["/gamma", "/Beta"]}}, [BETA]),
]


async def test_what_is_selected(wire):
    """Sections 3.2 and 3.3: a plain beginning in its very case; the total counts files."""
    for body, paths in SELECTED:
        token = await started(wire, **body)
        compact = await wire.json(f"GET /api/results/{token}/compact")
        assert sum(counts["total"] for counts in compact.values()) == len(paths)
        assert await walked(wire, token) == paths, body


async def test_references(wire):
    """Section 3.4: what passed in one referenced session and failed in none."""
    told = [{A: "PASS", B: "PASS"}, {A: "FAIL", B: "PASS", SUB: "PASS"}]
    tokens = []
    for subtests in told:
        tokens.append(await started(wire, tests={"include": ["/alpha"]}))
        for _ in subtests:
            await next_of(wire, tokens[-1])
        for path, subtest in subtests.items():
            await passed(wire, tokens[-1], path, subtest=subtest)
    for references, paths in ((tokens, [B, SUB]), (tokens[:1], [A, B]), ([NOBODY], [])):
        token = await started(wire, reference_tokens=references)
        assert await walked(wire, token) == paths


async def test_last_completed(wire):
    """Sections 1.3, 1.9 and 3.7, `GET /api/tests/{token}/last_completed`: newest last."""
    token = await started(wire)
    path = f"/api/tests/{token}/last_completed"
    for _ in IN_ORDER:
        await next_of(wire, token)
    assert await wire.json(f"GET {path}") == {"pass": [], "fail": [], "timeout": []}
    for one in (BETA, A):
        await passed(wire, token, one)
    await passed(wire, token, B, "ERROR", "FAIL")
    await passed(wire, token, SUB, "TIMEOUT", "TIMEOUT")
    assert await wire.json(f"GET {path}") == {"pass": [A, BETA], "fail": [B, SUB], "timeout": [SUB]}
    assert await wire.json(f"GET {path}?count=1&status=PASS,Fail") == {
        "pass": [BETA],
        "fail": [SUB],
    }
    assert await wire.json(f"GET {path}?status=ALL") == await wire.json(f"GET {path}?status=")
    nobody = f"GET /api/tests/{NOBODY}/last_completed"
    assert await wire.json(f"{nobody}?status=timeout") == {"timeout": []}
    await wire(f"{nobody}?count=x", status=400)


async def test_malfunctioning(wire):
    """Sections 1.3 and 3.9, `GET /api/tests/{token}/malfunctioning`."""
    token = await started(wire)
    assert await wire.json(f"GET /api/tests/{token}/malfunctioning") == []
    await wire(f"GET /api/tests/{NOBODY}/malfunctioning", status=404)


async def test_marking(wire):
    """Sections 1.3 and 3.9, `PUT /api/tests/{token}/malfunctioning`: the run stays as it is."""
    token = await started(wire, tests={"include": ["/Beta"]})
    path = f"/api/tests/{token}/malfunctioning"
    for body, found in (([BETA, "/none"], [BETA, "/none"]), (b"", [BETA, "/none"]), ([A], [A])):
        await wire.done(f"PUT {path}", body)
        assert await wire.json(f"GET {path}") == found
    await wire.done(f"PUT {path}", [BETA])
    assert await walked(wire, token) == [BETA]
    await wire(f"PUT /api/tests/{NOBODY}/malfunctioning", [], status=404)
    spec = {"kind": "test_run", "spec": {"is_public": True}}
    made = await wire("POST /api/v1/sessions", spec, status=201, **ADMIN_KEY)
    public = f"/api/tests/{made.json['id']}/malfunctioning"
    await wire.done(f"PUT {public}", ["/x"])
    assert await wire.json(f"GET {public}") == []
