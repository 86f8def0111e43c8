"""WAVE: every command in every status. Sections are those of the WAVE contract."""

import itertools
from datetime import datetime

import pytest

from tests.support import service
from tests.support.logs import Clock
from tests.support.service import SESSIONS, ask, bearer, client_of, move, sharing, start
from tests.support.wave import few_tests, has_cors, make, status_of

ADMIN = bearer(service.ADMIN)
COMMANDS = ["start", "pause", "stop", "resume"]
# Where each command leads; a resume removes the session.
LEADS = {
    "pending": ["running", "pending", "aborted", "gone"],
    "running": ["running", "paused", "aborted", "running"],
    "paused": ["running", "paused", "aborted", "paused"],
    "completed": ["completed"] * 4,
    "aborted": ["aborted"] * 4,
}
# How each native status is reached, and as what it is shown.
NATIVE = {
    ("pending",): "pending",
    ("queued",): "pending",
    ("starting",): "pending",
    ("running",): "running",
    ("running", "blocked"): "running",
    ("running", "pausing"): "paused",
    ("running", "paused"): "paused",
    ("running", "paused", "resuming"): "running",
    ("running", "stopping"): "stopping",
    ("running", "completed"): "completed",
    ("failed",): "aborted",
    ("timed_out",): "aborted",
    ("stopped",): "aborted",
    ("lost",): "aborted",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with sharing(folder, wave_tests=few_tests(folder)) as service:
        yield service


@pytest.fixture
async def admin(aiohttp_client, shared):
    return await client_of(aiohttp_client, shared)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


async def order(client, token, command, status=200):
    """Give a command, as WAVE's client does."""
    body = {"resume_token": "f" * 36} if command == "resume" else None
    answer = await client.post(f"/api/sessions/{token}/{command}", json=body)
    assert (answer.status, await answer.read()) == (status, b"")
    assert has_cors(answer)


async def shown(client, token):
    """The status of a session, `gone` if there is none."""
    answer = await client.get(f"/api/sessions/{token}/status")
    return "gone" if answer.status == 404 else (await answer.json())["status"]


async def in_status(client, admin, status):
    """The token of a session that WAVE shows in `status`, brought there by WAVE if it can."""
    token = await make(client)
    orders = {"running": ["start"], "paused": ["start", "pause"], "aborted": ["start", "stop"]}
    for command in orders.get(status, []):
        await order(client, token, command)
    if status == "completed":
        await order(client, token, "start")
        await move(admin, {"id": token}, "completed")
    assert await shown(client, token) == status
    return token


@pytest.mark.parametrize("status", LEADS)
async def test_every_command_in_every_status(client, admin, status):
    """Section 2.2: what is not in the table changes nothing, and is answered all the same."""
    for command, expected in zip(COMMANDS, LEADS[status], strict=True):
        token = await in_status(client, admin, status)
        before = await ask(admin, "GET", f"{SESSIONS}/{token}/events")
        await order(client, token, command)
        assert await shown(client, token) == expected, command
        after = await ask(admin, "GET", f"{SESSIONS}/{token}/events")
        assert (after == before) == (expected == status), command


async def test_every_command_in_every_native_status(client, admin):
    """Section 2.2, and law 6: what WAVE shows alike it treats alike, within the native table.

    From `stopping`, which WAVE shows as running, there is no native way to a pause.
    """
    stopping = ["running", "running", "aborted", "running"]
    for path, as_wave in NATIVE.items():
        leads = stopping if as_wave == "stopping" else LEADS[as_wave]
        for command, expected in zip(COMMANDS, leads, strict=True):
            session = await service.create(admin, "test_run", spec={"tests": {"include": ["/"]}})
            if path != ("pending",):
                session = await move(admin, session, *path)
            token, before = session["id"], session["status"]
            as_it_was = await shown(client, token)
            await order(client, token, command)
            assert await shown(client, token) == expected, (path, command)
            if expected == as_it_was:
                after = await ask(admin, "GET", f"{SESSIONS}/{token}")
                assert after["status"] == before, (path, command)


async def test_a_start_dates_the_session_once_and_clears_its_expiration(client):
    """Sections 2.2 and 2.4."""
    token = await make(client, {"expiration_date": "2100-01-01T00:00:00Z"})
    assert (await status_of(client, token))["expiration_date"] is not None
    await order(client, token, "start")
    began = await status_of(client, token)
    assert (began["expiration_date"], began["date_finished"]) == (None, None)
    await order(client, token, "pause")
    await order(client, token, "start")
    again = await status_of(client, token)
    assert again == began
    assert again["date_started"] is not None


async def test_a_stop_dates_the_end_and_leaves_the_expiration_of_what_never_ran(client):
    """Section 2.2."""
    token = await make(client, {"expiration_date": "2100-01-01T00:00:00Z"})
    await order(client, token, "stop")
    found = await status_of(client, token)
    assert (found["status"], found["date_started"]) == ("aborted", None)
    assert found["expiration_date"] == "2100-01-01T00:00:00+00:00"
    assert datetime.fromisoformat(found["date_finished"]).tzinfo is not None


async def test_only_what_is_pending_expires(aiohttp_client, tmp_path):
    """Sections 2.2 and 2.4: what was started or stopped stays, whatever was said before."""
    clock = Clock()
    wave_tests = few_tests(tmp_path)
    client = await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=wave_tests)
    expires = {"expiration_date": clock.now_us // 1000 + 1000}
    tokens = [await make(client, expires) for _ in range(3)]
    await order(client, tokens[0], "start")
    await order(client, tokens[1], "stop")
    clock.now_us += 2_000_000
    assert [await shown(client, token) for token in tokens] == ["running", "aborted", "gone"]


async def test_what_expired_takes_no_command(client):
    """Section 2.4."""
    expired = await make(client, {"expiration_date": 1})
    for command in COMMANDS:
        await order(client, expired, command, 200 if command == "start" else 404)


async def test_tokens_that_nobody_has(client):
    """Section 1.9: 404, but a start is answered as if nothing were wrong (section 1.2)."""
    for token, command in itertools.product(["0" * 36, "x", "é%FF", "public"], COMMANDS):
        await order(client, token, command, 200 if command == "start" else 404)


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b'{"resume_token": null}'])
async def test_a_resume_without_a_token(client, raw):
    """Section 1.2: it is null; a missing key is a 500 of the original."""
    token = await make(client)
    answer = await client.post(f"/api/sessions/{token}/resume", data=raw)
    assert (answer.status, await shown(client, token)) == (200, "gone")


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b"1", b'"x"', b'{"resume_token": 1}', b'{"resume_token": "%s"}' % (b"x" * 65)],
)
async def test_a_resume_with_a_wrong_body_is_refused(client, raw):
    """Section 1.9."""
    token = await make(client)
    answer = await client.post(f"/api/sessions/{token}/resume", data=raw)
    assert (answer.status, set(await answer.json())) == (400, {"error"})
    assert await shown(client, token) == "pending"


