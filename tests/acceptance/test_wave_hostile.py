"""WAVE: what somebody might try, one thing after the other. Sections are those of the contract."""

import asyncio
import io
import json
import struct
import zipfile
from typing import Any

import pytest
import structlog
from yarl import URL

from tests.support.service import raw, start
from tests.support.wave import (
    few_tests,
    has_cors,
    lists_of,
    make,
    next_url,
    order,
    read,
    report,
    started,
    status_of,
)
from tests.support.wave_results import PASS, fetched, zipped

TOKEN = "11111111-2222-1333-8444-555555555555"
ONE_A = "/apiOne/a.html"
BODY_BYTES = 50 << 20
INVALID = {"error": "Invalid input data!"}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))


PATTERNS = [
    *("/apiOne/a.html$", "/api.*", "^/apiOne", "/apiOne/(a|b)", "/apiOne/[ab]", "(", "[", "\\"),
    *("(a+)+$", "(?i)/APIONE", "/apiOne/a\\.html", "/apiOne/.", "?", ".*", "/api(?P<x>One)", "*"),
]


async def test_a_pattern_selects_what_it_says_letter_by_letter(client):
    """Section 3.2: so those of the original select nothing here."""
    for pattern in PATTERNS:
        token = await make(client, {"tests": {"include": [pattern]}})
        assert (await lists_of(client, token))[0] == [], pattern
        token = await make(client, {"tests": {"exclude": [pattern]}})
        assert len((await lists_of(client, token))[0]) == 3, pattern
    token = await make(client, {"tests": {"include": [*PATTERNS, ONE_A]}})
    assert (await lists_of(client, token))[0] == [ONE_A]


TRICKS = [
    *("../../etc/passwd", "/apiOne/../apiOne/a.html", "//evil.example/a.html", "\\\\evil\\a"),
    *("http://evil.example/apiOne/a.html", "/apiOne%252fa.html", "/apiOne/./a.html"),
    *("apiOne/a.html", "/apiOne/a.html\r\nX: y", "/apiOne/a.html#", "/APIONE/a.html", "~"),
    *("/apiOne//a.html", " /apiOne/a.html", "/apiOne\\a.html", "/apiOne/a.html/", "%00"),
]


async def test_a_result_is_that_of_a_test_by_its_very_path(client):
    """Sections 1.4 and 3.8: what only leads there is ignored, and is nowhere in the results."""
    token = await started(client)
    await next_url(client, token)
    for path in TRICKS:
        await report(client, token, path)
    assert await lists_of(client, token) == [["/apiOne/b.html", "/apiTwo/c.html"], [ONE_A], []]
    assert await fetched(client, token) == {}


async def test_no_entry_sends_a_device_elsewhere(client):
    """Section 3.2: whatever the query of an entry holds."""
    tails = ["@evil.example/", "#x", "\r\nLocation: //evil.example", "&token=x", "%00", "//e", "?y"]
    token = await started(client, {"tests": {"include": [f"/apiOne?{tail}" for tail in tails]}})
    url = await next_url(client, token)
    assert (url.host, url.path, url.fragment) == (client.server.host, ONE_A, "")
    assert url.query.getall("token")[0] == token


NAMES = [
    *("..", "../..", "/", "\\", "a/b", "\0", "http://evil/", "%2e%2e", "....//", "C:\\x", "~", "*")
]


async def test_an_api_is_a_name_and_never_a_path(client, tmp_path):
    """Section 1.4: encoded however often; no file is made by any of them."""
    token = await started(client)
    before = sorted(tmp_path.rglob("*"))
    for name in NAMES:
        part = "%" + name.encode().hex("%")
        base = f"{client.make_url('/api/results/')}{token}/{part}"
        for method in ("GET", "POST"):
            url = URL(f"{base}/json", encoded=True)
            answer = await client.session.request(method, url, data=b'{"results": []}')
            assert answer.status == 404, (method, name)
        answer = await client.session.get(URL(f"{base}/reporturl", encoded=True))
        assert (answer.status, await answer.json()) == (200, {"uri": None})
        url = URL(f"{client.make_url('/results/')}{part}/{part}/all.html", encoded=True)
        assert (await client.session.get(url)).status == 404
    assert sorted(tmp_path.rglob("*")) == before


