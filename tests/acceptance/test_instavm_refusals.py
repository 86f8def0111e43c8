"""InstaVM: what machines without a network cannot do is said, never played (instavm.md 4, 5)."""

import uuid
from typing import Any

import pytest

from tests.support.instavm import VMS, P, created, made, start_scripted, wrong_fields
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, ask, new_key

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


NOT_OFFERED = [
    ("POST", "/v1/browser/sessions/"),
    ("GET", "/v1/browser/sessions/x"),
    ("POST", "/v1/browser/interactions/navigate"),
    ("GET", "/v1/computeruse/x/viewer-url"),
    ("POST", "/v1/shares"),
    ("PATCH", "/v1/shares/x"),
    ("GET", "/v1/custom-domains"),
    ("DELETE", "/v1/custom-domains/5"),
    ("GET", "/v1/volumes"),
    ("POST", "/v1/volumes/x/files/upload"),
    ("GET", "/v1/vaults"),
    ("POST", "/v1/ssh-keys"),
    ("DELETE", "/v1/ssh-keys/5"),
    ("GET", "/v1/vaults/catalog"),
    ("GET", "/v1/tapes"),
    ("GET", "/v1/recordings"),
    ("GET", "/v1/credits/summary"),
    ("GET", "/v1/audit/events"),
    ("GET", "/v1/webhooks/endpoints"),
    ("GET", "/v1/api-keys/"),
    ("GET", "/v1/templates"),
]


async def test_5_other_families_are_not_offered_and_say_so(client: Client, keyless: Client) -> None:
    for method, path in NOT_OFFERED:
        error = await ask(client, method, P + path, 404)
        assert error["detail"].startswith("This service offers no "), path
        error = await ask(keyless, method, P + path, 401)
        assert isinstance(error["detail"], str)


async def test_5_what_is_near_a_family_is_an_unknown_path(client: Client) -> None:
    for path in ("/v1/browsers", "/v1/vaultsx", "/v1/nothing", "/nothing", "/v1/vms/x/y"):
        error = await ask(client, "GET", P + path, 404)
        assert error["detail"] == "There is nothing at this path."
    error = await ask(client, "GET", f"{P}/execute", 405)
    assert "POST" in error["detail"]


async def test_4_no_address_leads_to_a_machine(client: Client, keyless: Client) -> None:
    session_id = await made(client)
    path = f"{P}/v1/sessions/app-url"
    for query in ("", "?port=1", "?port=65535"):
        error = await ask(client, "GET", f"{path}/{session_id}{query}", 409)
        assert "no network" in error["detail"]
    for query, code in (
        ("port=0", "greater_than_equal"),
        ("port=65536", "less_than_equal"),
        ("port=x", "int_parsing"),
    ):
        error = await ask(client, "GET", f"{path}/{session_id}?{query}", 422)
        assert wrong_fields(error) == [(("query", "port"), code)]
    await ask(client, "GET", f"{path}/{uuid.uuid4()}", 404)
    await ask(keyless, "GET", f"{path}/{session_id}?port=0", 401)


async def test_4_nothing_is_let_out_and_the_rules_say_so(client: Client, keyless: Client) -> None:
    vm = await created(client)
    closed = {
        "allow_public_repos": False,
        "allow_http": False,
        "allow_https": False,
        "allowed_domains": [],
        "allowed_cidrs": [],
    }
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    for kind, target in (("session", vm["session_id"]), ("vm", vm["vm_id"])):
        path = f"{P}/v1/egress/{kind}/{target}"
        found = await ask(client, "GET", path)
        assert (found["status"], found["allow_package_managers"]) == ("disabled", False)
        assert found.items() >= closed.items()
        assert (found["target_type"], found["target_id"]) == (kind, target)
        assert await ask(client, "POST", path, json=closed) == found
        for name in closed:
            wish = [["x"]] if name.startswith("allowed") else [True]
            error = await ask(client, "POST", path, 422, json={**closed, name: wish[0]})
            assert wrong_fields(error) == [(("body", name), "value_error")]
        assert await ask(client, "GET", path) == found
        for method in ("GET", "POST"):
            unknown = f"{P}/v1/egress/{kind}/{uuid.uuid4()}"
            await ask(client, method, unknown, 404, json=closed)
            await ask(keyless, method, path, 404, json=closed, headers=theirs)
            await ask(keyless, method, unknown, 401, json=closed)


async def test_4_a_machine_has_no_volumes(client: Client) -> None:
    vm = await created(client)
    path = f"{VMS}/{vm['vm_id']}/volumes"
    assert await ask(client, "GET", path) == []
    await ask(client, "POST", path, 405, json={"volume_id": "v", "mount_path": "/x"})


async def test_4_the_user_is_the_key(client: Client, keyless: Client) -> None:
    key = await new_key(client, "lab", name="ci")
    me = await ask(keyless, "GET", f"{P}/v1/users/me", headers={"X-API-Key": key["key"]})
    assert me == {
        "id": "key:ci",
        "name": "ci",
        "email": None,
        "is_verified": True,
        "tenant": "lab",
        "scopes": ["sessions:read", "sessions:write"],
    }
    assert await ask(client, "GET", f"{P}/v1/ssh-keys") == {"keys": []}
    for path in ("/v1/users/me", "/v1/ssh-keys", "/v1/users/me/usage-breakdown"):
        await ask(keyless, "GET", P + path, 401)


async def test_3_an_address_that_ends_with_a_slash_is_the_same(
    client: Client, keyless: Client
) -> None:
    session_id = (await ask(keyless, "POST", f"{P}//v1/sessions/session", json={"api_key": ADMIN}))[
        "session_id"
    ]
    await ask(client, "GET", f"{P}//v1/sessions/status/{session_id}")
    assert await ask(client, "GET", f"{P}//v1/vms") == []
    error = await ask(client, "GET", f"{P}//v1/nothing", 404)
    assert error == {"detail": "There is nothing at this path."}


async def test_all_of_it_is_at_the_root_too(client: Client, keyless: Client) -> None:
    """A client is told one address for all its calls; the original document has no prefix."""
    key = {"X-API-Key": ADMIN}
    body = {"api_key": ADMIN}
    session_id = (await ask(keyless, "POST", "/v1/sessions/session", json=body))["session_id"]
    asked = {"session_id": session_id, "command": "echo a", "language": "bash"}
    answer = await ask(keyless, "POST", "/execute", json=asked, headers=key)
    assert answer["stdout"] == "a\n"
    for path in ("/v1/vms", "/v1/vms/", "/v1/sessions/sandboxes", "/v1/snapshots", "/v1/users/me"):
        await ask(keyless, "GET", path, headers=key)
    await ask(keyless, "POST", "/kill", json={"session_id": session_id}, headers=key)