async def test_commands_are_for_those_who_may_write(client, admin):
    """Design section 6."""
    token = await make(client)
    key = (await service.new_key(admin, "default", "sessions:read"))["key"]
    other = (await service.new_key(admin, "other"))["key"]
    for command in COMMANDS:
        path = f"/api/sessions/{token}/{command}"
        assert (await client.post(path, headers={"X-API-Key": key})).status == 403
        hidden = await client.post(path, headers={"X-API-Key": other})
        assert hidden.status == (200 if command == "start" else 404)
    assert await shown(client, token) == "pending"


async def test_a_restart_keeps_what_was_ordered(aiohttp_client, tmp_path):
    """Section 2.5: the original forgets a stop."""
    wave_tests = few_tests(tmp_path)
    client = await start(aiohttp_client, tmp_path, wave_tests=wave_tests)
    tokens = [await make(client) for _ in range(3)]
    for token, commands in zip(tokens, [["start"], ["start", "pause"], ["stop"]], strict=True):
        for command in commands:
            await order(client, token, command)
    before = [await status_of(client, token) for token in tokens]
    await client.close()
    client = await start(aiohttp_client, tmp_path, wave_tests=wave_tests)
    assert [await status_of(client, token) for token in tokens] == before
    assert [found["status"] for found in before] == ["running", "paused", "aborted"]
