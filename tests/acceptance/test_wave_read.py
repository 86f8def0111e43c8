"""WAVE: reading a session back, and who may. Sections are those of the WAVE contract."""

from datetime import UTC, datetime

import pytest

from tests.support import service
from tests.support.logs import Clock
from tests.support.service import SESSIONS, ask, bearer, client_of, new_key, start
from tests.support.wave import CHROME, KEYS, has_cors, make, read, status_of

ADMIN = bearer(service.ADMIN)
STATUS_KEYS = ["token", "status", "date_started", "date_finished", "expiration_date"]


@pytest.fixture
async def admin(aiohttp_client, shared):
    return await client_of(aiohttp_client, shared)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


async def test_json_is_indented_by_four(client):
    """Section 1.1."""
    answer = await client.get(f"/api/sessions/{await make(client)}/status")
    assert (await answer.text()).startswith('{\n    "token": "')


async def test_status_of_a_new_session(client):
    """Section 1.2."""
    token = await make(client)
    found = await status_of(client, token)
    assert list(found) == STATUS_KEYS
    assert found == {**dict.fromkeys(STATUS_KEYS), "token": token, "status": "pending"}


EXPIRATIONS = [
    (253402300799999, "9999-12-31T23:59:59.999000+00:00"),
    (4102444800000, "2100-01-01T00:00:00+00:00"),
    ("2100-01-01T00:00:00.123456Z", "2100-01-01T00:00:00.123000+00:00"),
    ("2100-01-01T02:00:00+02:00", "2100-01-01T00:00:00+00:00"),
    ("2100-01-01", "2100-01-01T00:00:00+00:00"),
]


async def test_an_expiration_is_milliseconds_or_iso(client):
    """Sections 1.2 and 2.1; a time without an offset is UTC."""
    for sent, shown in EXPIRATIONS:
        token = await make(client, {"expiration_date": sent})
        assert (await status_of(client, token))["expiration_date"] == shown


