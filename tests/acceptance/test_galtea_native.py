"""A custom id is one live session's in its version, also where the native API gives it."""

import asyncio
from typing import Any

import pytest

from sessions.dialects.uuids import uuid_of
from tests.support.galtea import URL, post, product, refused
from tests.support.service import SESSIONS, ask, client_of_a_tenant, start

TAKEN = "A Session with the same customId already exists in this version."

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    """A client in a tenant where there is nothing yet."""
    return await client_of_a_tenant(aiohttp_client, shared)


@pytest.fixture
async def version(client: Client) -> str:
    """The id of a version."""
    return await a_version(client)


async def a_version(client: Client, name: str = "P") -> str:
    """The id of a new version of a new product."""
    made = await post(client, "versions", productId=(await product(client, name))["id"])
    version: str = made["id"]
    return version


def path_of(session: Any) -> str:
    """Where the native API has a session of either."""
    return f"{SESSIONS}/{uuid_of('session', session['id']) or session['id']}"


async def made(client: Client, status: int = 201, **how: Any) -> Any:
    """What a native create of an evaluation answers."""
    headers = how.pop("headers", {})
    body = {"kind": "evaluation", "spec": how}
    return await ask(client, "POST", SESSIONS, status, json=body, headers=headers)


async def patched(client: Client, session: Any, status: int = 200, **how: Any) -> Any:
    """What a native change of the spec answers."""
    headers = how.pop("headers", {})
    return await ask(client, "PATCH", path_of(session), status, json={"spec": how}, headers=headers)


def is_taken(problem: Any) -> bool:
    """True for the refusal of a name that another one has."""
    return (problem["code"], problem["detail"]) == ("already_exists", TAKEN)


async def test_a_change_to_the_name_of_another_is_409(client: Client, version: str) -> None:
    one, two = [
        await post(client, "sessions", versionId=version, customId=name) for name in ("a", "b")
    ]
    before = await ask(client, "GET", path_of(two))
    async with client.patch(path_of(two), json={"spec": {"customId": "a", "x": 1}}) as answer:
        assert answer.content_type == "application/problem+json"
        assert answer.status == 409
        assert is_taken(await answer.json())
    assert await ask(client, "GET", path_of(two)) == before
    assert (await patched(client, one, customId="c"))["spec"]["customId"] == "c"
    assert (await patched(client, two, customId="a", x=1))["spec"]["x"] == 1
    assert is_taken(await patched(client, one, 409, customId="a"))
    await refused(client, 400, {"versionId": version, "customId": "a"})
    no_names: tuple[Any, ...] = (None, 5, [], " ")
    for free in no_names:
        await patched(client, two, customId=free)
        session = await post(client, "sessions", versionId=version, customId="a")
        await ask(client, "DELETE", path_of(session), 204)


async def test_a_name_goes_along_to_another_version(client: Client, version: str) -> None:
    other = await a_version(client, "Q")
    one, two = [
        await post(client, "sessions", versionId=of, customId="a") for of in (version, other)
    ]
    assert is_taken(await patched(client, two, 409, versionId=version))
    await patched(client, one, versionId=other, customId="b")
    await patched(client, two, versionId=version)
    await refused(client, 400, {"versionId": version, "customId": "a"})
    await refused(client, 400, {"versionId": other, "customId": "b"})
    await post(client, "sessions", versionId=other, customId="a")


async def test_what_a_session_has_it_may_say_again(client: Client, version: str) -> None:
    session = await post(client, "sessions", versionId=version, customId="a")
    before = await ask(client, "GET", path_of(session))
    assert await patched(client, session, customId="a", versionId=version) == before
    assert (await patched(client, session, customId="a", x=1))["spec"]["x"] == 1


async def test_a_create_with_the_name_of_another_is_409(client: Client, version: str) -> None:
    native = await made(client, versionId=version, customId="a")
    assert is_taken(await made(client, 409, versionId=version, customId="a"))
    await refused(client, 400, {"versionId": version, "customId": "a"})
    [found] = await ask(client, "GET", URL, params={"customIds[]": "a"})
    assert path_of(found) == path_of(native)
    await ask(client, "DELETE", path_of(native), 204)
    await post(client, "sessions", versionId=version, customId="a")
    assert is_taken(await made(client, 409, versionId=version, customId="a"))


