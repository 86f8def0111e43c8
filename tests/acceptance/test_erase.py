"""Erasing a session over HTTP: what was sealed is gone for good, the log stays as it is."""

import asyncio
import itertools

import pytest

from eventstore.errors import StorageFull
from sessions.web.appkeys import ARTIFACTS, ERASURES, LOG, VAULT
from tests.support.erasing import check_gone, check_sealed, keys_of, marked
from tests.support.logs import check_log
from tests.support.raw_files import holding, vault_keys
from tests.support.service import (
    ADMIN,
    API,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    new_key,
    refused,
    start,
)


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def erase(client, session_id, status=204, **request):
    path = f"{SESSIONS}/{session_id}"
    return await ask(client, "DELETE", path, status, params={"erase": "true"}, **request)


async def history(client, session_id):
    page = await ask(client, "GET", f"{SESSIONS}/{session_id}/events")
    return [[event["type"] for event in commit["events"]] for commit in page["items"]]


async def messages(client, session_id):
    return (await ask(client, "GET", f"{SESSIONS}/{session_id}/messages"))["items"]


async def finished(vault):
    """Return when no erasure is unfinished any more."""
    async with asyncio.timeout(60):
        for _ in itertools.count():
            if not await vault.unfinished():
                return
            await asyncio.sleep(0.01)


async def test_what_is_erased_is_in_no_file_and_the_log_is_whole(aiohttp_client, tmp_path, capfd):
    client = await start(aiohttp_client, tmp_path)
    folder = tmp_path / "data"
    made = await marked(client)
    keys = keys_of(folder, made)
    check_sealed(folder, made, keys)
    before = await check_log(client.app[LOG])
    for id_ in made.ids:
        await erase(client, id_)
    check_gone(folder, made, keys)
    after = await check_log(client.app[LOG])
    assert [one.body for one in after[: len(before)]] == [one.body for one in before]
    assert len(after) == len(before) + len(made.ids)
    await client.close()
    check_gone(folder, made, keys)
    again = await start(aiohttp_client, tmp_path)
    check_gone(folder, made, keys)
    for id_ in made.ids:
        await refused(again, "GET", f"{SESSIONS}/{id_}", 410, "session_deleted")
        (message,) = await messages(again, id_)
        assert (message["content"], message["data"]) == ("", {})
        assert (message["sensitive"], message["erased"]) == (True, True)
    assert (await ask(again, "GET", f"{SESSIONS}/{made.other}"))["secrets"] == {"F": "sealed"}
    captured = capfd.readouterr()
    assert not any(marker in captured.out + captured.err for marker in made.markers)


async def test_a_session_that_runs_is_stopped_deleted_and_erased_in_one_commit(client):
    made = await create(client, status="running", secrets={"A": "x"})
    await erase(client, made["id"])
    types = ["session.status_changed", "session.deleted", "session.erased"]
    assert await history(client, made["id"]) == [["session.created"], types]
    page = await ask(client, "GET", f"{API}/feed", params={"after": "0"})
    assert page["items"][-1]["actor"] == made["actor"]


async def test_a_deleted_session_can_be_erased(client):
    made = await move(client, await create(client, secrets={"A": "x"}), "completed")
    await ask(client, "DELETE", f"{SESSIONS}/{made['id']}", 204)
    await erase(client, made["id"])
    assert (await history(client, made["id"]))[-2:] == [["session.deleted"], ["session.erased"]]


async def test_a_session_without_secrets_can_be_erased(client, tmp_path):
    made = await create(client)
    await erase(client, made["id"])
    assert (await history(client, made["id"]))[-1][-1] == "session.erased"
    assert vault_keys(tmp_path / "data") == {}


async def test_erasing_twice_or_at_once_is_done_once(client):
    made = await create(client, secrets={"A": "x"})
    await asyncio.gather(*(erase(client, made["id"]) for _ in range(4)))
    whole = await history(client, made["id"])
    await erase(client, made["id"])
    await ask(client, "DELETE", f"{SESSIONS}/{made['id']}", 204)
    assert await history(client, made["id"]) == whole
    assert [commit.count("session.erased") for commit in whole] == [0, 1]


async def test_erase_false_is_a_deletion(client, tmp_path):
    made = await create(client, secrets={"A": "x"})
    path = f"{SESSIONS}/{made['id']}"
    await ask(client, "DELETE", path, 204, params={"erase": "false"})
    assert vault_keys(tmp_path / "data").keys() == {f"session/{made['id']}"}
    for params in ({"erase": "yes"}, {"erase": ""}, {"erased": "true"}):
        await refused(client, "DELETE", path, 400, "invalid_query", params=params)


async def test_nobody_else_erases_and_nothing_unknown_is_erased(client, tmp_path):
    made = await create(client, secrets={"A": "x"})
    await ask(client, "POST", f"{SESSIONS}/{made['id']}/messages", 201, json={"content": "x"})
    erasing = {"erase": "true"}
    path = f"{SESSIONS}/{made['id']}"
    theirs = bearer((await new_key(client, "theirs"))["key"])
    await refused(client, "DELETE", path, 404, "not_found", params=erasing, headers=theirs)
    reader = bearer((await new_key(client, "default", "sessions:read"))["key"])
    await refused(client, "DELETE", path, 403, "forbidden", params=erasing, headers=reader)
    stale = {**bearer(ADMIN), "If-Match": '"1"'}
    await refused(client, "DELETE", path, 412, "revision_mismatch", params=erasing, headers=stale)
    await refused(client, "DELETE", f"{SESSIONS}/no", 404, "not_found", params=erasing)
    assert vault_keys(tmp_path / "data").keys() == {f"session/{made['id']}"}
    assert await client.app[VAULT].unfinished() == []
    fresh = {**bearer(ADMIN), "If-Match": '"2"'}
    await ask(client, "DELETE", path, 204, params=erasing, headers=fresh)


