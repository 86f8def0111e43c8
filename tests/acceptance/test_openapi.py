"""Every native operation for real, each answer held against the OpenAPI document."""

import asyncio

import msgspec
import pytest

from eventstore.commit import START, Append
from projections.events import CODEC
from projections.events.vm import VmReady, VmRequested, VmStarted
from sessions import ids
from sessions.dialects.native.routes import DOCUMENT, ROUTES
from sessions.web.appkeys import BROADCAST, FOLLOWER, LOG
from tests.support import audited
from tests.support.contract import Checked
from tests.support.file_operations import (  # noqa: F401 - found by the names of the operations
    sessions_artifacts,
    sessions_artifacts_add,
    sessions_artifacts_get,
    sessions_evidence,
)
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, API, SESSIONS, create, move, new_key, raw, start

KEYS = f"{API}/keys"
VMS = f"{API}/vms"
REBUILD = f"{API}/views/rebuild"


@pytest.fixture
async def api(aiohttp_client, tmp_path):
    runtime = ScriptedMachines()
    client = await start(aiohttp_client, tmp_path, heartbeat_s=0.05, machines=runtime)
    return Checked(client, runtime)


def at(session, more=""):
    return f"{SESSIONS}/{session['id']}{more}"


async def add_vm(client, session):
    """A machine, as the service that runs machines notes it."""
    vm = ids.uuid7()
    wanted = VmRequested(session=session["id"], vcpu_count=2, memory_mb=512, lifetime_s=300)
    facts = (wanted, VmStarted(acceleration="kvm"), VmReady(boot_ms=7))
    wish = Append(
        stream=f"vm/{vm}",
        expected=START,
        commit_id=ids.commit_id(),
        events=tuple(map(CODEC.encode, facts)),
        actor="service",
        tenant=session["tenant"],
        tags=("kind=vm", f"session={session['id']}"),
    )
    await client.app[LOG].append(wish)
    return vm


async def livez(api):
    assert await api.ask("GET", "/livez") == {"alive": True}


async def readyz(api):
    assert (await api.ask("GET", "/readyz"))["ready"]
    api.client.app[FOLLOWER].failure = OSError("no room")
    assert not (await api.ask("GET", "/readyz", 503))["ready"]
    api.client.app[FOLLOWER].failure = None


async def metrics(api):
    await api.ask("GET", "/metrics")


async def openapi(api):
    served = await api.ask("GET", f"{API}/openapi.json", headers={"Authorization": ""})
    assert served == msgspec.json.decode(DOCUMENT)


async def views_rebuild(api):
    await api.ask("POST", REBUILD, 202)


async def views_progress(api):
    assert (await api.ask("GET", REBUILD))["status"] == "none"
    await api.ask("POST", REBUILD, 202)
    for _ in range(500):
        if (await api.ask("GET", REBUILD))["status"] == "done":
            return
        await asyncio.sleep(0.01)
    pytest.fail("the rebuild did not end")


async def sessions_create(api):
    full = {
        "kind": "agent",
        "status": "running",
        "title": "Ada",
        "labels": ["a", "b"],
        "metadata": {"n": 1},
        "spec": {"goal": "x"},
        "idle_timeout_s": 60,
        "max_duration_s": 120,
    }
    once = {"Idempotency-Key": "one"}
    made = await api.ask("POST", SESSIONS, 201, json=full, headers=once)
    assert await api.ask("POST", SESSIONS, 201, json=full, headers=once) == made
    another = {"kind": "vm"}
    code = "idempotency_key_reused"
    await api.ask("POST", SESSIONS, 422, code, json=another, headers=once)
    unreadable = {"Idempotency-Key": "a b"}
    await api.ask("POST", SESSIONS, 400, "bad_idempotency_key", json=another, headers=unreadable)
    await api.ask("POST", SESSIONS, 201, json=another)
    for wrong in ({}, {"kind": "car"}, {"kind": "vm", "size": 1}, {"kind": "vm", "title": None}):
        await api.ask("POST", SESSIONS, 422, "invalid_body", json=wrong)
    for name, value in {
        "title": "x" * 1001,
        "labels": [""],
        "metadata": {str(n): 0 for n in range(257)},
        "idle_timeout_s": 0,
        "max_duration_s": 10**9,
    }.items():
        wrong = {"kind": "vm", name: value}
        raised = await api.ask("POST", SESSIONS, *(422, "invalid_value"), json=wrong)
        assert raised["errors"][0]["pointer"] == f"/{name}"


