"""Galtea: who sees what, and what outlives a restart. Sections are those of the Galtea contract."""

import pytest

from tests.support import service
from tests.support.galtea import ERROR, URL, a_test_case, post, product, refused
from tests.support.service import SESSIONS, ask, bearer, move, new_key, start


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


@pytest.fixture
async def version(client):
    return await post(client, "versions", productId=(await product(client))["id"])


async def test_a_key_is_needed(aiohttp_client, client, version):
    """Sections 2 and 3.1: galtea-cli tries its key on minimum-sdk-version."""
    anonymous = await aiohttp_client(client.server)
    requests = [
        ("POST", URL),
        ("GET", f"{URL}/session_1"),
        ("GET", URL),
        *((method, f"{URL}/session_1") for method in ("PATCH", "DELETE")),
        ("PATCH", f"{URL}/session_1/finish"),
        ("DELETE", f"{URL}/batch"),
        *((method, f"/galtea/versions/{version['id']}") for method in ("PATCH", "DELETE")),
        ("GET", "/galtea/minimum-sdk-version"),
        *(("POST", f"/galtea/{name}") for name in ("products", "versions", "tests", "testCases")),
        *(("GET", f"/galtea/{name}") for name in ("products", "versions", "tests", "testCases")),
        ("GET", f"/galtea/versions/{version['id']}"),
        ("POST", "/galtea/versions/get-or-create"),
    ]
    for headers in ({}, bearer("gsk_wrong"), {"Authorization": "Basic eDp5"}):
        for method, path in requests:
            async with anonymous.request(method, path, json={}, headers=headers) as answer:
                assert (answer.status, set(await answer.json())) == (401, ERROR)


@pytest.mark.parametrize("prefix", ["gsk_", "gsk-"])
async def test_both_kinds_of_keys_open(aiohttp_client, client, prefix):
    """Section 2."""
    key = await new_key(client, "lab", prefix=prefix)
    anonymous = await aiohttp_client(client.server, headers=bearer(key["key"]))
    assert key["key"].startswith(prefix)
    found = await ask(anonymous, "GET", "/galtea/minimum-sdk-version")
    assert list(found) == ["minimumSdkVersionSupported", "latestSdkVersionPublished"]
    minimum, latest = (tuple(map(int, found[name].split("."))) for name in found)
    assert minimum <= (4, 18, 0)
    assert latest >= (5, 12, 0)


async def test_a_key_that_may_only_read_cannot_create(aiohttp_client, client, version):
    """Section 2."""
    key = await new_key(client, "default", "sessions:read")
    reader = await aiohttp_client(client.server, headers=bearer(key["key"]))
    await refused(reader, 403, {"versionId": version["id"]})
    await refused(reader, 403, {"name": "x"}, "/galtea/products")
    for method, path, body in (
        ("PATCH", f"{URL}/session_1", {}),
        ("DELETE", f"{URL}/session_1", None),
        ("PATCH", f"{URL}/session_1/finish", {"error": "x"}),
        ("DELETE", f"{URL}/batch", {"ids": ["session_1"]}),
        ("PATCH", f"/galtea/versions/{version['id']}", {"name": "x"}),
        ("DELETE", f"/galtea/versions/{version['id']}", None),
    ):
        await ask(reader, method, path, 403, json=body)
    await ask(reader, "GET", URL)
    await ask(reader, "GET", f"/galtea/versions/{version['id']}")


async def test_nothing_of_another_tenant_is_there(aiohttp_client, client):
    """Section 5: unknown and foreign are the same 404."""
    keys = [await new_key(client, tenant) for tenant in ("lab", "rival")]
    lab, rival = [await aiohttp_client(client.server, headers=bearer(k["key"])) for k in keys]
    version = await post(lab, "versions", productId=(await product(lab))["id"])
    case = await a_test_case(lab, version["productId"])
    session = await post(lab, "sessions", versionId=version["id"])
    for path in (
        f"sessions/{session['id']}",
        f"versions/{version['id']}",
        f"versions?ids[]={version['id']}",
        f"products/{version['productId']}",
        f"testCases/{case['id']}",
        f"tests/{case['testId']}",
    ):
        await ask(lab, "GET", f"/galtea/{path}")
        await ask(rival, "GET", f"/galtea/{path}", 404)
    await refused(rival, 404, {"versionId": version["id"]})
    await refused(rival, 404, {"productId": version["productId"]})
    for name in ("products", "versions", "tests", "testCases"):
        assert await ask(rival, "GET", f"/galtea/{name}") == []
    assert await ask(rival, "GET", f"/galtea/versions?productIds[]={version['productId']}") == []
    # The same names and custom ids are free in another tenant.
    own = await post(rival, "versions", productId=(await product(rival))["id"])
    for who, anchor in ((lab, version), (rival, own)):
        await post(who, "sessions", versionId=anchor["id"], customId="c")


async def test_what_an_admin_makes_belongs_to_the_tenant_of_its_version(aiohttp_client, client):
    """Section 5 and design section 6."""
    key = await new_key(client, "lab")
    lab = await aiohttp_client(client.server, headers=bearer(key["key"]))
    version = await post(lab, "versions", productId=(await product(lab))["id"])
    made = await post(client, "sessions", versionId=version["id"], customId="c")
    assert await ask(lab, "GET", f"{URL}/{made['id']}") == made
    await refused(lab, 400, {"versionId": version["id"], "customId": "c"})


async def test_sessions_of_the_native_api(client):
    """Design section 1: an evaluation is shown, other kinds are not there."""
    made = await service.create(client, "evaluation", spec={"context": 5, "customId": []})
    other = await service.create(client, "browser")
    version = await post(client, "versions", productId=(await product(client))["id"])
    first = await post(client, "sessions", versionId=version["id"])
    digits = first["id"].removeprefix("session_")
    assert int(digits, 36) == int((await _newest(client))["id"].replace("-", ""), 16)
    for session, status in ((made, 200), (other, 404)):
        public = _public(session["id"])
        found = await ask(client, "GET", f"{URL}/{public}", status)
        assert (found.get("versionId"), found.get("context")) == (None, None)
    await move(client, made, "failed")
    assert (await ask(client, "GET", f"{URL}/{_public(made['id'])}"))["status"] == "FAILED"


async def _newest(client):
    return (await ask(client, "GET", SESSIONS))["items"][0]


def _public(uuid):
    number, digits = int(uuid.replace("-", ""), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "session_" + digits.rjust(25, "0")


async def test_a_restart_keeps_everything(aiohttp_client, tmp_path):
    """Design section 1: also whose custom id it is."""
    client = await start(aiohttp_client, tmp_path)
    version = await post(client, "versions", productId=(await product(client))["id"])
    case = await a_test_case(client, version["productId"], context="c")
    made = [
        await post(client, "sessions", versionId=version["id"], customId="c", metadata={"a": 1}),
        await post(client, "sessions", versionId=version["id"], testCaseId=case["id"]),
    ]
    changed = {"customId": "d", "metadata": None}
    made[1] = await ask(client, "PATCH", f"{URL}/{made[1]['id']}", json=changed)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    for session in made:
        assert await ask(client, "GET", f"{URL}/{session['id']}") == session
    assert await ask(client, "GET", f"/galtea/versions/{version['id']}") == version
    for taken in ("c", "d"):
        await refused(client, 400, {"versionId": version["id"], "customId": taken})
        [found] = await ask(client, "GET", URL, params={"customIds[]": taken})
        assert found in made
    message = await refused(client, 400, {"name": "P"}, "/galtea/products")
    assert message == "A Product with the same Name already exists."