async def test_the_commit_names_who_erased_for_whom(client):
    key = await new_key(client, "lab", "admin", name="auditor")
    made = await create(client, secrets={"A": "x"})
    await erase(client, made["id"], headers=bearer(key["key"]))
    commit = (await check_log(client.app[LOG]))[-1].commit
    assert (commit.actor, commit.tenant) == ("key:auditor", made["tenant"])


async def test_a_message_that_comes_too_late_is_refused(client, tmp_path):
    """The handler looks, the session is erased, the handler goes on to seal."""
    made = await create(client, secrets={"A": "x"})
    vault = client.app[VAULT]
    seal = vault.seal

    async def late(subject, text):
        await erase(client, made["id"])
        return await seal(subject, text)

    vault.seal = late
    path = f"{SESSIONS}/{made['id']}/messages"
    body = {"content": "x", "sensitive": True}
    await refused(client, "POST", path, 410, "session_deleted", json=body)
    assert vault_keys(tmp_path / "data") == {}


async def test_a_repeat_of_what_was_erased_is_refused(client, tmp_path):
    """Nobody can tell any more whether it is a repeat."""
    once = {**bearer(ADMIN), "Idempotency-Key": "k"}
    made = await create(client, secrets={"A": "x"}, headers=once)
    await erase(client, made["id"])
    body = {"kind": "browser", "secrets": {"A": "x"}}
    await refused(client, "POST", SESSIONS, 410, "session_deleted", json=body, headers=once)
    plain = {"kind": "browser"}
    code = "idempotency_key_reused"
    await refused(client, "POST", SESSIONS, 422, code, json=plain, headers=once)
    assert vault_keys(tmp_path / "data") == {}


async def test_an_artifact_does_not_come_back_by_a_repeat(client, tmp_path):
    made = await create(client)
    once = {**bearer(ADMIN), "Idempotency-Key": "k"}
    asked = {"params": {"name": "a"}, "data": b"marker-91c2", "headers": once}
    path = f"{SESSIONS}/{made['id']}/artifacts"
    first = await ask(client, "POST", path, 201, **asked)
    await erase(client, made["id"])
    assert holding(tmp_path, b"marker-91c2") == []
    assert await ask(client, "POST", path, 201, **asked) == first
    assert holding(tmp_path, b"marker-91c2") == []


async def test_what_the_disk_refuses_is_finished_later(client, tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.erasure.RETRY_S", 0.01)
    made = await create(client, secrets={"A": "x"})
    artifacts = client.app[ARTIFACTS]
    remove, refusals = artifacts.remove, iter([StorageFull(), StorageFull(), StorageFull()])

    async def refuse_thrice(session_id):
        for refusal in refusals:
            raise refusal
        await remove(session_id)

    erasures = client.app[ERASURES]
    monkeypatch.setattr(erasures, "_remove_files", refuse_thrice)
    path = f"{SESSIONS}/{made['id']}"
    await refused(client, "DELETE", path, 507, "storage_full", params={"erase": "true"})
    vault = client.app[VAULT]
    await finished(vault)
    assert next(refusals, None) is None
    assert (await history(client, made["id"]))[-1][-1] == "session.erased"


async def test_the_service_starts_though_an_erasure_cannot_be_finished(
    aiohttp_client, tmp_path, monkeypatch
):
    client = await start(aiohttp_client, tmp_path)
    made = await create(client, secrets={"A": "x"})

    def refuse(*_):
        raise StorageFull

    monkeypatch.setattr("eventstore.artifacts.ArtifactStore.remove", refuse)
    monkeypatch.setattr("sessions.erasure.RETRY_S", 0.01)
    path = f"{SESSIONS}/{made['id']}"
    await refused(client, "DELETE", path, 507, "storage_full", params={"erase": "true"})
    await client.close()
    again = await start(aiohttp_client, tmp_path)
    await refused(again, "GET", path, 410, "session_deleted")
    assert len(await again.app[VAULT].unfinished()) == 1
    monkeypatch.undo()
    await finished(again.app[VAULT])


async def test_an_interrupted_erasure_is_done_before_the_service_answers(
    aiohttp_client, tmp_path, monkeypatch
):
    client = await start(aiohttp_client, tmp_path)
    made = await create(client, secrets={"A": "x"})
    path = f"{SESSIONS}/{made['id']}"

    def refuse(*_):
        raise StorageFull

    with monkeypatch.context() as patched:
        patched.setattr("eventstore.artifacts.ArtifactStore.remove", refuse)
        await refused(client, "DELETE", path, 507, "storage_full", params={"erase": "true"})
        await client.close()

    async def idle(_):
        await asyncio.Event().wait()

    monkeypatch.setattr("sessions.erasure.Erasures.run", idle)
    again = await start(aiohttp_client, tmp_path)
    assert await again.app[VAULT].unfinished() == []