async def sessions_list(api):
    for number in range(3):
        await create(api.client, labels=["red"], metadata={"number": number}, title="Ada")
    filters = {
        "kind": "browser",
        "status": "pending",
        "dialect": "native",
        "label": "red",
        "owner": "key:admin",
        "tenant": "default",
        "created_after": "2020-01-01T00:00:00Z",
        "created_before": "2120-01-01T00:00:00+01:00",
        "text": "ada",
        "limit": "2",
    }
    page = await api.ask("GET", SESSIONS, params=filters)
    assert len(page["items"]) == 2
    page = await api.ask("GET", SESSIONS, params={**filters, "cursor": page["next"]})
    assert len(page["items"]) == 1
    assert page["next"] is None
    page = await api.ask("GET", SESSIONS, params={"metadata.number": "2"})
    assert len(page["items"]) == 1
    await api.ask("GET", SESSIONS, 400, "bad_cursor", params={"cursor": "x"})
    for name in ("kind", "status", "dialect", "created_after", "limit"):
        await api.ask("GET", SESSIONS, 400, "invalid_query", params={name: "x"})
    await api.ask("GET", SESSIONS, 400, "bad_position", headers={"Session-Position": "99"})


async def sessions_get(api):
    session = await create(api.client)
    seen = {"Session-Position": str(session["position"])}
    waiting = {"wait": "status:running,ended", "timeout": "0.01"}
    assert await api.ask("GET", at(session), headers=seen, params=waiting) == session
    await api.ask("GET", at(session), 400, "invalid_query", params={"wait": "running"})
    await api.ask("GET", at(session), 400, "bad_position", headers={"Session-Position": "x"})
    await api.ask("GET", f"{SESSIONS}/none", 404, "not_found")
    await api.ask("DELETE", at(session), 204)
    await api.ask("GET", at(session), 410, "session_deleted")


async def sessions_patch(api):
    session = await create(api.client)
    fields = {"title": "x", "labels": ["a"], "metadata": {"a": {}}, "spec": {"b": []}}
    headers = {"If-Match": f'"{session["position"]}"', "Idempotency-Key": "p"}
    patched = await api.ask("PATCH", at(session), json=fields, headers=headers)
    assert patched["title"] == "x"
    stale = {"If-Match": headers["If-Match"]}
    await api.ask("PATCH", at(session), 412, "revision_mismatch", json={}, headers=stale)
    bad = {"If-Match": '"x"'}
    await api.ask("PATCH", at(session), 400, "bad_if_match", json={}, headers=bad)
    await api.ask("PATCH", at(session), 422, "invalid_value", json={"title": "x" * 1001})
    await api.ask("PATCH", at(session), 422, "invalid_body", json={"kind": "vm"})
    await move(api.client, session, "running")
    await api.ask("PATCH", at(session), 409, "not_configurable", json={"spec": {}})
    await gone(api, session, "PATCH", "", {})


async def gone(api, session, method, more, body):
    """The refusals of every change to a session that is not there, or not any more."""
    await api.ask(method, f"{SESSIONS}/none{more}", 404, "not_found", json=body)
    await api.ask("DELETE", at(session), 204)
    await api.ask(method, at(session, more), 410, "session_deleted", json=body)


async def sessions_delete(api):
    session = await create(api.client)
    stale = {"If-Match": '"999"'}
    await api.ask("DELETE", at(session), 412, "revision_mismatch", headers=stale)
    await api.ask("DELETE", at(session), 400, "bad_if_match", headers={"If-Match": "x"})
    await api.ask("DELETE", at(session), 204, headers={"If-Match": "*"})
    await api.ask("DELETE", at(session), 204)
    await api.ask("DELETE", f"{SESSIONS}/none", 404, "not_found")


async def sessions_transition(api):
    session = await create(api.client)
    path = at(session, "/transitions")
    step = {"to": "running", "reason": "requested", "detail": "now"}
    assert (await api.ask("POST", path, json=step))["status"] == "running"
    await api.ask("POST", path, 409, "transition_not_allowed", json={"to": "pending"})
    await api.ask("POST", path, 422, "invalid_body", json={"to": "nowhere"})
    long = {"to": "failed", "detail": "x" * 4001}
    await api.ask("POST", path, 422, "invalid_value", json=long)
    await api.ask("POST", path, json={"to": "completed"})
    await api.ask("POST", path, 409, "session_ended", json=step)
    await gone(api, session, "POST", "/transitions", step)