async def test_only_evaluations_of_a_version_have_names(client: Client, version: str) -> None:
    await post(client, "sessions", versionId=version, customId="a")
    spec = {"versionId": version, "customId": "a"}
    agent = await ask(client, "POST", SESSIONS, 201, json={"kind": "agent", "spec": spec})
    await patched(client, agent, customId="b")
    await patched(client, agent, customId="a")
    for of in ("", "version_0", 5, None):
        for _ in range(2):
            await made(client, versionId=of, customId="a")
    one, two = [await made(client) for _ in range(2)]
    for session in (one, two):
        await patched(client, session, customId="a")
    assert is_taken(await patched(client, one, 409, versionId=version))


async def test_the_other_refusals_come_first(client: Client, version: str) -> None:
    await post(client, "sessions", versionId=version, customId="a")
    session = await post(client, "sessions", versionId=version, customId="b")
    off = {"If-Match": '"1"'}
    problem = await patched(client, session, 412, customId="a", headers=off)
    assert problem["code"] == "revision_mismatch"
    await ask(client, "POST", f"{path_of(session)}/transitions", json={"to": "running"})
    assert (await patched(client, session, 409, customId="a"))["code"] == "not_configurable"
    await ask(client, "DELETE", path_of(session), 204)
    await patched(client, session, 410, customId="a")


async def test_of_many_at_once_one_has_the_name(client: Client, version: str) -> None:
    sessions = [await made(client, versionId=version) for _ in range(8)]

    async def status_of(method: str, path: str, body: Any) -> int:
        async with client.request(method, path, json=body) as answer:
            status: int = answer.status
            return status

    spec = {"versionId": version, "customId": "race"}
    asked = [
        *(status_of("PATCH", path_of(one), {"spec": {"customId": "race"}}) for one in sessions),
        *(status_of("POST", SESSIONS, {"kind": "evaluation", "spec": spec}) for _ in range(8)),
        *(status_of("POST", URL, spec) for _ in range(8)),
    ]
    found = await asyncio.gather(*asked)
    assert len([status for status in found if status < 300]) == 1
    assert {status for status in found if status >= 300} <= {400, 409}
    assert len(await ask(client, "GET", URL, params={"customIds[]": "race"})) == 1


async def test_a_key_makes_it_once(client: Client, version: str) -> None:
    key = {"Idempotency-Key": "create"}
    native = await made(client, versionId=version, customId="a", headers=key)
    assert await made(client, versionId=version, customId="a", headers=key) == native
    problem = await made(client, 422, versionId=version, customId="b", headers=key)
    assert problem["code"] == "idempotency_key_reused"
    key = {"Idempotency-Key": "patch", "If-Match": f'"{native["position"]}"'}
    after = await patched(client, native, customId="c", headers=key)
    await patched(client, native, customId="d")
    assert await patched(client, native, customId="c", headers=key) == after
    assert (await ask(client, "GET", path_of(native)))["spec"]["customId"] == "d"
    await made(client, versionId=version, customId="c")
    for name in ("create", "patch"):
        key = {"Idempotency-Key": f"{name}-anew"}
        if name == "create":
            problem = await made(client, 409, versionId=version, customId="c", headers=key)
        else:
            problem = await patched(client, native, 409, customId="c", headers=key)
        assert is_taken(problem)


async def test_a_name_is_had_over_a_restart(aiohttp_client: Any, tmp_path: Any) -> None:
    client = await start(aiohttp_client, tmp_path)
    version = await a_version(client)
    await made(client, versionId=version, customId="a")
    two = await made(client, versionId=version)
    await patched(client, two, customId="b")
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    for name in ("a", "b"):
        assert is_taken(await made(client, 409, versionId=version, customId=name))
        await refused(client, 400, {"versionId": version, "customId": name})
