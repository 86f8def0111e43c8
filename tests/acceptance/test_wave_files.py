"""The folder of tests at the document root, what WAVE tells of it, and TLS for part of it."""

import asyncio
import json
import os
import ssl

import aiohttp
import pytest

from sessions.serve import tls_of
from sessions.settings import Settings
from tests.support.certificates import certificate
from tests.support.process import eventually, refused, serving
from tests.support.service import PROBLEM, ask, start
from tests.support.wave import has_cors
from tests.support.wave_tests import ALL, MANUAL, SILENT, page, put, write_tests

SECRET = "outside of the folder"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.html").write_text(SECRET)
    (tmp_path / "tests").mkdir()
    return write_tests(tmp_path / "tests")


@pytest.fixture
async def client(aiohttp_client, tmp_path, folder):
    admin = await start(aiohttp_client, tmp_path, wave_tests=str(folder))
    return await aiohttp_client(admin.server)


async def text_at(client, path, **options):
    async with client.get(path, **options) as answer:
        assert answer.status == 200, path
        return await answer.text()


@pytest.mark.parametrize("prefix", ["/api", "/_wave/api", "/_wave//api/"])
async def test_all_tests_by_api(client, prefix):
    """Section 1.3: automatic tests first, then manual ones; every variant is a test."""
    async with client.get(f"{prefix}/tests") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert has_cors(answer)
        assert (await answer.text()).startswith('{\n    "apiOne": [\n        "/apiOne/')
        found = await answer.json()
    assert list(found) == ["apiOne", "apiTwo", "bigApi"]
    assert sorted(path for paths in found.values() for path in paths) == sorted(ALL)
    for api, paths in found.items():
        assert all(path.startswith(f"/{api}/") for path in paths)
    assert found["apiTwo"][-1] == MANUAL
    assert len(found["bigApi"]) > 50


async def test_apis(client):
    """Sections 1.3 and 1.9: title is what clients read, name what the documents say."""
    found = await ask(client, "GET", "/api/tests/apis")
    assert found == [
        {"title": api, "name": api, "path": f"/{api}"} for api in ("apiOne", "apiTwo", "bigApi")
    ]


async def test_without_a_folder_there_are_no_tests_and_no_files(aiohttp_client, tmp_path):
    """Section 1.3."""
    client = await start(aiohttp_client, tmp_path)
    assert await ask(client, "GET", "/api/tests") == {}
    assert await ask(client, "GET", "/api/tests/apis") == []
    for path in ("/resources/testharnessreport.js", "/"):
        async with client.get(path) as answer:
            assert (answer.status, answer.content_type) == (404, PROBLEM)


@pytest.mark.parametrize("enabled", [True, False])
async def test_status_says_what_the_settings_say(aiohttp_client, tmp_path, enabled):
    """Section 1.6."""
    client = await start(
        aiohttp_client, tmp_path, wave_read_sessions=enabled, wave_import=not enabled
    )
    found = await ask(client, "GET", "/api/status")
    assert found.pop("version_string").startswith("v3.")
    assert found == {
        "read_sessions_enabled": enabled,
        "import_results_enabled": not enabled,
        "reports_enabled": True,
        "test_type_selection_enabled": True,
        "test_file_selection_enabled": True,
    }


@pytest.mark.parametrize("path", ["/api/tests", "/api/tests/apis", "/api/status"])
async def test_the_lists_follow_the_rules_of_the_api(client, path):
    """Section 1.1."""
    assert (await client.head(path)).status == 404
    assert (await client.options(path)).status == 200
    far = {"X-Forwarded-For": "192.0.2.1"}
    assert (await client.get(path, headers=far)).status == 401


async def test_every_listed_test_is_served(client, folder):
    """Section 1.7; a test is asked for with its variant and the parameters of the session."""
    for path in ALL - {MANUAL, SILENT}:
        more = "&" if "?" in path else "?"
        async with client.get(f"{path}{more}token=x&timeout=1&web_root=/_wave/") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            text = await answer.text()
        assert "/resources/testharness.js" in text
        assert "/resources/testharnessreport.js" in text
    assert await text_at(client, SILENT) == (folder / SILENT[1:]).read_text()


async def test_generated_pages_run_the_script_with_what_it_asks_for(client):
    """Section 3.1."""
    window = await text_at(client, "/apiTwo/script.any.html")
    assert "<title>A script</title>" in window
    assert window.index("support/more.js") < window.index('src="/apiTwo/script.any.js"')
    page_of_worker = await text_at(client, "/apiTwo/script.any.worker.html")
    assert 'new Worker("/apiTwo/script.any.worker.js"' in page_of_worker
    async with client.get("/apiTwo/script.any.worker.js") as answer:
        assert answer.content_type == "text/javascript"
        worker = await answer.text()
    assert worker.index("support/more.js") < worker.index("/apiTwo/script.any.js")
    assert worker.rstrip().endswith("done();")
    for missing in ("/apiTwo/none.any.html", "/apiTwo/script.worker.html", "/apiTwo/x.window.html"):
        assert (await client.get(missing)).status == 404


