"""Devin v1: files go up, and come down by a link (devin.md sections 3 and 6)."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from yarl import URL

from eventstore.errors import LogBusy
from sessions.web.appkeys import ARTIFACTS, CATALOG
from tests.support.devin import made, read, the_file
from tests.support.service import (
    Shared,
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    new_key,
    nothing_written,
    sharing,
    start,
)

PATHS = ["/v1/attachments", "/devin/v1/attachments"]
PATH = PATHS[1]
DATA = b"the very bytes\0\r\n--" * 5000
BYTES_MAX = 1 << 20
MISSING = {"detail": "Attachment not found"}

Client = Any


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service that takes no large files."""
    folder = tmp_path_factory.mktemp("shared")
    with sharing(folder, artifact_bytes_max=BYTES_MAX) as service:
        yield service


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    return await client_of_a_tenant(aiohttp_client, shared)


async def uploaded(client: Client, data: bytes = DATA, name: str | None = "a.bin") -> str:
    url: str = await ask(client, "POST", PATH, data=the_file(data, name))
    return url


def path_of(url: str) -> str:
    return url.split("/", 3)[3].join(("/", ""))


@pytest.mark.parametrize("path", PATHS)
async def test_6_6_an_upload_is_answered_with_a_json_string(client: Client, path: str) -> None:
    file = the_file(b"hello", "notes.txt", "text/plain")
    async with client.post(path, data=file) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        url = json.loads(await answer.read())
    origin = str(client.make_url("")).rstrip("/")
    assert re.fullmatch(
        rf"{re.escape(origin)}/devin/v1/attachments/[0-9a-f-]{{36}}/notes\.txt", url
    )
    async with client.get(path_of(url), allow_redirects=False) as answer:
        assert answer.status == 307
        assert answer.headers["Location"].startswith(f"{origin}/devin/attachments/")
    async with client.get(path_of(url)) as answer:
        assert (answer.status, await answer.read()) == (200, b"hello")
        assert answer.content_type == "text/plain"


async def test_3_who_is_shown_to_the_bytes_needs_no_key(
    aiohttp_client: Any, client: Client
) -> None:
    url = await uploaded(client)
    keyless = await aiohttp_client(client.server)
    await ask(keyless, "GET", path_of(url), 401)
    async with client.get(path_of(url), allow_redirects=False) as answer:
        location = urlsplit(answer.headers["Location"])
    link = f"{location.path}?{location.query}"
    async with keyless.get(link) as answer:
        assert await answer.read() == DATA
        assert "a.bin" in answer.headers["Content-Disposition"]
    async with keyless.get(link, headers={"Range": "bytes=4-7"}) as answer:
        assert (answer.status, await answer.read()) == (206, DATA[4:8])
    other = await uploaded(client, b"other")
    elsewhere = path_of(other).replace("/v1", "")
    for forged in (location.path, f"{elsewhere}?{location.query}", link[:-3] + "xxx"):
        await ask(keyless, "GET", forged, 401)


async def test_3_a_session_names_a_file_in_its_prompt(client: Client) -> None:
    prompt = f'Read this.\nATTACHMENT:"{await uploaded(client)}"\n'
    shown = await read(client, await made(client, prompt))
    assert shown["messages"][0]["message"] == prompt


@pytest.mark.parametrize(
    "name", ["a b.txt", "ü/ö.md", "100%.csv", "a+b&c=d?e#f", "x" * 250 + ".txt", "..txt", "日本"]
)
async def test_3_a_file_keeps_its_name(client: Client, name: str) -> None:
    url = await uploaded(client, name=name)
    last = name.rpartition("/")[2]
    assert url.endswith("/" + quote(last, safe=""))
    async with client.session.get(URL(url, encoded=True)) as answer:
        assert await answer.read() == DATA
        assert quote(last, safe="") in answer.headers["Content-Disposition"]