async def test_results_of_50_mb_are_refused_before_they_come(client):
    """Section 1.4: the answer is there while not one byte of the body was sent."""
    token = await started(client)
    await next_url(client, token)
    await report(client, token, ONE_A)
    await next_url(client, token)
    before = await lists_of(client, token)
    for path in (f"results/{token}", f"results/{token}/apiOne/json", "sessions", "devices/events"):
        head = f"POST /api/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        status, headers, body = await asyncio.wait_for(raw(client, head.encode()), 60)
        assert (status, headers["content-type"].partition(";")[0]) == (413, "application/json")
        assert headers["access-control-allow-origin"] == "*"
        assert list(json.loads(body)) == ["error"]
    assert (
        await lists_of(client, token) == before == [["/apiTwo/c.html"], ["/apiOne/b.html"], [ONE_A]]
    )


async def test_the_log_line_of_a_request_says_that_its_result_was_refused(client):
    """Section 1.4: the answer does not, and that of a result that is taken says nothing."""
    token = await started(client)
    await next_url(client, token)
    ended = await started(client, {"tests": {"include": ["/nothing"]}})
    assert (await status_of(client, ended))["status"] == "completed"
    with structlog.testing.capture_logs() as logs:
        for where, path in ((token, "/apiOne/b.html"), (ended, ONE_A), (TOKEN, ONE_A)):
            await report(client, where, path)
        await report(client, token, ONE_A)
        await report(client, token, ONE_A)
    lines = [line for line in logs if line["event"] == "request.done"]
    assert [line["code"] for line in lines] == [*["result_refused"] * 3, "", "result_refused"]
    assert {(line["route"], line["status"]) for line in lines} == {("wave.results.report", 200)}


LABELS = [
    "👩‍👩‍👧‍👦🦊",
    "שלום \u202etv\u202c مرحبا",
    "e\u0301\u0302\u0303 Z͑ͫ̓ͪ̂ͫ̽͏",
    "ﷺ﷽\ufeff\u200b\u2028",
    "日本語テスト",
    "\U0010ffff\ue000",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    " spaces ",
]


async def test_labels_may_be_in_any_script(client):
    """Section 1.2: they come back as they were, by both ways in and in every answer."""
    token = await make(client, {"labels": LABELS})
    other = await make(client)
    answer = await client.put(f"/api/sessions/{other}/labels", json={"labels": LABELS})
    assert answer.status == 200
    for each in (token, other):
        assert (await read(client, each))["labels"] == LABELS
        answer = await client.get(f"/api/sessions/{each}/labels")
        assert await answer.json() == LABELS
    page = await (await client.get("/api/sessions?expand=configuration")).json()
    assert [one["labels"] for one in page["_embedded"]["configuration"]] == [LABELS, LABELS]
    # As a client writes them that escapes all but ASCII.
    raw_labels = json.dumps(LABELS, ensure_ascii=True).encode()
    answer = await client.put(f"/api/sessions/{token}/labels", data=raw_labels)
    assert (answer.status, (await read(client, token))["labels"]) == (200, LABELS)


HALVES = [r'["\ud83e"]', r'["\udd8a\ud83e"]', r'["a", "\ud800x"]', r'["\uDFFF"]']


async def test_half_a_character_is_no_label(client):
    """Sections 1.1 and 1.2: no text that could be read back has one."""
    token = await make(client, {"labels": ["kept"]})
    for body in HALVES:
        labels, whole = f"/{token}/labels", f'{{"labels": {body}}}'
        for method, path, sent in (
            ("PUT", labels, body),
            ("PUT", labels, whole),
            ("POST", "", whole),
        ):
            answer = await client.request(method, f"/api/sessions{path}", data=sent.encode())
            assert (answer.status, has_cors(answer)) == (400, True)
            assert await answer.json() == {"error": "Invalid json data!"}
    assert (await read(client, token))["labels"] == ["kept"]


