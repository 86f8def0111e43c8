"""Galtea: products, versions, tests and test cases. Sections are those of the Galtea contract."""

import asyncio
from typing import Any

import pytest

from tests.support.galtea import post
from tests.support.service import ask, client_of_a_tenant

NAMES = ["products", "versions", "tests", "testCases"]


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def listed(client, what, query="", status=200):
    return await ask(client, "GET", f"/galtea/{what}?{query}", status)


@pytest.fixture
async def product(client):
    return await post(client, "products", name="P", description="d")


async def one_of_each(client):
    product = await post(client, "products", name="P", description="d")
    version = await post(client, "versions", productId=product["id"], name="first")
    test = await post(client, "tests", productId=product["id"], name="T", type="QUALITY")
    case = await post(client, "testCases", testId=test["id"], input="hello", context="c")
    return dict(zip(NAMES, (product, version, test, case), strict=True))


async def test_every_entity_is_read_as_it_was_answered(client):
    """Section 7: what the SDK requires is there."""
    made = await one_of_each(client)
    required = {
        "products": {"id", "name", "description", "organizationId", "createdAt"},
        "versions": {"id", "name", "productId", "createdAt"},
        "tests": {"id", "name", "createdAt"},
        "testCases": {"id", "testId", "createdAt"},
    }
    for what, entity in made.items():
        assert all(entity[name] is not None for name in required[what])
        assert await ask(client, "GET", f"/galtea/{what}/{entity['id']}") == entity
        assert await listed(client, what) == [entity]
        assert entity["deletedAt"] is None
    assert made["versions"]["number"] == 1
    assert made["testCases"]["input"] == {"user_message": "hello"}
    assert made["testCases"]["context"] == {"value": "c"}


@pytest.mark.parametrize("what", NAMES)
async def test_both_spellings_of_arrays(client, what):
    """Section 3."""
    entity = (await one_of_each(client))[what]
    for query in (f"ids[]={entity['id']}", f"ids={entity['id']}", f"ids%5B%5D={entity['id']}"):
        assert await listed(client, what, query) == [entity]
    twice = f"ids={entity['id']}&ids[]={entity['id']}"
    assert await listed(client, what, twice) == [entity]


@pytest.mark.parametrize("what", NAMES)
async def test_unknown_ids_are_404_and_unknown_parents_an_empty_page(client, what):
    """Sections 3.2 and 8.3."""
    made = await one_of_each(client)
    entity = made[what]
    foreign = next(e["id"] for name, e in made.items() if name != what)
    for unknown in ("x", "", entity["id"][:-1], entity["id"] + "0", foreign):
        await listed(client, what, f"ids[]={entity['id']}&ids[]={unknown}", 404)
    await ask(client, "GET", f"/galtea/{what}/{foreign}", 404)
    if what != "products":
        parent = "testIds" if what == "testCases" else "productIds"
        assert await listed(client, what, f"{parent}[]=unknown") == []
        mine = made["tests" if what == "testCases" else "products"]["id"]
        assert await listed(client, what, f"{parent}={mine}&{parent}[]=unknown") == [entity]
        assert await listed(client, what, f"{parent}={mine}&ids[]={entity['id']}") == [entity]


async def test_parents_names_and_types_filter(client, product):
    """Section 3: AND between names, OR within one."""
    other = await post(client, "products", name="Q")
    for owner in (product, other):
        for name in ("a", "b"):
            await post(client, "versions", productId=owner["id"], name=name)
            await post(client, "tests", productId=owner["id"], name=name, type="BEHAVIOR")
    for what in ("versions", "tests"):
        query = f"productIds[]={product['id']}&names[]=a&names=c"
        assert [e["name"] for e in await listed(client, what, query)] == ["a"]
        assert len(await listed(client, what, f"productIds={product['id']}")) == 2
        assert len(await listed(client, what, "names[]=a&names[]=b")) == 4
    assert len(await listed(client, "tests", "types[]=SCENARIOS")) == 4
    assert await listed(client, "tests", "types[]=QUALITY") == []
    assert [p["name"] for p in await listed(client, "products", "names[]=Q")] == ["Q"]


