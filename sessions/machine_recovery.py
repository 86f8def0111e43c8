"""After a start: what became of the machines of the service that ran before, and their sessions.

No machine outlives its service, so those that had not ended are lost; those that stand still on the
disk go on to do so. It may be interrupted and repeated at any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from eventstore.errors import EventStoreError
from projections.events.status import Reason, Status
from projections.events.vm import VmLost, VmStopped
from projections.events.vm_snapshot import SnapshotFailed
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.folds.vm_snapshot import Snapshot
from projections.views.machines import sessions_with_machines, snapshots_there, vms_there
from sessions.caller import SERVICE
from sessions.domain.rejections import NotFound
from sessions.machine_book import MachineBook
from sessions.runtimes.vm.port import MachineError, Machines

RETRY_S: Final = 1.0
RESTARTED: Final = "The service was started anew."
GONE: Final = "What was kept of it is gone."

_log = structlog.get_logger()


class Recovery:
    """Tells what a crash left untold, and makes the machines that sessions wait for."""

    def __init__(
        self, book: MachineBook, runtime: Machines, stands_still: Callable[[Vm], None]
    ) -> None:
        self._book = book
        self._runtime = runtime
        self._stands_still = stands_still
        self.done = asyncio.Event()

    async def begin(
        self,
        soon: Callable[[Coroutine[Any, Any, None]], None],
        begin_soon: Callable[[str], None],
    ) -> None:
        """Recover; what the disk refuses is tried again until it takes it, in the background."""
        if not await self._tried(begin_soon):
            soon(self._again(begin_soon))

    async def _again(self, begin_soon: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if await self._tried(begin_soon):
                return

    async def _tried(self, begin_soon: Callable[[str], None]) -> bool:
        try:
            waiting = await self._recover()
        except EventStoreError as error:
            _log.warning("machines.not_recovered", error=str(error))
            return False
        self.done.set()
        for session_id in waiting:
            begin_soon(session_id)
        return True

    async def _recover(self) -> list[str]:
        """Tell everything; the sessions that wait for a machine."""
        try:
            await self._runtime.open()
        except (MachineError, OSError) as error:
            _log.warning("machines.not_opened", error=str(error))
        await self._book.views_follow()
        needed: set[str] = set()
        async for vm in vms_there(self._book.views):
            if await self._vm(vm):
                needed.add(vm.id)
        async for snapshot in snapshots_there(self._book.views):
            if await self._snapshot(snapshot):
                needed.add(snapshot.id)
        await self._book.views_follow()
        found = [session async for session in sessions_with_machines(self._book.views)]
        waiting = [session.id for session in found if await self._session(session)]
        await self._sweep(needed)
        return waiting

    async def _vm(self, vm: Vm) -> bool:
        """True if the machine stands still, and what was kept of it is needed."""
        if vm.status != "suspended":
            await self._lost(vm, "service_restart", RESTARTED)
            return False
        if not self._runtime.keeps(vm.id):
            await self._lost(vm, "runtime_lost", GONE)
            return False
        session = await self._of(vm.session)
        if session is None or session.ended or session.deleted:
            reason: Reason = "deleted" if session is None else session.reason
            stopped = VmStopped(reason=reason)
            await self._book.tell_vm(vm.id, lambda state: () if state.ended else (stopped,))
            return False
        self._stands_still(vm)
        return True

    async def _of(self, session_id: str) -> Session | None:
        try:
            return await self._book.sessions.find(session_id, SERVICE)
        except NotFound:
            return None

    async def _lost(self, vm: Vm, reason: Reason, detail: str) -> None:
        lost = VmLost(reason=reason, detail=detail)
        await self._book.tell_vm(vm.id, lambda state: () if state.ended else (lost,))

    async def _snapshot(self, snapshot: Snapshot) -> bool:
        """True if there is a copy, which is needed."""
        if snapshot.status == "ready" and self._runtime.keeps(snapshot.id):
            return True
        if snapshot.status != "failed":
            ready = snapshot.status == "ready"
            reason: Reason = "runtime_lost" if ready else "service_restart"
            failed = SnapshotFailed(reason=reason, detail=GONE if ready else RESTARTED)
            await self._book.tell_snapshot(snapshot.id, lambda _: (failed,))
        return False

    async def _session(self, session: Session) -> bool:
        """True if the session waits for a machine; else it stands where it can go on from."""
        vm = await self._book.newest_vm(session.id)
        if vm is None:
            # Nobody asked for a machine here, but who makes a session with an environment does.
            return session.status == "queued" and session.dialect == "instavm"
        if vm.status == "suspended":
            await self._rest(session, vm.reason, "")
            return False
        if session.status not in ("queued", "starting"):
            await self._rest(session, vm.reason, vm.detail)
            return False
        if vm.reason != "service_restart":
            await self._over(session, vm)
            return False
        starting = frozenset[Status]({"starting"})
        await self._book.move(
            session.id, "queued", "service_restart", RESTARTED, only_from=starting
        )
        return True

    async def _rest(self, session: Session, reason: Reason, detail: str) -> None:
        status = frozenset({session.status})
        await self._book.move(session.id, "paused", reason, detail, only_from=status)

    async def _over(self, session: Session, vm: Vm) -> None:
        status = frozenset({session.status})
        to: Status = "stopped" if vm.reason == "requested" else "failed"
        await self._book.move(session.id, to, vm.reason, vm.detail, only_from=status)

    async def _sweep(self, needed: set[str]) -> None:
        """Remove what was kept of machines and snapshots that are no more."""
        try:
            for name in await self._runtime.kept():
                if name not in needed:
                    await self._runtime.forget(name)
        except (MachineError, OSError) as error:
            _log.warning("machines.not_swept", error=str(error))
