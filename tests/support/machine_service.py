"""MachineSessions over a real log in a folder, without HTTP: opened, crashed and opened again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from eventstore.vault import Vault
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.follower import Follower
from sessions import ids
from sessions.app import wall_clock_us
from sessions.caller import Caller
from sessions.domain.admission import Budget
from sessions.domain.commands import CreateSession
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machine_life import Limits
from sessions.machines import MachineSessions
from sessions.service import Sessions
from tests.support.scripted_machines import ScriptedMachines
from tests.support.standing import standing

USER = Caller(
    actor="key:user", tenant="lab", scopes=("sessions:read", "sessions:write"), correlation_id="r-1"
)
BUDGET = Budget(memory_mb=4096, count=8, starts=2, queue=4)
PATIENT = Limits()
"""Whatever the machine has to do besides: nothing is given up that goes on."""
QUICK = Limits(start_s=0.5, stop_s=0.2, keep_s=0.5, answer_s=0.3, resize_s=0.3, file_s=0.3)
"""For a use of what hangs now and then, where whatever is given up is well."""


class Service:
    """What a test looks at."""

    def __init__(
        self,
        follower: Follower,
        sessions: Sessions,
        machines: MachineSessions,
        runtime: ScriptedMachines,
        vault: Vault,
    ) -> None:
        self.follower = follower
        self.sessions = sessions
        self.machines = machines
        self.runtime = runtime
        self.vault = vault
        self.book = machines.book

    async def session(self, status: str = "pending", **spec: Any) -> str:
        """The id of a new session of machines."""
        session_id = ids.uuid7()
        env = spec.pop("env", {})
        sealed = await self.vault.seal_many(f"session/{session_id}", env)
        command = CreateSession(
            kind="vm",
            dialect="instavm",
            owner=USER.actor,
            status=status,  # type: ignore[arg-type]
            spec={"vm_lifetime_seconds": 300, **spec},
            secrets=sealed,
        )
        await self.sessions.create(session_id, command, USER)
        return session_id

    async def status(self, session_id: str) -> tuple[str, str]:
        """The status of a session and the reason for it."""
        state = await self.sessions.find(session_id, USER)
        return state.status, state.reason

    async def facts(self, stream: str) -> list[str]:
        """The names of all facts of a stream."""
        page = await self.book.log.read_stream(stream)
        return [event.type for recorded in page for event in recorded.commit.events]

    async def vms(self, session_id: str) -> list[Vm]:
        """The machines of a session, oldest first."""
        found = [
            recorded.commit.stream.removeprefix("vm/")
            for recorded in await self.book.log.read(limit=100_000)
            if recorded.commit.stream.startswith("vm/") and recorded.commit.previous == 0
        ]
        states = [await self.book.vm(vm_id, USER) for vm_id in found]
        return [state for state in states if state.session == session_id]


async def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    """Return once the condition holds, which may be a coroutine function."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = condition()
            if asyncio.iscoroutine(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    log: Any,
    runtime: ScriptedMachines,
    *,
    limits: Limits = PATIENT,
    budget: Budget = BUDGET,
    clock_us: Callable[[], int] = wall_clock_us,
    close: bool = True,
) -> AsyncIterator[Service]:
    """A service on `log`; without `close` it ends as a crash ends it."""
    async with standing(folder, log, clock_us, close=close) as (below, runtimes):
        book = MachineBook(log, below.follower, below.views, below.sessions)
        machines = MachineSessions(book, below.vault, runtime, Gate(budget), clock_us, limits)

        def notify(state: Session) -> None:
            below.sessions.waiters.notify(state)
            machines.notice(state)

        below.follower.states.on_change[Session] = notify
        below.follower.states.on_change[Vm] = machines.notice_vm
        runtimes.push_async_callback(machines.close)
        await machines.open()
        yield Service(below.follower, below.sessions, machines, runtime, below.vault)