async def test_3_the_command_line_leaves_the_name_out(client: Client) -> None:
    url = await uploaded(client)
    async with client.get(path_of(url).rpartition("/")[0]) as answer:
        assert await answer.read() == DATA


async def test_3_unknown_files_are_404(aiohttp_client: Any, client: Client) -> None:
    url = path_of(await uploaded(client))
    admin = await client_of(aiohttp_client, client.server)
    theirs = await new_key(admin, "theirs")
    assert await ask(client, "GET", url, 404, headers=bearer(theirs["key"])) == MISSING
    unknown = "00000000-0000-7000-8000-000000000000"
    for path in (
        url.replace("a.bin", "b.bin"),
        f"{PATH}/{unknown}/a.bin",
        f"{PATH}/{unknown}",
        f"{PATH}/nonsense/a.bin",
        f"{PATH}/%00/%ff",
    ):
        assert await ask(client, "GET", path, 404) == MISSING, path


async def test_3_what_is_no_file_in_a_form_is_400(client: Client) -> None:
    other = aiohttp.FormData()
    other.add_field("attachment", b"x", filename="a")
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    cut_off = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx'
    async with nothing_written(client):
        requests: list[dict[str, Any]] = [
            {"data": other},
            {"json": {"file": "x"}},
            {"data": b""},
            {"data": b"--b\r\nnonsense", "headers": head},
            {"data": cut_off, "headers": head},
            *({"data": the_file(b"x", name)} for name in ("..", "a\tb", "n" * 256)),
        ]
        for request in requests:
            error = await ask(client, "POST", PATH, 400, **request)
            assert error.keys() == {"detail"}, request
            assert isinstance(error["detail"], str)


async def test_a_file_that_is_too_large_is_413_and_leaves_nothing(
    aiohttp_client: Any, client: Client, shared: Shared
) -> None:
    folder = client.server.app[ARTIFACTS].store.path
    before = sorted(folder.rglob("*"))
    async with nothing_written(client):
        announced = the_file(b"x" * (BYTES_MAX + (1 << 20)))
        await ask(client, "POST", PATH, 413, data=announced)
        chunked = io.BytesIO(b"x" * (BYTES_MAX + 1))
        head = {"Content-Type": "multipart/form-data; boundary=b"}

        async def body() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            while piece := chunked.read(1 << 16):
                yield piece
            yield b"\r\n--b--\r\n"

        await ask(client, "POST", PATH, 413, data=body(), headers=head)
    assert sorted(folder.rglob("*")) == before
    await uploaded(client, b"x" * BYTES_MAX)


async def test_a_file_outlives_a_restart_and_what_the_log_refuses_is_gone(
    aiohttp_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await start(aiohttp_client, tmp_path)
    url = await uploaded(client)

    async def busy(*_: Any) -> Any:
        raise LogBusy

    with monkeypatch.context() as patched:
        patched.setattr(client.app[CATALOG], "enter", busy)
        await ask(client, "POST", PATH, 503, data=the_file(b"refused"))
    owner = path_of(url).split("/")[4]
    files = tmp_path / "data" / "artifacts"
    assert {path.name for path in files.iterdir()} == {".incoming", owner}
    assert not list((files / ".incoming").iterdir())
    # As a crash leaves it: the bytes are in place, and nobody has settled the marker.
    (file,) = (files / owner).iterdir()
    unknown = "00000000-0000-7000-8000-000000000000"
    (files / unknown).mkdir()
    (files / unknown / file.name).write_bytes(DATA)
    for entry in (owner, unknown):
        (files / ".incoming" / f"{'0' * 32}.{entry}.{file.name}").touch()
    await client.close()
    again = await start(aiohttp_client, tmp_path)
    async with again.get(path_of(url)) as answer:
        assert await answer.read() == DATA
    assert {path.name for path in files.iterdir()} == {".incoming", owner}
    assert not list((files / ".incoming").iterdir())
