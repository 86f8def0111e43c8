"""What is told of machines, their copies and their sessions: the one place that writes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import START, Append, Commit, Position
from eventstore.errors import Conflict
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.status import Reason, Status
from projections.events.vm import VmRequested
from projections.events.vm_snapshot import SnapshotRequested
from projections.folds import session as session_fold
from projections.folds import vm as vm_fold
from projections.folds import vm_snapshot as snapshot_fold
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.folds.vm_snapshot import Snapshot
from projections.follower import Follower
from projections.subjects import SESSION, SNAPSHOT, VM, Subject
from projections.views.lists import VmFilter, list_vms
from projections.views.store import Views
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import ChangeStatus
from sessions.domain.rejections import NotFound, Rejection
from sessions.service import CONFLICT_RETRIES_MAX, Sessions

FactsOf = Callable[[Any], Sequence[Fact]]
"""What becomes of a state; may be asked more than once, and nothing is told where it is empty."""


class MachineBook:
    """The machines, snapshots and sessions of the log, and what becomes of them."""

    def __init__(self, log: EventLog, follower: Follower, views: Views, sessions: Sessions) -> None:
        self.log = log
        self.views = views
        self.sessions = sessions
        self._follower = follower

    async def vm(self, vm_id: str, who: Caller) -> Vm:
        """A machine as it is now; raises NotFound."""
        state: Vm | None = await self._follower.states.get(vm_fold.PREFIX + vm_id)
        if state is None or not who.sees(state.tenant):
            raise NotFound("There is no such machine.")
        return state

    async def snapshot(self, snapshot_id: str, who: Caller) -> Snapshot:
        """A snapshot as it is now; raises NotFound, also for one that was deleted."""
        state: Snapshot | None = await self._follower.states.get(snapshot_fold.PREFIX + snapshot_id)
        if state is None or state.deleted or not who.sees(state.tenant):
            raise NotFound("There is no such snapshot.")
        return state

    async def newest_vm(self, session_id: str) -> Vm | None:
        """The machine of the session that was requested last."""
        await self.views_follow()
        wanted = VmFilter(session=session_id)
        found = await list_vms(self.views, wanted, before=None, limit=1)
        # The row was written a moment ago; what is in memory is newer.
        return await self.vm(found[0].id, SERVICE) if found else None

    async def views_follow(self) -> None:
        """Return when the views show everything that the log has, or as far as the disk lets."""
        await self._follower.reached(self.log.size)

    async def request_vm(self, vm_id: str, wanted: VmRequested, tenant: str, who: Caller) -> Vm:
        """The machine that is wanted from now on."""
        stream = vm_fold.PREFIX + vm_id
        await self._append(VM, stream, None, (wanted,), who, tenant)
        return await self.vm(vm_id, SERVICE)

    async def request_snapshot(
        self, snapshot_id: str, wanted: SnapshotRequested, tenant: str, who: Caller
    ) -> Snapshot:
        """The snapshot that is wanted from now on."""
        stream = snapshot_fold.PREFIX + snapshot_id
        await self._append(SNAPSHOT, stream, None, (wanted,), who, tenant)
        return await self.snapshot(snapshot_id, SERVICE)

    async def tell_vm(
        self, vm_id: str, facts_of: FactsOf, who: Caller = SERVICE, commit_id: bytes | None = None
    ) -> Vm:
        """The machine after what `facts_of` makes of it."""
        state: Vm = await self._tell(VM, vm_fold.PREFIX + vm_id, facts_of, who, commit_id)
        return state

    async def tell_snapshot(
        self, snapshot_id: str, facts_of: FactsOf, who: Caller = SERVICE
    ) -> Snapshot:
        """The snapshot after what `facts_of` makes of it."""
        stream = snapshot_fold.PREFIX + snapshot_id
        state: Snapshot = await self._tell(SNAPSHOT, stream, facts_of, who, None)
        return state

    async def tell_session(
        self, session_id: str, fact: Fact, who: Caller, commit_id: bytes
    ) -> Session:
        """The session after a fact that changes nothing of it but its history."""
        stream = session_fold.PREFIX + session_id
        state: Session = await self._tell(SESSION, stream, lambda _: (fact,), who, commit_id)
        return state

    async def move(
        self,
        session_id: str,
        to: Status,
        reason: Reason,
        detail: str = "",
        *,
        only_from: frozenset[Status],
        who: Caller = SERVICE,
    ) -> bool:
        """Move the session on, where it has one of these statuses; False where it has none."""
        command = ChangeStatus(to=to, reason=reason, detail=detail, only_from=only_from)
        try:
            await self.sessions.execute(session_id, command, who)
        except Rejection:
            return False
        return True

    async def _tell(
        self, subject: Subject, stream: str, facts_of: FactsOf, who: Caller, commit_id: bytes | None
    ) -> Any:
        for attempt in range(CONFLICT_RETRIES_MAX):
            state = await self._follower.states.get(stream)
            if state is None:
                raise NotFound
            facts = tuple(facts_of(state))
            if not facts:
                return state
            try:
                await self._append(subject, stream, state, facts, who, state.tenant, commit_id)
                break
            except Conflict:
                if attempt == CONFLICT_RETRIES_MAX - 1:
                    raise
        return await self._follower.states.get(stream)

    async def _append(
        self,
        subject: Subject,
        stream: str,
        state: Any,
        facts: Sequence[Fact],
        who: Caller,
        tenant: str,
        commit_id: bytes | None = None,
    ) -> None:
        wish = Append(
            stream=stream,
            expected=START if state is None else state.position,
            commit_id=commit_id or ids.commit_id(),
            events=tuple(map(CODEC.encode, facts)),
            actor=who.actor,
            tenant=tenant,
            tags=_TAGS[subject.prefix](subject, state, facts, stream, tenant),
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self.log.append(wish)


Tags = Callable[[Subject, Any, Sequence[Fact], str, str], tuple[str, ...]]


def _tags_of_fold(tags: Callable[[Any], tuple[str, ...]]) -> Tags:
    def tags_after(
        subject: Subject, state: Any, facts: Sequence[Fact], stream: str, tenant: str
    ) -> tuple[str, ...]:
        ahead = replace(_AHEAD, stream=stream, tenant=tenant)
        for fact in facts:
            state = subject.evolve(state, fact, ahead)
        return tags(state)

    return tags_after


_AHEAD: Final = Commit(
    position=Position(START),
    previous=START,
    stream="",
    id="",
    at=0,
    actor="",
    tenant="",
    events=(),
)
_TAGS: Final[dict[str, Tags]] = {
    VM.prefix: _tags_of_fold(vm_fold.tags),
    SNAPSHOT.prefix: _tags_of_fold(snapshot_fold.tags),
    SESSION.prefix: lambda _, state, facts, *__: session_fold.tags(state, facts),
}
