"""Devin v1: a session is made and read back (devin.md sections 2, 3 and 6)."""

import io
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sessions.web.appkeys import VAULT
from tests.support import devin
from tests.support.devin import PATHS, moved, native, native_id, read
from tests.support.raw_files import vault_keys
from tests.support.service import (
    ADMIN,
    SESSIONS,
    ask,
    bearer,
    create,
    new_key,
    nothing_written,
    sealed_of,
    start,
)

PROMPT = "Review the pull request\nand fix   what is broken"
ID = re.compile(r"devin-[0-9a-f]{32}")
ALL_NULL = dict.fromkeys(
    [
        "snapshot_id",
        "unlisted",
        "idempotent",
        "max_acu_limit",
        "secret_ids",
        "knowledge_ids",
        "tags",
        "title",
        "playbook_id",
        "session_secrets",
        "structured_output_schema",
    ]
)
FIELDS = {
    "session_id",
    "status",
    "title",
    "created_at",
    "updated_at",
    "snapshot_id",
    "playbook_id",
    "tags",
    "pull_request",
    "structured_output",
    "acus_consumed",
    "status_enum",
    "messages",
    "url",
}

Client = Any


async def made(client: Client, prompt: str = PROMPT, **body: Any) -> Any:
    return await devin.made(client, prompt, **body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extra", [{}, ALL_NULL, {"repo_url": "x", "branch": 5, "name": None}])
async def test_3_create_answers_200_and_only_the_prompt_is_needed(
    client: Client, path: str, extra: dict[str, Any]
) -> None:
    session = await ask(client, "POST", path, json={"prompt": PROMPT, **extra})
    assert session.keys() == {"session_id", "url"}, "is_new_session only when idempotent"
    assert ID.fullmatch(session["session_id"])
    digits = session["session_id"].removeprefix("devin-")
    assert session["url"].endswith(f"/devin/sessions/{digits}")
    state = await native(client, session)
    assert (state["kind"], state["dialect"], state["status"]) == ("agent", "devin", "queued")
    assert state["spec"]["prompt"] == PROMPT
    assert state["labels"] == []


async def test_3_every_field_is_kept(client: Client) -> None:
    ok = {"$ref": "#/definitions/ok"}
    schema = {"properties": {"ok": ok}, "definitions": {"ok": {"type": "boolean"}}}
    session = await made(
        client,
        snapshot_id="snap-1",
        unlisted=True,
        max_acu_limit=7,
        secret_ids=["s1"],
        knowledge_ids=["k1", "k2"],
        tags=["a", "b", "a"],
        title="My title",
        playbook_id="pb-1",
        structured_output_schema=schema,
    )
    state = await native(client, session)
    assert state["title"] == "My title"
    assert state["labels"] == ["a", "b"]
    assert state["spec"] == {
        "prompt": PROMPT,
        "snapshot_id": "snap-1",
        "unlisted": True,
        "idempotent": None,
        "max_acu_limit": 7,
        "secret_ids": ["s1"],
        "knowledge_ids": ["k1", "k2"],
        "playbook_id": "pb-1",
        "session_secrets": [],
        "structured_output_schema": schema,
    }
    shown = await read(client, session)
    assert shown.keys() == FIELDS
    assert shown["title"] == "My title"
    assert shown["tags"] == ["a", "b"]
    assert (shown["snapshot_id"], shown["playbook_id"]) == ("snap-1", "pb-1")
    assert (shown["pull_request"], shown["structured_output"]) == (None, None)


@pytest.mark.parametrize("name", ["secret_ids", "knowledge_ids"])
async def test_6_2_null_is_all_and_an_empty_list_is_none(client: Client, name: str) -> None:
    choices: list[dict[str, Any]] = [{}, {name: None}, {name: []}]
    for given in choices:
        spec = (await native(client, await made(client, **given)))["spec"]
        assert spec[name] == given.get(name)


@pytest.mark.parametrize("title", [None, "", "absent"])
async def test_3_a_title_is_made_from_the_prompt(client: Client, title: str | None) -> None:
    given: dict[str, Any] = {} if title == "absent" else {"title": title}
    shown = await read(client, await made(client, **given))
    assert shown["title"] == "Review the pull request and fix what is broken"
    long = await read(client, await made(client, "word " * 1000, **given))
    assert 0 < len(long["title"]) <= 80


WRONG: dict[str, list[Any]] = {
    "prompt": [None, 5, [], {}, True, "", " \n"],
    "snapshot_id": [5, [], {}, True],
    "unlisted": [0, "true", []],
    "idempotent": [1, "yes", {}],
    "max_acu_limit": [0, -1, 2.5, "5", True, [], -(10**30)],
    "secret_ids": ["s", 5, {}, [5], [None], [["s"]]],
    "knowledge_ids": ["k", 5, {}, [5], [None]],
    "tags": ["t", 5, {}, [5], [None], [""], ["x" * 257], [f"t{n}" for n in range(51)]],
    "title": [5, [], "x" * 1001],
    "playbook_id": [5, {}, True],
    "session_secrets": [
        "s",
        {},
        [5],
        [{}],
        [{"key": "K"}],
        [{"key": 5, "value": "v"}],
        [{"key": "", "value": "v"}],
        [{"key": "K", "value": None}],
        [{"key": "K", "value": "v", "sensitive": "no"}],
        [{"key": "K", "value": "v"}] * 201,
    ],
    "structured_output_schema": [
        "{}",
        [],
        5,
        {"description": "x" * 65_536},
        {"items": [{"$ref": "https://example.com/schema.json"}]},
        {"items": {"$ref": "#/definitions/none"}},
        {"type": "nonsense"},
    ],
}


@pytest.mark.parametrize(("name", "bad"), [(n, bad) for n, all_ in WRONG.items() for bad in all_])
async def test_2_a_wrong_field_is_400_with_a_string(client: Client, name: str, bad: Any) -> None:
    async with nothing_written(client):
        error = await ask(client, "POST", "/v1/sessions", 400, json={"prompt": PROMPT, name: bad})
    assert error.keys() == {"detail"}
    assert name in error["detail"]


async def test_2_a_secret_that_comes_twice_is_409(client: Client) -> None:
    twice = [{"key": "K", "value": "v"}, {"key": "K", "value": "w"}]
    async with nothing_written(client):
        body = {"prompt": PROMPT, "session_secrets": twice}
        error = await ask(client, "POST", "/v1/sessions", 409, json=body)
    assert error == {"detail": "Secret name is not unique"}


async def test_2_every_wrong_field_is_named(client: Client) -> None:
    body = {"title": 5, "tags": "x", "max_acu_limit": 0}
    detail = (await ask(client, "POST", "/v1/sessions", 400, json=body))["detail"]
    for name in ("prompt", "title", "tags", "max_acu_limit"):
        assert name in detail


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"prompt": 1e999}', b'{"a":"\\u0000"}']
)
async def test_2_a_body_that_is_no_object_is_400(client: Client, body: bytes) -> None:
    error = await ask(client, "POST", "/devin/v1/sessions", 400, data=body)
    assert isinstance(error["detail"], str)


