"""Galtea: changing and deleting products, versions and tests (section 7 of the Galtea contract)."""

import asyncio
from typing import Any

import pytest

from tests.support.galtea import ERROR, a_test_case, post, product
from tests.support.service import ask, client_of_a_tenant, nothing_written


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def patch(client, what, entity, status=200, /, **body: Any):
    return await ask(client, "PATCH", f"/galtea/{what}/{entity['id']}", status, json=body)


async def delete(client, what, entity, status=204):
    return await ask(client, "DELETE", f"/galtea/{what}/{entity['id']}", status)


async def read(client, what, entity, status=200):
    return await ask(client, "GET", f"/galtea/{what}/{entity['id']}", status)


@pytest.fixture
async def made(client):
    one = await product(client)
    return {
        "products": one,
        "versions": await post(client, "versions", productId=one["id"], name="a"),
        "tests": await post(client, "tests", productId=one["id"], name="T", type="QUALITY"),
    }


CHANGES: dict[str, list[dict[str, Any]]] = {
    "products": [
        {"name": "Q", "description": "e"},
        {"riskLevel": "HIGH", "autoCloseInactivityMinutes": 5},
        {"riskLevel": None},
        {"closedSessionInferenceCreationPolicy": "REJECT"},
        {"closedSessionInferenceCreationPolicy": None},
        {"otelInputSourceRule": {"a": 1}},
    ],
    "versions": [
        {"name": "b", "systemPrompt": "s", "facts": {"a": "1"}},
        {"guardrails": "g"},
        {"systemPrompt": None, "facts": None, "otelOutputSourceRule": {"spanName": "s"}},
    ],
    "tests": [
        {"name": "U", "metadata": {"a": [1]}},
        {"metadata": "text", "specificationIds": ["specification_1"]},
        {"metadata": None, "specificationIds": []},
    ],
}


@pytest.mark.parametrize("what", CHANGES)
async def test_absent_keeps_and_null_clears(client, made, what):
    entity = made[what]
    for body in CHANGES[what]:
        changed = await patch(client, what, entity, **body)
        assert changed == {**entity, **body} == await read(client, what, entity)
        entity = changed
        async with nothing_written(client):
            assert await patch(client, what, entity) == entity
    listed = await ask(client, "GET", f"/galtea/{what}")
    assert listed == [entity]


async def test_a_version_without_a_name_is_called_by_its_number(client, made):
    for name in (None, "", " "):
        await patch(client, "versions", made["versions"], name="x")
        assert (await patch(client, "versions", made["versions"], name=name))["name"] == "v1"


async def test_the_label_of_another_version_is_no_name(client, made):
    version, owner = made["versions"], made["products"]["id"]
    for name in ("v2", "V2", " v01 ", "v0"):
        found = await patch(client, "versions", version, 400, name=name)
        assert "the label of another version" in found["message"]
    for name in ("v1", "v1.0", "v"):
        assert (await patch(client, "versions", version, name=name))["name"] == name
    await post(client, "versions", 400, productId=owner, name="v1")
    await post(client, "versions", 400, productId=owner, name="v3")
    assert (await post(client, "versions", productId=owner, name="v2"))["number"] == 2


async def test_names_and_facts_stay_unique(client, made):
    owner = made["products"]["id"]
    await product(client, "taken")
    other = await post(client, "versions", productId=owner, name="taken")
    facts = {"model": "m"}
    await patch(client, "versions", other, facts=facts)
    await post(client, "tests", productId=owner, name="taken", type="QUALITY")
    await post(client, "tests", productId=owner, name="other type", type="SCENARIOS")
    same: list[tuple[str, dict[str, Any]]] = [
        ("products", {"name": " taken "}),
        ("versions", {"name": "taken"}),
        ("versions", {"facts": {" model ": " m "}}),
        ("tests", {"name": "taken"}),
    ]
    for what, body in same:
        message = (await patch(client, what, made[what], 400, **body))["message"]
        assert message.startswith("A ")
        assert "with the same" in message
    await patch(client, "tests", made["tests"], name="other type")
    found = await post(client, "versions/get-or-create", 200, productId=owner, facts=facts)
    assert found["id"] == other["id"]
    racing = [
        client.patch(f"/galtea/versions/{one['id']}", json={"name": "race"})
        for one in (made["versions"], other)
    ]
    assert sorted([answer.status for answer in await asyncio.gather(*racing)]) == [200, 400]


