"""Secrets and sensitive messages: sealed in the log, open to nobody but who may read them."""

import hashlib

import msgspec
import pytest

from eventstore.vault import SEALED
from sessions.domain import policy
from sessions.web.appkeys import VAULT
from tests.support.raw_files import holding_any, vault_keys
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
    sealed_of,
    start,
)

INSTAVM = "/instavm/v1/sessions/session"
DEVIN = "/devin/v1/sessions"


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def say(client, session, content, **more):
    """A message that was added; its text in the log is in the answer's history."""
    path = f"{SESSIONS}/{session['id']}/messages"
    return await ask(client, "POST", path, 201, json={"content": content, **more})


async def said(client, session, **request):
    page = await ask(client, "GET", f"{SESSIONS}/{session['id']}/messages", **request)
    return page["items"]


async def test_a_native_session_takes_secrets(client):
    texts = {"TOKEN": "s3cret-a", "EMPTY": "", "ü": "s3cret-b \N{SNOWMAN}"}
    made = await create(client, "vm", spec={"TOKEN": "not one"}, secrets=texts)
    assert made["secrets"] == dict.fromkeys(texts, "sealed")
    assert made["spec"] == {"TOKEN": "not one"}
    assert await ask(client, "GET", f"{SESSIONS}/{made['id']}") == made
    assert (await ask(client, "GET", SESSIONS))["items"] == [made]
    sealed = await sealed_of(client, made["id"])
    opened = await client.app[VAULT].unseal_many(f"session/{made['id']}", list(sealed.values()))
    assert dict(zip(sealed, opened, strict=True)) == texts


async def test_secrets_are_shown_as_the_names_of_an_environment(client):
    made = await create(client, "vm", secrets={"B": "1", "A": "2"})
    info = await ask(client, "GET", f"{INSTAVM}/{made['id']}")
    assert info["env_names"] == ["B", "A"]


async def test_lists_are_not_searched_by_what_is_sealed(client):
    await create(client, secrets={"HIDDEN": "s3cret"})
    for text in ("s3cret", "HIDDEN", SEALED):
        assert (await ask(client, "GET", SESSIONS, params={"text": text}))["items"] == []


@pytest.mark.parametrize("field", ["spec", "metadata"])
async def test_a_text_that_looks_sealed_is_nothing_but_a_text(client, field):
    value = {"env": {"A": SEALED + "AAAA"}, "session_secrets": [{"key": "A", "value": SEALED}]}
    made = await create(client, "vm", **{field: value})
    assert (made[field], made["secrets"]) == (value, {})
    assert (await ask(client, "GET", f"{INSTAVM}/{made['id']}"))["env_names"] == []
    spoken = await say(client, made, SEALED + "AAAA")
    assert (await said(client, spoken))[0]["content"] == SEALED + "AAAA"


@pytest.mark.parametrize(
    "secrets",
    [
        {str(number): "" for number in range(policy.SECRETS_MAX + 1)},
        {"": "x"},
        {"n" * (policy.SECRET_NAME_CHARS_MAX + 1): "x"},
        {"A": "marker-5b1e" + "x" * policy.SECRET_CHARS_MAX},
    ],
    ids=["too many", "no name", "long name", "long value"],
)
async def test_secrets_have_limits(client, tmp_path, secrets):
    json = {"kind": "vm", "secrets": secrets}
    problem = await refused(client, "POST", SESSIONS, 422, "invalid_value", json=json)
    assert problem["errors"][0]["pointer"] == "/secrets"
    assert "marker-5b1e" not in str(problem)
    assert vault_keys(tmp_path / "data") == {}


@pytest.mark.parametrize("secrets", [None, [], "marker-5b1e", {"A": ["marker-5b1e"]}, {"A": 1}])
async def test_secrets_of_a_wrong_type_are_refused_without_repeating_them(client, secrets):
    json = {"kind": "vm", "secrets": secrets}
    problem = await refused(client, "POST", SESSIONS, 422, "invalid_body", json=json)
    assert "marker-5b1e" not in str(problem)


