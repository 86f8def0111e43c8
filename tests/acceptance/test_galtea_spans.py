"""Galtea: spans of turns, which its wire calls traces. Sections are those of the contract."""

import uuid
from typing import Any

import pytest

from tests.support.galtea import post, product, refused
from tests.support.service import ask, client_of, client_of_a_tenant

SPANS = "/galtea/traces"
KEYS = [
    *("id", "inferenceResultId", "parentTraceId", "name", "type", "description", "inputData"),
    *("outputData", "error", "latencyMs", "metadata", "startTime", "endTime", "createdAt"),
    "deletedAt",
]


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def a_turn(client):
    made = await product(client, uuid.uuid4().hex)
    session = await post(client, "sessions", productId=made["id"])
    return await post(client, "inferenceResults", sessionId=session["id"], input="a")


async def span(client, turn, name="step", status=201, /, **fields):
    body = {"inferenceResultId": turn["id"], "name": name, **fields}
    return await post(client, "traces", status, **body)


async def listed(client, query, status=200):
    return await ask(client, "GET", f"{SPANS}?{query}", status)


async def test_a_span_is_answered_with_every_key(client):
    """Section 6: the id may be the client's."""
    turn = await a_turn(client)
    sent = {
        "id": "trace_0123456789abcdef",
        "type": "TOOL",
        "description": "d",
        "inputData": {"a": [1]},
        "outputData": "x",
        "error": "e",
        "latencyMs": 12.5,
        "metadata": {"k": None},
        "parentTraceId": "trace_fedcba9876543210",
        "startTime": "2026-01-01T00:00:00.000001Z",
        "endTime": "2026-01-01T00:00:01+00:00",
    }
    made = await span(client, turn, **sent)
    assert list(made) == KEYS
    assert made == {
        **sent,
        "inferenceResultId": turn["id"],
        "name": "step",
        "createdAt": made["createdAt"],
        "deletedAt": None,
    }
    assert await ask(client, "GET", f"{SPANS}/{sent['id']}") == made
    plain = await span(client, turn, inputData=None)
    assert plain["id"].startswith("trace_")
    unset = dict.fromkeys([*sent], None) | {"id": plain["id"]}
    assert {name: plain[name] for name in sent} == unset


async def test_the_same_id_again_replaces_the_span(client):
    """Section 6: ids are the client's, so what is sent twice is one span."""
    turn = await a_turn(client)
    first = await span(client, turn, id="mine/1", outputData=1)
    second = await span(client, turn, id="mine/1", error="e")
    assert second == {**first, "outputData": None, "error": "e"}
    assert await listed(client, f"inferenceResultIds={turn['id']}") == [second]


async def test_a_type_that_nobody_knows_is_kept_beside(client):
    """Section 6: a span is never dropped for its type."""
    turn = await a_turn(client)
    original = "galtea.span.original_type"
    for sent, metadata, shown, kept in (
        ("tool", None, "TOOL", None),
        ("DREAM", None, "SPAN", {original: "DREAM"}),
        ("", {"a": 1}, "SPAN", {"a": 1, original: ""}),
        ("x", [1], "SPAN", {"value": [1], original: "x"}),
    ):
        made = await span(client, turn, type=sent, metadata=metadata)
        assert (made["type"], made["metadata"]) == (shown, kept)


async def test_spans_are_found_by_turn_session_type_and_name(client):
    """Sections 3 and 6: AND between filters, OR within one; unknown parents find nothing."""
    turn, other = await a_turn(client), await a_turn(client)
    tool = await span(client, turn, "search", type="TOOL", startTime="2026-01-01T00:00:02Z")
    chain = await span(client, turn, "plan", type="CHAIN", startTime="2026-01-01T00:00:01Z")
    far = await span(client, other, "plan", type="TOOL", startTime="2026-01-01T00:00:03Z")
    of = f"inferenceResultIds[]={turn['id']}"
    assert await listed(client, of) == [tool, chain]
    assert await listed(client, f"{of}&sort[]=startTime&sort[]=asc") == [chain, tool]
    assert await listed(client, f"{of}&inferenceResultIds={other['id']}") == [far, tool, chain]
    assert await listed(client, f"sessionIds={other['sessionId']}") == [far]
    assert await listed(client, f"{of}&sessionIds={other['sessionId']}") == []
    assert await listed(client, f"{of}&types=tool&types=AGENT") == [tool]
    assert await listed(client, f"{of}&names[]=plan&types=TOOL") == []
    assert await listed(client, f"{of}&fromStartTime=2026-01-01T00:00:02Z") == [tool]
    assert await listed(client, f"{of}&toStartTime=2026-01-01T00:00:01Z") == [chain]
    assert await listed(client, f"{of}&offset=1&limit=1") == [chain]
    assert await listed(client, f"ids={chain['id']}&ids={tool['id']}&names=plan") == [chain]
    assert await listed(client, "sessionIds[]=x") == []
    assert await listed(client, f"inferenceResultIds=x&sessionIds={turn['sessionId']}") == []
    await listed(client, f"ids={chain['id']}&ids[]=unknown", 404)
    for wrong in ("", "types=TOOL", f"{of}&types=DREAM", f"{of}&sort=createdAt&sort=asc"):
        assert (await listed(client, wrong, 400))["message"]


