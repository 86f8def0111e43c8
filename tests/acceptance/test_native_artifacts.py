"""Files of sessions over HTTP: what goes in comes out, within bounds, or is not there at all."""

import asyncio
import errno
import gzip
import hashlib
import os
from types import SimpleNamespace

import pytest

from eventstore import artifacts as store
from sessions.domain import policy
from tests.support.service import (
    ADMIN,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    new_key,
    refused,
    start,
)

LIMIT = 100_000
PNG = {"Content-Type": "image/png"}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, body_bytes_max=1024, artifact_bytes_max=LIMIT)


@pytest.fixture
def files(tmp_path):
    """Every file that the store has, hidden ones too."""
    folder = tmp_path / "data" / "artifacts"
    return lambda: sorted(path.name for path in folder.rglob("*") if path.is_file())


def at(session, more=""):
    return f"{SESSIONS}/{session['id']}/artifacts{more}"


def digest(content):
    return hashlib.sha256(content).hexdigest()


async def store_one(client, session, content=b"abc", name="a.png", **headers):
    path = at(session, f"?name={name}")
    return await ask(client, "POST", path, 201, data=content, headers=PNG | headers)


async def in_pieces(content, piece=10_000):
    for begin in range(0, len(content), piece):
        yield content[begin : begin + piece]


@pytest.mark.parametrize("content", [b"", b"abc", os.urandom(LIMIT)], ids=["empty", "few", "most"])
async def test_a_file_comes_back_as_it_was(client, content):
    session = await create(client)
    async with client.post(
        at(session, "?name=Bild%20%E2%9C%93.png"), data=in_pieces(content), headers=PNG
    ) as answer:
        assert answer.status == 201
        assert (await answer.json())["artifacts"] == 1
        assert answer.headers["Location"] == at(session, f"/{digest(content)}")
        where = answer.headers["Location"]
    async with client.get(where) as answer:
        assert await answer.read() == content
        headers = answer.headers
        assert headers["Content-Type"] == "image/png"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Disposition"] == (
            "attachment; filename*=UTF-8''Bild%20%E2%9C%93.png"
        )
        assert headers["Content-Length"] == str(len(content))
    page = await ask(client, "GET", at(session))
    (item,) = page["items"]
    assert (item["name"], item["sha256"]) == ("Bild ✓.png", digest(content))
    assert (item["size"], item["media_type"], item["actor"]) == (
        len(content),
        "image/png",
        "key:admin",
    )


async def until(happened):
    for _ in range(6000):
        if happened():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen")


async def test_files_are_listed_in_pages_and_equal_bytes_are_kept_once(client, files):
    session = await create(client)
    for name in ("a", "b", "c"):
        await store_one(client, session, name=name)
        await ask(client, "POST", f"{SESSIONS}/{session['id']}/messages", 201, json={"content": ""})
    assert files() == [digest(b"abc")]
    page = await ask(client, "GET", at(session, "?limit=2"))
    rest = await ask(client, "GET", at(session, f"?limit=2&after={page['next']}"))
    assert [item["name"] for item in page["items"] + rest["items"]] == ["a", "b", "c"]


async def test_what_is_too_large_is_refused_and_leaves_nothing(client, files):
    session = await create(client)
    large = bytes(LIMIT + 1)
    await refused(client, "POST", at(session), 413, "too_large", data=large)
    await refused(client, "POST", at(session), 413, "too_large", data=in_pieces(large))
    packed = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(bytes(50 * LIMIT))
    assert len(bomb) < LIMIT
    await refused(client, "POST", at(session), 413, "too_large", data=bomb, headers=packed)
    assert files() == []
    assert (await ask(client, "GET", at(session)))["items"] == []


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("?name=", {}, 422, "invalid_value"),
        ("?name=..", {}, 422, "invalid_value"),
        ("?name=a%2Fb", {}, 422, "invalid_value"),
        ("?name=a%5Cb", {}, 422, "invalid_value"),
        ("?name=a%0Ab", {}, 422, "invalid_value"),
        (f"?name={'x' * 256}", {}, 422, "invalid_value"),
        ("", {"Content-Type": "image"}, 422, "invalid_value"),
        ("", {"Content-Type": f"a/{'b' * 300}"}, 422, "invalid_value"),
        ("?nam=x", {}, 400, "invalid_query"),
        ("", {"Idempotency-Key": "a b"}, 400, "bad_idempotency_key"),
        ("", {"If-Match": '"99"'}, 412, "revision_mismatch"),
        ("", {"Content-Encoding": "gzip"}, 400, "unreadable_body"),
    ],
)
async def test_a_request_that_is_refused_leaves_no_file(
    client, files, query, headers, status, code
):
    session = await create(client)
    path = at(session, query)
    await refused(client, "POST", path, status, code, data=b"abc", headers=PNG | headers)
    assert files() == []


async def test_sessions_have_bounds(client, files, monkeypatch):
    session = await create(client)
    await store_one(client, session)
    monkeypatch.setattr(policy, "ARTIFACT_BYTES_MAX", 5)
    await refused(client, "POST", at(session), 422, "invalid_value", data=b"def")
    monkeypatch.setattr(policy, "ARTIFACTS_MAX", 1)
    await refused(client, "POST", at(session), 422, "invalid_value", data=b"")
    assert files() == [digest(b"abc")]


