"""WAVE: what may be asked of a create. Sections are those of the WAVE contract."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.service import client_of
from tests.support.wave import CHROME, KEYS, has_cors, make, read

TOKEN = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-1[a-f0-9]{3}-[a-f0-9]{4}-[a-f0-9]{12}")
INVALID = {"error": "Invalid input data!"}


@pytest.fixture
async def admin(aiohttp_client, shared):
    return await client_of(aiohttp_client, shared)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


@pytest.mark.parametrize("prefix", ["", "/_wave"])
async def test_create_answers_a_version_1_token_under_both_paths(client, prefix):
    """Sections 1.1, 1.2, 2.1."""
    answer = await client.post(f"{prefix}/api/sessions", json={})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = await answer.json()
    assert list(body) == ["token"]
    assert TOKEN.fullmatch(body["token"])
    assert (await client.get(f"{prefix}/api/sessions/{body['token']}")).status == 200


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"[1, 2]", b"null", b'{"unknown": {"a": 1}}'])
async def test_a_body_without_fields_gives_every_default(client, raw):
    """Sections 1.1 and 1.2: the content type does not matter either."""
    answer = await client.post(
        "/api/sessions", data=raw, headers={"Content-Type": "text/plain", "User-Agent": CHROME}
    )
    assert answer.status == 200
    token = (await answer.json())["token"]
    found = await read(client, token)
    created = found.pop("date_created")
    assert found == {
        "token": token,
        "tests": {"include": ["/"], "exclude": []},
        "types": ["automatic", "manual"],
        "timeouts": {"automatic": 60000, "manual": 300000},
        "reference_tokens": [],
        "user_agent": CHROME,
        "browser": {"name": "Chrome", "version": "81.0.4044"},
        "is_public": False,
        "labels": [],
    }
    assert datetime.fromisoformat(created) <= datetime.now(UTC)


async def test_null_is_not_given_in_every_field(client):
    """Section 1.2."""
    nulls = {
        "tests": {"include": None, "exclude": None},
        **dict.fromkeys(["types", "timeouts", "reference_tokens", "labels"]),
        **dict.fromkeys(["expiration_date", "type"]),
    }
    given = await read(client, await make(client, nulls))
    bare = await read(client, await make(client, {"tests": None}))
    for name in ("token", "date_created"):
        given.pop(name), bare.pop(name)
    assert given == bare


async def test_the_example_of_the_document_is_read_back_as_it_was_sent(client):
    """Section 1.2."""
    sent: dict[str, Any] = {
        "tests": {"include": ["/apiOne", "/apiTwo/sub"], "exclude": ["/apiOne/specials"]},
        "types": ["automatic"],
        "timeouts": {
            "automatic": 70000,
            "/apiOne/example/dir": 30000,
            "/apiOne/example/filehtml": 45000,
        },
        "reference_tokens": ["ce2dc080-c283-11e9-b4d6-e046513784c2"],
        "labels": ["label1", "label2", "label3"],
    }
    found = await read(client, await make(client, sent))
    assert list(found) == KEYS
    assert list(found["tests"]) == ["include", "exclude"]
    assert list(found["browser"]) == ["name", "version"]
    assert found["timeouts"] == {**sent["timeouts"], "manual": 300000}
    assert {name: found[name] for name in sent if name != "timeouts"} == {
        name: value for name, value in sent.items() if name != "timeouts"
    }


ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tests": {}}, {"tests": {"include": ["/"], "exclude": []}}),
    ({"tests": {"include": []}}, {"tests": {"include": [], "exclude": []}}),
    ({"tests": {"exclude": ["/a"]}}, {"tests": {"include": ["/"], "exclude": ["/a"]}}),
    ({"tests": {"include": ["/a?q=1", "("]}}, {"tests": {"include": ["/a?q=1", "("]}}),
    ({"types": []}, {"types": []}),
    ({"types": ["manual"]}, {"types": ["manual"]}),
    ({"timeouts": {}}, {"timeouts": {"automatic": 60000, "manual": 300000}}),
    ({"timeouts": {"manual": 1}}, {"timeouts": {"automatic": 60000, "manual": 1}}),
    ({"timeouts": {"/a": 0.5}}, {"timeouts": {"/a": 0.5}}),
    ({"timeouts": {"/a": None}}, {"timeouts": {"automatic": 60000, "manual": 300000}}),
    ({"timeouts": {"automatic": None}}, {"timeouts": {"automatic": 60000}}),
    ({"reference_tokens": ["nobody"]}, {"reference_tokens": ["nobody"]}),
    ({"labels": ["é", "a b"]}, {"labels": ["é", "a b"]}),
    ({"type": "dpctf"}, {}),
]


async def test_what_is_accepted(client):
    """Section 1.2, also what the original answers with 500: an entry that is no pattern."""
    for sent, expected in ACCEPTED:
        found = await read(client, await make(client, sent))
        for name, value in expected.items():
            if isinstance(value, dict):
                assert found[name] == {**found[name], **value}
            else:
                assert found[name] == value
        assert list(found) == KEYS


NO_JSON = [b"{", b"{'a': 1}", b"\xff", b'{"labels": ["\\ud800"]}', b"NaN", b" "]


async def test_what_is_not_json_is_refused(client):
    """Section 1.2."""
    for raw in NO_JSON:
        answer = await client.post("/api/sessions", data=raw)
        assert answer.status == 400
        assert await answer.json() == {"error": "Invalid json data!"}
        assert has_cors(answer)


TERSELY_REFUSED: dict[str, list[Any]] = {
    "types": ["automatic", ["other"], [1], 1, {}, [None]],
    "expiration_date": [1.5, "soon", "", True, [], {}, 10**30, -(10**30), "2026-13-01T00:00:00Z"],
}


async def test_a_wrong_type_of_test_or_expiration_has_the_text_of_the_contract(client):
    """Section 1.2."""
    for name, values in TERSELY_REFUSED.items():
        for value in values:
            answer = await client.post("/api/sessions", json={name: value})
            assert answer.status == 400
            assert await answer.json() == INVALID


WRONG: list[Any] = [1, 1.5, True, "text", [], {}, [1], [None], [[]], [{}]]
FIELDS = [
    *("tests", "tests.include", "tests.exclude", "timeouts", "timeouts./a", "reference_tokens"),
    *("labels", "type", "types", "expiration_date", ""),
]


@pytest.mark.parametrize("field", FIELDS)
async def test_no_value_of_a_wrong_type_is_a_crash(client, field):
    """Section 1.1: where the original answers 500, this is a clear 400 or accepted."""
    for body in WRONG:
        for name in reversed(field.split(".") if field else []):
            body = {name: body}
        answer = await client.post("/api/sessions", json=body)
        assert answer.status in (200, 400)
        if answer.status == 400:
            assert (await answer.json())["error"].startswith("Invalid input data!")
        else:
            token = (await answer.json())["token"]
            expired = field == "expiration_date"
            found = await client.get(f"/api/sessions/{token}/status")
            assert found.status == (404 if expired else 200)


async def test_a_refusal_beyond_the_contract_names_the_field(client):
    """Section 1.1."""
    answer = await client.post("/api/sessions", json={"labels": ["a", 1]})
    assert answer.status == 400
    assert "labels.1" in (await answer.json())["error"]
    answer = await client.post("/api/sessions", json={"timeouts": {"/a": 2**60}})
    assert "timeouts./a" in (await answer.json())["error"]
    answer = await client.post("/api/sessions", json={"labels": ["x" * 300]})
    assert (answer.status, "labels" in (await answer.json())["error"]) == (400, True)


@pytest.mark.parametrize("agent", ["", "Nobody knows me", "\x80\xff"])
async def test_an_unknown_or_missing_agent_is_other(client, agent):
    """Section 2.1; a missing header is a 500 of the original."""
    token = await make(client, headers={"User-Agent": agent})
    assert (await read(client, token))["browser"] == {"name": "Other", "version": "0"}
    answer = await client.post("/api/sessions", skip_auto_headers=["User-Agent"])
    found = await read(client, (await answer.json())["token"])
    assert (found["user_agent"], found["browser"]["name"]) == ("", "Other")
