"""Galtea: lists of sessions. Sections are those of the Galtea contract."""

import asyncio
import uuid
from typing import Any

import pytest

from sessions.dialects.galtea import listing
from tests.support import service
from tests.support.galtea import ERROR, URL, post, product
from tests.support.service import ask, client_of, client_of_a_tenant, nothing_written


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


async def listed(client, query: Any = "", status=200):
    if isinstance(query, str):
        return await ask(client, "GET", f"{URL}?{query}", status)
    return await ask(client, "GET", URL, status, params=query)


async def names(client, query: Any = ""):
    return " ".join(one["customId"] for one in await listed(client, query))


@pytest.fixture
async def made(client):
    """Sessions of two products, named by where they are; in the order of their creation."""
    found: dict[str, Any] = {}
    for letter in "pq":
        owner = await product(client, letter)
        for number in "12":
            version = await post(client, "versions", productId=owner["id"])
            body = {"productId": owner["id"], "name": f"{letter}{number}"}
            test = await post(client, "tests", **body)
            case = await post(client, "testCases", testId=test["id"])
            for kind, more in (
                ("live", {}),
                ("own", {"isProduction": False, "status": "COMPLETED"}),
                ("case", {"testCaseId": case["id"], "status": "FAILED"}),
            ):
                name = f"{letter}{number}{kind}"
                made = {"versionId": version["id"], "customId": name, **more}
                session = await post(client, "sessions", **made)
                more = {"productId": owner["id"], "testId": test["id"], "case": case["id"]}
                found[name] = {**session, **more}
    return found


async def test_every_filter_alone(client, made):
    """Section 5."""
    one = made["p1case"]
    everything = " ".join(reversed(made))
    for query, wanted in {
        "": everything,
        f"versionIds={one['versionId']}": "p1case p1own p1live",
        f"productIds={one['productId']}": "p2case p2own p2live p1case p1own p1live",
        f"testCaseIds={one['case']}": "p1case",
        f"testIds={one['testId']}": "p1case",
        "customIds=q2own": "q2own",
        "statuses=PENDING": "q2live q1live p2live p1live",
        "statuses=COMPLETED": "q2own q1own p2own p1own",
        "statuses=FAILED": "q2case q1case p2case p1case",
        "testIds=": "q2own q2live q1own q1live p2own p2live p1own p1live",
        f"excludeTestIds={one['testId']}": everything.replace(" p1case", ""),
        f"userIds={one['userId']}": "q2case q2own q1case q1own p2case p2own p1case p1own",
        f"ids={one['id']}": "p1case",
    }.items():
        name, equals, value = query.partition("=")
        assert await names(client, query) == wanted, query
        if value:
            assert await names(client, f"{name}[]{equals}{value}") == wanted, query
            assert await names(client, f"{name}%5B%5D{equals}{value}") == wanted, query


async def test_or_within_a_name_and_and_between_names(client, made):
    """Section 5."""
    p1, p2, q1 = made["p1case"], made["p2case"], made["q1case"]
    for query, wanted in {
        f"versionIds[]={p1['versionId']}&versionIds[]={q1['versionId']}&statuses=COMPLETED": (
            "q1own p1own"
        ),
        "customIds[]=p1own&customIds=q2live&customIds[]=none": "q2live p1own",
        f"customIds=p1own&versionIds={q1['versionId']}": "",
        f"customIds=p1own&productIds={p1['productId']}": "p1own",
        f"testIds=&testIds={p1['testId']}&productIds={p1['productId']}": (
            "p2own p2live p1case p1own p1live"
        ),
        f"testIds={p1['testId']}&testIds={p2['testId']}&excludeTestIds={p1['testId']}": "p2case",
        f"testIds=&excludeTestIds={p1['testId']}&versionIds={p1['versionId']}": "p1own p1live",
        f"ids={p1['id']}&ids[]={q1['id']}&statuses=FAILED": "q1case p1case",
        f"ids={p1['id']}&ids[]={q1['id']}&versionIds={q1['versionId']}": "q1case",
        f"ids={p1['id']}&ids[]={p1['id']}": "p1case",
        f"ids={p1['id']}&statuses=COMPLETED": "",
        "statuses=COMPLETED&statuses[]=FAILED&customIds=p1own&customIds=p1case": "p1case p1own",
        f"userIds={p1['userId']}&statuses=PENDING": "",
        f"userIds={p1['userId']}&userIds=nobody&testIds={p1['testId']}": "p1case",
    }.items():
        assert await names(client, query) == wanted, query


async def test_an_unknown_parent_is_an_empty_page(client, made):
    """Section 3.2 and 8.3: also one that is an empty text, which of tests alone means none."""
    mine = made["p1case"]["versionId"]
    for unknown in ("x", "", "é/+ \0", "version_" + "0" * 25, "\udcff"):
        raw = unknown.encode("utf-8", "surrogateescape")
        quoted = "".join(f"%{byte:02X}" for byte in raw)
        for name in ("productIds", "testCaseIds", "customIds", "userIds", "runIds"):
            assert await listed(client, f"{name}={quoted}") == []
            assert await listed(client, f"{name}[]={quoted}&versionIds={mine}") == []
        assert await listed(client, f"versionIds={quoted}") == []
        assert len(await listed(client, f"versionIds={quoted}&versionIds[]={mine}")) == 3


async def test_an_unknown_id_is_404(client, made):
    """Section 3.2 and 8.3: unknown, deleted, of another kind."""
    one, other = made["p1own"], made["q1own"]
    native = await service.create(client, "browser")
    number = int(native["id"].replace("-", ""), 16)
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    await ask(client, "DELETE", f"{URL}/{other['id']}", 204)
    for unknown in ("x", "", one["versionId"], other["id"], f"session_{digits:0>25}", "%00"):
        for query in (f"ids={one['id']}&ids[]={unknown}", f"ids[]={unknown}&limit=0"):
            assert set(await listed(client, query, 404)) == ERROR