async def test_the_largest_secrets_are_taken(client):
    longest = "n" * policy.SECRET_NAME_CHARS_MAX
    made = await create(client, secrets={longest: "\N{SNOWMAN}" * policy.SECRET_CHARS_MAX})
    assert made["secrets"] == {longest: "sealed"}
    many = {str(number): "" for number in range(policy.SECRETS_MAX)}
    assert len((await create(client, secrets=many))["secrets"]) == policy.SECRETS_MAX


async def test_a_sensitive_message_is_open_to_readers_and_sealed_in_the_log(client):
    made = await create(client)
    await say(client, made, "plain")
    after = await say(client, made, "s3cret words", sensitive=True, data={"a": "s3cret data"})
    assert after["messages"] == 2
    plain, sensitive = await said(client, made)
    assert (plain["content"], plain["sensitive"], plain["erased"]) == ("plain", False, False)
    assert (sensitive["content"], sensitive["data"]) == ("s3cret words", {"a": "s3cret data"})
    assert (sensitive["sensitive"], sensitive["erased"]) == (True, False)
    history = await ask(client, "GET", f"{SESSIONS}/{made['id']}/events")
    feed = await ask(client, "GET", f"{API}/feed", params={"after": "0"})
    fact = history["items"][-1]["events"][0]["data"]
    assert (fact["content"], fact.get("data")) == ("", None)
    assert fact["sealed"].startswith(SEALED)
    assert fact["sealed"] in str(feed)
    assert "s3cret" not in str(history) + str(feed)


async def test_devin_shows_a_sensitive_message_to_its_readers(client):
    made = await create(client, "agent")
    await say(client, made, "s3cret words", sensitive=True)
    found = await ask(client, "GET", f"{DEVIN}/devin-{made['id'].replace('-', '')}")
    assert [message["message"] for message in found["messages"]] == ["s3cret words"]


async def test_pages_of_messages_hold_sensitive_ones_among_others(client):
    made = await create(client)
    for number in range(6):
        await say(client, made, str(number), sensitive=bool(number % 2))
    contents, after = [], 0
    while after is not None:
        path = f"{SESSIONS}/{made['id']}/messages"
        page = await ask(client, "GET", path, params={"after": str(after), "limit": "2"})
        contents += [item["content"] for item in page["items"]]
        after = page["next"]
    assert contents == [str(number) for number in range(6)]


async def test_nobody_else_reads_or_adds_a_sensitive_message(client, tmp_path):
    made = await create(client)
    theirs = bearer((await new_key(client, "theirs"))["key"])
    path = f"{SESSIONS}/{made['id']}/messages"
    body = {"content": "x", "sensitive": True}
    await refused(client, "POST", path, 404, "not_found", json=body, headers=theirs)
    await refused(client, "GET", path, 404, "not_found", headers=theirs)
    nowhere = f"{SESSIONS}/nowhere/messages"
    await refused(client, "POST", nowhere, 404, "not_found", json=body)
    assert vault_keys(tmp_path / "data") == {}


async def test_a_sensitive_message_is_refused_as_any_other(client):
    made = await create(client)
    path = f"{SESSIONS}/{made['id']}/messages"
    long = {"content": "x" * (policy.CONTENT_CHARS_MAX + 1), "sensitive": True}
    await refused(client, "POST", path, 422, "invalid_value", json=long)
    most = {"content": "x" * policy.CONTENT_CHARS_MAX, "sensitive": True}
    await ask(client, "POST", path, 201, json=most)
    stale = {**bearer(ADMIN), "If-Match": '"1"'}
    short = {"content": "x", "sensitive": True}
    await refused(client, "POST", path, 412, "revision_mismatch", json=short, headers=stale)
    await move(client, made, "completed")
    await refused(client, "POST", path, 409, "session_ended", json=short)


