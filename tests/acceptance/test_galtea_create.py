"""Galtea: creating a session and reading it back. Sections are those of the Galtea contract."""

import asyncio
import re
import uuid
from typing import Any

import pytest

from tests.support.galtea import ERROR, URL, a_test_case, post, product, refused
from tests.support.service import SESSIONS, ask

ID = re.compile(r"session_[a-z0-9]{25}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KEYS = [
    *("id", "customId", "versionId", "userId", "testCaseId", "context", "stoppingReason"),
    *("recordingUri", "error", "status", "isProduction", "isSeed", "metadata", "runId"),
    *("createdAt", "deletedAt"),
]


async def a_product(client):
    """A product that no other test knows."""
    return await product(client, uuid.uuid4().hex)


@pytest.fixture
async def version(client):
    return await post(client, "versions", productId=(await a_product(client))["id"])


@pytest.mark.parametrize("path", ["/sessions", "/galtea/sessions"])
async def test_create_answers_the_session_under_both_paths(client, version, path):
    """Sections 4 and 5: every key, null where nothing is."""
    made = await ask(client, "POST", path, 201, json={"versionId": version["id"]})
    assert list(made) == KEYS
    assert ID.fullmatch(made["id"])
    assert TIME.fullmatch(made["createdAt"])
    assert made == {
        **dict.fromkeys(KEYS),
        "id": made["id"],
        "createdAt": made["createdAt"],
        "versionId": version["id"],
        "status": "PENDING",
        "isProduction": True,
        "isSeed": False,
    }
    assert await ask(client, "GET", f"{path}/{made['id']}") == made


async def test_null_is_omitted_in_every_field(client, version):
    """Sections 5 and 8.1: the SDK sends isProduction null on nearly every create."""
    names = ["productId", "customId", "testCaseId", "isProduction", "context", "metadata"]
    made = await post(
        client, "sessions", versionId=version["id"], **dict.fromkeys([*names, "status", "runId"])
    )
    assert (made["isProduction"], made["status"]) == (True, "PENDING")


async def test_unknown_fields_are_ignored(client, version):
    """Section 1: clients of other ages send more."""
    made = await post(client, "sessions", versionId=version["id"], isSeed=5, traceId=[1], id="x")
    assert list(made) == KEYS


@pytest.mark.parametrize(
    ("flag", "context", "production"),
    [
        *((flag, context, True) for flag in ("absent", None, True) for context in ("absent", "c")),
        *((False, context, False) for context in ("absent", None, "c", {"a": 1})),
    ],
)
async def test_without_a_test_case(client, version, flag, context, production):
    """Section 5, the rows of the table without testCaseId."""
    body = {"versionId": version["id"], "isProduction": flag, "context": context}
    sent = {name: value for name, value in body.items() if value != "absent"}
    made = await post(client, "sessions", **sent)
    assert made["isProduction"] is production
    shown = {"absent": None, "c": {"value": "c"}}
    assert made["context"] == (context if isinstance(context, dict | None) else shown[context])
    assert made["userId"] == (None if production else "key:admin")


@pytest.mark.parametrize("flag", ["absent", None, False])
@pytest.mark.parametrize(
    ("context", "shown"), [("absent", None), ("c", {"value": "c"}), ({"a": [1]}, {"a": [1]})]
)
async def test_with_a_test_case(client, version, flag, context, shown):
    """Section 5, the rows of the table with testCaseId: the context is the test case's."""
    fields = {} if context == "absent" else {"context": context}
    case = await a_test_case(client, version["productId"], **fields)
    body = {"versionId": version["id"], "testCaseId": case["id"], "context": None}
    made = await post(
        client, "sessions", **body, **({} if flag == "absent" else {"isProduction": flag})
    )
    assert made["isProduction"] is False
    assert made["testCaseId"] == case["id"]
    assert made["context"] == shown


