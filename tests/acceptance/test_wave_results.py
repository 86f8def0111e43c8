"""WAVE: results of sessions, read, compared and uploaded. Sections are those of the contract."""

import io
import re
from typing import Any

import pytest

from tests.support.service import bearer, new_key, start
from tests.support.wave import has_cors, make
from tests.support.wave_results import (
    FAIL,
    GONE,
    PASS,
    SKIPPED,
    ZIP,
    append,
    done,
    fetched,
    files_in,
    ran,
    unzipped,
)

UNKNOWN = "00000000-0000-1000-8000-000000000000"
CSS_A = {
    "test": "/css/a.html",
    "status": "OK",
    "message": None,
    "subtests": [PASS, FAIL, GONE, SKIPPED],
    "seen": "é",
}
CSS_B: dict[str, Any] = {"test": "/css/sub/b.html", "status": "OK", "message": None, "subtests": []}
HTML_A = {"test": "/html/sub/a.html", "status": "OK", "message": None, "subtests": [PASS]}
HTML_B = {"test": "/html/b.html", "status": "ERROR", "message": "</script><b>"}
SERVER_TIMEOUT = {
    "test": "/html/sub/c.html",
    "status": "TIMEOUT",
    "message": None,
    "subtests": [{"status": "TIMEOUT", "xstatus": "SERVERTIMEOUT"}],
    "logs": [],
}
COMPACT = {
    "css": {"pass": 1, "fail": 1, "timeout": 1, "not_run": 1, "total": 2, "complete": 2},
    "html": {"pass": 1, "fail": 1, "timeout": 1, "not_run": 0, "total": 3, "complete": 3},
}