@pytest.mark.parametrize("count", [0, 50])
async def test_3_up_to_fifty_tags(client: Client, count: int) -> None:
    tags = [f"t{n}" for n in range(count)]
    assert (await read(client, await made(client, tags=tags)))["tags"] == tags


async def test_3_a_schema_may_have_64_kb(client: Client) -> None:
    schema = {"description": ""}
    schema["description"] = "x" * (65_536 - len(msgspec.json.encode(schema)))
    await made(client, structured_output_schema=schema)


async def test_3_read_back(client: Client) -> None:
    session = await made(client)
    shown = await read(client, session)
    assert shown.keys() == FIELDS
    assert shown["session_id"] == session["session_id"]
    assert shown["url"] == session["url"]
    assert (shown["status"], shown["status_enum"]) == ("running", "working")
    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", shown[name])
        assert datetime.fromisoformat(shown[name]).utcoffset() == timedelta()
    (first,) = shown["messages"]
    assert (first["type"], first["message"]) == ("initial_user_message", PROMPT)
    assert first["timestamp"] == shown["created_at"]
    assert (first["origin"], first["username"]) == ("api", "key:admin")


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/session", "/devin/v1/session"])
@pytest.mark.parametrize("prefix", ["devin-", ""])
async def test_3_singular_aliases_and_bare_ids(client: Client, path: str, prefix: str) -> None:
    session = await made(client)
    digits = session["session_id"].removeprefix("devin-")
    # Section 2: clients send a content type without a body.
    headers = {"Content-Type": "application/json"}
    shown = await ask(client, "GET", f"{path}/{prefix}{digits}", headers=headers)
    assert shown == await read(client, session)


