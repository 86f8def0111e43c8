"""A service with real machines, as a process: what a test asks of it, one line each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.machine_service import until
from tests.support.process import ADMIN_KEY, Service, start
from tests.support.vm import needs_qemu
from tests.support.vm_process import AS_ROOT
from tests.support.vm_traces import SETTLE_S, Traces, settle

P: Final = "/instavm"
SESSIONS: Final = "/api/v1/sessions"
SMALL: Final = {"vcpu_count": 1, "memory_mb": 128, "vm_lifetime_seconds": 3600}
# A busy machine answers by then; what waits for one that does not has 40 s for it.
PATIENCE: Final = {"ping_every_s": 0.5, "ping_s_max": 8.0, "misses_max": 2}
START_S: Final = 300.0


class Host:
    """One run of the service, and a client of it."""

    def __init__(self, service: Service, folder: Path, client: aiohttp.ClientSession) -> None:
        self.service = service
        self.traces = Traces(folder, service.pid)
        self._client = client

    async def ask(self, method: str, path: str, status: int | None = 200, **request: Any) -> Any:
        """The JSON of an answer; `status` None: whatever it says but 500."""
        async with self._client.request(method, path, **request) as answer:
            body = await answer.read()
        told = (method, path, answer.status, body[:2000])
        assert answer.status != 500, told
        assert status is None or answer.status == status, told
        return json.loads(body) if body else None

    async def session(self, env: Mapping[str, str] | None = None, **spec: Any) -> str:
        """The id of a new session of small machines."""
        given = {"api_key": ADMIN_KEY, **SMALL, **spec, **({"env": env} if env else {})}
        made = await self.ask("POST", f"{P}/v1/sessions/session", json=given)
        return str(made["session_id"])

    async def run(
        self,
        session: str,
        command: str,
        language: str = "bash",
        timeout: int = 60,
        status: int | None = 200,
    ) -> Any:
        """The answer to an execution."""
        body = {"session_id": session, "command": command, "language": language}
        return await self.ask("POST", f"{P}/execute", status, json={**body, "timeout": timeout})

    async def works(self, session: str) -> None:
        """The session has a machine, or gets one, and that does what it is told."""
        done = await self.run(session, "echo on")
        assert (done["exit_code"], done["stdout"]) == (0, "on\n"), done

    async def as_root(
        self, session: str, script: str, wait_s: int = 40, status: int | None = 200
    ) -> Any:
        """The answer to an execution in which root of the guest runs `script`."""
        await self.run(session, f"cat >{AS_ROOT} <<'END'\n{script}\nEND\n", status=status)
        return await self.run(session, f"sh -c 'kill -SEGV $$'; sleep {wait_s}", status=status)

    async def vms(self, session: str) -> list[dict[str, Any]]:
        """The machines of the session, newest first."""
        found = await self.ask("GET", f"{SESSIONS}/{session}/vms")
        return list(found["items"])

    async def vm(self, session: str) -> dict[str, Any]:
        """Its newest machine."""
        return (await self.vms(session))[0]

    async def status(self, session: str) -> tuple[str, str]:
        """The status of the session and the reason for it."""
        found = await self.ask("GET", f"{SESSIONS}/{session}")
        return found["status"], found["reason"]

    async def signal(self, session: str, number: signal.Signals) -> None:
        """Send a signal to the QEMU of the session's machine."""
        vm = await self.vm(session)
        os.kill(self.traces.machines()[vm["id"]], number)

    async def executing(self, session: str) -> None:
        """Return when a program runs in the machine of the session."""

        async def executes() -> bool:
            return any(vm["executing"] for vm in await self.vms(session))

        await until(executes, SETTLE_S)

    async def delete(self, session: str) -> None:
        """Delete the session, and its machine with it."""
        await self.ask("DELETE", f"{SESSIONS}/{session}", None)

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a native list."""
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            query = f"?limit=200&cursor={after}" if after else "?limit=200"
            page = await self.ask("GET", path + query)
            found += page["items"]
            after = page["next"]
        return found

    async def settled(self) -> None:
        """Return when everything that was begun has come to its end; fails after a while."""
        await settle(self)

    async def clear(self) -> None:
        """Delete every session and snapshot; when this returns nothing of any machine is left."""
        for snapshot in await self.ask("GET", f"{P}/v1/snapshots"):
            await self.ask("DELETE", f"{P}/v1/snapshots/{snapshot['snapshot_id']}")
        for session in await self.all(SESSIONS):
            await self.delete(session["id"])
        await settle(self, empty=True)


@contextlib.asynccontextmanager
async def hosting(
    folder: Path,
    *options: str,
    rooted: bool = False,
    environ: Mapping[str, str] | None = None,
    **how: Any,
) -> AsyncIterator[Host]:
    """A service with real machines that is ready; killed at the end if it still runs."""
    needs_qemu()
    given = {"ROOTED": str(int(rooted)), "PATIENCE": json.dumps(PATIENCE), **(environ or {})}
    service = start(folder, *options, module="tests.support.vm_process", environ=given, **how)
    try:
        await service.ready()
        async with client_of(service) as client:
            yield Host(service, folder, client)
    finally:
        service.close()


@contextlib.asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps no connection, for those are counted."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=START_S)
    async with aiohttp.ClientSession(
        service.url, headers=headers, connector=connector, timeout=timeout
    ) as client:
        yield client