@pytest.mark.parametrize(
    "extra",
    [
        {"isProduction": True},
        {"context": "c"},
        {"context": ""},
        {"context": {}},
        {"isProduction": False, "context": "c"},
    ],
)
async def test_what_does_not_go_with_a_test_case(client, version, extra):
    """Section 5; the rule is told before the test case is looked for."""
    case = await a_test_case(client, version["productId"])
    for case_id in (case["id"], "tc_123"):
        await refused(client, 400, {"versionId": version["id"], "testCaseId": case_id, **extra})


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("", {"value": ""}),
        ("é", {"value": "é"}),
        ({}, {}),
        ({"value": 1, "deep": {"a": [None]}}, {"value": 1, "deep": {"a": [None]}}),
    ],
)
async def test_a_context_is_kept(client, version, sent, shown):
    """Sections 4 and 8.8."""
    made = await post(client, "sessions", versionId=version["id"], context=sent)
    assert (await ask(client, "GET", f"{URL}/{made['id']}"))["context"] == shown


async def test_metadata_is_kept(client, version):
    """Section 4; an empty object is shown as null."""
    metadata = {"key": "value", "n": 1.5, "deep": {"a": [None, True]}}
    made = await post(client, "sessions", versionId=version["id"], metadata=metadata)
    assert made["metadata"] == metadata
    made = await post(client, "sessions", versionId=version["id"], metadata={})
    assert made["metadata"] is None


@pytest.mark.parametrize(
    ("status", "native", "reason"),
    [
        ("PENDING", "pending", "requested"),
        ("COMPLETED", "completed", "finished"),
        ("FAILED", "failed", "client_error"),
    ],
)
async def test_a_status_to_begin_with(client, version, status, native, reason):
    """Section 4 and design section 4."""
    made = await post(client, "sessions", versionId=version["id"], status=status)
    assert (made["status"], made["stoppingReason"], made["error"]) == (status, None, None)
    newest = (await ask(client, "GET", SESSIONS))["items"][0]
    assert (newest["status"], newest["reason"]) == (native, reason)
    assert (newest["kind"], newest["dialect"]) == ("evaluation", "galtea")


WRONG: dict[str, list[Any]] = {
    "status": ["pending", "RUNNING", "", 1, True, [], {}],
    "isProduction": ["true", 0, 1, [], {}],
    "metadata": ["x", 1, True, [], [["a", 1]], {str(n): n for n in range(300)}],
    "context": [1, 1.5, True, [], ["a"]],
    "customId": ["", "  ", "x" * 1025, 1, True, [], {}],
    "versionId": [1, True, [], {}, ["version_1"]],
    "productId": [1, True, [], {}],
    "testCaseId": [1, True, [], {}],
    "runId": [1, True, [], {}],
}


async def test_a_wrong_value_is_400_and_names_the_field(client, version):
    """Sections 2 and 5."""
    for name, values in WRONG.items():
        for value in values:
            message = await refused(client, 400, {"versionId": version["id"], name: value})
            assert name in message


NO_OBJECTS = [b"", b"{", b"null", b"[]", b'"x"', b"5", b"\xff", b'{"a":"\\ud800"}']


async def test_a_body_that_is_no_object_is_400(client):
    """Section 2."""
    for raw in NO_OBJECTS:
        async with client.post(URL, data=raw) as answer:
            assert (answer.status, set(await answer.json())) == (400, ERROR)


async def test_an_anchor_is_required(client):
    """Section 5."""
    for body in ({}, {"versionId": None, "productId": None}, {"customId": "a"}):
        message = await refused(client, 400, body)
        assert "versionId" in message
        assert "productId" in message


@pytest.mark.parametrize(
    "unknown", ["", "ver_123", "version_x", "version_" + "z" * 25, "version_" + "0" * 25, "é/ %00"]
)
async def test_unknown_references_are_404(client, version, unknown):
    """Section 5, and section 2: the SDK reads `message` to tell an entity from a route."""
    await refused(client, 404, {"versionId": unknown})
    await refused(client, 404, {"productId": unknown.replace("version", "product")})
    case = unknown.replace("version", "testCase")
    await refused(client, 404, {"versionId": version["id"], "testCaseId": case})
    await refused(client, 404, {"versionId": version["productId"]})


async def test_version_id_wins_over_product_id(client, version):
    """Section 5."""
    other = await a_product(client)
    for product_id in (other["id"], "product_unknown"):
        made = await post(client, "sessions", versionId=version["id"], productId=product_id)
        assert made["versionId"] == version["id"]