async def test_3_the_url_leads_to_the_session(aiohttp_client: Any, client: Client) -> None:
    session = await made(client)
    assert session["url"].startswith(str(client.make_url("")).rstrip("/"))
    path = "/" + session["url"].split("/", 3)[3]
    assert await ask(client, "GET", path) == await read(client, session)
    keyless = await aiohttp_client(client.server)
    await ask(keyless, "GET", path, 401)


async def test_3_the_url_may_be_public(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start(aiohttp_client, tmp_path, public_url="https://lab.example/s/")
    url = (await made(client))["url"]
    assert url.startswith("https://lab.example/s/devin/sessions/")


async def test_3_messages_follow_in_order(client: Client) -> None:
    session = await made(client)
    path = f"{SESSIONS}/{native_id(session)}/messages"
    await ask(client, "POST", path, 201, json={"content": "and hurry"})
    await ask(client, "POST", path, 201, json={"content": "yes", "role": "agent"})
    _, second, third = (await read(client, session))["messages"]
    assert (second["type"], second["message"]) == ("user_message", "and hurry")
    assert second["origin"] == "api"
    assert (third["type"], third["message"]) == ("devin_message", "yes")
    assert third.keys() == {"type", "event_id", "message", "timestamp"}
    assert len({m["event_id"] for m in (await read(client, session))["messages"]}) == 3


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        (["running"], ("running", "working")),
        (["running", "blocked"], ("blocked", "blocked")),
        (["running", "paused"], ("suspended", "suspend_requested")),
        (["running", "paused", "resuming"], ("running", "resume_requested")),
        (["completed"], ("exit", "finished")),
        (["stopped"], ("exit", "finished")),
        (["timed_out"], ("exit", "expired")),
        (["lost"], ("exit", "expired")),
    ],
)
async def test_3_status_and_status_enum(
    client: Client, statuses: list[str], shown: tuple[str, str]
) -> None:
    session = await made(client)
    await moved(client, session, *statuses)
    found = await read(client, session)
    assert (found["status"], found["status_enum"]) == shown
    assert len(found["messages"]) == 1


