"""How a machine of a session is made: anew, from a snapshot, or from where one stood still."""

from __future__ import annotations

import uuid

import msgspec

from eventstore.errors import SubjectErased
from eventstore.vault import Vault
from projections.events.vm import VmLost, VmRequested
from projections.folds.session import PREFIX, Session
from projections.folds.vm import Vm
from sessions.caller import SERVICE
from sessions.domain import machine_sizes
from sessions.domain.machine_sizes import Sizes
from sessions.domain.rejections import InvalidValue, NoMachine, NotFound
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machine_life import Limits, Plan, answers
from sessions.runtimes.vm.port import Machines, Wanted


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A kept state that a machine begins with; with `forget` nobody else needs it."""

    kept: str
    sizes: Sizes
    snapshot: str = ""
    clone_of: str = ""
    goes_on: str = ""
    forget: bool = False


def new_vm_id() -> str:
    """The id of a machine that nobody has asked for yet."""
    return f"vmid-{uuid.uuid4().hex}"


class Planner:
    """Finds out how the next machine of a session is made, and what speaks against it."""

    def __init__(
        self, book: MachineBook, vault: Vault, machines: Machines, gate: Gate, limits: Limits
    ) -> None:
        self._book = book
        self._vault = vault
        self._machines = machines
        self._gate = gate
        self._limits = limits

    async def check(self) -> None:
        """Return where machines can be made; raises RuntimeUnavailable or MachineFailed."""
        async with answers(self._limits.answer_s):
            await self._machines.check()

    async def plan(self, vm_id: str, session: Session, source: Source | None) -> Plan:
        """The plan; raises RuntimeUnavailable, StorageError, LimitReached and NoMachine."""
        await self.check()
        try:
            return await self._plan(vm_id, session, source)
        except InvalidValue as error:
            # It is nothing in the request that is wrong, but in the session, or in the host.
            raise NoMachine(f"No machine can be as the session wants it: {error.detail}") from None

    async def _plan(self, vm_id: str, session: Session, source: Source | None) -> Plan:
        newest = await self._book.newest_vm(session.id)
        source = source or await self._source(session, newest)
        sizes = machine_sizes.sizes_of(session.spec) if source is None else source.sizes
        self._gate.check(sizes.memory_mb)
        env = await self._env(session)
        source = source or Source(kept="", sizes=sizes)
        requested = VmRequested(
            session=session.id,
            vcpu_count=sizes.vcpu_count,
            memory_mb=sizes.memory_mb,
            lifetime_s=sizes.lifetime_s,
            snapshot=source.snapshot,
            generation=1 if newest is None else newest.generation + 1,
            goes_on=source.goes_on,
            clone_of=source.clone_of,
            name="" if newest is None else newest.name,
            metadata=session.metadata if newest is None else newest.metadata,
            env_names=tuple(env),
        )
        wanted = Wanted(
            id=vm_id,
            vcpu_count=sizes.vcpu_count,
            memory_mb=sizes.memory_mb,
            env=env,
            kept=source.kept,
        )
        forget = source.kept if source.forget else ""
        return Plan(requested=requested, wanted=wanted, goes_on=source.goes_on, forget=forget)

    async def _source(self, session: Session, newest: Vm | None) -> Source | None:
        standing = await self._standing(newest)
        if standing is not None:
            if self._machines.keeps(standing.id):
                sizes = machine_sizes.going_on(standing)
                return Source(kept=standing.id, sizes=sizes, goes_on=standing.id)
            await self._lost(standing)
        snapshot_id = machine_sizes.snapshot_of(session)
        if not snapshot_id:
            return None
        return await self._snapshot(session, snapshot_id)

    async def _standing(self, newest: Vm | None) -> Vm | None:
        """The suspended machine of the session: its newest, or the one that this did not reach."""
        if newest is not None and newest.ended and newest.goes_on:
            newest = await self._book.vm(newest.goes_on, SERVICE)
        return newest if newest is not None and newest.status == "suspended" else None

    async def _snapshot(self, session: Session, snapshot_id: str) -> Source:
        try:
            snapshot = await self._book.snapshot(snapshot_id, SERVICE)
        except NotFound:
            snapshot = None
        if snapshot is None or snapshot.tenant != session.tenant:
            raise InvalidValue("spec.snapshot_id", "there is no such snapshot")
        if snapshot.status != "ready" or not self._machines.keeps(snapshot.id):
            raise InvalidValue("spec.snapshot_id", "the snapshot is not ready")
        sizes = machine_sizes.sizes_of(session.spec)
        sizes = machine_sizes.from_snapshot(sizes, snapshot)
        return Source(kept=snapshot.id, sizes=sizes, snapshot=snapshot.id)

    async def _lost(self, vm: Vm) -> None:
        lost = VmLost(reason="runtime_lost", detail="What was kept of the machine is gone.")
        await self._book.tell_vm(vm.id, lambda state: () if state.ended else (lost,))

    async def _env(self, session: Session) -> dict[str, str]:
        """The secrets of the session, which are the environment of its machines."""
        names = list(session.secrets)
        sealed = [session.secrets[name] for name in names]
        plain = await self._vault.unseal_many(PREFIX + session.id, sealed)
        env: dict[str, str] = {}
        for name, value in zip(names, plain, strict=True):
            if value is None:
                raise SubjectErased(PREFIX + session.id)
            env[name] = value
        machine_sizes.check_names(env)
        return env
