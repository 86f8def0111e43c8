"""InstaVM: files up and down (instavm.md sections 4 and 7)."""

import base64
import io
import uuid
from typing import Any

import pytest
from aiohttp import FormData

from sessions.runtimes.vm.port import GuestRefused
from tests.support.instavm import P, execute, made, start_scripted, wrong_fields
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, ask, create, move, new_key, raw

Client = Any
MIB = 1 << 20


@pytest.fixture
def runtime() -> ScriptedMachines:
    return ScriptedMachines()


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any, runtime: ScriptedMachines) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, runtime)


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


def form(*, file: bytes | None = b"x", first: bool = False, **fields: str) -> FormData:
    """A form as the client sends it: the fields, then the file; or the file `first`."""
    made = FormData()
    parts: list[Any] = [("fields", name, value) for name, value in fields.items()]
    if file is not None:
        # The part's own filename is a path of the client.
        parts.insert(0 if first else len(parts), ("file", "file", file))
    for kind, name, value in parts:
        if kind == "file":
            made.add_field(name, io.BytesIO(value), filename="/home/me/../x.bin")
        else:
            made.add_field(name, value, content_type="text/plain")
    return made


async def upload(client: Client, status: int = 200, /, **fields: Any) -> Any:
    return await ask(client, "POST", f"{P}/upload", status, data=form(**fields))


async def download(client: Client, status: int = 200, **fields: str) -> Any:
    return await ask(client, "POST", f"{P}/download", status, data=fields)


@pytest.mark.parametrize("first", [False, True])
async def test_4_a_file_comes_back_as_it_went(
    client: Client, runtime: ScriptedMachines, first: bool
) -> None:
    for size in (0, 1, 2, 3, 65_536, MIB + 1, 5 * MIB):
        await back_and_forth(client, runtime, size, first=first)


