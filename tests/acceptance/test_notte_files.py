"""Notte: the files of a session, for its pages and from them (notte.md, sections 3.2 and 3.6)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.notte import P, goto, running, stop, the_file
from tests.support.service import Shared, ask, sharing, start

Client = Any


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service with room for the browsers of all these tests."""
    with sharing(tmp_path_factory.mktemp("shared"), browsers_max=200) as service:
        yield service


async def test_3_2_a_file_goes_up_is_listed_comes_down_and_goes(client: Client) -> None:
    session_id = await running(client)
    path = f"{P}/{session_id}/files"
    data = b"the very bytes\0\r\n--" * 5000
    form = the_file(data, "report of May.txt", content_type="text/plain")
    file = await ask(client, "POST", path, data=form)
    assert (file["filename"], file["mime_type"]) == ("report of May.txt", "text/plain")
    assert (file["size"], file["checksum"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (file["session_id"], file["source"]) == (session_id, "user_upload")
    assert file["expires_at"] > file["created_at"]
    listed = await ask(client, "GET", path, params={"limit": "1000"})
    assert listed == {"files": [file], "total": 1, "limit": 1000, "offset": 0}
    async with client.get(f"{path}/{file['id']}") as answer:
        assert await answer.read() == data
        assert answer.headers["Content-Type"] == "text/plain"
    await ask(client, "DELETE", f"{path}/{file['id']}", 204)
    assert (await ask(client, "GET", path))["files"] == []
    for method in ("GET", "DELETE"):
        await ask(client, method, f"{path}/{file['id']}", 404)


async def test_3_2_downloads_are_listed_also_when_the_session_is_over(client: Client) -> None:
    session_id = await running(client)
    path = f"{P}/{session_id}/files"
    await ask(client, "POST", path, data=the_file(b"up"))
    await goto(client, session_id, "http://site.test/download/report.pdf")
    found = await ask(client, "GET", path, params={"source": "session_download"})
    (file,) = found["files"]
    assert (file["filename"], file["mime_type"], found["total"]) == (
        "report.pdf",
        "application/pdf",
        1,
    )
    await stop(client, session_id)
    assert (await ask(client, "GET", path))["total"] == 2
    second = await ask(client, "GET", path, params={"offset": "1", "limit": "1"})
    assert [each["source"] for each in second["files"]] == ["user_upload"]
    async with client.get(f"{path}/{file['id']}") as answer:
        assert await answer.read() == b"downloaded report.pdf"
    error = await ask(client, "POST", path, 409, data=the_file(b"late"))
    assert "already closed" in error["message"]


async def test_3_2_bad_files_are_refused(client: Client) -> None:
    session_id = await running(client)
    path = f"{P}/{session_id}/files"
    for name in ("../up", "a/b", "a\\b", ".."):
        await ask(client, "POST", path, 422, data=the_file(b"x", name))
    await ask(client, "POST", path, 422, json={"file": "x"})
    form = aiohttp.FormData()
    form.add_field("other", b"x", filename="a")
    await ask(client, "POST", path, 422, data=form)
    for query in ("source=other", "limit=0", "limit=1001", "offset=-1"):
        await ask(client, "GET", f"{path}?{query}", 422)
    assert (await ask(client, "GET", path))["total"] == 0


async def test_3_2_a_file_has_a_greatest_size(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start(aiohttp_client, tmp_path, artifact_bytes_max=1000)
    path = f"{P}/{await running(client)}/files"
    await ask(client, "POST", path, data=the_file(b"x" * 1000))
    error = await ask(client, "POST", path, 413, data=the_file(b"x" * 1001))
    assert error["status"] == 413
    assert (await ask(client, "GET", path))["total"] == 1