async def test_the_report_script_is_ours_and_the_harness_is_the_folders(client, folder):
    """Section 1.7."""
    put(folder, "/resources/testharnessreport.js", "theirs")
    assert "add_completion_callback" in await text_at(client, "/resources/testharnessreport.js")
    assert (await client.get("/resources/testharness.js")).status == 404
    put(folder, "/resources/testharness.js", "harness")
    assert await text_at(client, "/resources/testharness.js") == "harness"


TYPES = {
    "x.html": "text/html",
    "x.htm": "text/html",
    "x.HTML": "text/html",
    "x.js": "text/javascript",
    "x.mjs": "text/javascript",
    "x.css": "text/css",
    "x.json": "application/json",
    "x.svg": "image/svg+xml",
    "x.wasm": "application/wasm",
    "x.xhtml": "application/xhtml+xml",
    "x.xml": "text/xml",
    "x.mp4": "video/mp4",
    "x.mpd": "application/dash+xml",
    "x.webm": "video/webm",
    "x.png": "image/png",
    "x.txt": "text/plain",
    "x": "application/octet-stream",
    "x.unheard-of": "application/octet-stream",
}


async def test_content_types(client, folder):
    """Section 1.7: and no charset, which is what many tests are about."""
    for name, expected in TYPES.items():
        put(folder, f"/apiOne/{name}", "x")
        async with client.get(f"/apiOne/{name}") as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, expected), name


async def test_files_are_fetched_anew_only_when_they_changed(client, folder):
    async with client.get("/apiOne/passes.html") as answer:
        etag, cached = answer.headers["ETag"], answer.headers["Cache-Control"]
        modified = answer.headers["Last-Modified"]
    assert cached == "no-cache"
    for header in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        async with client.get("/apiOne/passes.html", headers=header) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
    put(folder, "/apiOne/passes.html", page("changed();"))
    assert "changed();" in await text_at(
        client, "/apiOne/passes.html", headers={"If-None-Match": etag}
    )