WRONG: dict[str, list[Any]] = {
    "name": ["", "  ", None, 1, []],
    "inferenceResultId": [None, 1, []],
    "id": ["", "a b", "é", "x" * 129, 1],
    "parentTraceId": ["", "x" * 129, 1],
    "type": [1, []],
    "description": ["x" * 10_241, 1],
    "latencyMs": [-1, "1", True],
    "startTime": ["", "yesterday", 1],
    "endTime": ["2026-13-01T00:00:00Z", 1],
    "error": [1, {}],
}


async def test_a_wrong_value_is_400_and_names_the_field(client):
    """Section 2; in a batch it is told which span it was."""
    turn = await a_turn(client)
    right = {"inferenceResultId": turn["id"], "name": "step"}
    for name, values in WRONG.items():
        for value in values:
            wrong = {**right, name: value}
            assert name in await refused(client, 400, wrong, SPANS)
            assert name in await refused(client, 400, {"traces": [wrong]}, f"{SPANS}/batch")
    times = {"startTime": "2026-01-01T00:00:01Z", "endTime": "2026-01-01T00:00:00Z"}
    assert "endTime" in await refused(client, 400, {**right, **times}, SPANS)
    await refused(client, 404, {**right, "inferenceResultId": "x"}, SPANS)
    assert await listed(client, f"inferenceResultIds={turn['id']}") == []


async def test_a_batch_takes_what_is_right_of_it(client):
    """Section 6: what is refused is told with its place, if that is asked for."""
    turn = await a_turn(client)
    right = {"inferenceResultId": turn["id"], "name": "step"}
    unknown = {**right, "inferenceResultId": turn["id"] + "0", "name": "lost"}
    batch = [right, {**right, "latencyMs": -1}, 5, unknown, {**right, "name": "last"}]
    made = await post(client, "traces/batch?includeRejected=true", traces=batch)
    assert [one["name"] for one in made["spans"]] == ["step", "last"]
    assert made["partialSuccess"]["rejectedSpans"] == 3
    errors = made["partialSuccess"]["errors"]
    assert [(e["index"], e["name"]) for e in errors] == [(1, "step"), (2, None), (3, "lost")]
    assert all(error["reason"] for error in errors)
    found = await listed(client, f"inferenceResultIds={turn['id']}")
    assert sorted(one["id"] for one in found) == sorted(one["id"] for one in made["spans"])
    whole = await post(client, "traces/batch?includeRejected=true", traces=[right])
    assert list(whole) == ["spans"]
    bare = await post(client, "traces/batch", traces=batch)
    assert [one["name"] for one in bare] == ["step", "last"]


@pytest.mark.parametrize("traces", [None, [], {}, "x", [{}] * 1_001, [[]]])
async def test_a_batch_of_nothing_that_is_right_is_400(client, traces):
    """Section 6."""
    await refused(client, 400, {"traces": traces}, f"{SPANS}/batch")


async def test_a_deleted_span_is_gone(client):
    """Section 6; it comes back where it is recorded again."""
    turn = await a_turn(client)
    made = await span(client, turn, id="mine")
    async with client.delete(f"{SPANS}/mine") as answer:
        assert answer.status == 204
    await ask(client, "GET", f"{SPANS}/mine", 404)
    await ask(client, "DELETE", f"{SPANS}/mine", 404)
    assert await listed(client, f"inferenceResultIds={turn['id']}") == []
    await listed(client, "ids=mine", 404)
    assert (await span(client, turn, id="mine"))["name"] == made["name"]


async def test_spans_go_with_their_turn_and_session(client):
    """Section 5."""
    turn, other = await a_turn(client), await a_turn(client)
    first, second = await span(client, turn), await span(client, other)
    assert (await client.delete(f"/galtea/inferenceResults/{turn['id']}")).status == 204
    assert (await client.delete(f"/galtea/sessions/{other['sessionId']}")).status == 204
    for lost, of in ((first, turn), (second, other)):
        await ask(client, "GET", f"{SPANS}/{lost['id']}", 404)
        assert await listed(client, f"sessionIds={of['sessionId']}") == []
        await refused(client, 404, {"inferenceResultId": of["id"], "name": "late"}, SPANS)


async def test_each_tenant_has_its_own_ids(client, aiohttp_client, shared):
    """Design section 6: a client-chosen id is free in every tenant, and seen in none but it."""
    stranger = await client_of_a_tenant(aiohttp_client, shared)
    turn, theirs = await a_turn(client), await a_turn(stranger)
    mine = await span(client, turn, "mine", id="trace_1")
    other = await span(stranger, theirs, "theirs", id="trace_1")
    assert await ask(client, "GET", f"{SPANS}/trace_1") == mine
    assert await ask(stranger, "GET", f"{SPANS}/trace_1") == other
    assert await listed(stranger, f"inferenceResultIds={turn['id']}") == []
    await span(stranger, turn, "x", 404)
    await span(client, turn, "only mine", id="trace_2")
    await ask(stranger, "GET", f"{SPANS}/trace_2", 404)
    admin = await client_of(aiohttp_client, shared)
    assert (await ask(admin, "GET", f"{SPANS}/trace_2"))["name"] == "only mine"
