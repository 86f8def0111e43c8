"""InstaVM: whatever comes in, the service is not at fault, and refusals have one shape (6)."""

from typing import Any

import msgspec
import pytest

from sessions.dialects.instavm.routes import ROUTES
from tests.support.instavm import VMS, P, created, execute, start_scripted
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, ask, raw

Client = Any

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 10**40, "", "x", "a\0b", "../..", "é" * 5000),
    *([], [None], ["x", 5], {}, {"a": {"b": []}}, {"": ""}),
)
FIELDS = {
    "/execute": ("session_id", "command", "code", "language", "timeout", "vault_ids"),
    "/execute_async": ("session_id", "command", "code", "language", "timeout", "vault_ids"),
    "/kill": ("session_id",),
    "/v1/sessions/session": ("vm_lifetime_seconds", "memory_mb", "vcpu_count", "metadata", "env"),
    "/v1/vms": (
        *("session_id", "snapshot_id", "memory_mb", "vcpu_count", "metadata", "env", "volumes"),
        *("share", "egress_policy", "image_variant", "auto_suspend", "auto_resume", "vault_ids"),
    ),
    "/v1/vms/{vm}": ("metadata", "memory_mb", "snapshot_on_terminate", "auto_resume", "x"),
    "/v1/vms/{vm}/stage-env": ("entries",),
    "/v1/vms/{vm}/snapshot": ("name",),
    "/v1/vms/{vm}/clone": ("snapshot_name",),
    "/v1/egress/vm/{vm}": ("allow_http", "allowed_domains"),
    "/v1/egress/session/{id}": ("allow_http", "allowed_domains"),
    "/v1/snapshots": ("oci_image", "name", "type"),
    "/v1/vms/{vm}/pty/sessions": ("cols", "rows", "shell", "command", "id"),
    "/v1/vms/{vm}/pty/sessions/{pty}/resize": ("cols", "rows"),
}
SOUND = {"session_id": "", "command": "x", "api_key": ADMIN, "cols": 80, "rows": 24}


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any) -> Client:
    room = {"vm_count": 4096, "vm_memory_mb": 1 << 30}
    return await start_scripted(aiohttp_client, tmp_path, ScriptedMachines(), **room)


async def known(client: Client) -> dict[str, str]:
    """A session with a machine, and a terminal in it."""
    vm = await created(client)
    pty = await ask(client, "POST", f"{VMS}/{vm['vm_id']}/pty/sessions")
    return {"id": vm["session_id"], "vm": vm["vm_id"], "pty": pty["id"]}


def check(status: int, body: bytes, asked: Any) -> None:
    """No fault of the service, and a reason."""
    assert status < 500, (asked, status, body)
    if status == 101 or status < 300:
        return
    answer = msgspec.json.decode(body)
    assert answer.keys() == {"detail"}, (asked, status, body)
    if status == 422:
        for one in answer["detail"]:
            assert one.keys() == {"loc", "msg", "type"}, (asked, body)
    else:
        assert isinstance(answer["detail"], str), (asked, body)
        assert answer["detail"], asked


@pytest.mark.parametrize("path", FIELDS)
async def test_6_no_value_of_a_field_is_the_fault_of_the_service(client: Client, path: str) -> None:
    places = await known(client)
    method = "PATCH" if path == "/v1/vms/{vm}" else "POST"
    address = P + path.format(**places) + "?wait=false"
    for field in FIELDS[path]:
        for value in ODD:
            asked = {**SOUND, "session_id": places["id"], field: value}
            if path.startswith("/v1/vms") and field != "session_id":
                del asked["session_id"]
            if method == "PATCH":
                asked = {field: value}
            async with client.request(method, address, json=asked) as answer:
                check(answer.status, await answer.read(), (path, field, value))
    # What came of it does not stand in the way of the session.
    assert (await execute(client, places["id"], "echo a"))["stdout"] == "a\n"


async def test_6_no_path_and_no_query_is_the_fault_of_the_service(client: Client) -> None:
    key = f"X-API-Key: {ADMIN}\r\nHost: test\r\n".encode()
    for route in ROUTES:
        methods = ["GET", "POST"] if route.method == "*" else [route.method]
        for method in methods:
            for odd in ("%00", "%ED%A0%80", "%FF", "%", "..%2f", "%0dX:1", "x" * 1000):
                path = route.path.partition("{family")[0].format(id=odd, vm=odd, pty=odd)
                query = f"?wait={odd}&limit={odd}&metadata={odd}&port={odd}&api_key={odd}&{odd}=1"
                for address in (P + path, P + path + query):
                    request = f"{method} {address} HTTP/1.1\r\n".encode() + key
                    request += b"Content-Length: 0\r\n\r\n"
                    status, _, body = await raw(client, request)
                    check(status, body, (method, address))