async def test_order_and_part_of_a_list(client):
    """Section 5: offset, limit, sort, and instants that both belong to the range."""
    made = []
    for name in "abcd":
        made.append(await post(client, "products", name=name))
        await asyncio.sleep(0.002)

    async def names(query):
        return "".join(p["name"] for p in await listed(client, "products", query))

    assert await names("") == await names("sort[]=createdAt&sort[]=desc") == "dcba"
    assert await names("sort=createdAt&sort=asc") == "abcd"
    assert await names("limit=2&offset=1") == "cb"
    assert await names("limit=0") == await names("offset=9") == ""
    b, c = made[1]["createdAt"], made[2]["createdAt"]
    assert await names(f"fromCreatedAt={b}&toCreatedAt={c}") == "cb"
    assert await names(f"fromCreatedAt={b.replace('Z', '%2B00:00')}") == "dcb"
    assert await names("toCreatedAt=2000-01-01T00:00:00Z") == ""


BAD_QUERIES = [
    *("limit=-1", "limit=x", "limit=1.5", "offset=-1", f"offset={'9' * 30}", "limit="),
    *("sort[]=name&sort[]=asc", "sort[]=createdAt", "sort[]=createdAt&sort[]=up"),
    *("fromCreatedAt=soon", "toCreatedAt=", "limit=10001", "offset=1000000001"),
]


async def test_a_bad_query_is_400(client):
    """Section 2."""
    for query in BAD_QUERIES:
        found = await listed(client, "versions", query, 400)
        assert set(found) == {"error", "message"}


async def test_versions_are_numbered_in_their_product(client, product):
    """Section 7: every field may be null; a version without a name is called by its number."""
    other = await post(client, "products", name="Q")
    nulls = dict.fromkeys(["name", "description", "systemPrompt", "modelId", "parentVersionId"])
    made = [
        await post(client, "versions", productId=product["id"], **nulls),
        await post(client, "versions", productId=product["id"], name=" "),
        await post(client, "versions", productId=product["id"], name="third"),
        await post(client, "versions", productId=other["id"]),
    ]
    assert [(v["name"], v["number"]) for v in made] == [
        *(("v1", 1), ("v2", 2), ("third", 3), ("v1", 1)),
    ]
    many = await asyncio.gather(
        *(post(client, "versions", productId=product["id"]) for _ in range(8))
    )
    assert sorted(v["number"] for v in many) == list(range(4, 12))


async def test_a_parent_version_is_of_the_same_product(client, product):
    """Section 7."""
    other = await post(client, "products", name="Q")
    first = await post(client, "versions", productId=product["id"])
    body = {"productId": product["id"], "parentVersionId": first["id"]}
    child = await post(client, "versions", **body)
    query = f"productIds[]={product['id']}&parentVersionIds[]={first['id']}"
    assert await listed(client, "versions", query) == [child]
    await post(client, "versions", 400, productId=other["id"], parentVersionId=first["id"])
    await post(client, "versions", 404, productId=product["id"], parentVersionId="version_x")


async def test_duplicate_names_are_400(client, product):
    """Section 2: with the text that the SDK knows."""
    body = {"productId": product["id"], "name": "same"}
    for what, entity in (("versions", "Version"), ("tests", "Test")):
        answers = await asyncio.gather(
            *(client.post(f"/galtea/{what}", json=body) for _ in range(5))
        )
        assert sorted(answer.status for answer in answers) == [201, 400, 400, 400, 400]
        found = await post(client, what, 400, **body)
        assert found["message"].startswith(f"A {entity} with the same Name")
    found = await post(client, "products", 400, name=" P ", description="other")
    assert found["message"] == "A Product with the same Name already exists."
    await post(client, "tests", **body, type="QUALITY")


