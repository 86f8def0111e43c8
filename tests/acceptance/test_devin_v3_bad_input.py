"""Devin v3: whatever comes is refused as FastAPI does, and nothing is written (section 4)."""

import io
import uuid
from typing import Any

import pytest

from tests.support.devin import the_file
from tests.support.devin_v3 import PREFIX, Org, at, org_of
from tests.support.service import ask, client_of, nothing_written

TEXT: list[Any] = [5, True, [], {}]
NEEDED: list[Any] = [None, *TEXT]
NAME: list[Any] = [*NEEDED, "", "x" * 1001]
FLAG: list[Any] = [0, 1, "true", [], {}]
LIST: list[Any] = ["x", 5, {}, True, [5], [None], [["x"]]]
MANY: list[Any] = [*LIST, ["x"] * 101]
URLS: list[Any] = [*MANY, [""], ['a"b'], ["a\nb"], ["a b"], ["x" * 2049]]
SESSION: dict[str, list[Any]] = {
    "prompt": [*NEEDED, "", " \n"],
    "advanced_mode": [*TEXT, "", "dream"],
    "devin_mode": TEXT,
    "attachment_urls": URLS,
    "bypass_approval": FLAG,
    "child_playbook_id": TEXT,
    "create_as_user_id": TEXT,
    "knowledge_ids": LIST,
    "max_acu_limit": [0, -1, 2.5, "5", True, [], -(10**30)],
    "playbook_id": TEXT,
    "repos": MANY,
    "secret_ids": LIST,
    "session_links": MANY,
    "session_secrets": ["x", {}, [5], [{}], [{"key": "", "value": "v"}], [{"key": "K"}]],
    "structured_output_schema": [
        *("{}", [], 5, {"type": "nonsense"}, {"description": "x" * 65_536}),
        {"items": {"$ref": "https://example.com/schema.json"}},
    ],
    "tags": [*LIST, [""], ["x" * 257], [str(n) for n in range(51)]],
    "title": [*TEXT, "x" * 1001],
}
ENTRIES: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "/secrets": (
        {"type": "totp", "key": "K", "value": "v"},
        {
            "type": [*NEEDED, "", "password"],
            "key": [*NEEDED, "", "x" * 257],
            "value": [*NEEDED, "x" * ((64 << 10) + 1)],
            "is_sensitive": FLAG,
            "note": [*TEXT, "x" * 4001],
        },
    ),
    "/knowledge/notes": (
        {"name": "Style", "body": "Use tabs.", "trigger": "writing"},
        {
            "name": NAME,
            "body": [*NEEDED, "", "x" * ((256 << 10) + 1)],
            "trigger": NEEDED,
            "pinned_repo": [*TEXT, "", "x" * 1001],
        },
    ),
    "/playbooks": (
        {"title": "Deploy", "body": "Push."},
        {"title": NAME, "body": [*NEEDED, ""], "macro": [*TEXT, "", "x", "!", "!a b", "!" * 300]},
    ),
}
QUERIES: dict[str, list[str]] = {
    "first": ["0", "201", "1001", "-1", "x", "1.5", "", "9" * 40],
    "limit": ["0", "201", "x"],
    "after": ["x", "-1", "1.5", "p5", "9" * 40, "²"],
    "created_after": ["x", "-1", "1.5", "9" * 40, str(10**12)],
    "created_before": ["x", "-5"],
    "updated_after": ["x", "1e3"],
    "updated_before": ["x", "0x1"],
    "origins": ["nowhere", "api,nowhere"],
    "tags": [",".join(map(str, range(51)))],
    "session_ids": [",".join(f"{n:032x}" for n in range(201))],
    "user_ids": [",".join(map(str, range(201)))],
    "service_user_ids": [",".join(map(str, range(201)))],
}
NO_OBJECTS = [
    *(b"", b" ", b"{", b"[]", b"null", b'"x"', b"5", b"\xff"),
    *(b"[" * 9999, b'{"a":"\\u0000"}'),
]
UNKNOWN = ["0" * 32, "nonsense", "%00", "%ff", "..%2f..", "x" * 300, "%F0%9F%92%A9", "insight"]
NO_ORGS = ["org-", "nobody", "org-nobody", "%00", "%ff", "..%2f..", "x" * 300, "%F0%9F%92%A9"]