async def sessions_extend(api):
    session = await create(api.client)
    path = at(session, "/extend")
    clocks = {"idle_timeout_s": 30, "max_duration_s": 40}
    assert (await api.ask("POST", path, json=clocks))["idle_timeout_s"] == 30
    assert (await api.ask("POST", path, json={"idle_timeout_s": None}))["idle_deadline"] is None
    await api.ask("POST", path, 422, "invalid_value", json={"max_duration_s": 0})
    await api.ask("POST", path, 422, "invalid_body", json={"max_duration_s": None})
    await move(api.client, session, "lost")
    await api.ask("POST", path, 409, "session_ended", json=clocks)
    await gone(api, session, "POST", "/extend", clocks)


async def sessions_messages_add(api):
    session = await create(api.client)
    path = at(session, "/messages")
    said = {"content": "hello", "role": "agent", "data": {"x": 1}}
    assert (await api.ask("POST", path, 201, json=said))["messages"] == 1
    await api.ask("POST", path, 422, "invalid_body", json={"role": "agent"})
    await move(api.client, session, "stopped")
    await api.ask("POST", path, 409, "session_ended", json=said)
    await gone(api, session, "POST", "/messages", said)


async def sessions_messages(api):
    session = await create(api.client)
    path = at(session, "/messages")
    for word in ("one", "two", "three", "four"):
        await api.ask("POST", path, 201, json={"content": word})
    page = await api.ask("GET", path, params={"limit": "3"})
    said = [item["content"] for item in page["items"]]
    rest = await api.ask("GET", path, params={"limit": "3", "after": str(page["next"])})
    assert [*said, *(item["content"] for item in rest["items"])] == ["one", "two", "three", "four"]
    assert rest["next"] is None
    await history_refusals(api, "/messages")


async def history_refusals(api, more):
    session = await create(api.client)
    await api.ask("GET", f"{SESSIONS}/none{more}", 404, "not_found")
    await api.ask("GET", at(session, more), 400, "bad_position", params={"after": "x"})
    await api.ask("GET", at(session, more), 400, "invalid_query", params={"limit": "0"})
    await api.ask("DELETE", at(session), 204)
    await api.ask("GET", at(session, more))


async def sessions_events(api):
    session = await create(api.client, title="x")
    once = {"Idempotency-Key": "e"}
    fields = {"title": "y", "labels": ["z"]}
    await api.ask("PATCH", at(session), json=fields, headers=once)
    await api.ask("POST", at(session, "/extend"), json={"max_duration_s": 50})
    await api.ask("POST", at(session, "/messages"), 201, json={"content": "z"})
    await api.ask("DELETE", at(session), 204)
    page = await api.ask("GET", at(session, "/events"), params={"limit": "2"})
    assert [len(commit["events"]) for commit in page["items"]] == [1, 3]
    await api.ask("GET", at(session, "/events"), params={"after": str(page["next"])})
    await history_refusals(api, "/events")


async def sessions_vms(api):
    session = await create(api.client, "vm")
    vm = await add_vm(api.client, session)
    page = await api.ask("GET", at(session, "/vms"), params={"limit": "1"})
    assert [item["id"] for item in page["items"]] == [vm]
    await api.ask("GET", at(session, "/vms"), 400, "bad_cursor", params={"cursor": "x"})
    await api.ask("GET", f"{SESSIONS}/none/vms", 404, "not_found")
    await api.ask("DELETE", at(session), 204)
    await api.ask("GET", at(session, "/vms"), 410, "session_deleted")


async def vms_list(api):
    session = await create(api.client, "vm")
    await add_vm(api.client, session)
    await add_vm(api.client, session)
    wanted = {"status": "running", "session": session["id"], "limit": "1"}
    page = await api.ask("GET", VMS, params=wanted)
    page = await api.ask("GET", VMS, params={**wanted, "cursor": page["next"]})
    assert (len(page["items"]), page["next"]) == (1, None)
    await api.ask("GET", VMS, 400, "invalid_query", params={"status": "completed"})


async def vms_get(api):
    vm = await add_vm(api.client, await create(api.client, "vm"))
    assert (await api.ask("GET", f"{VMS}/{vm}"))["boot_ms"] == 7
    await api.ask("GET", f"{VMS}/none", 404, "not_found")
    await api.ask("GET", f"{VMS}/{vm}", 400, "bad_position", headers={"Session-Position": "9999"})