async def test_a_product_alone_means_its_latest_version(client, version):
    """Section 5."""
    newer = await post(client, "versions", productId=version["productId"], name="newer")
    made = await post(client, "sessions", productId=version["productId"])
    assert made["versionId"] == newer["id"]


async def test_a_product_without_a_version_gets_one_and_only_one(client):
    """Section 5, also under concurrency."""
    new = await a_product(client)
    made = await asyncio.gather(*(post(client, "sessions", productId=new["id"]) for _ in range(8)))
    versions = await ask(client, "GET", "/galtea/versions", params={"productIds": new["id"]})
    assert [v["name"] for v in versions] == ["v1"]
    assert {session["versionId"] for session in made} == {versions[0]["id"]}


async def test_a_refused_create_makes_no_version(client):
    """Section 5."""
    new = await a_product(client)
    await refused(client, 404, {"productId": new["id"], "testCaseId": "testCase_x"})
    await refused(client, 404, {"productId": new["id"], "isProduction": False, "runId": "run_x"})
    assert await ask(client, "GET", "/galtea/versions", params={"productIds": new["id"]}) == []


@pytest.mark.parametrize("custom_id", ["my-session-1", "a/b +%é", "x" * 1024, "session 7 \n"])
async def test_a_custom_id_is_taken_once_in_a_version(client, version, custom_id):
    """Sections 5 and 8.6: a duplicate is 400, another version may have the same."""
    made = await post(client, "sessions", versionId=version["id"], customId=custom_id)
    assert made["customId"] == custom_id
    message = await refused(client, 400, {"versionId": version["id"], "customId": custom_id})
    assert message.startswith("A Session with the same ")
    other = await post(client, "versions", productId=version["productId"])
    await post(client, "sessions", versionId=other["id"], customId=custom_id)


async def test_a_custom_id_is_free_again_after_deletion(client, version):
    """Section 5."""
    for _ in range(3):
        await post(client, "sessions", versionId=version["id"], customId="c", status="COMPLETED")
        await refused(client, 400, {"versionId": version["id"], "customId": "c"})
        native = (await ask(client, "GET", SESSIONS))["items"][0]["id"]
        assert (await client.delete(f"{SESSIONS}/{native}")).status == 204


async def test_of_many_creates_with_one_custom_id_one_wins(client, version):
    """Section 5: get_or_create of the SDK is not atomic, so this rule protects it."""

    async def attempt():
        body = {"versionId": version["id"], "customId": "race"}
        async with client.post(URL, json=body) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*(attempt() for _ in range(20)))) == [201, *[400] * 19]


async def test_there_are_no_runs(client, version):
    """Section 5: a run on a production session is 400, an unknown one 404."""
    body = {"versionId": version["id"], "runId": "run_1"}
    assert "run" in await refused(client, 400, body)
    assert "run" in await refused(client, 404, {**body, "isProduction": False})


@pytest.mark.parametrize("path", ["/sessions", "/galtea/sessions"])
async def test_unknown_sessions_are_404(client, path):
    """Sections 2 and 5."""
    for unknown in ("session_123", "session_" + "0" * 25, "version_" + "0" * 25, "%00", "x%FF"):
        async with client.get(f"{path}/{unknown}") as answer:
            assert answer.status == 404
            assert set(await answer.json()) == ERROR


async def test_a_deleted_session_is_404(client, version):
    """Section 5."""
    made = await post(client, "sessions", versionId=version["id"])
    native = (await ask(client, "GET", SESSIONS))["items"][0]["id"]
    await client.delete(f"{SESSIONS}/{native}")
    async with client.get(f"{URL}/{made['id']}") as answer:
        assert (answer.status, set(await answer.json())) == (404, ERROR)


async def test_an_unknown_route_has_no_message(client):
    """Section 2: a JSON object with one would mean a missing entity to the SDK."""
    async with client.get("/galtea/nothing") as answer:
        assert answer.status == 404
        assert answer.content_type == "text/plain"
    async with client.get("/galtea/metrics?ids[]=x") as answer:
        assert (answer.status, answer.content_type) == (404, "text/plain")
    async with client.put("/galtea/products") as answer:
        assert (answer.status, set(await answer.json())) == (405, ERROR)