async def test_a_repeated_create_with_secrets_is_done_once(client, tmp_path):
    headers = {**bearer(ADMIN), "Idempotency-Key": "k1"}
    made = await create(client, "vm", secrets={"PIN": "0000"}, headers=headers)
    assert await create(client, "vm", secrets={"PIN": "0000"}, headers=headers) == made
    assert list(vault_keys(tmp_path / "data")) == [f"session/{made['id']}"]
    for other in ({"PIN": "0001"}, {}):
        json = {"kind": "vm", "secrets": other}
        code = "idempotency_key_reused"
        await refused(client, "POST", SESSIONS, 422, code, json=json, headers=headers)


async def test_a_repeated_sensitive_message_is_said_once(client):
    made = await create(client)
    headers = {**bearer(ADMIN), "Idempotency-Key": "k1"}
    first = await say(client, made, "0000", sensitive=True)
    path = f"{SESSIONS}/{made['id']}/messages"
    body = {"content": "1111", "sensitive": True}
    first = await ask(client, "POST", path, 201, json=body, headers=headers)
    await say(client, made, "later")
    assert await ask(client, "POST", path, 201, json=body, headers=headers) == first
    assert [one["content"] for one in await said(client, made)] == ["0000", "1111", "later"]
    for other in ({**body, "content": "2222"}, {"content": "1111"}):
        code = "idempotency_key_reused"
        await refused(client, "POST", path, 422, code, json=other, headers=headers)
    await ask(client, "DELETE", f"{SESSIONS}/{made['id']}", 204)
    assert await ask(client, "POST", path, 201, json=body, headers=headers) == first


async def test_the_log_does_not_tell_a_short_secret_to_who_tries_them_all(client):
    """The fingerprint of a request is in the log: it must not be the plain hash of the request."""
    headers = {**bearer(ADMIN), "Content-Type": "application/json"}

    async def in_the_log(key, **fields):
        body = msgspec.json.encode({"kind": "vm", **fields})
        once = {**headers, "Idempotency-Key": key}
        made = await ask(client, "POST", SESSIONS, 201, data=body, headers=once)
        history = await ask(client, "GET", f"{SESSIONS}/{made['id']}/events")
        plain = hashlib.sha256(b"\0".join((b"POST", SESSIONS.encode(), body))).hexdigest()
        return history["items"][0]["events"][1]["data"]["fingerprint"], plain

    kept, plain = await in_the_log("k1")
    assert kept == plain, "or the next line would prove nothing"
    kept, plain = await in_the_log("k2", secrets={"PIN": "0000"})
    assert kept != plain


async def test_no_file_and_no_line_holds_what_was_sealed(aiohttp_client, tmp_path, capfd):
    client = await start(aiohttp_client, tmp_path)
    made = await create(client, "vm", secrets={"A": "marker-5b1e one"})
    await say(client, made, "marker-5b1e two", sensitive=True, data={"k": "marker-5b1e three"})
    await said(client, made)
    env = {"TOKEN": "marker-5b1e 'q\" $HOME", "EMPTY": "", "ΠΗΓΗ": "marker-5b1e ü"}
    body = {"api_key": ADMIN, "env": env}
    session_id = (await ask(client, "POST", INSTAVM, json=body))["session_id"]
    info = await ask(client, "GET", f"{INSTAVM}/{session_id}")
    assert info["env_names"] == list(env)
    sealed = await sealed_of(client, session_id)
    assert sealed.keys() == env.keys()
    vault = client.app[VAULT]
    opened = [await vault.unseal(f"session/{session_id}", text) for text in sealed.values()]
    assert opened == list(env.values())
    # A refused one leaves nothing behind either.
    await ask(client, "POST", INSTAVM, 422, json={**body, "vcpu_count": 3})
    assert holding_any(tmp_path, ["marker-5b1e", ADMIN]) == {}
    await client.close()
    assert holding_any(tmp_path, ["marker-5b1e", ADMIN]) == {}
    assert holding_any(tmp_path, [session_id]), "the search finds what is there"
    captured = capfd.readouterr()
    assert "marker-5b1e" not in captured.out + captured.err
