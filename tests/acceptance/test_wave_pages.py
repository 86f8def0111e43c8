"""WAVE: the pages under `/_wave/`. Sections are those of the WAVE contract."""

import re

import pytest
from yarl import URL

from sessions.dialects.wave.pages import FOLDER
from tests.support.service import client_of, start
from tests.support.wave import few_tests, has_cors

PAGES = [
    *("configuration", "newsession", "next", "pause", "finish", "submitresult", "test"),
    *("results", "overview", "comparison", "index"),
]
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix)


@pytest.fixture
async def client(aiohttp_client, shared):
    """A client without a key, as WAVE's are."""
    admin = await client_of(aiohttp_client, shared)
    return await aiohttp_client(admin.server)


async def test_each_file_is_served_as_it_is(client):
    """Section 1.7."""
    assert {f"{name}.html" for name in PAGES} <= set(FILES)
    for name in FILES:
        answer = await client.get(f"/_wave/{name}")
        assert (answer.status, await answer.read()) == (200, (FOLDER / name).read_bytes()), name
        assert answer.content_type == TYPES[(FOLDER / name).suffix]
        assert answer.charset == "utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_root_is_the_landing_page(client):
    """Section 1.7."""
    landing = (FOLDER / "index.html").read_bytes()
    assert await (await client.get("/_wave/")).read() == landing
    bare = await client.get("/_wave", allow_redirects=False)
    assert (bare.status, bare.headers["Location"]) == (308, "/_wave/")


async def test_the_policy_lets_nothing_foreign_in(client):
    """Section 1.7; no inline script, no other host, no frame."""
    policy = (await client.get("/_wave/index.html")).headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(rules.values()) == {"'none'", "'self'"}
    assert rules["script-src"] == "'self'"


async def test_pages_that_name_no_icon_have_ours_or_that_of_the_tests(aiohttp_client, tmp_path):
    """Section 1.7: a browser asks for it at the root; each page of ours names its own."""
    for name in PAGES:
        assert 'href="icon.svg"' in (FOLDER / f"{name}.html").read_text(encoding="utf-8"), name
    client = await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))
    far = {"X-Forwarded-For": "192.0.2.1"}
    async with client.get("/favicon.ico", headers=far) as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
        assert await answer.read() == (FOLDER / "icon.svg").read_bytes()
    (tmp_path / "few_tests" / "favicon.ico").write_bytes(b"theirs")
    assert await (await client.get("/favicon.ico")).read() == b"theirs"


async def test_the_report_script_is_there_also_while_the_service_is_not(aiohttp_client, tmp_path):
    """Section 1.7: a browser keeps it for a while; a test itself it asks for each time."""
    client = await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))
    async with client.get("/resources/testharnessreport.js") as answer:
        assert answer.headers["Cache-Control"] == "max-age=600"
    async with client.get("/apiOne/a.html") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


OUTSIDE = [
    *("nothing.html", "lib/nothing.js", "index.htm", "css/wave.js", "lib", "lib/", "css/"),
    *("../pages.py", "..%2Fpages.py", "lib/..%2F..%2Fwire.py", "%2e%2e/wire.py"),
    *("lib/%2e%2e/index.html", "/etc/passwd", "%2Fetc%2Fpasswd", "index.html%00.js", "Index.html"),
    *("index.html/", "lib//page.js", "%FF.html", "lib/page.js%0A"),
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_what_is_no_page_is_404_without_a_body(client, path):
    """Sections 1.1 and 1.7; nothing outside the folder has a name here."""
    url = URL(f"{client.make_url('/_wave/')}{path}", encoded=True)
    answer = await client.session.get(url)
    assert (answer.status, await answer.read()) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_pages_are_only_read(client, method):
    """Section 1.1."""
    answer = await client.request(method, "/_wave/index.html")
    assert (answer.status, await answer.read()) == (404, b"")
    assert has_cors(answer)


async def test_the_api_goes_before_the_pages(client):
    """Section 1.1: what is under `api` is never a file, and OPTIONS is answered everywhere."""
    assert (await client.get("/_wave/api/index.html")).status == 404
    assert has_cors(await client.options("/_wave/index.html"))


async def test_links_between_pages_lead_somewhere(client):
    """Section 1.7: every page, sheet and script that a page names is there."""
    for name in FILES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        named = set(re.findall(r"""[("]((?:lib/|css/)?[a-z-]+\.(?:html|js|css|svg))["?]""", text))
        for target in named - {"lib/wave-service.js"}:
            assert (await client.get(f"/_wave/{target}")).status == 200, (name, target)