NAMES: list[dict[str, Any]] = [{"name": value} for value in (None, "", " ", 1)]
WRONG: dict[str, list[dict[str, Any]]] = {
    "products": [
        *NAMES,
        {"riskLevel": 1},
        {"closedSessionInferenceCreationPolicy": "MAYBE"},
        {"autoCloseInactivityMinutes": "1"},
    ],
    "versions": [
        {"name": 1},
        {"facts": {}},
        {"facts": {"a": 1}},
        {"facts": {"a": "1", " a": "2"}},
        {"facts": []},
        {"otelInputSourceRule": "x"},
    ],
    "tests": [
        *NAMES,
        {"type": "QUALITY"},
        {"uri": "x"},
        {"surprise": 1},
        {"specificationIds": [1]},
    ],
}


async def test_a_wrong_value_is_400(client, made):
    async with nothing_written(client):
        for what, bodies in WRONG.items():
            for body in bodies:
                assert set(await patch(client, what, made[what], 400, **body)) == ERROR
            assert await read(client, what, made[what]) == made[what]


async def test_what_is_deleted_is_not_there(client, made):
    """Section 3.2: also for lists by its id."""
    case = await a_test_case(client, (await product(client, "R"))["id"])
    session = {"versionId": made["versions"]["id"], "testCaseId": case["id"]}
    kept = await post(client, "sessions", **session)
    for what, entity in (*(("testCases", case),), *reversed(made.items())):
        await delete(client, what, entity)
        await delete(client, what, entity, 404)
        assert set(await read(client, what, entity, 404)) == ERROR
        await ask(client, "GET", f"/galtea/{what}?ids={entity['id']}", 404)
        assert entity["id"] not in str(await ask(client, "GET", f"/galtea/{what}"))
        if what != "testCases":
            await patch(client, what, entity, 404, name="x")
    await post(client, "sessions", 404, **session)
    assert await read(client, "sessions", kept) == kept
    for name in ("P", "P"):
        await delete(client, "products", await product(client, name))


async def test_the_number_of_a_deleted_version_is_not_used_again(client, made):
    owner = made["products"]["id"]

    async def number():
        version = await post(client, "versions", productId=owner)
        return version, version["number"]

    second, two = await number()
    third, three = await number()
    await delete(client, "versions", second)
    await delete(client, "versions", third)
    await delete(client, "versions", made["versions"])
    assert [two, three, (await number())[1]] == [2, 3, 4]
    assert await read(client, "products", made["products"]) == made["products"]


async def test_the_filters_of_test_cases(client, made):
    test = made["tests"]["id"]
    cases: dict[str, dict[str, Any]] = {
        "a": {"input": "Hello THERE", "expectedTools": ["x", "y"], "userScore": 1},
        "b": {"input": {"user_message": "bye", "files": [{"n": "Deep"}]}, "reviewedById": "u"},
        "c": {"userScore": -1, "expectedTools": ["x"], "languageCode": "de"},
    }
    for name, fields in cases.items():
        await post(client, "testCases", testId=test, source=name, **fields)
    for query, wanted in {
        "userScore=1": "a",
        "userScore=0": "b",
        "userScore=-1": "c",
        "reviewed=true": "b",
        "reviewed=false": "ca",
        "expectedTools=x": "ca",
        "expectedTools[]=x&expectedTools[]=y": "a",
        "input=there": "a",
        "input=DEEP": "b",
        "input=user_message": "",
        "languages=de": "c",
        "includeLegacy=false": "cba",
        "expectedTools=x&userScore=1&input=h": "a",
    }.items():
        found = await ask(client, "GET", f"/galtea/testCases?testIds={test}&{query}")
        assert "".join(case["source"] for case in found) == wanted, query
    for query in ("userScore=2", "userScore=", "reviewed=yes", "reviewed="):
        assert set(await ask(client, "GET", f"/galtea/testCases?{query}", 400)) == ERROR
