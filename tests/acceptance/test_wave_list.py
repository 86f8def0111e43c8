"""WAVE: the list of sessions as HAL. Sections are those of the WAVE contract."""

import pytest

from tests.support import service
from tests.support.service import start
from tests.support.wave import has_cors, make, read, status_of

PATH = "/api/sessions"


@pytest.fixture
async def admin(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


async def listed(client, **query):
    """A page of the list."""
    answer = await client.get(PATH, params=query)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert has_cors(answer)
    return await answer.json()


def href(index, count):
    return {"href": f"/_wave/api/sessions?index={index}&count={count}"}


# total, index, count -> last, next, previous
LINKS = [
    ((0, 0, 10), (0, None, None)),
    ((3, 0, 10), (0, None, None)),
    ((3, 0, 2), (2, 2, None)),
    ((4, 0, 2), (4, 2, None)),
    ((4, 2, 2), (4, 4, 0)),
    ((4, 4, 2), (4, None, 2)),
    ((4, 1, 2), (4, 3, 0)),
    ((4, 9, 3), (3, None, 6)),
]


async def test_the_links_of_a_page(client):
    """Section 1.2: `last` and `next` as the original counts them, an empty page included."""
    tokens: list[str] = []
    for (total, index, count), (last, following, previous) in LINKS:
        while len(tokens) < total:
            tokens.append(await make(client))
        page = await listed(client, index=str(index), count=str(count))
        expected = {
            "configuration": {"href": "/_wave/api/sessions/{token}", "templated": True},
            "status": {"href": "/_wave/api/sessions/{token}/status", "templated": True},
            "self": href(index, count),
            "first": href(0, count),
            "last": href(last, count),
        }
        if following is not None:
            expected["next"] = href(following, count)
        if previous is not None:
            expected["previous"] = href(previous, count)
        assert page == {"_links": expected, "items": tokens[index : index + count]}
        assert list(page["_links"]) == list(expected)


async def test_ten_in_the_order_in_which_they_were_made_unless_told_otherwise(client, admin):
    """Section 1.2; sessions of the native API are among them, other kinds are not."""
    tokens = [await make(client) for _ in range(6)]
    await service.create(admin, "browser")
    tokens += [(await service.create(admin, "test_run"))["id"] for _ in range(6)]
    assert (await listed(client))["items"] == tokens[:10]
    blank = await listed(client, index="", count="")
    assert blank == await listed(client)
    assert (await listed(client, index="10"))["items"] == tokens[10:]
    await client.delete(f"{PATH}/{tokens[0]}")
    assert (await listed(client, count="100"))["items"] == tokens[1:]


async def test_what_was_asked_for_is_embedded_in_the_order_of_the_items(client):
    """Section 1.2."""
    tokens = [await make(client, {"labels": [str(n)]}) for n in range(3)]
    configurations = [await read(client, token) for token in tokens]
    statuses = [await status_of(client, token) for token in tokens]
    asked = {
        "configuration": {"configuration": configurations},
        "status,nothing": {"status": statuses},
        "configuration,status": {"configuration": configurations, "status": statuses},
    }
    for expand, expected in asked.items():
        page = await listed(client, expand=expand)
        assert page["_embedded"] == expected
        assert page["items"] == tokens
    for expand in ("", "nothing", "Status", ","):
        assert "_embedded" not in await listed(client, expand=expand)
    skipped = await listed(client, expand="status", index="1", count="1")
    assert skipped["_embedded"] == {"status": [statuses[1]]}


NUMBERS = ["-1", "x", "1.5", "1e3", "0x1", "٣", "1_0", "+1", " 1", "9" * 16, "9" * 5000, "%"]


async def test_numbers_that_are_none_are_refused(client):
    """Section 1.2, where the original answers 500."""
    bad = [("index", text) for text in NUMBERS] + [("count", text) for text in [*NUMBERS, "0"]]
    for name, text in bad:
        answer = await client.get(PATH, params={name: text})
        assert answer.status == 400
        assert name in (await answer.json())["error"]


async def test_a_page_is_never_larger_than_the_service_allows(client):
    """A bound of this service: the links say which count it was."""
    page = await listed(client, count="999999999", index="7")
    assert page["_links"]["self"] == href(7, 1000)


async def test_what_expired_is_not_listed(client):
    """Section 2.4."""
    await make(client, {"expiration_date": 1})
    await make(client, {"expiration_date": 0})
    token = await make(client, {"expiration_date": 4102444800000})
    assert (await listed(client))["items"] == [token]


async def test_each_tenant_has_its_own_list(client, admin):
    """Design section 6."""
    header = {"X-API-Key": (await service.new_key(admin, "lab"))["key"]}
    mine = await make(client)
    other = await make(client, headers=header)
    assert (await listed(client))["items"] == [mine]
    answer = await client.get(PATH, headers=header)
    assert (await answer.json())["items"] == [other]
    assert (await (await admin.get(PATH)).json())["items"] == [mine, other]


async def test_the_list_can_be_switched_off(aiohttp_client, tmp_path):
    """Section 1.2: then it is 404; public sessions are listed all the same."""
    client = await start(aiohttp_client, tmp_path, wave_read_sessions=False)
    answer = await client.get(PATH)
    assert (answer.status, await answer.read()) == (404, b"")
    assert (await client.get(f"{PATH}/public")).status == 200