async def observe(api):
    contract = api.contract
    path = f"{API}/observe"
    await api.ask("GET", path, 426, "websocket_required")
    await api.ask("GET", path, 400, "bad_position", params={"after": "x"})
    await api.ask("GET", path, 400, "invalid_query", params={"kind": "x"})
    await add_vm(api.client, await create(api.client, labels=["a"]))
    query = {"after": "1", "epoch": "another", "api_key": ADMIN, "kind": "browser"}
    async with api.client.ws_connect(path, params={**query, "kind": "vm"}) as socket:
        frames = [contract.frame(await socket.receive_str()) for _ in range(5)]
        assert [f["type"] for f in frames] == ["hello", "gap", "event", "caught_up", "ping"]
        assert [e["type"] for e in frames[2]["events"]] == [
            "vm.requested",
            "vm.started",
            "vm.ready",
        ]
        api.client.app[BROADCAST].end_all("shutdown", 1012)
        while (frame := contract.frame(await socket.receive_str()))["type"] == "ping":
            pass
        assert frame["type"] == "end"
    status, headers, body = await raw(api.client, upgrade(path))
    upgraded = {"upgrade", "sec-websocket-accept"}
    shown = {name: value for name, value in headers.items() if name not in upgraded}
    contract.check(contract.operations["observe"][2], status, shown, body)


def upgrade(path):
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        f"X-API-Key: {ADMIN}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def feed(api):
    path = f"{API}/feed"
    session = await create(api.client, labels=["a"], title="x")
    query = {"after": "0", "limit": "1", "wait": "0.01", "session": session["id"], "label": "a"}
    page = await api.ask("GET", path, params={**query, "status": "pending", "tenant": "default"})
    assert [item["events"][0]["type"] for item in page["items"]] == ["session.created"]
    resumed = {"Last-Event-ID": str(page["position"])}
    assert (await api.ask("GET", path, headers=resumed))["items"] == []
    await api.ask("GET", path, 400, "invalid_query", params={"limit": "1001"})
    await api.ask("GET", path, 400, "bad_position", headers={"Last-Event-ID": "x"})
    events = {"Accept": "text/event-stream"}
    await api.ask("GET", path, 400, "invalid_query", headers=events, params={"wait": "1"})
    async with api.client.get(path, headers=events, params={"after": "0"}) as stream:
        assert stream.content_type == "text/event-stream"
        kinds = [await server_sent(api.contract, stream) for _ in range(4)]
        assert kinds == ["hello", "event", "caught_up", "ping"]
        api.client.app[BROADCAST].end_all("shutdown", 1012)
        rest = (await stream.read()).decode()
    api.contract.check(
        api.contract.operations["feed"][2], stream.status, stream.headers, rest.encode()
    )


async def server_sent(contract, stream):
    position, name, data, _ = [(await stream.content.readline()).decode() for _ in range(4)]
    assert position.removeprefix("id: ").strip().isdigit()
    frame = contract.frame(data.removeprefix("data: "))
    assert name == f"event: {frame['type']}\n"
    return frame["type"]


async def keys_issue(api):
    asked = {"name": "ci", "tenant": "lab", "scopes": ["sessions:read"], "prefix": "gsk_"}
    made = await api.ask("POST", KEYS, 201, json=asked)
    assert made["key"].startswith("gsk_")
    for wrong in ({"name": ""}, {"name": "x", "tenant": ""}, {"name": "x", "prefix": "é"}):
        await api.ask("POST", KEYS, 422, "invalid_value", json=wrong)
    await api.ask("POST", KEYS, 422, "invalid_body", json={"name": "x", "scopes": ["all"]})


async def keys_list(api):
    await new_key(api.client)
    assert len((await api.ask("GET", KEYS))["items"]) == 1


async def keys_revoke(api):
    key = await new_key(api.client)
    assert (await api.ask("DELETE", f"{KEYS}/{key['id']}"))["revoked_at"]
    await api.ask("DELETE", f"{KEYS}/{key['id']}")
    await api.ask("DELETE", f"{KEYS}/none", 404, "not_found")


@pytest.mark.parametrize("name", [route.name for route in ROUTES])
async def test_the_operation_answers_as_the_document_says(api, name):
    function = name.replace(".", "_")
    await (globals().get(function) or getattr(audited, function))(api)
    assert name in api.contract.succeeded
