"""Devin v1: secrets, knowledge and playbooks of an account (devin.md section 3)."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from eventstore.errors import StorageUnavailable
from eventstore.vault import Erasure
from sessions.caller import SERVICE, Caller
from sessions.dialects.devin.secrets import secrets_for
from sessions.web.appkeys import CATALOG, ERASURES, LOG, VAULT
from sessions.web.appkeys import SESSIONS as SERVICE_OF
from tests.support.devin import NOTE, SECRET, made, native_id
from tests.support.service import (
    ADMIN,
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    new_key,
    nothing_written,
    start,
)

SECRETS = "/v1/secrets"
KNOWLEDGE = "/v1/knowledge"
PLAYBOOKS = "/v1/playbooks"
PLAYBOOK = {"title": "Deploy", "body": "Push the button.", "macro": "!deploy"}

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    return await client_of_a_tenant(aiohttp_client, shared)


async def kept(client: Client, **changes: Any) -> str:
    answer = await ask(client, "POST", SECRETS, json={**SECRET, **changes})
    secret_id: str = answer["id"]
    return secret_id


async def test_3_a_secret_is_kept_listed_without_its_value_and_deleted(client: Client) -> None:
    assert await ask(client, "GET", SECRETS) == []
    async with client.post(f"/devin{SECRETS}", json=SECRET) as answer:
        made_ = await answer.json()
        assert (answer.status, made_.keys()) == (200, {"id"})
    (shown,) = await ask(client, "GET", SECRETS)
    assert re.fullmatch(r"secret-[0-9a-f]{32}", shown["id"])
    assert shown.pop("created_at").endswith("+00:00")
    told = {name: SECRET[name] for name in ("type", "key", "sensitive", "note")}
    assert shown == {"id": made_["id"], **told}
    path = f"{SECRETS}/{made_['id']}"
    assert (await ask(client, "DELETE", path)).keys() == {"message"}
    await ask(client, "DELETE", path, 404)
    assert await ask(client, "GET", SECRETS) == []
    assert await kept(client) != made_["id"], "its name is free again"


async def test_3_the_name_of_a_secret_is_unique(aiohttp_client: Any, client: Client) -> None:
    async def keep(key: str) -> int:
        async with client.post(SECRETS, json={**SECRET, "key": key}) as answer:
            if answer.status != 200:
                assert await answer.json() == {"detail": "Secret name is not unique"}
            status: int = answer.status
            return status

    statuses = await asyncio.gather(*(keep("SAME") for _ in range(8)))
    assert sorted(statuses) == [200, *[409] * 7]
    assert await keep("same") == 200, "another name"
    admin = await client_of(aiohttp_client, client.server)
    theirs = await new_key(admin, "theirs")
    headers = bearer(theirs["key"])
    await ask(client, "POST", SECRETS, json={**SECRET, "key": "SAME"}, headers=headers)
    (shown,) = await ask(client, "GET", SECRETS, headers=headers)
    assert shown["key"] == "SAME"
    await ask(client, "DELETE", f"{SECRETS}/{shown['id']}", 404)


async def test_3_secrets_are_sealed_and_gone_when_deleted(
    aiohttp_client: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = await start(aiohttp_client, tmp_path)
    secret_id = await kept(client)
    (entry,) = await client.app[CATALOG].list("secret", SERVICE)
    subject, sealed = f"catalog/{entry.id}", entry.data["sealed"]
    assert await client.app[VAULT].unseal(subject, sealed) == SECRET["value"]
    await ask(client, "DELETE", f"{SECRETS}/{secret_id}")
    assert await client.app[VAULT].unseal_many(subject, [sealed]) == [None]
    events = [
        event.type
        for recorded in await client.app[LOG].read_stream(subject)
        for event in recorded.commit.events
    ]
    assert events == ["catalog.entered", "catalog.deleted"]
    await kept(client, key="OTHER")
    await client.close()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or SECRET["value"].encode() not in file.read_bytes()
    captured = capfd.readouterr()
    assert SECRET["value"] not in captured.out + captured.err


async def test_a_deletion_that_a_crash_interrupted_is_finished(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path)
    await kept(client)
    (entry,) = await client.app[CATALOG].list("secret", SERVICE)
    await client.app[VAULT].erase(Erasure(f"catalog/{entry.id}", "key:me", entry.tenant))
    session = await made(client)
    state = await client.app[SERVICE_OF].get(native_id(session), SERVICE)
    assert await secrets_for(client.app[CATALOG], client.app[VAULT], state) == {}
    await client.close()
    again = await start(aiohttp_client, tmp_path)
    assert await ask(again, "GET", SECRETS) == []
    assert await again.app[VAULT].unfinished() == []
    (_, deleted) = await again.app[LOG].read_stream(f"catalog/{entry.id}")
    assert deleted.commit.actor == "key:me"
    await kept(again)


async def test_a_deletion_that_the_disk_refused_is_done_later(
    aiohttp_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await start(aiohttp_client, tmp_path)
    secret_id = await kept(client)
    erasures, refused, done = client.app[ERASURES], False, asyncio.Event()
    remove = client.app[CATALOG].remove

    async def once_refused(entry_id: str, who: Caller) -> None:
        nonlocal refused
        if not refused:
            refused = True
            raise StorageUnavailable("full of rocks")
        await remove(entry_id, who)
        done.set()

    monkeypatch.setattr(erasures, "_remove_entry", once_refused)
    await ask(client, "DELETE", f"{SECRETS}/{secret_id}", 503)
    async with asyncio.timeout(60):
        await done.wait()
    assert await ask(client, "GET", SECRETS) == []


async def test_3_a_session_has_the_secrets_that_it_names(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path)
    one = await kept(client, key="ONE", value="1", type="cookie")
    await kept(client, key="TWO", value="2", type="totp")
    theirs = await new_key(client, "theirs")
    await ask(client, "POST", SECRETS, json=SECRET, headers=bearer(theirs["key"]))
    choices: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({}, {"ONE": "1", "TWO": "2"}),
        ({"secret_ids": None}, {"ONE": "1", "TWO": "2"}),
        ({"secret_ids": []}, {}),
        ({"secret_ids": [one]}, {"ONE": "1"}),
        ({"secret_ids": ["unknown", one.removeprefix("secret-")]}, {"ONE": "1"}),
    ]
    for body, values in choices:
        session = await made(client, **body)
        state = await client.app[SERVICE_OF].get(native_id(session), SERVICE)
        assert await secrets_for(client.app[CATALOG], client.app[VAULT], state) == values, body


async def test_3_knowledge_is_made_listed_changed_and_deleted(client: Client) -> None:
    assert await ask(client, "GET", KNOWLEDGE) == {"knowledge": [], "folders": []}
    note = await ask(client, "POST", f"/devin{KNOWLEDGE}", json=NOTE)
    assert re.fullmatch(r"note-[0-9a-f]{32}", note["id"])
    assert note["created_at"].endswith("+00:00")
    author = note["created_by"]
    assert author.keys() == {"full_name", "id", "image_url"}
    absent = dict.fromkeys(("macro", "parent_folder_id", "pinned_repo"))
    assert note == {**NOTE, **absent, **{k: note[k] for k in ("id", "created_at", "created_by")}}
    second = await ask(
        client,
        "POST",
        KNOWLEDGE,
        json={**NOTE, "trigger_description": "", "parent_folder_id": "f", "pinned_repo": "a/b"},
    )
    listed = await ask(client, "GET", KNOWLEDGE)
    assert listed["knowledge"] == [second, note]
    folder = {"id": "f", "name": "f", "description": "", "created_at": second["created_at"]}
    assert listed["folders"] == [folder]
    path = f"{KNOWLEDGE}/{note['id']}"
    assert await ask(client, "GET", path) == note
    changed = await ask(client, "PUT", path, json={"body": "Use spaces.", "macro": "!style"})
    assert changed == {**note, "body": "Use spaces.", "macro": "!style"}
    assert await ask(client, "PUT", path, json={"macro": None}) == {**changed, "macro": None}
    assert await ask(client, "PUT", path, json={}) == {**changed, "macro": None}
    await ask(client, "PUT", f"{KNOWLEDGE}/{second['id']}", json={"parent_folder_id": None})
    assert (await ask(client, "GET", KNOWLEDGE))["folders"] == []
    async with client.delete(path) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    for method in ("GET", "DELETE"):
        await ask(client, method, path, 404)
    await ask(client, "PUT", path, 404, json={"body": "x"})
    assert len((await ask(client, "GET", KNOWLEDGE))["knowledge"]) == 1


async def test_3_playbooks_have_the_same_shape_of_crud(aiohttp_client: Any, client: Client) -> None:
    assert await ask(client, "GET", PLAYBOOKS) == []
    playbook = await ask(client, "POST", PLAYBOOKS, json=PLAYBOOK)
    assert re.fullmatch(r"playbook-[0-9a-f]{32}", playbook["playbook_id"])
    assert {name: playbook[name] for name in PLAYBOOK} == PLAYBOOK
    assert (playbook["status"], playbook["access_type"]) == ("published", "team")
    assert playbook["org_id"].startswith("org-")
    assert await ask(client, "GET", f"/devin{PLAYBOOKS}") == [playbook]
    path = f"{PLAYBOOKS}/{playbook['playbook_id']}"
    assert await ask(client, "GET", path) == playbook
    admin = await client_of(aiohttp_client, client.server)
    changed = await ask(client, "PUT", path, json={"title": "Release"}, headers=bearer(ADMIN))
    assert (changed["title"], changed["body"]) == ("Release", PLAYBOOK["body"])
    assert changed["updated_by_user_id"] == "key:admin"
    assert changed["created_by_user_id"] == playbook["created_by_user_id"]
    assert changed["org_id"] == playbook["org_id"], "it stays where it is"
    assert await ask(admin, "GET", path) == changed
    await ask(client, "DELETE", path, 204)
    await ask(client, "GET", path, 404)


@pytest.mark.parametrize(
    ("path", "body"), [(KNOWLEDGE, NOTE), (PLAYBOOKS, PLAYBOOK), (SECRETS, SECRET)]
)
async def test_2_what_another_account_has_is_unknown(
    aiohttp_client: Any, client: Client, path: str, body: Any
) -> None:
    admin = await client_of(aiohttp_client, client.server)
    entry = await ask(client, "POST", path, json=body)
    one = f"{path}/{entry.get('id') or entry['playbook_id']}"
    theirs = bearer((await new_key(admin, "theirs"))["key"])
    reader = bearer((await new_key(admin, "lab", "sessions:read"))["key"])
    keyless = await aiohttp_client(client.server)
    async with nothing_written(client):
        for headers, status in ((theirs, 404), (reader, 403), ({}, 401), (bearer("x"), 401)):
            for method, place, status_ in (
                ("DELETE", one, status),
                *([("PUT", one, status)] if path != SECRETS else []),
                *([("POST", path, status)] if status != 404 else []),
            ):
                given = {"title": "x"} if path == PLAYBOOKS else {"name": "x"}
                sent = body if method == "POST" else given
                error = await ask(keyless, method, place, status_, json=sent, headers=headers)
                assert error.keys() == {"detail"}, (method, place)


async def test_there_is_a_bound_to_what_an_account_keeps(
    aiohttp_client: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.dialects.devin.shelves.ENTRIES_MAX", 2)
    monkeypatch.setattr("sessions.dialects.devin.shelves.BYTES_MAX", 1000)
    monkeypatch.setattr("sessions.domain.policy.SECRETS_MAX", 1)
    first, _ = [await ask(client, "POST", KNOWLEDGE, json=NOTE) for _ in range(2)]
    await ask(client, "POST", PLAYBOOKS, json=PLAYBOOK)
    await kept(client)
    async with nothing_written(client):
        error = await ask(client, "POST", KNOWLEDGE, 400, json=NOTE)
        assert "2 entries" in error["detail"]
        error = await ask(client, "POST", PLAYBOOKS, 400, json={**PLAYBOOK, "body": "x" * 900})
        assert "1000 bytes" in error["detail"]
        path = f"{KNOWLEDGE}/{first['id']}"
        await ask(client, "PUT", path, 400, json={"body": "x" * 900})
        await ask(client, "POST", SECRETS, 400, json={**SECRET, "key": "OTHER"})
    await ask(client, "PUT", path, json={"body": "x" * 500})
    await ask(client, "DELETE", path, 204)
    await ask(client, "POST", KNOWLEDGE, json=NOTE)