Client = Any


@pytest.fixture
async def org(aiohttp_client: Any, shared: Any) -> Org:
    """An organisation where there is nothing yet."""
    return await org_of(aiohttp_client, shared, uuid.uuid4().hex)


async def test_4_a_wrong_field_of_a_create_is_named(org: Org) -> None:
    async with nothing_written(org.client):
        for name, values in SESSION.items():
            for bad in values:
                body = {"prompt": "x", name: bad}
                (place, *_) = await org.refused("POST", "/sessions", 422, json=body)
                assert place[:2] == ["body", name], (name, bad)
        nothing = await org.refused("POST", "/sessions", 422, json={"title": 5})
        assert nothing == [["body", "prompt"], ["body", "title"]]
        twice = [{"key": "K", "value": "v"}] * 2
        body = {"prompt": "x", "session_secrets": twice}
        told = await org.refused("POST", "/sessions", 409, json=body)
        assert told == "Secret name is not unique"


@pytest.mark.parametrize("path", ENTRIES)
async def test_4_a_wrong_field_of_an_entry_is_named(org: Org, path: str) -> None:
    whole, wrong = ENTRIES[path]
    async with nothing_written(org.client):
        for name, values in wrong.items():
            for bad in values:
                (place, *_) = await org.refused("POST", path, 422, json={**whole, name: bad})
                assert place == ["body", name], (name, bad)
        nothing = await org.refused("POST", path, 422, json={})
        assert [place[1] for place in nothing] == list(whole)


@pytest.mark.parametrize("path", ["/knowledge/notes", "/playbooks"])
async def test_4_a_wrong_field_of_a_change_is_named(org: Org, path: str) -> None:
    whole, wrong = ENTRIES[path]
    entry = await org.ask("POST", path, json=whole)
    place = f"{path}/{entry.get('note_id') or entry['playbook_id']}"
    for name, values in wrong.items():
        for bad in values:
            (where, *_) = await org.refused("PUT", place, 422, json={name: bad})
            assert where == ["body", name], (name, bad)
    assert await org.ask("GET", place) == entry


async def test_4_a_wrong_query_is_named(org: Org) -> None:
    session = await org.made()
    for name, values in QUERIES.items():
        for bad in values:
            where = await org.refused("GET", "/sessions", 422, params={name: bad})
            assert where == [["query", name]], (name, bad)
    for path in (at(session, "/messages"), "/secrets", "/knowledge/notes", "/playbooks"):
        for bad in QUERIES["first"]:
            where = await org.refused("GET", path, 422, params={"first": bad})
            assert where == [["query", "first"]]
        for bad in ("x", "-1", "²", "1.", ".1", "1.5.2", "9" * 40):
            where = await org.refused("GET", path, 422, params={"after": bad})
            assert where == [["query", "after"]]
    async with nothing_written(org.client):
        where = await org.refused("DELETE", at(session), 422, params={"archive": "perhaps"})
        assert where == [["query", "archive"]]


async def test_4_wrong_changes_of_a_session_are_422(org: Org) -> None:
    session = await org.made(tags=["a"])
    async with nothing_written(org.client):
        for bad in [*NEEDED, "", "x" * ((256 << 10) + 1)]:
            where = await org.refused("POST", at(session, "/messages"), 422, json={"message": bad})
            assert where == [["body", "message"]]
        for bad in TEXT:
            body = {"message": "x", "message_as_user_id": bad}
            where = await org.refused("POST", at(session, "/messages"), 422, json=body)
            assert where == [["body", "message_as_user_id"]]
        for method in ("POST", "PUT"):
            for bad in [None, *SESSION["tags"]]:
                (where, *_) = await org.refused(
                    method, at(session, "/tags"), 422, json={"tags": bad}
                )
                assert where[:2] == ["body", "tags"], bad