async def test_an_ended_or_deleted_session_takes_nothing_and_keeps_what_it_has(client, files):
    session = await create(client)
    await store_one(client, session)
    await move(client, session, "completed")
    await refused(client, "POST", at(session), 409, "session_ended", data=b"def")
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    await refused(client, "POST", at(session), 410, "session_deleted", data=b"def")
    assert len((await ask(client, "GET", at(session)))["items"]) == 1
    async with client.get(at(session, f"/{digest(b'abc')}")) as answer:
        assert await answer.read() == b"abc"
    assert files() == [digest(b"abc")]


async def test_erasing_a_session_removes_its_files_and_no_others(client, files):
    session, other = await create(client), await create(client)
    await store_one(client, session, b"secret")
    await store_one(client, other, b"other")
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}?erase=true", 204)
    assert files() == [digest(b"other")]
    await refused(client, "GET", at(session, f"/{digest(b'secret')}"), 410, "artifact_gone")
    assert len((await ask(client, "GET", at(session)))["items"]) == 1


async def test_bytes_that_changed_on_the_disk_are_not_given_out(client, tmp_path):
    session = await create(client)
    await store_one(client, session)
    (file,) = (tmp_path / "data" / "artifacts" / session["id"]).iterdir()
    file.write_bytes(b"abd")
    where = at(session, f"/{digest(b'abc')}")
    await refused(client, "GET", where, 410, "artifact_gone")
    file.unlink()
    await refused(client, "GET", where, 410, "artifact_gone")
    await store_one(client, session)  # the same bytes again heal it
    assert file.read_bytes() == b"abc"


async def test_only_what_the_log_tells_of_can_be_read(client, tmp_path):
    session, other = await create(client), await create(client)
    await store_one(client, other)
    unknown = [digest(b"abc"), digest(b"x"), "x", "..", digest(b"abc").upper()]
    orphan = tmp_path / "data" / "artifacts" / session["id"] / digest(b"abc")
    orphan.parent.mkdir()
    orphan.write_bytes(b"abc")
    for name in unknown[:3]:
        await refused(client, "GET", at(session, f"/{name}"), 404, "not_found")
    async with client.get(f"{at(session)}/{unknown[4]}") as answer:
        assert answer.status == 404


async def test_sessions_of_others_have_no_files(client):
    session = await create(client)
    await store_one(client, session)
    key = (await new_key(client, "lab"))["key"]
    for method, path in (
        ("POST", at(session)),
        ("GET", at(session)),
        ("GET", at(session, f"/{digest(b'abc')}")),
    ):
        await refused(client, method, path, 404, "not_found", headers=bearer(key))


async def test_a_repeat_is_answered_as_it_was_and_stores_nothing(client):
    session = await create(client)
    once = {"Idempotency-Key": "one"}
    first = await store_one(client, session, **once)
    await store_one(client, session, b"def")
    await move(client, session, "completed")
    assert await store_one(client, session, **once) == first
    code = "idempotency_key_reused"
    for content, query in ((b"abd", "?name=a.png"), (b"abc", "?name=b.png")):
        headers = PNG | once
        path = at(session, query)
        await refused(client, "POST", path, 422, code, data=content, headers=headers)
    assert len((await ask(client, "GET", at(session)))["items"]) == 2


async def test_a_client_that_leaves_leaves_nothing(client, files, capfd):
    session = await create(client)
    reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
    head = f"POST {at(session)} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN}\r\nContent-Length: 50"
    writer.write(f"{head}\r\n\r\nabc".encode())
    await writer.drain()
    await until(lambda: files())
    writer.close()
    await until(lambda: not files())
    assert await reader.read() == b""
    assert "crashed" not in "".join(capfd.readouterr())


async def test_a_full_disk_is_told_and_leaves_nothing(client, files, monkeypatch):
    session = await create(client)

    def full(_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "os", SimpleNamespace(fsync=full))
        await refused(client, "POST", at(session), 507, "storage_full", data=b"abc")
    assert files() == []
    await store_one(client, session)


async def test_a_start_takes_back_what_a_crash_left_between_the_file_and_its_commit(
    aiohttp_client, tmp_path, files
):
    client = await start(aiohttp_client, tmp_path)
    session = await create(client)
    await store_one(client, session, b"told")
    await client.close()
    folder = store.ArtifactStore(tmp_path / "data")
    for content in (b"told", b"orphan", b"half"):
        incoming = folder.receive(LIMIT)
        incoming.write(content)
        incoming.finish()
        if content != b"half":
            marker, new = folder.keep(session["id"], incoming)
            assert new == (content == b"orphan")
            marker.touch()
            incoming.discard()
    assert len(files()) == 5
    client = await start(aiohttp_client, tmp_path)
    assert files() == [digest(b"told")]
    async with client.get(at(session, f"/{digest(b'told')}")) as answer:
        assert await answer.read() == b"told"
