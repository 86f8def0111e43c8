"""WAVE: a session as a zip, out and in again. Sections are those of the WAVE contract."""

import io
import json
import struct
import zipfile
from typing import Any

import pytest

from sessions.dialects.wave.wire_imports import APIS_MAX
from tests.support.service import SESSIONS, ask, bearer, new_key, start
from tests.support.wave import has_cors, make, read, status_of
from tests.support.wave_results import (
    FAIL,
    PASS,
    RESULTS,
    ZIP,
    done,
    fetched,
    files_in,
    ran,
    unzipped,
    zipped,
)

TOKEN = "11111111-2222-1333-8444-555555555555"
INVALID = {"error": "Invalid input data!"}
EXISTS = {"error": "Session already exists!"}
INFO_KEYS = [
    *("token", "types", "user_agent", "labels", "timeouts", "test_state", "last_completed_test"),
    *("tests", "status", "browser", "date_created", "date_started", "date_finished", "is_public"),
    *("reference_tokens", "expiration_date", "malfunctioning_tests", "type"),
]
ASKED = {
    "tests": {"include": ["/css?q=1", "/html"], "exclude": ["/css/no"]},
    "types": ["automatic"],
    "timeouts": {"automatic": 1000, "/css/a": 2.5},
    "reference_tokens": [TOKEN],
    "labels": ["é", "b"],
    "type": "dpctf",
}


@pytest.fixture
async def admin(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path / "one")


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


@pytest.fixture
async def other(aiohttp_client, tmp_path):
    """Another service, which knows nothing of the first."""
    return await start(aiohttp_client, tmp_path / "two")


async def imported(client, content, status=200):
    """What the answer to an import says."""
    answer = await client.post("/api/results/import", data=io.BytesIO(content))
    assert answer.status == status, await answer.read()
    assert has_cors(answer)
    return await answer.json()


async def exported(client, token):
    """The bytes of an export."""
    return await (await client.get(f"/api/results/{token}/export")).read()


async def test_an_export_holds_the_session_and_a_file_for_each_api(client):
    """Sections 1.4 and 2.1."""
    token = await ran(client, **ASKED)
    name, files = await unzipped(client, f"{token}/export")
    assert name == f"{token}.zip"
    assert list(files) == ["info.json", "css/Ch81.json", "html/Ch81.json"]
    info = json.loads(files["info.json"])
    assert list(info) == INFO_KEYS
    found = await read(client, token)
    assert {key: info[key] for key in found} == found
    status = await status_of(client, token)
    assert {key: info[key] for key in status} == status
    assert info["test_state"] == await fetched(client, f"{token}/compact")
    assert info["last_completed_test"] == RESULTS[-1].path
    assert (info["malfunctioning_tests"], info["type"]) == (["/css/a.html"], "dpctf")
    assert json.loads(files["css/Ch81.json"])["results"] == (await fetched(client, token))["css"]


async def test_the_same_export_has_the_same_bytes(client):
    """Section 1.4: whenever it is asked for."""
    token = await ran(client)
    assert await exported(client, token) == await exported(client, token)


@pytest.mark.parametrize("to", ["running", "stopped", "timed_out"])
async def test_only_a_completed_session_can_be_exported(client, to):
    """Section 1.4."""
    token = await ran(client, to=to)
    answer = await client.get(f"/api/results/{token}/export")
    assert (answer.status, await answer.read()) == (404, b"")
    assert (await client.get(f"/api/results/{await make(client)}/export")).status == 404


