"""InstaVM: a session is made with the key in its body, and read back (instavm.md)."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sessions.web.appkeys import VAULT
from tests.support.instavm import start_scripted
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import (
    ADMIN,
    SESSIONS,
    Shared,
    ask,
    bearer,
    create,
    move,
    new_key,
    nothing_written,
    sealed_of,
    sharing,
)

CREATE = "/v1/sessions/session"
NOW_US = 1_800_000_000_000_000
X_KEY = {"X-API-Key": ADMIN}

Client = Any


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with sharing(tmp_path_factory.mktemp("shared"), machines=ScriptedMachines()) as service:
        yield service


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


async def made(client: Client, **body: Any) -> str:
    answer = await ask(client, "POST", CREATE, json={"api_key": ADMIN, **body})
    session_id: str = answer["session_id"]
    return session_id


async def native(client: Client, session_id: str) -> Any:
    return await ask(client, "GET", f"{SESSIONS}/{session_id}")


async def errors(client: Client, **request: Any) -> list[Any]:
    error = await ask(client, "POST", CREATE, 422, **request)
    assert error.keys() == {"detail"}
    for one in error["detail"]:
        assert one.keys() == {"loc", "msg", "type"}
        assert isinstance(one["msg"], str)
    found: list[Any] = error["detail"]
    return found


@pytest.mark.parametrize("path", [CREATE, f"/instavm{CREATE}"])
async def test_3_create_takes_the_key_from_the_body_alone(keyless: Client, path: str) -> None:
    answer = await ask(keyless, "POST", path, json={"api_key": ADMIN})
    assert answer.keys() == {"session_id"}
    assert str(uuid.UUID(answer["session_id"])) == answer["session_id"]


async def test_2_defaults(client: Client) -> None:
    state = await native(client, await made(client))
    assert (state["kind"], state["dialect"], state["status"]) == ("vm", "instavm", "pending")
    assert state["spec"] == {
        "vm_lifetime_seconds": 300,
        "memory_mb": None,
        "vcpu_count": 2,
    }
    assert state["secrets"] == {}
    assert state["metadata"] == {}


async def test_2_null_is_the_default(client: Client) -> None:
    names = ("vm_lifetime_seconds", "memory_mb", "vcpu_count", "metadata", "env")
    nulls = await native(client, await made(client, **dict.fromkeys(names)))
    absent = await native(client, await made(client))
    assert nulls["spec"] == absent["spec"]
    assert nulls["metadata"] == {}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("vm_lifetime_seconds", [20, 300, 86_400, 60.0]),
        ("memory_mb", [128, 512, 8192]),
        ("vcpu_count", [1, 2, 4, 6, 8]),
    ],
)
async def test_2_the_ends_of_the_ranges(client: Client, name: str, values: list[int]) -> None:
    for value in values:
        spec = (await native(client, await made(client, **{name: value})))["spec"]
        assert spec[name] == value
        assert isinstance(spec[name], int)


async def test_2_metadata_is_the_session_s(client: Client) -> None:
    metadata = {"team": "a", "n": 1, "deep": {"list": [1, None, 2.5]}, "big": 10**30}
    session_id = await made(client, metadata=metadata)
    assert (await native(client, session_id))["metadata"] == metadata
    listed = await ask(client, "GET", f"{SESSIONS}?metadata.team=a")
    assert [item["id"] for item in listed["items"]] == [session_id]


WRONG: list[tuple[str, Any, str]] = [
    ("api_key", None, "string_type"),
    ("api_key", 5, "string_type"),
    ("api_key", [], "string_type"),
    ("vm_lifetime_seconds", 19, "greater_than_equal"),
    ("vm_lifetime_seconds", 0, "greater_than_equal"),
    ("vm_lifetime_seconds", -(10**30), "greater_than_equal"),
    ("vm_lifetime_seconds", 86_401, "less_than_equal"),
    ("vm_lifetime_seconds", 1e300, "less_than_equal"),
    ("vm_lifetime_seconds", 20.5, "int_from_float"),
    ("vm_lifetime_seconds", "300", "int_type"),
    ("vm_lifetime_seconds", True, "int_type"),
    ("vm_lifetime_seconds", {}, "int_type"),
    ("memory_mb", 127, "greater_than_equal"),
    ("memory_mb", 8193, "less_than_equal"),
    ("memory_mb", "512", "int_type"),
    ("memory_mb", [512], "int_type"),
    *(("vcpu_count", bad, "literal_error") for bad in (0, 3, 5, 7, 9, -1)),
    ("vcpu_count", "2", "int_type"),
    ("vcpu_count", 2.5, "int_from_float"),
    ("metadata", "x", "dict_type"),
    ("metadata", [], "dict_type"),
    ("metadata", 5, "dict_type"),
    ("metadata", {str(n): n for n in range(257)}, "too_long"),
    ("env", "A=B", "dict_type"),
    ("env", [], "dict_type"),
    ("env", {str(n): "" for n in range(1001)}, "too_long"),
]


@pytest.mark.parametrize(("name", "bad", "code"), WRONG)
async def test_2_a_wrong_field_is_422(client: Client, name: str, bad: Any, code: str) -> None:
    async with nothing_written(client):
        (error,) = await errors(client, json={"api_key": ADMIN, name: bad})
    assert (error["loc"], error["type"]) == (["body", name], code)


@pytest.mark.parametrize(
    ("env", "loc", "code"),
    [
        ({"A": 5}, ["A"], "string_type"),
        ({"A": None}, ["A"], "string_type"),
        ({"A": ["x"]}, ["A"], "string_type"),
        ({"": "x"}, ["", "[key]"], "value_error"),
        ({"A=B": "x"}, ["A=B", "[key]"], "value_error"),
        ({"=": "x"}, ["=", "[key]"], "value_error"),
    ],
)
async def test_2_env_is_names_and_strings(
    client: Client, env: Any, loc: list[str], code: str
) -> None:
    (error,) = await errors(client, json={"api_key": ADMIN, "env": env})
    assert (error["loc"], error["type"]) == (["body", "env", *loc], code)


@pytest.mark.parametrize("env", [{"A\0B": "x"}, {"A": "x\0y"}])
async def test_2_env_holds_no_nul(client: Client, env: Any) -> None:
    (error,) = await errors(client, json={"api_key": ADMIN, "env": env})
    assert error["loc"][0] == "body"


async def test_2_all_wrong_fields_are_told_at_once_in_order(client: Client) -> None:
    body = {
        "vcpu_count": 3,
        "env": {"A=": "x", "B": 1},
        "memory_mb": 1,
        "vm_lifetime_seconds": "x",
        "metadata": [],
    }
    found = await errors(client, json=body)
    assert [(e["loc"][1:], e["type"]) for e in found] == [
        (["api_key"], "missing"),
        (["vm_lifetime_seconds"], "int_type"),
        (["memory_mb"], "greater_than_equal"),
        (["vcpu_count"], "literal_error"),
        (["metadata"], "dict_type"),
        (["env", "A=", "[key]"], "value_error"),
        (["env", "B"], "string_type"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "json_invalid"),
        (b"", "json_invalid"),
        (b"\xff", "json_invalid"),
        (b"[" * 500, "json_invalid"),
        (b"[]", "model_attributes_type"),
        (b"null", "model_attributes_type"),
        (b'"x"', "model_attributes_type"),
        (b'{"api_key": "\\ud800"}', "json_invalid"),
        (b'{"api_key": 1e999}', None),
    ],
)
async def test_2_a_body_that_is_no_object_is_422(
    client: Client, body: bytes, code: str | None
) -> None:
    (error,) = await errors(client, data=body)
    assert error["loc"][0] == "body"
    assert code is None or error["type"] == code


async def test_2_unknown_members_are_left_out(client: Client) -> None:
    spec = (await native(client, await made(client, image_variant="x")))["spec"]
    assert "image_variant" not in spec


async def test_2_with_env_the_session_has_its_vm_at_once(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    runtime = ScriptedMachines()
    runtime.script.then("boot", "hang")
    client = await start_scripted(aiohttp_client, tmp_path, runtime)
    session_id = await made(client, env={"A": "1"})
    await runtime.script.entered.wait()
    assert (await native(client, session_id))["status"] == "starting"
    (vm,) = (await ask(client, "GET", f"{SESSIONS}/{session_id}/vms"))["items"]
    assert vm["status"] in ("requested", "starting")
    assert runtime.made[0].env == {"A": "1"}
    without = await made(client, env={})
    assert (await native(client, without))["status"] == "pending"
    assert (await ask(client, "GET", f"{SESSIONS}/{without}/vms"))["items"] == []


@pytest.mark.parametrize("prefix", ["", "/instavm"])
async def test_4_1_status_without_a_vm(keyless: Client, prefix: str) -> None:
    session_id = await made(keyless)
    path = f"{prefix}/v1/sessions/status/{session_id}"
    status = await ask(keyless, "GET", path, headers=X_KEY)
    created_at = datetime.fromisoformat(status.pop("created_at"))
    assert created_at.tzinfo is None
    assert status == {
        "session_id": session_id,
        "exists": True,
        "vm_assigned": False,
        "vm_alive": False,
        "vm_status": None,
        "vm_id": None,
        "uptime_seconds": None,
        "expires_in_seconds": None,
    }


@pytest.mark.parametrize("prefix", ["", "/instavm"])
async def test_4_session_info_shows_the_settings(keyless: Client, prefix: str) -> None:
    session_id = await made(keyless, vm_lifetime_seconds=60, memory_mb=256, metadata={"a": 1})
    info = await ask(keyless, "GET", f"{prefix}{CREATE}/{session_id}", headers=X_KEY)
    assert datetime.fromisoformat(info.pop("created_at")).tzinfo is None
    assert info == {
        "session_id": session_id,
        "vm_lifetime_seconds": 60,
        "memory_mb": 256,
        "vcpu_count": 2,
        "metadata": {"a": 1},
        "env_names": [],
    }


async def test_an_ended_session_shows_as_killed(client: Client) -> None:
    session_id = await made(client)
    await move(client, {"id": session_id}, "stopped")
    status = await ask(client, "GET", f"/v1/sessions/status/{session_id}")
    assert (status["exists"], status["vm_alive"], status["vm_status"]) == (True, False, "killed")


async def test_6_a_wrong_key_in_the_body_is_401(client: Client, keyless: Client) -> None:
    revoked = await new_key(client)
    await ask(client, "DELETE", f"/api/v1/keys/{revoked['id']}")
    for key in ("", "wrong", revoked["key"], "é", "x" * 10_000):
        error = await ask(keyless, "POST", CREATE, 401, json={"api_key": key})
        assert isinstance(error["detail"], str)
        # Nor does a good header help: the key is the one in the body.
        await ask(keyless, "POST", CREATE, 401, json={"api_key": key}, headers=X_KEY)
    reader = await new_key(client, "lab", "sessions:read")
    await ask(keyless, "POST", CREATE, 403, json={"api_key": reader["key"]})


async def test_7_13_a_wrong_key_comes_before_404(client: Client, keyless: Client) -> None:
    session_id = await made(client)
    revoked = await new_key(client)
    await ask(client, "DELETE", f"/api/v1/keys/{revoked['id']}")
    wrong: list[dict[str, str]] = [{}, {"X-API-Key": "x"}, {"X-API-Key": revoked["key"]}]
    for headers in wrong:
        for path in (CREATE, "/v1/sessions/status"):
            for each in (session_id, str(uuid.uuid4()), "nonsense"):
                error = await ask(keyless, "GET", f"{path}/{each}", 401, headers=headers)
                assert isinstance(error["detail"], str)


async def test_4_1_an_unknown_session_is_404(client: Client, keyless: Client) -> None:
    theirs = await new_key(client, "theirs")
    session_id = await made(client)
    deleted = await made(client)
    await ask(client, "DELETE", f"{SESSIONS}/{deleted}", 204)
    browser = (await create(client, "browser"))["id"]
    for path in (CREATE, "/instavm/v1/sessions/status"):
        for each in (str(uuid.uuid4()), "nonsense", "%00", "%ff", browser, deleted):
            error = await ask(client, "GET", f"{path}/{each}", 404)
            assert isinstance(error["detail"], str)
        headers = {"X-API-Key": theirs["key"]}
        await ask(keyless, "GET", f"{path}/{session_id}", 404, headers=headers)
        await ask(keyless, "GET", f"{path}/{session_id}", headers=bearer(ADMIN))


async def test_a_native_vm_session_is_read_through_instavm(client: Client) -> None:
    state = await create(client, "vm", spec={"env": 5, "vcpu_count": "x"})
    info = await ask(client, "GET", f"{CREATE}/{state['id']}")
    assert (info["vcpu_count"], info["env_names"]) == (2, [])
    await ask(client, "GET", f"/v1/sessions/status/{state['id']}")


async def test_devin_and_instavm_share_the_root(client: Client) -> None:
    """Both have literal paths below /v1/sessions."""
    assert await made(client)
    assert (await ask(client, "POST", "/v1/sessions", json={"prompt": "x"}))["url"]
    error = await ask(client, "GET", CREATE, 404)
    assert isinstance(error["detail"], str), "Devin's session of that name, which is none"


async def test_a_restart_keeps_the_session(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    session_id = await made(client, env={"A": "1"}, metadata={"a": 1}, vcpu_count=8)
    info = await ask(client, "GET", f"{CREATE}/{session_id}")
    without = await made(client)
    status = await ask(client, "GET", f"/v1/sessions/status/{without}")
    sealed = (await sealed_of(client, session_id))["A"]
    await client.close()
    again = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    assert await ask(again, "GET", f"{CREATE}/{session_id}") == info
    assert await ask(again, "GET", f"/v1/sessions/status/{without}") == status
    assert await again.app[VAULT].unseal(f"session/{session_id}", sealed) == "1"