@pytest.fixture
async def admin(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


@pytest.fixture
async def token(client):
    return await ran(client)


async def test_results_are_by_api_in_the_order_in_which_they_came(client, token):
    """Sections 1.4, 3.5 and 3.8."""
    found = await fetched(client, token)
    assert found == {"css": [CSS_A, CSS_B], "html": [HTML_A, HTML_B, SERVER_TIMEOUT]}
    assert list(found["css"][0]) == ["test", "status", "message", "subtests", "seen"]
    assert await fetched(client, await make(client)) == {}


PATHS = {
    "": {"css": [CSS_A, CSS_B], "html": [HTML_A, HTML_B, SERVER_TIMEOUT]},
    "/": {"css": [CSS_A, CSS_B], "html": [HTML_A, HTML_B, SERVER_TIMEOUT]},
    "/css": {"css": [CSS_A, CSS_B]},
    "css": {"css": [CSS_A, CSS_B]},
    "/CSS/sub": {"css": [CSS_B]},
    "/html/sub/": {"html": [HTML_A, SERVER_TIMEOUT]},
    "/html/sub/a": {"html": [HTML_A]},
    "/html/SUB": {},
    "/cs": {},
    "/.*": {},
    "/css/../html": {},
    "\0": {},
}


async def test_a_path_selects_an_api_and_what_is_below(client, token):
    """Section 1.9: the API in any case, the rest as a beginning."""
    for path, expected in PATHS.items():
        answer = await client.get(f"/api/results/{token}", params={"path": path})
        assert (answer.status, await answer.json()) == (200, expected), path


async def test_compact_counts_subtests_but_files_in_total_and_complete(client, token):
    """Sections 1.4 and 3.8."""
    found = await fetched(client, f"{token}/compact")
    assert found == COMPACT
    assert list(found["css"]) == ["pass", "fail", "timeout", "not_run", "total", "complete"]
    assert await fetched(client, f"{await make(client)}/compact") == {}


async def test_json_zip_has_a_file_for_each_api(client, token):
    """Section 1.4."""
    name, files = await unzipped(client, f"{token}/json")
    assert name == f"{token[:8]}_results_json.zip"
    assert list(files) == ["css.json", "html.json"]
    assert b'"results": [\n' in files["css.json"]
    name, files = await unzipped(client, f"{await make(client)}/json")
    assert files == {}


async def test_the_results_of_one_api_are_a_file(client, token):
    """Section 1.4."""
    answer = await client.get(f"/api/results/{token}/css/json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, ZIP)
    name = f"attachment;filename={token[:8]}-css-Ch81.json"
    assert answer.headers["Content-Disposition"] == name
    assert await answer.json(content_type=None) == {"results": [CSS_A, CSS_B]}
    assert (await client.get(f"/api/results/{token}/svg/json")).status == 404


async def test_an_upload_takes_the_place_of_all_results_of_its_api(client, token):
    """Sections 1.4, 3.8 and 5.2: what else the file holds is kept."""
    told = {"test": "/css/new.html", "status": "OK", "message": "m", "subtests": [PASS, PASS]}
    skipped = {"test": "/css/a.html", "status": "NOT_RUN", "message": None}
    sent = {"meta": {"observer": [1]}, "results": [told, skipped]}
    answer = await client.post(f"/api/results/{token}/css/json", json=sent)
    assert (answer.status, await answer.read()) == (200, b"")
    assert has_cors(answer)
    kept = [told, {**skipped, "status": "NOTRUN"}]
    assert await fetched(client, f"{token}/css/json") == {**sent, "results": kept}
    assert await fetched(client, f"{token}?path=/css") == {"css": kept}
    sums = {"pass": 2, "fail": 0, "timeout": 0, "not_run": 1, "total": 2, "complete": 2}
    assert await fetched(client, f"{token}/compact") == {**COMPACT, "css": sums}


async def test_an_upload_can_follow_another_and_is_there_after_a_restart(aiohttp_client, tmp_path):
    """Sections 1.4 and 2.5: uploads are facts of the log."""
    client = await start(aiohttp_client, tmp_path)
    token = await ran(client, to="running")
    for name in ("one", "two"):
        sent = {"results": [{"test": f"/css/{name}.html", "status": "OK", "subtests": [FAIL]}]}
        assert (await client.post(f"/api/results/{token}/css/json", json=sent)).status == 200
    await append(client, token, done("/css/late.html", PASS))
    before = [await fetched(client, path) for path in (token, f"{token}/compact")]
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert [await fetched(client, path) for path in (token, f"{token}/compact")] == before
    assert [one["test"] for one in before[0]["css"]] == ["/css/two.html", "/css/late.html"]
    sums = before[1]["css"]
    assert [sums[key] for key in ("pass", "fail", "total", "complete")] == [1, 1, 2, 2]


NO_RESULTS = [
    *(b"", b"{", b"[]", b"null", b"{}", b'{"results": {}}', b'{"results": [1]}', b"\xff"),
    *(b'{"results": [{"test": "/css/a"}]}', b'{"results": [{"status": "OK"}]}'),
    b'{"results": [{"test": "/css/a", "status": "GOOD"}]}',
    b'{"results": [{"test": "/html/a", "status": "OK"}]}',
    b'{"results": [{"test": "css/a", "status": "OK"}]}',
    b'{"results": [{"test": "/css/a", "status": "OK", "subtests": [1]}]}',
    b'{"results": [{"test": "/css/a", "status": "OK", "deep": '
    + b"[" * 5000
    + b"]" * 5000
    + b"}]}",
    b'{"results": [], "meta": ' + b"[" * 900 + b"]" * 900 + b"}",
]


async def test_what_is_no_results_is_refused_and_changes_nothing(client, token):
    """Sections 1.1 and 1.4: where the original answers 500."""
    before = await fetched(client, token)
    for raw in NO_RESULTS:
        answer = await client.post(f"/api/results/{token}/css/json", data=raw)
        assert answer.status == 400, raw[:99]
        assert (await answer.json())["error"].startswith("Invalid input data! ")
    answer = await client.post(f"/api/results/{token}/css/json", data=io.BytesIO(bytes(17 << 20)))
    assert answer.status == 413
    assert await fetched(client, token) == before


async def test_an_api_that_the_session_does_not_have_cannot_be_uploaded(client, token):
    """Section 1.4."""
    for api in ("svg", "CSS", "..%2Fcss", "%00"):
        answer = await client.post(f"/api/results/{token}/{api}/json", json={"results": []})
        assert (answer.status, await answer.read()) == (404, b"")


NAMES = ["", "/compact", "/json", "/export", "/overview", "/css/json", "/css/reporturl"]


async def test_every_path_is_there_under_the_web_root_and_with_empty_segments(client, token):
    """Section 1.1."""
    for name in [*NAMES, "/../css/reporturl?tokens=" + token]:
        path = f"/api/results/{token}{name}".replace(f"{token}/../", "")
        plain = await client.get(path)
        assert plain.status == 200, path
        slashed, query, rest = path.partition("?")
        others = ["/_wave" + path, "/_wave" + slashed.replace("/", "//") + "/" + query + rest]
        for other in others:
            answer = await client.get(other)
            assert (answer.status, await answer.read()) == (200, await plain.read()), other
        answer = await client.options(path)
        assert answer.status == 200
        assert has_cors(answer)
        for method in ("DELETE", "PUT", "HEAD"):
            assert (await client.request(method, path)).status == 404, (method, path)


async def test_unknown_sessions_have_no_results(client, admin, token):
    """Sections 1.4 and 1.9: also for a caller of another tenant, and for another kind."""
    other = bearer((await new_key(admin))["key"])
    asked = [(token, other), *((unknown, {}) for unknown in (UNKNOWN, "x", "%00", token[:8]))]
    for unknown, headers in asked:
        for name in NAMES:
            if name not in ("/json", "/css/reporturl"):
                answer = await client.get(f"/api/results/{unknown}{name}", headers=headers)
                assert (answer.status, await answer.read()) == (404, b""), (unknown, name)
        answer = await client.get(f"/api/results/{unknown}/json", headers=headers)
        assert (answer.status, files_in(await answer.read())) == (200, {})
        answer = await client.get(f"/api/results/{unknown}/css/reporturl", headers=headers)
        assert (answer.status, await answer.json()) == (200, {"uri": None})
    answer = await client.post(f"/api/results/{UNKNOWN}/css/json", json={"results": []})
    assert answer.status == 404


async def test_reading_needs_the_right_to_read_and_uploading_that_to_write(client, admin, token):
    """Section 1.1: where there is a key, it decides."""
    reader = bearer((await new_key(admin, "default", "sessions:read"))["key"])
    assert (await client.get(f"/api/results/{token}", headers=reader)).status == 200
    for path in (f"{token}/css/json", "import"):
        answer = await client.post(f"/api/results/{path}", data=b"{}", headers=reader)
        assert answer.status == 403


@pytest.mark.parametrize("enabled", [True, False])
async def test_config_says_what_can_be_done(aiohttp_client, tmp_path, enabled):
    """Section 1.9."""
    client = await start(aiohttp_client, tmp_path, wave_import=enabled)
    found = await fetched(client, "config")
    assert found == {"import_enabled": enabled, "reports_enabled": True}


async def test_a_report_is_a_page_that_names_every_test(client, token):
    """Section 1.4: what came from a device is text, and never markup."""
    uri = (await fetched(client, f"{token}/html/reporturl"))["uri"]
    assert uri == f"/results/{token}/html/all.html"
    assert await fetched(client, f"{token}/svg/reporturl") == {"uri": None}
    answer = await client.get(uri)
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = await answer.text()
    assert "&lt;/script&gt;&lt;b&gt;" in page
    assert "<b>" not in page
    assert "/html/sub/a.html" in page
    assert "/css/" not in page


async def test_a_comparison_shows_where_sessions_differ(client, token):
    """Sections 1.4 and 1.9: the API is in the URL, in whatever order the tokens come."""
    other = await ran(client, [done("/css/a.html", FAIL), done("/css/only.html", PASS)])
    uris = [
        (await fetched(client, f"css/reporturl?tokens={tokens}"))["uri"]
        for tokens in (f"{token},{other}", f"{other},{token},{token}")
    ]
    fronts = "-".join(sorted((token[:8], other[:8])))
    assert re.fullmatch(rf"/results/comparison-{fronts}-[0-9a-f]{{8}}/css/all\.html", uris[0])
    assert uris[0] == uris[1]
    page = await (await client.get(uris[0])).text()
    order = sorted(((token, "absent"), (other, "OK")))
    cells = "".join(f'<td class="{kind}">[^<]+</td>' for _, kind in order)
    assert re.search(f'<td class="test differs">/css/only.html</td>{cells}</tr>', page)
    assert re.search('<td class="test differs">/css/sub/b.html</td>', page)
    assert re.search('<td class="test">/css/a.html</td>', page)
    assert token in page
    assert other in page


async def test_what_cannot_be_compared_is_refused(client, admin, token):
    """Section 1.4: no tokens are a 500 of the original."""
    for query in ("", "?tokens=", "?tokens=,", "?tokens=" + ",".join(map(str, range(33)))):
        assert (await client.get(f"/api/results/css/reporturl{query}")).status == 400
    answer = await client.get(f"/api/results/css/reporturl?tokens={token},{UNKNOWN}")
    assert answer.status == 404
    uri = (await fetched(client, f"css/reporturl?tokens={token}"))["uri"]
    wrong = [uri.replace(token[:8], "0" * 8), uri.replace("comparison-", "comparison-%00-")]
    for path in (*wrong, "/results/comparison/css/all.html", f"/results/{UNKNOWN}/css/all.html"):
        assert (await client.get(path)).status == 404
    other = bearer((await new_key(admin))["key"])
    assert (await client.get(uri, headers=other)).status == 404


async def test_what_was_deleted_has_no_results(client, admin, token):
    """Section 1.4."""
    assert (await admin.delete(f"/api/v1/sessions/{token}")).status == 204
    assert (await client.get(f"/api/results/{token}")).status == 404
