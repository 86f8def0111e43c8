"""Devin v1: whatever comes is refused in its words, and nothing is written (devin.md section 2)."""

import io
from typing import Any

import msgspec
import pytest

from tests.support.devin import NOTE, SECRET, made, path_of
from tests.support.service import (
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    new_key,
    nothing_written,
)

PLAYBOOK = {"title": "Deploy", "body": "Push the button."}
TEXT: list[Any] = [None, 5, True, [], {}, ["x"]]
NAME: list[Any] = [*TEXT, "", "x" * 1001]
OPTIONAL: list[Any] = [5, False, [], {}, "", "x" * 1001]
FLAG: list[Any] = [None, 0, 1, "true", [], {}]
ENTRIES: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "/v1/secrets": (
        SECRET,
        {
            "type": [*TEXT, "", "password"],
            "key": [*TEXT, "", "x" * 257],
            "value": [*TEXT, "x" * ((64 << 10) + 1)],
            "sensitive": FLAG,
            "note": [*TEXT, "x" * 4001],
        },
    ),
    "/v1/knowledge": (
        NOTE,
        {
            "name": NAME,
            "body": [*TEXT, "", "x" * ((256 << 10) + 1)],
            "trigger_description": TEXT,
            "macro": OPTIONAL,
            "parent_folder_id": OPTIONAL,
            "pinned_repo": OPTIONAL,
        },
    ),
    "/v1/playbooks": (PLAYBOOK, {"title": NAME, "body": [*TEXT, ""], "macro": OPTIONAL}),
}
NO_OBJECTS = [
    *(b"", b" ", b"{", b"[]", b"null", b'"x"', b"5", b"\xff", b"{'a': 1}"),
    *(b'{"a": "\\u0000"}', b'{"message": 1e999}', b"[" * 9999, b'{"a":' * 99 + b"1" + b"}" * 99),
]
UNKNOWN = ["0" * 32, "nonsense", "%00", "%ff", "..%2f..", "x" * 300, "%F0%9F%92%A9"]

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    return await client_of_a_tenant(aiohttp_client, shared)


async def refused(client: Client, method: str, path: str, status: int, **request: Any) -> str:
    """The words of a refusal."""
    error = await ask(client, method, path, status, **request)
    assert error.keys() == {"detail"}, (method, path, error)
    detail = error["detail"]
    assert isinstance(detail, str)
    assert detail
    return detail


@pytest.mark.parametrize("path", ENTRIES)
async def test_2_a_wrong_field_of_an_entry_is_named(client: Client, path: str) -> None:
    whole, wrong = ENTRIES[path]
    async with nothing_written(client):
        for name, values in wrong.items():
            for bad in values:
                detail = await refused(client, "POST", path, 400, json={**whole, name: bad})
                assert name in detail, (name, bad, detail)
        for name in whole:
            body = {key: value for key, value in whole.items() if key != name}
            assert name in await refused(client, "POST", path, 400, json=body)
        nothing = await refused(client, "POST", path, 400, json={})
        assert all(name in nothing for name in whole)


@pytest.mark.parametrize("path", ["/v1/knowledge", "/v1/playbooks"])
async def test_2_a_wrong_field_of_a_change_is_named(client: Client, path: str) -> None:
    whole, wrong = ENTRIES[path]
    entry = await ask(client, "POST", path, json=whole)
    place = f"{path}/{entry.get('id') or entry['playbook_id']}"
    async with nothing_written(client):
        for name, values in wrong.items():
            for bad in values:
                assert name in await refused(client, "PUT", place, 400, json={name: bad})
        await ask(client, "PUT", place, json={"unknown": 5, **whole})
    assert await ask(client, "GET", place) == entry


async def test_2_wrong_changes_of_a_session_are_400(client: Client) -> None:
    session = await made(client, tags=["a"])
    path = path_of(session)
    async with nothing_written(client):
        for bad in [*TEXT, "", "x" * ((256 << 10) + 1)]:
            body = {"message": bad}
            assert "message" in await refused(client, "POST", f"{path}/message", 400, json=body)
        some: list[Any] = [
            None,
            5,
            "a",
            {},
            [None],
            [5],
            [""],
            [["a"]],
            ["x" * 257],
            [str(n) for n in range(51)],
        ]
        for bad in some:
            assert "tags" in await refused(client, "PUT", f"{path}/tags", 400, json={"tags": bad})
        for place, method in ((f"{path}/message", "POST"), (f"{path}/tags", "PUT")):
            await refused(client, method, place, 400, json={})


@pytest.mark.parametrize("body", NO_OBJECTS)
async def test_2_a_body_that_is_no_object_is_400(client: Client, body: bytes) -> None:
    session = await made(client)
    async with nothing_written(client):
        for method, path in (
            ("POST", f"{path_of(session)}/message"),
            ("PUT", f"{path_of(session)}/tags"),
            *(("POST", path) for path in ENTRIES),
        ):
            await refused(client, method, path, 400, data=body)


@pytest.mark.parametrize("unknown", UNKNOWN)
async def test_2_unknown_ids_are_404(client: Client, unknown: str) -> None:
    async with nothing_written(client):
        for path in (f"/v1/sessions/{unknown}", f"/v1/session/devin-{unknown}"):
            await refused(client, "GET", path, 404)
            await refused(client, "DELETE", path, 404)
            await refused(client, "POST", f"{path}/message", 404, json={"message": "x"})
            await refused(client, "PUT", f"{path}/tags", 404, json={"tags": []})
        for path in ("/v1/secrets", "/v1/knowledge", "/v1/playbooks"):
            await refused(client, "DELETE", f"{path}/{unknown}", 404)
        for path, body in (("/v1/knowledge", {"name": "x"}), ("/v1/playbooks", {"title": "x"})):
            await refused(client, "GET", f"{path}/{unknown}", 404)
            await refused(client, "PUT", f"{path}/{unknown}", 404, json=body)


async def test_2_an_id_of_another_kind_of_entry_is_404(client: Client) -> None:
    note = await ask(client, "POST", "/v1/knowledge", json=NOTE)
    digits = note["id"].removeprefix("note-")
    for path in (f"/v1/playbooks/playbook-{digits}", f"/v1/secrets/secret-{digits}"):
        await refused(client, "DELETE", path, 404)
    assert await ask(client, "GET", f"/v1/knowledge/{digits}") == note


async def test_2_a_body_that_is_too_large_is_413(aiohttp_client: Any, shared: Any) -> None:
    admin = await client_of(aiohttp_client, shared)
    headers = bearer((await new_key(admin, "large"))["key"])
    body = {**NOTE, "body": "\U0001f4a9" * (256 << 10)}
    async with nothing_written(admin):
        raw = io.BytesIO(msgspec.json.encode(body))
        await refused(admin, "POST", "/v1/knowledge", 413, data=raw, headers=headers)