def entry(name: str, mode: int = 0o100644, flags: int = 0) -> zipfile.ZipInfo:
    """What a zip says of a file, as a system with modes packs it."""
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr, made.flag_bits = 3, mode << 16, flags
    return made


def archive(*files: tuple[Any, bytes]) -> bytes:
    """A zip that holds a sound `info.json` besides."""
    made = io.BytesIO(zipped({"info.json": {"token": TOKEN}}))
    with zipfile.ZipFile(made, "a") as written:
        for named, content in files:
            written.writestr(named, content)
    return made.getvalue()


def encrypted() -> bytes:
    """A zip with a file that says that it is encrypted."""
    content = bytearray(archive(("css/Ch81.json", b'{"results": []}')))
    for signature, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.rindex(signature) + at] |= 1
    return bytes(content)


def of_64_bits() -> bytes:
    """A zip whose end says that the real one, of the larger form, is elsewhere."""
    content = archive()
    end = content.rindex(b"PK\5\6")
    larger = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 60, 1 << 60, 1 << 60, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return content[:end] + larger + locator + b"PK\5\6" + bytes(4) + b"\xff" * 16 + bytes(2)


RESULTS = b'{"results": [{"test": "/css/a", "status": "OK"}]}'
ZIPS = {
    "a link": lambda: archive((entry("css/Ch81.json", 0o120777), b"/etc/passwd")),
    "a device": lambda: archive((entry("css/Ch81.json", 0o020666), RESULTS)),
    "a link as info": lambda: zip_of(entry("info.json", 0o120777), b"/proc/self/environ"),
    "one name twice": lambda: twice("css/Ch81.json"),
    "info twice": lambda: twice("info.json"),
    "encrypted": encrypted,
    "of 64 bits": of_64_bits,
    "64 bits claimed": lambda: archive(("a.txt", b"x")).replace(b"PK\5\6", b"PK\6\7"),
}


def zip_of(named: Any, content: bytes) -> bytes:
    """A zip of one file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        written.writestr(named, content)
    return made.getvalue()


def twice(name: str) -> bytes:
    """A zip with two files of one name: which is read should not be for others to choose."""
    other = name.replace("s", "\0").replace("o", "\0").replace("\0", "_")
    content = archive((name, RESULTS), (other, RESULTS))
    return content.replace(other.encode(), name.encode())


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_zips_that_lie_are_refused_and_leave_nothing(client, tmp_path):
    """Section 1.4: with the text of the contract."""
    for name, make_zip in ZIPS.items():
        answer = await client.post("/api/results/import", data=io.BytesIO(make_zip()))
        assert (answer.status, await answer.json()) == (400, INVALID), name
    assert (await client.get(f"/api/sessions/{TOKEN}")).status == 404
    answer = await client.post("/api/results/import", data=io.BytesIO(archive()))
    assert answer.status == 200


@pytest.mark.slow  # a zip of so many files takes seconds to make
async def test_a_zip_of_100_000_files_is_refused_unread(client):
    """Section 1.4: also where it holds sound results."""
    files = {f"css/{number:06}.json": b"" for number in range(100_000)}
    content = zipped({"info.json": {"token": TOKEN}, **files}, zipfile.ZIP_STORED)
    answer = await client.post("/api/results/import", data=io.BytesIO(content))
    assert (answer.status, await answer.json()) == (400, INVALID)
    assert (await client.get(f"/api/sessions/{TOKEN}")).status == 404


async def test_what_is_for_one_session_is_nothing_for_another(client):
    """Sections 2.2 and 3.5: a result goes to the session in its path, not to one in its body."""
    one, other = await started(client), await started(client)
    for token in (one, other):
        await next_url(client, token)
    await report(client, one, ONE_A, session=other, subtests=[PASS])
    assert [(await lists_of(client, token))[2] for token in (one, other)] == [[ONE_A], []]
    await order(client, one, "stop")
    assert (await status_of(client, other))["status"] == "running"
