"""Copies of machines: snapshots that users keep, and machines that begin as a copy of another."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import Final

import structlog
from msgspec.structs import replace

from eventstore.errors import EventStoreError
from eventstore.vault import Vault
from projections.events.status import Reason
from projections.events.vm import VmSnapshotted
from projections.events.vm_snapshot import (
    SnapshotDeleted,
    SnapshotFailed,
    SnapshotReady,
    SnapshotRequested,
)
from projections.folds.session import PREFIX, Session
from projections.folds.vm import Vm
from projections.folds.vm_snapshot import Snapshot
from projections.views.machines import list_snapshots
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import CreateSession
from sessions.domain.machine_sizes import Sizes, sizes_of
from sessions.domain.rejections import LimitReached, NoMachine, Rejection
from sessions.machine_life import Limits
from sessions.machine_plan import Source
from sessions.machine_roster import Roster
from sessions.runtimes.vm.port import MachineError, MachineFailed, Machines

SNAPSHOTS_MAX: Final = 64
"""Of one tenant."""
AT_ONCE: Final = 2

_log = structlog.get_logger()


class Copies:
    """Snapshots of machines, and machines that are made of others."""

    def __init__(
        self,
        roster: Roster,
        vault: Vault,
        runtime: Machines,
        limits: Limits,
    ) -> None:
        self._roster = roster
        self._book = roster.book
        self._vault = vault
        self._runtime = runtime
        self._limits = limits
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._coming = 0

    async def snapshot(self, vm_id: str, name: str, who: Caller, *, wait: bool = True) -> Snapshot:
        """A copy of a machine that runs, under an id of its own; the machine goes on.

        Without `wait` it is only requested by then. Raises NoMachine, LimitReached, and with
        `wait` MachineFailed; one that failed says why.
        """
        vm = await self._book.vm(vm_id, who)
        self._roster.living(vm)
        snapshot = await self._requested(vm, name, who)
        making = self._roster.working(self._make(snapshot, vm))
        if not wait:
            return snapshot
        await asyncio.shield(making)
        snapshot = await self._book.snapshot(snapshot.id, SERVICE)
        if snapshot.status == "failed":
            raise MachineFailed(snapshot.detail)
        return snapshot

    async def list(
        self, who: Caller, *, before: int | None = None, limit: int = SNAPSHOTS_MAX
    ) -> list[Snapshot]:
        """The snapshots that the caller may see, newest first."""
        await self._book.views_follow()
        tenant = None if who.admin else who.tenant
        return await list_snapshots(self._book.views, tenant=tenant, before=before, limit=limit)

    async def get(self, snapshot_id: str, who: Caller) -> Snapshot:
        """A snapshot; raises NotFound."""
        return await self._book.snapshot(snapshot_id, who)

    async def delete(self, snapshot_id: str, who: Caller, reason: Reason = "requested") -> Snapshot:
        """The snapshot, which is no more; raises NotFound."""
        snapshot = await self._book.snapshot(snapshot_id, who)
        deleted = SnapshotDeleted(reason=reason)
        snapshot = await self._book.tell_snapshot(
            snapshot_id, lambda state: () if state.deleted else (deleted,), who
        )
        await self._forget(snapshot_id)
        return snapshot

    async def clone(self, vm_id: str, name: str, who: Caller, *, wait: bool = True) -> Vm:
        """A machine in a session of its own that goes on as `vm_id` does, which goes on too.

        With a `name` the copy that it begins with stays, as a snapshot. Raises as `snapshot`.
        """
        vm = await self._book.vm(vm_id, who)
        sizes = Sizes(vm.vcpu_count, vm.memory_mb, vm.lifetime_s)
        if name:
            snapshot = await self.snapshot(vm_id, name, who)
            source = Source(kept=snapshot.id, sizes=sizes, snapshot=snapshot.id, clone_of=vm.id)
        elif vm.status == "suspended":
            source = Source(kept=vm.id, sizes=sizes, clone_of=vm.id)
        else:
            kept = f"copy-{uuid.uuid4().hex}"
            await self._keep(vm, kept)
            source = Source(kept=kept, sizes=sizes, clone_of=vm.id, forget=True)
        try:
            session = await self._session_like(vm.session, who)
        except BaseException:
            if source.forget:
                await self._forget(source.kept)
            raise
        life = await self._roster.begun(session.id, who, source)
        if wait:
            await asyncio.shield(life.up)
        return await self._book.vm(life.id, SERVICE)

    async def forget_all_of(self, session: Session) -> None:
        """Remove the snapshots of a session that was erased: its secrets are in them."""
        await self._book.views_follow()
        for snapshot in await list_snapshots(self._book.views, tenant=None, session=session.id):
            with contextlib.suppress(Rejection, EventStoreError, MachineError):
                await self.delete(snapshot.id, SERVICE, "deleted")

    async def _requested(self, vm: Vm, name: str, who: Caller) -> Snapshot:
        self._coming += 1
        try:
            await self._book.views_follow()
            there = await list_snapshots(self._book.views, tenant=vm.tenant, limit=SNAPSHOTS_MAX)
            if len(there) + self._coming > SNAPSHOTS_MAX:
                raise LimitReached(f"There are {len(there)} snapshots; delete one first.")
            requested = SnapshotRequested(
                session=vm.session,
                vm=vm.id,
                vcpu_count=vm.vcpu_count,
                memory_mb=vm.memory_mb,
                name=name,
            )
            snapshot_id = f"snap-{uuid.uuid4().hex}"
            return await self._book.request_snapshot(snapshot_id, requested, vm.tenant, who)
        finally:
            self._coming -= 1

    async def _make(self, snapshot: Snapshot, vm: Vm) -> None:
        book = self._book
        try:
            size = await self._keep(vm, snapshot.id)
        except (MachineError, NoMachine) as error:
            failed = SnapshotFailed(reason="runtime_failed", detail=str(error))
            await self._until_told(snapshot.id, failed)
            return
        with contextlib.suppress(EventStoreError):
            kept = VmSnapshotted(snapshot=snapshot.id)
            await book.tell_vm(vm.id, lambda _: (kept,))
        await self._until_told(snapshot.id, SnapshotReady(size=size))
        state = await book.tell_snapshot(snapshot.id, lambda _: ())
        if state.deleted:  # while it was made
            await self._forget(snapshot.id)

    async def _keep(self, vm: Vm, name: str) -> int:
        """The size of the copy; raises MachineError, and then there is none."""
        try:
            async with self._turns, asyncio.timeout(self._limits.keep_s):
                return await self._roster.living(vm).keep(name)
        except (MachineError, TimeoutError, NoMachine) as error:
            await self._forget(name)
            detail = str(error) or "it took too long"
            raise MachineFailed(f"The machine could not be copied: {detail}") from error

    async def _forget(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await self._runtime.forget(name)
        except (MachineError, TimeoutError, OSError) as error:
            # The sweep at the next start finds it again.
            _log.warning("machine.not_forgotten", name=name, error=str(error))

    async def _until_told(self, snapshot_id: str, fact: SnapshotReady | SnapshotFailed) -> None:
        while True:
            try:
                await self._book.tell_snapshot(
                    snapshot_id, lambda state: (fact,) if state.status == "creating" else ()
                )
                return
            except EventStoreError as error:
                _log.warning("snapshot.not_told", snapshot=snapshot_id, error=str(error))
                await asyncio.sleep(1.0)

    async def _session_like(self, session_id: str, who: Caller) -> Session:
        """A new session with the settings of another one, and with its secrets."""
        session = await self._book.sessions.get(session_id, who)
        new_id = ids.uuid7()
        names = list(session.secrets)
        sealed = [session.secrets[name] for name in names]
        plain = await self._vault.unseal_many(PREFIX + session.id, sealed)
        texts = {n: p for n, p in zip(names, plain, strict=True) if p is not None}
        spec = {key: value for key, value in session.spec.items() if key != "snapshot_id"}
        sizes_of(spec)
        command = CreateSession(
            kind="vm",
            dialect=session.dialect,
            owner=who.actor,
            title=session.title,
            labels=session.labels,
            metadata=session.metadata,
            spec=spec,
            secrets=await self._vault.seal_many(PREFIX + new_id, texts),
            idle_timeout_s=session.idle_timeout_s,
            max_duration_s=session.max_duration_s,
        )
        made, _ = await self._book.sessions.create(
            new_id, command, replace(who, tenant=session.tenant)
        )
        return made