async def test_3_session_secrets_are_sealed_and_never_returned(
    aiohttp_client: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = await start(aiohttp_client, tmp_path)
    secrets: list[dict[str, Any]] = [
        {"key": "TOKEN", "value": "top-secret-7d1f"},
        {"key": "USER", "value": "top-secret-user", "sensitive": False},
    ]
    session = await made(client, session_secrets=secrets, idempotent=True)
    seen = await native(client, session)
    assert seen["spec"]["session_secrets"] == [
        {"key": "TOKEN", "sensitive": True},
        {"key": "USER", "sensitive": False},
    ]
    assert seen["secrets"] == {"TOKEN": "sealed", "USER": "sealed"}
    sealed = await sealed_of(client, seen["id"])
    opened = await client.app[VAULT].unseal_many(f"session/{seen['id']}", list(sealed.values()))
    assert dict(zip(sealed, opened, strict=True)) == {s["key"]: s["value"] for s in secrets}
    assert "sealed" not in str(await read(client, session))
    again = await made(client, session_secrets=secrets, idempotent=True)
    assert not again["is_new_session"]
    await client.close()
    assert list(vault_keys(tmp_path / "data")) == [f"session/{seen['id']}"]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"top-secret" not in file.read_bytes()
    captured = capfd.readouterr()
    assert "top-secret" not in captured.out + captured.err


async def test_2_keys(aiohttp_client: Any, client: Client) -> None:
    session = await made(client)
    revoked = await new_key(client)
    await ask(client, "DELETE", f"/api/v1/keys/{revoked['id']}")
    keyless = await aiohttp_client(client.server)
    asked = [
        ("POST", "/v1/sessions"),
        ("GET", f"/v1/sessions/{session['session_id']}"),
        ("GET", f"/devin/v1/session/{session['session_id']}"),
        ("GET", "/v1/sessions/nonsense"),
    ]
    wrong: list[dict[str, str]] = [{}, {"Authorization": ADMIN}, bearer("x"), bearer("")]
    for headers in [*wrong, {"Authorization": f"Token {ADMIN}"}, bearer(revoked["key"])]:
        for method, path in asked:
            error = await ask(keyless, method, path, 401, headers=headers)
            assert error.keys() == {"detail"}
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {ADMIN}"}
        await ask(keyless, "GET", asked[1][1], headers=headers)
    for prefix in ("apk_user_", "apk_", "cog_"):
        key = await new_key(client, "default", prefix=prefix)
        await ask(keyless, "GET", asked[1][1], headers=bearer(key["key"]))
    reader = await new_key(client, "default", "sessions:read")
    await ask(keyless, *asked[0], 403, json={"prompt": "x"}, headers=bearer(reader["key"]))


async def test_2_unknown_sessions_are_404(aiohttp_client: Any, client: Client) -> None:
    session = await made(client)
    theirs = await new_key(client, "theirs")
    keyless = await aiohttp_client(client.server)
    path = f"/v1/sessions/{session['session_id']}"
    await ask(keyless, "GET", path, 404, headers=bearer(theirs["key"]))
    browser = (await create(client, "browser"))["id"].replace("-", "")
    deleted = await made(client)
    await ask(client, "DELETE", f"{SESSIONS}/{native_id(deleted)}", 204)
    for unknown in (
        "devin-" + "0" * 32,
        "devin-" + "0" * 31,
        session["session_id"].upper(),
        native_id(session),
        f"devin-{native_id(session)}",
        f"devin-devin-{'0' * 32}",
        "%00",
        "%ff",
        f"devin-{browser}",
        deleted["session_id"],
        "session",
    ):
        error = await ask(client, "GET", f"/v1/sessions/{unknown}", 404)
        assert error.keys() == {"detail"}, unknown


async def test_a_native_agent_session_is_read_through_devin(client: Client) -> None:
    spec = {"prompt": 5, "snapshot_id": []}
    state = await create(client, "agent", spec=spec)
    found = await ask(client, "GET", f"/v1/sessions/{state['id'].replace('-', '')}")
    assert (found["status"], found["status_enum"]) == ("running", None)
    assert (found["messages"], found["snapshot_id"]) == ([], None)
    assert found["title"]


async def test_2_other_methods_answer_in_devin_s_words(client: Client) -> None:
    assert (await ask(client, "PATCH", "/devin/v1/sessions", 405)).keys() == {"detail"}
    assert (await ask(client, "GET", "/devin/v1/nothing", 404)).keys() == {"detail"}
    big = io.BytesIO(b'"' + b"x" * (2 << 20))
    assert (await ask(client, "POST", "/v1/sessions", 413, data=big)).keys() == {"detail"}