async def test_a_version_by_its_facts(client, product):
    """Section 7: trimmed facts in any order name one version; made 201, found 200."""
    path = "versions/get-or-create"
    made = await post(client, path, productId=product["id"], facts={"b": " 2", " a ": "1", "c": ""})
    assert made["facts"] == {"a": "1", "b": "2"}
    assert made["name"] == "v1"
    again = {"productId": product["id"], "facts": {"a": "1", "b": "2"}, "name": "unused"}
    assert await post(client, path, 200, **again) == made
    other = await post(client, path, productId=product["id"], facts={"a": "1"}, name="named")
    assert (other["name"], other["number"]) == ("named", 2)
    taken = await post(client, path, 409, productId=product["id"], facts={"z": "1"}, name="named")
    assert taken["message"] == "A Version with the same Name already exists."
    racing = {"productId": product["id"], "facts": {"race": "1"}}
    answers = await asyncio.gather(*(client.post(f"/galtea/{path}", json=racing) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [*[200] * 7, 201]
    assert len({(await answer.json())["id"] for answer in answers}) == 1


NO_FACTS = [{}, {" ": "x"}, {"x": ""}, {"a": 1}, {"a": None}, [], "x", None, {"a": "1", " a": "2"}]


async def test_facts_that_say_nothing_are_400(client, product):
    """Section 7."""
    for facts in NO_FACTS:
        await post(client, "versions/get-or-create", 400, productId=product["id"], facts=facts)


async def test_the_body_of_get_or_create_is_strict(client, product):
    """Section 7."""
    body = {"productId": product["id"], "facts": {"a": "1"}}
    await post(client, "versions/get-or-create", 400, **body, extra=1)
    await post(client, "versions/get-or-create", 400, **body, name=None)
    await post(client, "versions/get-or-create", 404, productId="product_x", facts={"a": "1"})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        *((name, name) for name in ("QUALITY", "RED_TEAMING", "SCENARIOS", None)),
        *(("ACCURACY", "QUALITY"), ("SECURITY", "RED_TEAMING"), ("BEHAVIOR", "SCENARIOS")),
    ],
)
async def test_the_types_of_tests(client, product, sent, kept):
    """Section 7."""
    made = await post(client, "tests", productId=product["id"], name="T", type=sent)
    assert made["type"] == kept


@pytest.mark.parametrize(
    ("value", "kept"), [("s", "s"), ({"a": 1}, {"a": 1}), (None, None), ("", "")]
)
async def test_input_and_context_of_a_test_case(client, value, kept):
    """Section 7: texts are wrapped, objects kept."""
    test = await post(client, "tests", name="T")
    case = await post(client, "testCases", testId=test["id"], input=value, context=value)
    plain = isinstance(kept, str)
    assert case["input"] == ({"user_message": kept} if plain else kept)
    assert case["context"] == ({"value": kept} if plain else kept)


WRONG: dict[str, list[dict[str, Any]]] = {
    "products": [
        {},
        *[{"name": value} for value in [None, "", " ", 1, list[Any]()]],
        *[{"name": "x", field: 1} for field in ["description", "riskLevel"]],
        {"name": "x", "closedSessionInferenceCreationPolicy": "MAYBE"},
        {"name": "x", "autoCloseInactivityMinutes": "1"},
    ],
    "versions": [
        {},
        {"productId": None},
        {"productId": 1},
        *[{"productId": "x", "name": value} for value in [1, list[Any](), dict[str, Any]()]],
    ],
    "tests": [
        *[{"name": value} for value in [None, "", 1]],
        *[{"name": "x", "type": value} for value in ["OTHER", "", 1]],
        *[{"name": "x", "variants": value} for value in ["a", [1]]],
    ],
    "testCases": [
        *[{"testId": value} for value in [None, 1]],
        *[{"testId": "x", field: 1} for field in ["input", "context", "seedSessionId"]],
        {"testId": "x", "conversationHistory": []},
    ],
}


async def test_a_wrong_value_is_400(client):
    """Section 2."""
    for what, bodies in WRONG.items():
        for body in bodies:
            assert set(await post(client, what, 400, **body)) == {"error", "message"}


async def test_an_unknown_parent_is_404(client):
    """Section 2."""
    await post(client, "versions", 404, productId="product_x")
    await post(client, "tests", 404, name="T", productId="product_x")
    await post(client, "testCases", 404, testId="test_x")
