"""The refusals that many native operations share, each held against the OpenAPI document."""

import msgspec
import pytest

from eventstore.commit import START
from eventstore.errors import Conflict, LogBusy, StorageError, StorageFull
from sessions.dialects.native.routes import DOCUMENT
from sessions.web.appkeys import LOG
from tests.support.contract import Checked, Contract
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import bearer, client_of, create, new_key, sharing, start

OPERATIONS = Contract(msgspec.json.decode(DOCUMENT)).operations
KEYED = sorted(name for name, (*_, o) in OPERATIONS.items() if o["security"])
WITH_QUERY = sorted(
    name
    for name, (*_, operation) in OPERATIONS.items()
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ()))
)
WITH_BODY = sorted(
    name
    for name, (*_, operation) in OPERATIONS.items()
    if "application/json" in operation.get("requestBody", {}).get("content", ())
)
BODIES: dict[str, dict[str, object]] = {
    "sessions.create": {"kind": "vm"},
    "sessions.patch": {"title": "x"},
    "sessions.transition": {"to": "running"},
    "sessions.extend": {"max_duration_s": 50},
    "sessions.messages.add": {"content": "x"},
    "sessions.executions.add": {"code": "x"},
    "keys.issue": {"name": "x"},
}
WRITES = [*BODIES, "sessions.artifacts.add", "sessions.delete", "keys.revoke"]
# A field of each body that takes any text.
TEXTS = {
    "sessions.create": "title",
    "sessions.patch": "title",
    "sessions.transition": "detail",
    "sessions.messages.add": "content",
    "sessions.executions.add": "code",
    "keys.issue": "name",
}
BODY_MAX = 2048


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder, machines = tmp_path_factory.mktemp("shared"), ScriptedMachines()
    with sharing(folder, body_bytes_max=BODY_MAX, machines=machines) as service:
        yield service


@pytest.fixture
async def api(aiohttp_client, shared):
    return Checked(await client_of(aiohttp_client, shared))


def path_of(name):
    method, path, operation = OPERATIONS[name]
    path = path.replace("{id}", "none").replace("{sha256}", "0" * 64)
    return method, path.replace("{execution}", "none"), operation


@pytest.mark.parametrize("name", KEYED)
async def test_without_the_right_key_the_operation_is_refused(api, name):
    method, path, operation = path_of(name)
    await api.ask(method, path, 401, "unauthorized", headers=bearer("wrong"))
    needed = operation["security"][0]["bearer"]
    others = sorted({"sessions:read", "sessions:write"} - set(needed))
    key = await new_key(api.client, "lab", *others)
    await api.ask(method, path, 403, "forbidden", headers=bearer(key["key"]))


@pytest.mark.parametrize("name", WITH_QUERY)
async def test_the_query_parameters_are_those_that_the_operation_knows(api, name):
    method, path, operation = path_of(name)
    if name in ("sessions.get", "sessions.vms"):
        path = path.replace("none", (await create(api.client))["id"])
    problem = await api.ask(method, path, 400, "invalid_query", params={"nonsense": "1"})
    _, _, listed = problem["detail"].partition("there are ")
    named = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
    assert named - {"metadata"} == set(listed.split(", ")) - {"api_key"}


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_body_that_cannot_be_read_is_refused(api, name):
    method, path, _ = path_of(name)
    await api.ask(method, path, 400, "malformed_json", data=b"{")
    await api.ask(method, path, 400, "too_deep", data=b"[" * 65 + b"]" * 65)
    await api.ask(method, path, 413, "too_large", data=b" " * (BODY_MAX + 1))
    await api.ask(method, path, 422, "invalid_body", json={"nonsense": 1})
    await api.ask(method, path, 422, "invalid_body", json=[])
    text = TEXTS.get(name)
    if text is not None:
        held = {**BODIES[name], text: "\0"}
        await api.ask(method, path, 400, "nul_character", json=held)


@pytest.mark.parametrize("path", ["/api/v1/observe", "/api/v1/feed"])
async def test_one_observer_too_many_is_refused(aiohttp_client, tmp_path, path):
    api = Checked(await start(aiohttp_client, tmp_path, observers_max=0))
    await api.ask("GET", path, 503, "too_many_observers")


@pytest.mark.parametrize("name", WRITES)
async def test_a_log_that_refuses_is_a_documented_answer(api, name, monkeypatch):
    method, path, operation = path_of(name)
    kind = ("vm",) if "executions" in name else ()
    made = await (new_key if "keys" in name else create)(api.client, *kind)
    path = path.replace("none", made["id"])
    refusals = [
        (StorageFull(), 507, "storage_full"),
        (StorageError(), 503, "storage_unavailable"),
        (LogBusy(), 503, "unavailable"),
    ]
    if "409" in operation["responses"]:
        refusals.append((Conflict("session/x", None, START), 409, "conflict"))
    for error, status, code in refusals:
        refuse_appends(monkeypatch, api.client.app[LOG], error)
        body = {"json": BODIES[name]} if name in BODIES else {}
        await api.ask(method, path, status, code, **body)


def refuse_appends(monkeypatch, log, error):
    async def append(*_):
        raise error

    monkeypatch.setattr(log, "append", append)
