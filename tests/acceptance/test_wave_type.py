"""WAVE: the `type` of a session. Sections are those of the WAVE contract."""

import json
from typing import Any

import pytest
from yarl import URL

from tests.support.service import start
from tests.support.wave import (
    KEYS,
    few_tests,
    make,
    next_url,
    order,
    read,
    report,
    status_of,
)
from tests.support.wave_results import unzipped, zipped

TOKEN = "11111111-2222-1333-8444-555555555555"


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))


async def type_in(client, token):
    """The type as an overview tells it."""
    _, files = await unzipped(client, f"{token}/overview")
    text = files["details.json.js"].decode()
    return json.loads(text.removeprefix("const details = ").removesuffix(";\n"))["type"]


TYPES: list[tuple[Any, str]] = [
    ({}, "wmas"),
    ({"type": None}, "wmas"),
    ({"type": "wmas"}, "wmas"),
    ({"type": "dpctf"}, "dpctf"),
]


async def test_it_is_taken_and_no_read_call_shows_it(client):
    """Section 1.2."""
    for body, kind in TYPES:
        token = await make(client, body)
        assert list(await read(client, token)) == KEYS
        assert "type" not in await status_of(client, token)
        assert await type_in(client, token) == kind
    page = await (await client.get("/api/sessions?expand=configuration,status")).json()
    shown = [one for each in page["_embedded"].values() for one in each]
    assert len(shown) == 2 * len(TYPES)
    assert all("type" not in one for one in shown)


async def test_what_is_no_type_is_refused_and_changes_nothing(client):
    """Section 1.2: as for the types of tests."""
    token = await make(client, {"type": "dpctf"})
    wrongs: list[Any] = ["", "WMAS", "other", 1, True, [], ["dpctf"], {}]
    for wrong in wrongs:
        for method, path in (("POST", ""), ("PUT", f"/{token}")):
            answer = await client.request(method, f"/api/sessions{path}", json={"type": wrong})
            assert answer.status == 400, wrong
            assert (await answer.json())["error"].startswith("Invalid input data!")
        assert await type_in(client, token) == "dpctf"


async def test_an_update_without_it_keeps_it(client):
    """Section 1.2, Update."""
    token = await make(client, {"type": "dpctf"})
    for body in ({"types": ["manual"]}, {"type": None}, {}):
        assert (await client.put(f"/api/sessions/{token}", json=body)).status == 200
        assert await type_in(client, token) == "dpctf"
    assert (await client.put(f"/api/sessions/{token}", json={"type": "wmas"})).status == 200
    assert await type_in(client, token) == "wmas"


async def test_a_session_of_dpctf_has_its_own_pages_of_pause_and_end(client):
    """Section 3.6: they lead to ours, with the token."""
    pages = {}
    for kind in ("wmas", "dpctf"):
        token = await make(client, {"type": kind, "tests": {"include": ["/apiOne/a"]}})
        seen = [await next_url(client, token)]
        await order(client, token, "start")
        await order(client, token, "pause")
        seen.append(await next_url(client, token))
        await order(client, token, "start")
        test = await next_url(client, token)
        seen.append(await next_url(client, token))
        await report(client, token, test.path)
        seen.append(await next_url(client, token))
        assert all(url.query == {"token": token} for url in seen)
        pages[kind] = [url.path.removeprefix("/_wave/") for url in seen]
        for url in seen:
            answer = await client.get(url.path_qs)
            assert answer.status == 200
            assert answer.url.query == {"token": token}
            # The links of a page are relative to where it is.
            assert answer.url.path == f"/_wave/{url.name}"
    assert pages["wmas"] == ["newsession.html", "pause.html", "finish.html", "finish.html"]
    own = [f"dpctf/{name}" for name in pages["wmas"][1:]]
    assert pages["dpctf"] == ["newsession.html", *own]


async def test_what_is_asked_of_such_a_page_comes_along(client):
    """Section 3.6: to the last character, and nowhere else."""
    for query in ("", "?token=a%20b&x=%0d%0aSet-Cookie:%20y", "?//evil.example/", "?a?b=%252F"):
        url = URL(f"{client.make_url('/_wave/dpctf/finish.html')}{query}", encoded=True)
        answer = await client.session.get(url, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (307, f"../finish.html{query}")
    for path in ("next.html", "index.html", "", "../finish.html", "css/wave.css", "finish.html/"):
        url = URL(f"{client.make_url('/_wave/dpctf/')}{path}", encoded=True)
        assert (await client.session.get(url)).status == 404, path
    for method in ("HEAD", "POST", "DELETE"):
        assert (await client.request(method, "/_wave/dpctf/finish.html")).status == 404


async def test_an_import_has_the_type_of_its_export(client):
    """Sections 1.4 and 2.1: an older one has none."""
    for number, (info, kind) in enumerate((({}, "wmas"), ({"type": "dpctf"}, "dpctf"))):
        token = TOKEN.replace("1", str(number))
        content = zipped({"info.json": {"token": token, **info}})
        assert (await client.post("/api/results/import", data=content)).status == 200
        assert await type_in(client, token) == kind
        assert (await next_url(client, token)).path.endswith(
            "/dpctf/finish.html" if kind == "dpctf" else "/_wave/finish.html"
        )
    content = zipped({"info.json": {"token": TOKEN.replace("1", "9"), "type": "other"}})
    assert (await client.post("/api/results/import", data=content)).status == 400


async def test_a_session_of_another_api_is_of_the_usual_type(client):
    """Sections 1.2 and 3.6: whatever its spec says."""
    for spec in ({}, {"type": 7}, {"type": "x"}):
        answer = await client.post("/api/v1/sessions", json={"kind": "test_run", "spec": spec})
        token = (await answer.json())["id"]
        assert await type_in(client, token) == "wmas"
        assert (await next_url(client, token)).path == "/_wave/newsession.html"
