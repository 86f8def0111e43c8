"""A running service behind aiohttp's test client, and what a test asks of it in one line."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from sessions.app import make_app, wall_clock_us
from sessions.runtimes.browser.port import Browsers
from sessions.runtimes.vm.choice import machines_of
from sessions.runtimes.vm.port import Machines
from sessions.settings import Settings
from tests.support.scripted_browsers import ScriptedBrowsers

ADMIN = "admin-of-the-tests"
API = "/api/v1"
SESSIONS = f"{API}/sessions"
PROBLEM = "application/problem+json"


def bearer(secret: str) -> dict[str, str]:
    """The header by which a key goes in."""
    return {"Authorization": f"Bearer {secret}"}


async def start(
    aiohttp_client: Any,
    tmp_path: Any,
    *,
    clock_us: Callable[[], int] = wall_clock_us,
    machines: Machines | None = None,
    browsers: Browsers | None = None,
    **settings: Any,
) -> Any:
    """A client, an admin's, of a service in `tmp_path`; close it before another one starts.

    Its machines are `machines`; without any it can make none, whatever the host has. Its browsers
    are `browsers`; without any they follow a script in which all goes well.
    """
    app = _service(tmp_path, machines, clock_us, settings, browsers)
    return await aiohttp_client(app, headers=bearer(ADMIN))


def _service(
    folder: Path,
    machines: Machines | None,
    clock_us: Callable[[], int],
    settings: dict[str, Any],
    browsers: Browsers | None,
) -> web.Application:
    given = {"vm": "off", **settings}
    chosen = Settings(data=str(folder / "data"), admin_key=ADMIN, **given)
    runtime = machines_of(chosen) if machines is None else machines
    scripted = ScriptedBrowsers() if browsers is None else browsers
    return make_app(
        chosen, clock_us=clock_us, machines=lambda _: runtime, browsers=lambda _: scripted
    )


class Shared(TestServer):
    """A service on a thread of its own, for the clients of many tests; none of them closes it."""

    async def close(self) -> None:
        """It goes on."""

    async def end(self) -> None:
        """Close it."""
        await super().close()


@contextlib.contextmanager
def sharing(
    folder: Path,
    *,
    machines: Machines | None = None,
    browsers: Browsers | None = None,
    **settings: Any,
) -> Iterator[Shared]:
    """A service in `folder` for `client_of`, so that not every test has to start one."""
    server = Shared(_service(folder, machines, wall_clock_us, settings, browsers))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start_server(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def client_of(aiohttp_client: Any, shared: Shared) -> Any:
    """A client, an admin's, of a service that others use too."""
    return await aiohttp_client(shared, headers=bearer(ADMIN))


async def client_of_a_tenant(aiohttp_client: Any, shared: Shared) -> Any:
    """A client that reads and writes in a tenant where there is nothing yet."""
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, uuid.uuid4().hex)
    return await aiohttp_client(shared, headers=bearer(key["key"]))


async def makes_nothing(client: Any) -> None:
    """Fails if the client sees a session."""
    assert (await ask(client, "GET", SESSIONS))["items"] == []


async def ask(client: Any, method: str, path: str, status: int = 200, **request: Any) -> Any:
    """The JSON of an answer with the status `status`."""
    async with client.request(method, path, **request) as answer:
        body = await answer.read()
        assert answer.status == status, (method, path, answer.status, body)
        return msgspec.json.decode(body) if body else None


@contextlib.asynccontextmanager
async def nothing_written(client: Any) -> AsyncIterator[None]:
    """Fails if the log is longer afterwards, whatever it had before."""
    before = await ask(client, "GET", SESSIONS, params={"limit": "1"})
    yield
    assert await ask(client, "GET", SESSIONS, params={"limit": "1"}) == before


async def refused(
    client: Any, method: str, path: str, status: int, code: str, **request: Any
) -> Any:
    """The problem that refuses a request with `status` and `code`."""
    async with client.request(method, path, **request) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (status, PROBLEM), (method, path, body)
        problem = msgspec.json.decode(body)
    assert problem.keys() == {"type", "title", "status", "code", "detail", "errors"}
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert problem["type"] == f"urn:sessiond:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


async def create(client: Any, kind: str = "browser", *, headers: Any = None, **fields: Any) -> Any:
    """A new session."""
    return await ask(client, "POST", SESSIONS, 201, json={"kind": kind, **fields}, headers=headers)


async def move(client: Any, session: Any, *statuses: str) -> Any:
    """The session after it went to each of `statuses`."""
    for status in statuses:
        path = f"{SESSIONS}/{session['id']}/transitions"
        session = await ask(client, "POST", path, json={"to": status})
    return session


async def new_key(client: Any, tenant: str = "lab", *scopes: str, **fields: Any) -> Any:
    """A new key for `tenant`, which reads and writes unless told otherwise."""
    wanted = {"scopes": scopes} if scopes else {}
    asked = {"name": f"of {tenant}", "tenant": tenant, **wanted, **fields}
    return await ask(client, "POST", f"{API}/keys", 201, json=asked)


async def sealed_of(client: Any, session_id: str) -> dict[str, str]:
    """The secrets of a session as they stand in the log, by name."""
    history = await ask(client, "GET", f"{SESSIONS}/{session_id}/events")
    sealed: dict[str, str] = history["items"][0]["events"][0]["data"].get("secrets", {})
    return sealed


async def ids_of_list(client: Any, query: Any = "", **request: Any) -> list[str]:
    """The ids of all sessions of a list, page by page, newest first."""
    ids: list[str] = []
    params = list(query.items()) if isinstance(query, dict) else list(query)
    cursor = None
    while True:
        onward = params if cursor is None else [*params, ("cursor", cursor)]
        page = await ask(client, "GET", SESSIONS, params=onward, **request)
        ids += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return ids


async def raw(client: Any, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to these very bytes."""
    reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body
    finally:
        writer.close()