async def test_a_part_of_a_file(client, folder):
    put(folder, "/apiOne/video.mp4", "0123456789")
    async with client.get("/apiOne/video.mp4", headers={"Range": "bytes=2-4"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"234")


async def test_headers_that_stand_beside_a_file(client, folder):
    lines = ["X-One: 1", "X-Two: a", "X-Two: b", "Content-Type: text/plain; charset=latin-1"]
    bad = ["nonsense", "X-Bad: \x01", "Content-Length: 5", "Transfer-Encoding: chunked", ": x"]
    put(folder, "/apiOne/passes.html.headers", "\n".join([*lines, *bad]))
    put(folder, "/apiOne/__dir__.headers", "Cross-Origin-Opener-Policy: same-origin\r\n")
    async with client.get("/apiOne/passes.html") as answer:
        assert answer.headers["X-One"] == "1"
        assert answer.headers.getall("X-Two") == ["a", "b"]
        assert answer.headers["Content-Type"] == "text/plain; charset=latin-1"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "X-Bad" not in answer.headers
        assert len(await answer.read()) == int(answer.headers["Content-Length"]) > 5


TRICKS = [
    "/../secret.html",
    "/apiOne/../../secret.html",
    "/%2e%2e/secret.html",
    "/apiOne/%2e%2e/%2E%2E/secret.html",
    "/..%2fsecret.html",
    "/..%2Fsecret.html",
    "/apiOne%2fpasses.html",
    "/..\\secret.html",
    "/..%5csecret.html",
    "/apiOne%5Cpasses.html",
    "/%252e%252e/secret.html",
    "/apiOne/passes.html%00",
    "/apiOne/passes.html%00.js",
    "/apiOne/passes.html%0a",
    "/apiOne/%ff.html",
    "/apiOne/%c0%ae%c0%ae/secret.html",
    "/apiOne/./passes.html",
    "/apiOne//passes.html",
    "//apiOne/passes.html",
    "/apiOne/passes.html/",
    "/apiOne/passes.html/x",
    "/apiOne",
    "/apiOne/",
    "/",
    "/.hidden.html",
    "/.git/config.html",
    "/apiOne/out.html",
    "/out/secret.html",
    "/apiOne/circle.html",
    "/apiOne/pipe.html",
    "/apiOne/out.any.html",
    "/" + "x" * 300 + ".html",
    "/" + "a/" * 2000 + "x.html",
    "/file:/etc/passwd",
    "/~root/x.html",
]


async def test_path_tricks_find_nothing(client, tmp_path, folder):
    """Nothing but plain names of files that really lie in the folder."""
    put(folder, "/.hidden.html", SECRET)
    put(folder, "/.git/config.html", SECRET)
    (folder / "apiOne" / "out.html").symlink_to(tmp_path / "secret.html")
    (folder / "apiOne" / "out.any.js").symlink_to(tmp_path / "secret.html")
    (folder / "out").symlink_to(tmp_path)
    (folder / "apiOne" / "circle.html").symlink_to("circle.html")
    os.mkfifo(folder / "apiOne" / "pipe.html")
    for path in TRICKS:
        status, body = await raw_get(client, path)
        assert status == 404, (path, status, body)
        assert SECRET.encode() not in body


async def raw_get(client, path):
    """The answer to a path that no client would send as it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_a_link_that_stays_inside_is_followed(client, folder):
    (folder / "apiOne" / "link.html").symlink_to(folder / "apiOne" / "fails.html")
    assert await text_at(client, "/apiOne/link.html") == await text_at(client, "/apiOne/fails.html")


async def test_names_are_unescaped_once(client, folder):
    put(folder, "/apiOne/100%25 \u00fc.html", "found")
    assert await text_at(client, "/apiOne/100%2525%20%C3%BC.html") == "found"


async def test_what_the_service_has_itself_goes_before_files(client, folder):
    """Section 1.7."""
    for path in (
        "/api/status",
        "/livez",
        "/_wave/index.html",
        "/api/v1/x",
        "/api/tests/x",
        "/notte/x",
    ):
        put(folder, path, SECRET)
        async with client.get(path) as answer:
            assert SECRET not in await answer.text(), path


async def test_only_get_reads_files(client):
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD"):
        async with client.request(method, "/apiOne/passes.html") as answer:
            assert answer.status in (404, 405), method


async def test_who_may_not_use_the_api_may_not_read_the_files(client):
    """Design section 6: the folder is not published to whoever can reach the port."""
    far = {"X-Forwarded-For": "192.0.2.1"}
    for path in ("/apiOne/passes.html", "/resources/testharnessreport.js"):
        assert (await client.get(path, headers=far)).status == 401
    assert (await client.get("/apiOne/none.html", headers=far)).status == 404


async def test_a_service_refuses_to_start_without_its_tests(tmp_path):
    """One sentence says why, and the data folder stays as it was."""
    code, said = await refused(tmp_path / "data", "--wave-tests", str(tmp_path / "none"))
    assert code == 1
    (said,) = said.strip().splitlines()
    assert said.startswith("sessiond: cannot start: ")
    assert said.endswith("none is not there or cannot be read")
    assert not (tmp_path / "data" / "log.db").exists()


async def https_port(service):
    """The port that the system chose, as the log of the service tells it a moment later."""

    def told():
        lines = service.stderr.splitlines(keepends=True)
        return [one for one in lines if '"service.https"' in one and one.endswith("\n")]

    await eventually(lambda: bool(told()), 60, "the port for https")
    return json.loads(told()[0])["port"]


async def test_both_ports_are_one_service(tmp_path, folder):
    """Section 1.1: what is made over http is there over https, and the other way round."""
    cert, key = certificate(tmp_path)
    tls = ["--https-port", "0", "--tls-cert", str(cert), "--tls-key", str(key)]
    context = ssl.create_default_context(cafile=cert)
    async with (
        serving(tmp_path / "data", "--wave-tests", str(folder), *tls) as service,
        aiohttp.ClientSession(service.url) as plain,
        aiohttp.ClientSession(
            f"https://127.0.0.1:{await https_port(service)}",
            connector=aiohttp.TCPConnector(ssl=context),
        ) as secure,
    ):
        assert service.url.startswith("http://127.0.0.1:")
        assert service.port != await https_port(service)
        for one, other in ((plain, secure), (secure, plain)):
            token = (await ask(one, "POST", "/api/sessions", json={}))["token"]
            found = await ask(other, "GET", f"/_wave/api/sessions/{token}/status")
            assert found["status"] == "pending"
        bodies = [await text_at(each, "/apiOne/passes.html") for each in (plain, secure)]
        assert bodies[0] == bodies[1]
        assert await service.stop() >= 0


async def test_a_service_refuses_to_start_without_its_certificate(tmp_path):
    cert, key = certificate(tmp_path)
    for files in ((key, key), (cert, cert), (cert, tmp_path / "locked.pem"), ("none", key)):
        cert_file, key_file = map(str, files)
        settings = Settings(https_port=8443, tls_cert=cert_file, tls_key=key_file)
        with pytest.raises(OSError, match="no TLS with") as refusal:
            tls_of(settings)
        assert f"{cert_file} and {key_file}" in str(refusal.value)
        assert "\n" not in str(refusal.value)
