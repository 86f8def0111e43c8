"""One fault after the other, at random moments of whatever a service does with real machines.

After each of them everything must come to rest, every session must go on, and nothing may be left
over. A storm is repeated by its seed, as far as the clock of the host lets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from projections.events.status import ENDED
from tests.support.vm_host import Host, P, hosting

SESSIONS_MAX: Final = 2
MOMENT_S_MAX: Final = 1.2
CLEAR_EVERY: Final = 25
CUT_OFF: Final = 137
# A machine on a busy host answers by then, so that none is lost but by a fault.
IMPATIENCE: Final = '{"ping_every_s": 0.3, "ping_s_max": 5.0, "misses_max": 2}'
AGENT: Final = "$(grep -la 'agent[.]py' /proc/[0-9]*/cmdline | cut -d/ -f3)"
FROM_WITHIN: Final = (
    "echo c >/proc/sysrq-trigger",
    f"kill -9 {AGENT}",
    f"kill -STOP {AGENT}",
    "busybox poweroff -f",
    "busybox reboot -f",
)
# What a log line holds that tells of a bug.
BUGS: Final = ("Traceback", "never retrieved", "was destroyed but it is pending", '"exception"')

Act = Callable[[str], Awaitable[object]]
Fault = Callable[[], Awaitable[object]]


class Storm:
    """Faults on one data folder, whose service may be another one after each of them."""

    def __init__(self, folder: Path, chance: Random) -> None:
        self.told: Counter[str] = Counter()
        self._folder = folder
        self._chance = chance
        self._sessions: list[str] = []
        self._host: Host | None = None
        self._over = False

    async def rage(self, faults: int) -> None:
        """So many faults; fails where one of them leaves anything."""
        done = 0
        while done < faults or not self._over:
            self._over = False
            environ = {"PATIENCE": IMPATIENCE}
            options = ("--log-format", "json")
            async with hosting(self._folder, *options, rooted=True, environ=environ) as host:
                self._host = host
                await host.settled()
                while done < faults and host.service.exit_code is None:
                    await self._one(host)
                    done += 1
                    if done % CLEAR_EVERY == 0 and host.service.exit_code is None:
                        await self._clear(host)
                if host.service.exit_code is None:
                    await self._clear(host)
                    await host.service.stop()
                    self._over = True
                self._check_ended(host)

    async def _one(self, host: Host) -> None:
        """One thing that the service does, and one fault in the middle of it."""
        acts, faults = self._acts(host), self._faults(host)
        act, fault = self._chance.choice(sorted(acts)), self._chance.choice(sorted(faults))
        self.told[f"{act}: {fault}"] += 1
        print(f"{act}: {fault}", flush=True)
        session = await self._session(host)
        doing = asyncio.ensure_future(self._lenient(host, acts[act](session)))
        await asyncio.sleep(self._chance.random() * MOMENT_S_MAX)
        await faults[fault]()
        await doing
        if host.service.exit_code is None:
            await host.settled()
            await self._goes_on(host)

    async def _goes_on(self, host: Host) -> None:
        """Every session that was not ended has a machine that works, and there are not many."""
        for session in [each["id"] for each in await host.all("/api/v1/sessions")]:
            status, _ = await host.status(session)
            if status in ENDED:
                await host.delete(session)
            elif session not in self._sessions:
                self._sessions.append(session)
        there = {each["id"] for each in await host.all("/api/v1/sessions")}
        self._sessions = [session for session in self._sessions if session in there]
        while len(self._sessions) > SESSIONS_MAX:
            await host.delete(self._sessions.pop(0))
        if self._sessions:
            session = self._chance.choice(self._sessions)
            done = await host.run(session, "echo on")
            if done["exit_code"] == CUT_OFF:  # it was not noticed yet that the machine stands still
                await host.works(session)
        await host.settled()

    async def _session(self, host: Host) -> str:
        if len(self._sessions) < SESSIONS_MAX:
            self._sessions.append(await host.session({"A": "b"} if self._heads() else None))
        return self._chance.choice(self._sessions)

    async def _lenient(self, host: Host, asked: Awaitable[object]) -> None:
        """Any answer will do but a 500; none at all only from a service that has ended."""
        try:
            await asked
        except (aiohttp.ClientError, ConnectionError):
            assert await host.service.exited() in (0, -signal.SIGKILL), host.service.stderr

    def _acts(self, host: Host) -> dict[str, Act]:
        async def on_vm(session: str, method: str, path: str) -> None:
            vms = await host.ask("GET", f"/api/v1/sessions/{session}/vms", None)
            if vms.get("items"):
                vm = vms["items"][0]["id"]
                await host.ask(method, f"{P}/v1/vms/{vm}{path}", None, json={})

        async def from_within(session: str) -> None:
            with contextlib.suppress(KeyError):
                await host.as_root(session, self._chance.choice(FROM_WITHIN), 15, None)

        async def again(session: str) -> None:
            await on_vm(session, "POST", "/suspend")
            await host.run(session, "echo on", status=None)

        return {
            "bash": lambda session: host.run(session, "sleep 1; echo on", status=None),
            "bomb": lambda session: host.run(session, BOMB, status=None, timeout=2),
            "clone": lambda session: on_vm(session, "POST", "/clone"),
            "end": lambda session: on_vm(session, "DELETE", ""),
            "from within": from_within,
            "output": lambda session: host.run(session, "head -c 9000000 /dev/zero", status=None),
            "python": lambda session: host.run(session, SLEEP, "python", status=None, timeout=1),
            "resume": again,
            "snapshot": lambda session: on_vm(session, "POST", "/snapshot"),
            "suspend": lambda session: on_vm(session, "POST", "/suspend"),
        }

    def _faults(self, host: Host) -> dict[str, Fault]:
        async def machine(number: signal.Signals) -> None:
            machines = sorted(host.traces.machines().items())
            if machines:
                _, pid = self._chance.choice(machines)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

        async def service(number: signal.Signals) -> None:
            host.service.send(number)
            assert await host.service.exited() in (0, -signal.SIGKILL), host.service.stderr

        async def delete() -> None:
            if self._sessions:
                await host.delete(self._sessions.pop())

        async def kill() -> None:
            if self._sessions:
                body = {"session_id": self._sessions[-1]}
                await self._lenient(host, host.ask("POST", f"{P}/kill", None, json=body))

        async def nothing() -> None:
            pass

        return {
            "kill -9 of a machine": lambda: machine(signal.SIGKILL),
            "a machine stands still": lambda: machine(signal.SIGSTOP),
            "kill -9 of the service": lambda: service(signal.SIGKILL),
            "SIGTERM of the service": lambda: service(signal.SIGTERM),
            "the session is deleted": delete,
            "the machine is ended": kill,
            "nothing": nothing,
        }

    async def _clear(self, host: Host) -> None:
        """Everything is ended, and nothing is left: also not in the service itself."""
        await host.clear()
        self._sessions.clear()

    def _check_ended(self, host: Host) -> None:
        log = host.service.stderr
        assert not [line for line in log.splitlines() if any(word in line for word in BUGS)], log
        if host.service.exit_code == 0:
            assert host.traces.gone() == []
        assert host.service.exit_code in (0, -signal.SIGKILL), log

    def _heads(self) -> bool:
        return self._chance.random() < 0.5


BOMB: Final = "b() { b | b & }; b; sleep 10"
SLEEP: Final = "import time; time.sleep(10)"