async def test_an_overview_is_a_page_with_its_data_in_scripts(client):
    """Section 1.4: text that ends a line in old browsers is escaped."""
    token = await ran(client, labels=["a\u2028b", "</script>"])
    name, files = await unzipped(client, f"{token}/overview")
    assert name == f"{token[:8]}_results_html.zip"
    assert list(files) == ["index.html", "results.json.js", "details.json.js"]
    for script in ("results.json.js", "details.json.js"):
        assert f'src="{script}"'.encode() in files["index.html"]
    begin, end = "const results = ", ";\n"
    sums = files["results.json.js"].decode().removeprefix(begin).removesuffix(end)
    assert json.loads(sums) == await fetched(client, f"{token}/compact")
    details = files["details.json.js"].decode()
    assert "\u2028" not in details
    told = json.loads(details.removeprefix("const details = ").removesuffix(end))
    assert (told["token"], told["labels"]) == (token, ["a\u2028b", "</script>"])
    assert not told.keys() & {"pending_tests", "running_tests"}


async def test_an_import_into_another_service_is_the_same_session(client, other):
    """Sections 1.4, 1.9 and 2.1."""
    token = await ran(client, **ASKED)
    sent = {"meta": {"by": "me"}, "results": [{"test": "/css/x.html", "status": "OK"}]}
    assert (await client.post(f"/api/results/{token}/css/json", json=sent)).status == 200
    content = await exported(client, token)
    assert await imported(other, content) == {"token": token}
    for path in ("", "/compact", "/css/json", "/html/json"):
        assert await fetched(other, token + path) == await fetched(client, token + path), path
    assert await read(other, token) == await read(client, token)
    assert await status_of(other, token) == await status_of(client, token)
    again, before = files_in(await exported(other, token)), files_in(content)
    ours, theirs = json.loads(again.pop("info.json")), json.loads(before.pop("info.json"))
    assert ours["last_completed_test"] == RESULTS[-1].path
    assert ours == theirs
    assert [json.loads(raw) for raw in again.values()] == [
        json.loads(raw) for raw in before.values()
    ]


async def test_an_import_is_one_commit_of_facts_and_is_there_after_a_restart(
    aiohttp_client, client, tmp_path
):
    """Sections 1.4 and 2.5."""
    token = await ran(client)
    content = await exported(client, token)
    third = await start(aiohttp_client, tmp_path / "three")
    await imported(third, content)
    history = await ask(third, "GET", f"{SESSIONS}/{token}/events")
    assert len(history["items"]) == 1
    names = [event["type"] for event in history["items"][0]["events"]]
    assert names[0] == "session.created"
    assert names.count("results.replaced") == 2
    assert names[-1] == "session.status_changed"
    native = await ask(third, "GET", f"{SESSIONS}/{token}")
    assert (native["status"], native["reason"]) == ("completed", "finished")
    assert (native["tests_total"], native["tests_completed"]) == (5, 5)
    before = await fetched(third, token)
    await third.close()
    third = await start(aiohttp_client, tmp_path / "three")
    assert await fetched(third, token) == before
    assert await exported(third, token)
    assert await imported(third, content, 400) == EXISTS


async def test_a_session_is_imported_once(client, other):
    """Section 1.4: also where it was deleted since, or is another tenant's."""
    token = await ran(client)
    content = await exported(client, token)
    assert await imported(client, content, 400) == EXISTS
    await imported(other, content)
    stranger = bearer((await new_key(other))["key"])
    assert (await other.delete(f"{SESSIONS}/{token}")).status == 204
    for headers in ({}, stranger):
        answer = await other.post("/api/results/import", data=io.BytesIO(content), headers=headers)
        assert (answer.status, await answer.json()) == (400, EXISTS)


async def test_a_refused_import_leaves_the_session_and_its_files_as_they_are(client, tmp_path):
    """Section 1.4: what came is there nowhere, and what was there still is."""

    def files():
        return sorted((tmp_path / "one" / "data" / "artifacts").rglob("*/*"))

    def holding(*paths):
        results = {"results": [{"test": path, "status": "OK"} for path in paths]}
        return zipped({"info.json": {"token": TOKEN}, "css/Ch81.json": results})

    await imported(client, holding("/css/a"))
    before = files()
    assert len(before) == 1
    assert await imported(client, holding("/css/b", "/css/c"), 400) == EXISTS
    assert files() == before
    assert [one["test"] for one in (await fetched(client, TOKEN))["css"]] == ["/css/a"]