async def test_custom_ids_travel_in_the_query(client, made):
    """Section 8.6: slashes, spaces, plus signs, and what is not ASCII."""
    version = made["p1own"]["versionId"]
    for name in ("a/b c+d%é&=#", "日本 \n", "+", "%2B", "x" * 1024):
        session = await post(client, "sessions", versionId=version, customId=name)
        query = {"customIds[]": name, "versionIds[]": version}
        assert await listed(client, query) == [session]


async def test_order_and_part_of_a_list(client):
    """Section 5: the page past the end is empty."""
    version = await post(client, "versions", productId=(await product(client))["id"])
    made = []
    for name in "abcdef":
        made.append(await post(client, "sessions", versionId=version["id"], customId=name))
        await asyncio.sleep(0.002)
    for anchor in ("", f"versionIds={version['id']}&"):
        for query, wanted in {
            "": "f e d c b a",
            "sort=createdAt&sort=asc": "a b c d e f",
            "sort[]=createdAt&sort[]=desc": "f e d c b a",
            "limit=2": "f e",
            "limit=2&offset=1": "e d",
            "limit=2&offset=5": "a",
            "limit=2&offset=1&sort[]=createdAt&sort[]=asc": "b c",
            "offset=6": "",
            "offset=1000000000": "",
            "limit=0": "",
            "limit=1001": "f e d c b a",
            f"fromCreatedAt={made[2]['createdAt']}": "f e d c",
            f"toCreatedAt={made[2]['createdAt']}": "c b a",
            f"fromCreatedAt={made[1]['createdAt']}&toCreatedAt={made[3]['createdAt']}": "d c b",
            f"fromCreatedAt={made[4]['createdAt'].replace('Z', '%2B00:00')}": "f e",
            "toCreatedAt=2000-01-01T00:00:00Z": "",
            "fromCreatedAt=0001-01-01T00:00:00%2B23:59": "f e d c b a",
            "fromCreatedAt=9999-12-31T23:59:59-23:59": "",
        }.items():
            assert await names(client, anchor + query) == wanted, query
    ids = "&".join(f"ids[]={one['id']}" for one in made)
    assert await names(client, f"{ids}&limit=2&offset=1&sort=createdAt&sort=asc") == "b c"
    assert await names(client, f"{ids}&toCreatedAt={made[1]['createdAt']}") == "b a"


async def test_a_list_longer_than_one_query_answers_is_whole(client, monkeypatch):
    """Section 5: the default page holds 10,000."""
    monkeypatch.setattr(listing, "PAGE_MAX", 3)
    version = await post(client, "versions", productId=(await product(client))["id"])
    body = {"versionId": version["id"]}
    made = await asyncio.gather(*(post(client, "sessions", **body) for _ in range(11)))
    for query in ("", f"versionIds={version['id']}", "sort=createdAt&sort=asc"):
        found = await listed(client, query)
        assert len(found) == 11
        assert {one["id"] for one in found} == {one["id"] for one in made}
        at = [one["createdAt"] for one in found]
        assert at == sorted(at, reverse="asc" not in query)
    everything = [one["id"] for one in await listed(client)]
    for offset, limit in ((0, 11), (0, 3), (2, 7), (9, 3), (8, 3), (3, 100)):
        part = await listed(client, f"offset={offset}&limit={limit}")
        assert [one["id"] for one in part] == everything[offset : offset + limit]


BAD_QUERIES = [
    *("limit=-1", "limit=x", "limit=1.5", "offset=-1", f"offset={'9' * 30}", "limit=", "limit=٣"),
    *("limit=10001", "offset=1000000001", "sort=createdAt", "sort=name&sort=asc"),
    *("sort[]=createdAt&sort[]=up", "sort=createdAt&sort=asc&sort=desc", "sort="),
    *("fromCreatedAt=soon", "toCreatedAt=", "toCreatedAt=1"),
    *("statuses=pending", "statuses=RUNNING", "statuses=", "statuses=PENDING&statuses[]=x"),
    "&".join(["ids="] * 1001),
]


async def test_a_bad_query_is_400(client):
    """Sections 2 and 5."""
    async with nothing_written(client):
        for query in BAD_QUERIES:
            found = await listed(client, query, 400)
            assert set(found) == ERROR, query
            assert found["message"].startswith(query.partition("=")[0].removesuffix("[]"))


async def test_an_empty_page_and_other_kinds(client):
    """Section 5: a bare array; sessions that are no evaluations are not there."""
    await service.create(client, "browser")
    assert await listed(client) == []
    await service.create(client, "evaluation", spec={"versionId": 5, "customId": ["x"]})
    [shown] = await listed(client)
    assert (shown["versionId"], shown["customId"], shown["isProduction"]) == (None, None, True)


async def test_an_admin_sees_every_tenant(aiohttp_client, shared):
    """Design section 6."""
    admin = await client_of(aiohttp_client, shared)
    name = uuid.uuid4().hex
    made = []
    for _ in range(2):
        one = await client_of_a_tenant(aiohttp_client, shared)
        version = await post(one, "versions", productId=(await product(one))["id"])
        made.append(await post(one, "sessions", versionId=version["id"], customId=name))
        assert await listed(one, {"customIds": name}) == made[-1:]
    assert await listed(admin, {"customIds": name}) == made[::-1]
    assert await listed(admin, {"customIds": name, "limit": "1", "offset": "1"}) == made[:1]