@pytest.mark.parametrize("past", [0, 1, -62135596800000, "2000-01-01T00:00:00Z"])
async def test_a_session_that_expired_is_gone_at_once(client, past):
    """Section 2.4."""
    token = await make(client, {"expiration_date": past})
    for path in (token, f"{token}/status", token[:18]):
        answer = await client.get(f"/api/sessions/{path}")
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_session_goes_when_its_expiration_passes(aiohttp_client, tmp_path):
    """Section 2.4."""
    clock = Clock()
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    token = await make(client, {"expiration_date": clock.now_us // 1000 + 300})
    assert (await client.get(f"/api/sessions/{token}")).status == 200
    clock.now_us += 300_000
    assert (await client.get(f"/api/sessions/{token}/status")).status == 404


@pytest.mark.parametrize("tail", ["", "/status"])
async def test_unknown_tokens_have_no_body(client, tail):
    """Section 1.2."""
    for token in ("0" * 36, "%00" * 36, "%FF" * 12):
        answer = await client.get(f"/api/sessions/{token}{tail}")
        assert (answer.status, await answer.read()) == (404, b"")
        assert has_cors(answer)


async def test_a_fragment_finds_the_one_session_that_begins_so(client):
    """Section 2.3."""
    token = await make(client)
    for length in (8, 20, 35):
        answer = await client.get(f"/api/sessions/{token[:length]}")
        assert (answer.status, await answer.json()) == (200, {"token": token})
    for miss in (token[:7], token + "0", token[:8].upper() + "G", "zzzzzzzz", token[1:]):
        answer = await client.get(f"/api/sessions/{miss}")
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_fragment_that_fits_two_sessions_finds_none(client):
    """Section 2.3: sessions of the native API share the front of their ids."""
    made = [await service.create(client, "test_run", headers=ADMIN) for _ in range(2)]
    fragment = made[0]["id"][:8]
    assert made[1]["id"].startswith(fragment)
    assert (await client.get(f"/api/sessions/{fragment}")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api//sessions/{}",
        "/api/sessions/{}/",
        "/_wave/api/sessions//{}",
        "/_wave//api/sessions/{}//",
    ],
)
async def test_empty_segments_are_ignored(client, path):
    """Section 1.1."""
    token = await make(client)
    assert (await client.get(path.format(token))).status == 200
    assert (await client.get(path.format(token) + "/status/")).status == 200
    assert (await client.post("/_wave/api//sessions/")).status == 200


NOT_THERE = [
    ("PUT", "/api/sessions"),
    ("GET", "/api/sessions/a/b/c"),
    ("GET", "/_wave/api/nothing"),
    ("GET", "/_wave/nothing"),
    ("POST", "/_wave/api/sessions/x/y"),
]


async def test_what_is_not_there_is_404_without_a_body(client):
    """Section 1.1."""
    for method, path in NOT_THERE:
        answer = await client.request(method, path)
        assert (answer.status, await answer.read()) == (404, b"")
        assert has_cors(answer)


async def test_head_is_404(client):
    """Section 1.1."""
    assert (await client.head(f"/api/sessions/{await make(client)}")).status == 404


@pytest.mark.parametrize(
    "path", ["/api/sessions", "/api/sessions/x", "/_wave/api/sessions", "/_wave/x"]
)
async def test_options_is_answered_for_any_origin(client, path):
    """Section 1.1; no key is needed to ask."""
    answer = await client.options(path, headers={"Authorization": "Bearer nonsense"})
    assert answer.status == 200
    assert has_cors(answer)


async def test_every_answer_is_for_any_origin(client):
    """Section 1.1."""
    token = await make(client)
    assert has_cors(await client.post("/api/sessions"))
    assert has_cors(await client.get(f"/api/sessions/{token}"))
    assert has_cors(await client.get(f"/api/sessions/{token}/status"))
    assert has_cors(await client.post("/api/sessions", data="x" * (1 << 20)))


async def test_loopback_needs_no_key_and_belongs_to_the_default_tenant(client):
    """Section 1.1: the clients have no key."""
    token = await make(client)
    found = await ask(client, "GET", f"{SESSIONS}/{token}", headers=ADMIN)
    assert (found["tenant"], found["owner"], found["dialect"]) == ("default", "wave", "wave")
    assert (found["kind"], found["status"]) == ("test_run", "pending")


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_what_came_through_a_proxy_is_not_from_here(client, header):
    """Section 1.1 and design section 6."""
    answer = await client.post("/api/sessions", json={}, headers={header: "192.0.2.1"})
    assert answer.status == 401
    assert set(await answer.json()) == {"error"}
    assert has_cors(answer)
    token = await make(client, headers={header: "192.0.2.1", **ADMIN})
    assert (await client.get(f"/api/sessions/{token}", headers={header: "::1"})).status == 401


async def test_wave_open_needs_no_key_from_anywhere(aiohttp_client, tmp_path):
    """Design section 6."""
    admin = await start(aiohttp_client, tmp_path, wave_open=True)
    client = await aiohttp_client(admin.server)
    await make(client, headers={"X-Forwarded-For": "192.0.2.1"})


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key"])
async def test_a_key_decides_whose_the_session_is(admin, client, name):
    """Design section 6: a wrong key is refused even on loopback."""
    keys = [await new_key(admin, tenant) for tenant in ("lab", "other")]
    scheme = "Bearer " if name == "Authorization" else ""
    lab, other = ({name: scheme + key["key"]} for key in keys)
    token = await make(client, headers=lab)
    assert (await read(client, token, headers=lab))["token"] == token
    for path in (token, f"{token}/status", token[:12]):
        assert (await client.get(f"/api/sessions/{path}", headers=other)).status == 404
        assert (await client.get(f"/api/sessions/{path}")).status == 404
    wrong = await client.post("/api/sessions", json={}, headers={name: scheme + "wrong"})
    assert (wrong.status, set(await wrong.json())) == (401, {"error"})


async def test_a_key_that_may_only_read_cannot_create(admin, client):
    """Design section 6."""
    key = await new_key(admin, "default", "sessions:read")
    answer = await client.post("/api/sessions", json={}, headers={"X-API-Key": key["key"]})
    assert (answer.status, set(await answer.json())) == (403, {"error"})


async def test_a_session_of_the_native_api_is_read_with_defaults(client):
    """Design section 1: made through one, observed through another."""
    given = {"labels": ["a"], "spec": {"tests": 5, "types": ["x"]}}
    made = await service.create(client, "test_run", headers=ADMIN, **given)
    found = await read(client, made["id"])
    assert list(found) == KEYS
    assert found["tests"] == {"include": ["/"], "exclude": []}
    assert found["types"] == ["automatic", "manual"]
    assert found["labels"] == ["a"]


async def test_sessions_of_other_kinds_are_not_there(client):
    """Design section 1."""
    token = (await service.create(client, "browser", headers=ADMIN))["id"]
    for path in (token, f"{token}/status", token[:30]):
        assert (await client.get(f"/api/sessions/{path}")).status == 404


async def test_what_the_native_api_does_is_seen(client):
    """Sections 1.2 and 2.2: start clears the expiration, the end is dated, deleted is gone."""
    token = await make(client, {"expiration_date": "2100-01-01T00:00:00Z"})
    native = f"{SESSIONS}/{token}"
    for to, shown in [("running", "running"), ("paused", "paused"), ("stopped", "aborted")]:
        await client.post(f"{native}/transitions", json={"to": to}, headers=ADMIN)
        found = await status_of(client, token)
        assert (found["status"], found["expiration_date"]) == (shown, None)
        started = datetime.fromisoformat(found["date_started"])
        assert started <= datetime.now(UTC)
        assert (found["date_finished"] is None) == (shown != "aborted")
    assert (await client.delete(native, headers=ADMIN)).status == 204
    assert (await client.get(f"/api/sessions/{token}")).status == 404


async def test_a_restart_keeps_everything(aiohttp_client, tmp_path):
    """Section 2.5: the original forgets pending sessions."""
    client = await start(aiohttp_client, tmp_path)
    sent = {"labels": ["a"], "expiration_date": 4102444800000, "timeouts": {"/x": 5}}
    token = await make(client, sent, headers={"User-Agent": CHROME})
    before = [await read(client, token), await status_of(client, token)]
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert [await read(client, token), await status_of(client, token)] == before
    assert (await (await client.get(f"/api/sessions/{token[:8]}")).json()) == {"token": token}