async def test_imports_can_be_switched_off(aiohttp_client, tmp_path):
    """Section 1.9."""
    client = await start(aiohttp_client, tmp_path, wave_import=False)
    content = zipped({"info.json": {"token": TOKEN}})
    answer = await client.post("/api/results/import", data=content)
    assert answer.status == 403
    assert (await client.get(f"/api/sessions/{TOKEN}")).status == 404


OLD = {
    "token": TOKEN,
    "path": "/css, /html/sub",
    "date_created": 1500000000000,
    "date_started": 1500000001000.75,
    "date_finished": None,
    "user_agent": None,
    "malfunctioning_tests": ["/css/a.html"],
    "unknown": {"a": 1},
}


async def test_old_exports_are_read_too(client):
    """Section 2.1: `path`, numbers as dates, no status; and what else is in the folder."""
    result = {"test": "/web audio/a.html", "status": "OK", "subtests": [PASS]}
    files = {
        "info.json": OLD,
        "web audio/Xx00.json": {"results": [result]},
        "web audio/all.html": b"<p>a report</p>",
        "empty/Xx00.json": {"results": []},
    }
    assert await imported(client, zipped(files, zipfile.ZIP_STORED)) == {"token": TOKEN}
    found = await read(client, TOKEN)
    assert found["tests"] == {"include": ["/css", "/html/sub"], "exclude": []}
    assert found["date_created"] == "2017-07-14T02:40:00+00:00"
    status = await status_of(client, TOKEN)
    assert (status["status"], status["date_started"]) == ("completed", "2017-07-14T02:40:01+00:00")
    whole = {**result, "message": None}
    assert await fetched(client, TOKEN) == {"web audio": [whole], "empty": []}
    again = list(files_in(await exported(client, TOKEN)))
    assert again == ["info.json", "empty/Xx00.json", "web%20audio/Xx00.json"]


def info(**changes):
    """A zip whose `info.json` differs from a sound one."""
    return zipped({"info.json": {"token": TOKEN, "status": "completed", **changes}})


def with_file(name, content):
    """A zip with one more file."""
    return zipped({"info.json": {"token": TOKEN}, name: content})


def bomb(size):
    """A zip of a file of zeros, small as it comes."""
    return with_file("css/Ch81.json", bytes(size))


def claiming(content, size):
    """The zip, whose directory lies about the size of its first file."""
    at = content.index(b"PK\1\2")
    return content[: at + 24] + struct.pack("<L", size) + content[at + 28 :]