@pytest.mark.parametrize("body", NO_OBJECTS)
async def test_4_a_body_that_is_no_object_is_refused(org: Org, body: bytes) -> None:
    session = await org.made()
    async with nothing_written(org.client):
        for method, path in (
            ("POST", "/sessions"),
            ("POST", at(session, "/messages")),
            ("POST", at(session, "/tags")),
            ("PUT", at(session, "/tags")),
            *(("POST", path) for path in ENTRIES),
        ):
            async with org.client.request(method, org.path + path, data=body) as answer:
                assert answer.status in (400, 422), (method, path, await answer.text())
                assert (await answer.json()).keys() == {"detail"}


@pytest.mark.parametrize("unknown", UNKNOWN)
async def test_4_unknown_ids_are_404(org: Org, unknown: str) -> None:
    async with nothing_written(org.client):
        one = f"/sessions/{unknown}"
        asked: list[tuple[str, str, Any]] = [
            ("GET", one, None),
            ("DELETE", one, None),
            ("POST", f"{one}/terminate", None),
            ("POST", f"{one}/archive", None),
            ("GET", f"{one}/tags", None),
            ("PUT", f"{one}/tags", {"tags": []}),
            ("GET", f"{one}/messages", None),
            ("POST", f"{one}/messages", {"message": "x"}),
            ("GET", f"{one}/attachments", None),
            ("GET", f"/attachments/{unknown}", None),
            ("GET", f"/attachments/{unknown}/x.txt", None),
            ("DELETE", f"/secrets/{unknown}", None),
            *(
                (method, f"{path}/{unknown}", {} if method == "PUT" else None)
                for path in ("/knowledge/notes", "/playbooks")
                for method in ("GET", "PUT", "DELETE")
            ),
        ]
        for method, path, body in asked:
            await org.refused(method, path, 404, **({} if body is None else {"json": body}))


@pytest.mark.parametrize("name", NO_ORGS)
async def test_4_other_organisations_are_404(
    aiohttp_client: Any, shared: Any, org: Org, name: str
) -> None:
    session = await org.made()
    admin = await client_of(aiohttp_client, shared)
    async with nothing_written(org.client):
        for path in ("/sessions", at(session), "/secrets", "/knowledge/folders", "/playbooks"):
            there = f"{PREFIX}/organizations/{name}{path}"
            assert (await ask(org.client, "GET", there, 404)).keys() == {"detail"}
            async with admin.get(there) as answer:
                assert answer.status in (200, 404), await answer.text()
                told = await answer.text()
                assert session["session_id"] not in told


async def test_4_things_of_one_organisation_are_unknown_to_another(
    aiohttp_client: Any, shared: Any, org: Org
) -> None:
    other = await org_of(aiohttp_client, shared, uuid.uuid4().hex)
    note = await org.ask("POST", "/knowledge/notes", json=ENTRIES["/knowledge/notes"][0])
    secret = await org.ask("POST", "/secrets", json=ENTRIES["/secrets"][0])
    file = await org.ask("POST", "/attachments", data=the_file(b"x"))
    for method, path in (
        ("GET", f"/knowledge/notes/{note['note_id']}"),
        ("DELETE", f"/knowledge/notes/{note['note_id']}"),
        ("DELETE", f"/secrets/{secret['secret_id']}"),
        ("GET", f"/attachments/{file['attachment_id']}/{file['name']}"),
    ):
        await other.refused(method, path, 404)
    assert (await other.ask("GET", "/secrets"))["items"] == []
    assert (await other.ask("GET", "/knowledge/notes"))["items"] == []
    # A prompt may name any file; who has no part in it is told nothing of it.
    session = await other.made(f'ATTACHMENT:"{file["url"]}"')
    assert await other.ask("GET", at(session, "/attachments")) == []


async def test_4_other_bodies_and_methods_answer_in_the_same_words(org: Org) -> None:
    await org.refused("PATCH", "/sessions", 405)
    await org.refused("GET", "/nothing", 404)
    big = io.BytesIO(b'"' + b"x" * (2 << 20))
    await org.refused("POST", "/sessions", 413, data=big)
    for data in (b"", b"x", {"other": "x"}):
        async with org.client.post(f"{org.path}/attachments", data=data) as answer:
            assert answer.status in (400, 415, 422), await answer.text()
            assert (await answer.json()).keys() == {"detail"}
    keyless = {"Authorization": "Bearer nonsense"}
    await org.refused("GET", "/sessions", 401, headers=keyless)