async def back_and_forth(
    client: Client, runtime: ScriptedMachines, size: int, *, first: bool
) -> None:
    content = bytes(range(251)) * (size // 251) + bytes(range(size % 251))
    session_id = await made(client)
    fields: dict[str, Any] = {
        "session_id": session_id,
        "remote_path": "a/ü b.bin",
        "recursive": "false",
    }
    answer = await upload(client, file=content, first=first, **fields)
    machine = runtime.made[-1]
    assert answer == {
        "status": "success",
        "session_id": session_id,
        "vm_id": machine.id,
        "remote_path": "/workspace/a/ü b.bin",
        "size": size,
    }
    assert machine.files == {"/workspace/a/ü b.bin": content}
    found = await download(client, session_id=session_id, filename="a/ü b.bin")
    assert base64.b64decode(found.pop("content"), validate=True) == content
    assert found == {"filename": "/workspace/a/ü b.bin", "size": size}


async def test_4_the_text_of_a_file_in_pieces_is_one_text(
    client: Client, runtime: ScriptedMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await made(client)
    await execute(client, session_id, "echo a")

    async def pieces(*_: Any) -> Any:
        for length in (0, 1, 1, 2, 5, 0, 3, 4, 1):
            yield b"abcdefg"[:length]

    monkeypatch.setattr(runtime.made[0], "get", pieces)
    found = await download(client, session_id=session_id, filename="a")
    assert base64.b64decode(found["content"], validate=True) == b"aaababcdeabcabcda"
    assert found["size"] == 17


async def test_4_a_download_that_fails_in_the_middle_is_cut_off(
    client: Client, runtime: ScriptedMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that looks whole and is not would be worse."""
    session_id = await made(client)
    await execute(client, session_id, "echo a")
    machine = runtime.made[0]

    async def broken(*_: Any) -> Any:
        yield b"abc" * 100_000
        await machine._script.at("execute", machine)

    runtime.script.then("execute", "die")
    monkeypatch.setattr(machine, "get", broken)
    with pytest.raises(Exception, match=r"(?i)payload|disconnect|reset"):
        await download(client, session_id=session_id, filename="a")


async def test_4_a_path_that_names_no_file_is_422(client: Client) -> None:
    session_id = await made(client)
    for path in ("/", "../", "a/", "..", "../x", "/a/../b", "", "a" * 256):
        error = await upload(client, 422, session_id=session_id, remote_path=path)
        assert wrong_fields(error) == [(("body", "remote_path"), "value_error")], path
        error = await download(client, 422, session_id=session_id, filename=path)
        assert wrong_fields(error) == [(("body", "filename"), "value_error")], path


async def test_4_what_is_missing_is_422(client: Client) -> None:
    session_id = await made(client)
    error = await upload(client, 422, session_id=session_id)
    assert wrong_fields(error) == [(("body", "remote_path"), "missing")]
    error = await upload(client, 422, first=True)
    assert wrong_fields(error) == [
        (("body", "session_id"), "missing"),
        (("body", "remote_path"), "missing"),
    ]
    error = await upload(client, 422, file=None, session_id=session_id, remote_path="a")
    assert wrong_fields(error) == [(("body", "file"), "missing")]
    error = await upload(client, 422, session_id=session_id, remote_path="a", recursive="perhaps")
    assert wrong_fields(error) == [(("body", "recursive"), "bool_parsing")]
    error = await download(client, 422)
    assert wrong_fields(error) == [
        (("body", "session_id"), "missing"),
        (("body", "filename"), "missing"),
    ]


async def test_4_a_body_that_is_no_form_is_422(client: Client) -> None:
    for path in ("/upload", "/download"):
        error = await ask(client, "POST", P + path, 422, json={"session_id": "x"})
        assert wrong_fields(error) == [(("body",), "value_error")]
        for content_type in (
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=" + "x" * 71,
            "multipart/form-data; boundary=x",
            "multipart/mixed; boundary=x",
            "text/plain",
        ):
            for body in (b"", b"nonsense", b"--x\r\n", b"--x\r\nA: b\r\n\r\nc", b"--x\r\n" * 99):
                headers = {"Content-Type": content_type}
                await ask(client, "POST", P + path, 422, data=body, headers=headers)
    for body in (b"a=%ff", b"\xff=a", b"a=b&" * 100, b"filename=%00a&session_id=x"):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        await ask(client, "POST", f"{P}/download", 422, data=body, headers=headers)


async def test_4_a_field_that_is_too_long_is_refused(client: Client) -> None:
    await upload(client, 413, session_id="x" * (65 << 10), remote_path="a")
    many = FormData()
    for number in range(40):
        many.add_field(f"f{number}", "x", content_type="text/plain")
    await ask(client, "POST", f"{P}/upload", 422, data=many)


async def test_4_a_file_before_its_fields_is_put_aside_within_bounds(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    client = await start_scripted(
        aiohttp_client, tmp_path, ScriptedMachines(), artifact_bytes_max=MIB
    )
    fields: dict[str, Any] = {"session_id": await made(client), "remote_path": "a"}
    await upload(client, file=b"x" * MIB, first=True, **fields)
    await upload(client, 413, file=b"x" * (MIB + 1), first=True, **fields)
    await upload(client, file=b"x" * (MIB + 1), **fields)


async def test_4_an_upload_that_is_cut_off_leaves_no_file(
    client: Client, runtime: ScriptedMachines
) -> None:
    session_id = await made(client)
    await execute(client, session_id, "echo a")
    head = (
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
        for pair in ((b"session_id", session_id.encode()), (b"remote_path", b"a"))
    )
    body = b"".join(head)
    body += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body += b"y" * 100_000  # and no end
    request = (
        f"POST {P}/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADMIN}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, _, answer = await raw(client, request.encode() + body)
    assert status == 422, answer
    assert runtime.made[0].files == {}
    assert (await execute(client, session_id, "echo a"))["stdout"] == "a\n"


async def test_4_a_file_that_is_not_there_is_404(client: Client) -> None:
    session_id = await made(client)
    error = await download(client, 409, session_id=session_id, filename="a")
    assert "no machine" in error["detail"]
    await execute(client, session_id, "echo a")
    error = await download(client, 404, session_id=session_id, filename="a")
    assert error["detail"] == "no such file: /workspace/a"


async def test_6_other_sessions_are_404(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    session_id = await made(client)
    await execute(client, session_id, "echo a")
    browser = (await create(client, "browser"))["id"]
    for unknown in (str(uuid.uuid4()), "nonsense", "", browser):
        await upload(client, 404, session_id=unknown, remote_path="a")
        await download(client, 404, session_id=unknown, filename="a")
    asked = {"data": form(session_id=session_id, remote_path="a"), "headers": theirs}
    await ask(keyless, "POST", f"{P}/upload", 404, **asked)
    asked = {"data": {"session_id": session_id, "filename": "a"}, "headers": theirs}
    await ask(keyless, "POST", f"{P}/download", 404, **asked)


async def test_an_ended_session_takes_no_files(client: Client) -> None:
    session_id = await made(client)
    await move(client, {"id": session_id}, "stopped")
    await upload(client, 409, session_id=session_id, remote_path="a")
    await download(client, 409, session_id=session_id, filename="a")


async def test_7_13_a_wrong_key_comes_first(client: Client, keyless: Client) -> None:
    for headers in ({}, {"X-API-Key": "x"}):
        for data in (form(session_id="nonsense", remote_path="a"), form(), b"nonsense"):
            error = await ask(keyless, "POST", f"{P}/upload", 401, data=data, headers=headers)
            assert isinstance(error["detail"], str)
        await ask(keyless, "POST", f"{P}/download", 401, data={"a": "b"}, headers=headers)


async def test_what_the_machine_refuses_is_400_and_says_why(
    client: Client, runtime: ScriptedMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await made(client)
    await execute(client, session_id, "echo a")

    async def full(_: str, data: Any) -> int:
        async for _part in data:
            break
        raise GuestRefused("No space left on device")

    monkeypatch.setattr(runtime.made[0], "put", full)
    error = await upload(client, 400, file=b"x" * 3 * MIB, session_id=session_id, remote_path="a")
    assert error["detail"] == "No space left on device"