OK = {"test": "/css/a", "status": "OK"}
HOSTILE = {
    "empty": b"",
    "no zip": b"no zip at all",
    "an empty zip": zipped({}),
    "no info": zipped({"css/Ch81.json": {"results": []}}),
    "cut off": info()[:-30],
    "broken": info().replace(b"PK\3\4", b"PK\7\4"),
    "info is no JSON": zipped({"info.json": b"{"}),
    "info is an array": zipped({"info.json": []}),
    "info is long": info(user_agent="x" * (513 << 10)),
    "no token": zipped({"info.json": {"status": "completed"}}),
    "token of another form": info(token="../../../../../../etc/passwd-0123456"),
    "token in capitals": info(token=TOKEN.replace("1", "A")),
    "token is a number": info(token=1),
    "not completed": info(status="running"),
    "unknown type": info(types=["other"]),
    "labels are no list": info(labels="a"),
    "too many labels": info(labels=[str(n) for n in range(99)]),
    "NUL": info(labels=["a\0"]),
    "a date is no date": info(date_created="yesterday"),
    "a date is too late": info(date_created=10**30),
    "a date before all dates": info(date_created="0001-01-01T00:00:00+23:00"),
    "a number is too large": info(timeouts={"automatic": 1e300}),
    "too many malfunctioning": info(malfunctioning_tests=["/a"] * 20_001),
    "traversal": with_file("../css/Ch81.json", {"results": []}),
    "traversal inside": with_file("css/../../Ch81.json", {"results": []}),
    "absolute": with_file("/css/Ch81.json", {"results": []}),
    "a drive": with_file("C:/Ch81.json", {"results": []}),
    "backslashes": with_file("..\\css\\Ch81.json", {"results": []}),
    "a folder that is quoted badly": with_file("%ff/Ch81.json", {"results": []}),
    "a folder with NUL": with_file("%00/Ch81.json", {"results": []}),
    "results are no JSON": with_file("css/Ch81.json", b"["),
    "results are no list": with_file("css/Ch81.json", {"results": {}}),
    "results of another API": with_file("css/Ch81.json", {"results": [{**OK, "test": "/x/a"}]}),
    "a result without a status": with_file("css/Ch81.json", {"results": [{"test": "/css/a"}]}),
    "one API twice": zipped(
        {
            "info.json": {"token": TOKEN},
            "css/a.json": {"results": []},
            "css/b.json": {"results": []},
        }
    ),
    "a bomb": bomb(17 << 20),
    "a bomb that lies": claiming(zipped({"info.json": bytes(1 << 20)}), 100),
    "bombs": zipped(
        {"info.json": {"token": TOKEN}}
        | {f"a{n}/Ch81.json": b'{"results": []}' + b" " * (15 << 20) for n in range(5)}
    ),
    "too many files": zipped({f"{n}.txt": b"" for n in range(2_001)}),
    "bzip2": zipped({"info.json": {"token": TOKEN}}, zipfile.ZIP_BZIP2),
}


async def test_what_is_no_export_is_refused_and_leaves_nothing(client, tmp_path):
    """Section 1.4: 400 with the text of the contract, whatever the zip is."""
    for name, content in HOSTILE.items():
        assert await imported(client, content, 400) == INVALID, name
    assert (await client.get(f"/api/sessions/{TOKEN}")).status == 404
    kept = [path for path in (tmp_path / "one" / "data" / "artifacts").rglob("*") if path.is_file()]
    assert kept == []
    await imported(client, info())
    assert await fetched(client, TOKEN) == {}


async def test_an_import_may_have_many_apis(client):
    """Section 1.4: all of them in one commit, or none."""
    results: dict[str, Any] = {"info.json": {"token": TOKEN}}
    results |= {f"api{n}/Xx00.json": b'{"results": []}' for n in range(APIS_MAX)}
    few = dict(list(results.items())[:51])
    assert (
        await imported(client, zipped(results | {"x/a.json": b'{"results": []}'}), 400) == INVALID
    )
    await imported(client, zipped(few))
    assert len(await fetched(client, TOKEN)) == 50


async def test_an_import_that_is_too_large_is_refused(aiohttp_client, tmp_path):
    """Section 1.4: by what it says of itself, or by what comes."""
    client = await start(aiohttp_client, tmp_path, artifact_bytes_max=10_000)

    async def pieces():
        for _ in range(11):
            yield bytes(1000)

    for body in (bytes(10_001), pieces()):
        answer = await client.post("/api/results/import", data=body)
        assert answer.status == 413


async def test_names_of_apis_cannot_lead_out_of_an_export(client):
    """Section 1.4: whatever a test is called."""
    token = await ran(client, [done("/../a.html", PASS), done("/a b\\c/b.html", FAIL)])
    _, files = await unzipped(client, f"{token}/export")
    assert list(files)[1:] == ["%2E%2E/Ch81.json", "a%20b%5Cc/Ch81.json"]
    answer = await client.get(f"/api/results/{token}/a%20b%5Cc/json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, ZIP)
    assert answer.headers["Content-Disposition"].endswith("-a%20b%5Cc-Ch81.json")
