"""A command flows straight through: load, decide, append, and again where someone was faster."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from eventstore.codec import Fact
from eventstore.commit import START, Append, Commit, Position
from eventstore.errors import CommitIdReused, Conflict
from eventstore.feed import Feed
from eventstore.ports import EventLog
from eventstore.vault import Vault
from projections.events import CODEC
from projections.events.request import RequestAnswered
from projections.folds import session as session_fold
from projections.folds.session import PREFIX, Session
from projections.follower import Follower
from projections.history import state_of
from sessions import ids
from sessions.caller import Caller
from sessions.domain.commands import AnyCommand, CreateSession, Delete, Erase, Touch
from sessions.domain.decide import decide
from sessions.domain.rejections import (
    AlreadyExists,
    Deleted,
    IdempotencyKeyReused,
    NotFound,
    Rejection,
    RevisionMismatch,
)
from sessions.waiters import Waiters

CONFLICT_RETRIES_MAX: Final = 16
STREAM_PAGE: Final = 1000
# Uses of a session closer together than this share of its idle time-out are told as one.
TOUCH_SHARE: Final = 0.1

ClockUs = Callable[[], int]
Decide = Callable[[Session, int], tuple[Fact, ...]]
"""What becomes of a session, at an instant in microseconds; may be asked more than once."""


class Once(msgspec.Struct, frozen=True):
    """A request that must not happen twice: `key` names it, `fingerprint` is what it asks.

    Of a `sensitive` one the log gets a fingerprint that is worth nothing without the vault.
    """

    key: str
    fingerprint: str
    sensitive: bool = False

    def commit_id(self, tenant: str) -> bytes:
        """The id of the commit that answers it; the log takes each id once."""
        return hashlib.sha256(f"once\0{tenant}\0{self.key}".encode()).digest()[:16]


class Claim(msgspec.Struct, frozen=True):
    """A name that one session at a time may hold, for as long as `held` says of its state.

    `taken` is what another one is told. Each holder's commit id is made of the name and how
    many held it before, so that the log itself lets only one of two racing creates have it, also
    after a restart.
    """

    name: str
    held: Callable[[Session], bool]
    taken: str = ""

    def commit_id(self, tenant: str, generation: int) -> bytes:
        """The id of the commit by which the holder of that generation takes the name."""
        text = f"claim\0{tenant}\0{self.name}\0{generation}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


ClaimOf = Callable[[Session], Claim | None]
"""The claim that a session must hold after a change, None if it needs none."""


class Sessions:
    """Every change to a session goes through here, whichever dialect asks for it."""

    def __init__(
        self, log: EventLog, feed: Feed, follower: Follower, vault: Vault, clock_us: ClockUs
    ) -> None:
        self.waiters = Waiters()
        self._log = log
        self._vault = vault
        self._feed = feed
        self._states = follower.states
        self._clock_us = clock_us
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self, session_id: str, command: CreateSession, who: Caller, once: Once | None = None
    ) -> tuple[Session, bool]:
        """The new session and True, or the one that `once` made before and False."""
        if once is not None:
            earlier = await self.answered(once, who)
            if earlier is not None:
                return earlier, False
        facts = decide(command, None, self._clock_us())
        stream = PREFIX + session_id
        try:
            await self._append_once(stream, None, facts, who, once)
        except CommitIdReused:
            assert once is not None
            earlier = await self.answered(once, who)
            assert earlier is not None
            return earlier, False
        return await self._state(stream), True

    async def create_whole(
        self, session_id: str, command: CreateSession, facts: Sequence[Fact], who: Caller
    ) -> Session:
        """The new session, of which `facts` are true at once; raises AlreadyExists."""
        created = decide(command, None, self._clock_us())
        stream = PREFIX + session_id
        try:
            await self._append(stream, None, (*created, *facts), who, ids.commit_id())
        except Conflict:
            raise AlreadyExists from None
        return await self._state(stream)

    async def create_claiming(
        self, session_id: str, command: CreateSession, who: Caller, claim: Claim
    ) -> tuple[Session, bool]:
        """The new session, which now holds `claim`, and True; or its present holder and False."""
        facts = decide(command, None, self._clock_us())
        stream = PREFIX + session_id
        for _ in range(CONFLICT_RETRIES_MAX):
            holder, commit_id = await self._holder(claim, who.tenant)
            if holder is not None:
                return holder, False
            try:
                await self._append(stream, None, facts, who, commit_id)
            except CommitIdReused:
                continue  # another create was faster: look who holds the name now
            return await self._state(stream), True
        raise Conflict(stream, START, START)

    async def change_claiming(
        self, session_id: str, facts_of: Decide, who: Caller, claim_of: ClaimOf
    ) -> Session:
        """The session after `facts_of`, holding its claim; raises AlreadyExists if another does.

        Raises what `facts_of` raises, and NotFound or Deleted.
        """
        stream = PREFIX + session_id
        async with self._turns.setdefault(stream, asyncio.Lock()):
            for _ in range(CONFLICT_RETRIES_MAX):
                state = await self._load(session_id, who)
                facts = facts_of(state, self._clock_us())
                if not facts:
                    return state
                claim, commit_id = claim_of(state), ids.commit_id()
                if claim is not None and not claim.held(state):
                    holder, commit_id = await self._holder(claim, state.tenant)
                    if holder is not None and holder.id == session_id:
                        continue  # it has come to hold the name meanwhile
                    if holder is not None:
                        raise AlreadyExists(claim.taken)
                # Somebody may be faster: to change the session, or to take the name.
                with contextlib.suppress(Conflict, CommitIdReused):
                    await self._append(stream, state, facts, who, commit_id)
                    return await self._state(stream)
        raise Conflict(stream, START, START)

    async def holding(self, claim: Claim, who: Caller) -> Session | None:
        """The session that holds `claim` in the caller's tenant, None if there is none."""
        return (await self._holder(claim, who.tenant))[0]

    async def _holder(self, claim: Claim, tenant: str) -> tuple[Session | None, bytes]:
        """Who holds the claim, and the id of the commit by which the next one takes it."""
        generation = await self._last_generation(claim, tenant)
        commit_id = claim.commit_id(tenant, generation + 1)
        if not generation:
            return None, commit_id
        taken = await self._log.find(claim.commit_id(tenant, generation))
        assert taken is not None
        state = await self._published(taken)
        held = state is not None and not state.deleted and claim.held(state)
        return (state if held else None), commit_id

    async def _published(self, commit: Commit) -> Session | None:
        """The state of the commit's stream, which may be durable a moment before it is folded."""
        await self._feed.grown(Position(commit.position - 1))
        state: Session | None = await self._states.get(commit.stream)
        return state

    async def _last_generation(self, claim: Claim, tenant: str) -> int:
        """How many have held the claim: galloping, then halving, for look-ups cost a hop each."""

        async def taken(generation: int) -> bool:
            return await self._log.find(claim.commit_id(tenant, generation)) is not None

        high = 1
        while await taken(high):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if await taken(middle) else (low, middle)
        return low

    async def execute(
        self,
        session_id: str,
        command: AnyCommand,
        who: Caller,
        *,
        expected: Position | None = None,
        once: Once | None = None,
        claim_of: ClaimOf | None = None,
    ) -> Session:
        """The session after `command`, with its claim; raises Rejection, also off `expected`."""
        if once is None:
            return await self._change(session_id, command, who, expected, None, claim_of)
        earlier = await self.answered(once, who)
        if earlier is not None:
            return earlier
        try:
            return await self._change(session_id, command, who, expected, once, claim_of)
        except (Rejection, CommitIdReused):
            # The same request, sent twice at once, may have been faster and changed what we see.
            earlier = await self.answered(once, who)
            if earlier is None:
                raise
            return earlier

    async def _change(
        self,
        session_id: str,
        command: AnyCommand,
        who: Caller,
        expected: Position | None,
        once: Once | None,
        claim_of: ClaimOf | None,
    ) -> Session:
        def facts_of(state: Session, now: int) -> tuple[Fact, ...]:
            if expected is not None and expected != state.position:
                raise RevisionMismatch(state.position)
            return decide(command, state, now)

        if claim_of is not None:
            state = await self.change_claiming(session_id, facts_of, who, claim_of)
            if once is None:
                return state
            # A commit has one id, and that was the claim's: the answer is noted by the next one.
            return await self.change(session_id, lambda *_: (), who, once=once)
        gone = isinstance(command, Delete | Erase)
        return await self.change(session_id, facts_of, who, deleted=gone, once=once)

    async def change(
        self,
        session_id: str,
        facts_of: Decide,
        who: Caller,
        *,
        deleted: bool = False,
        once: Once | None = None,
    ) -> Session:
        """The session after what `facts_of` makes of it, asked anew where somebody was faster.

        Raises what `facts_of` raises, and NotFound or Deleted.
        """
        stream = PREFIX + session_id

        async def attempt() -> Session:
            state = await self._load(session_id, who, deleted=deleted)
            facts = facts_of(state, self._clock_us())
            if not facts and once is None:
                return state
            await self._append_once(stream, state, facts, who, once)
            return await self._state(stream)

        with contextlib.suppress(Conflict):
            return await attempt()
        # Who was slower waits for a turn: of many at once most would be too slow again.
        async with self._turns.setdefault(stream, asyncio.Lock()):
            for _ in range(CONFLICT_RETRIES_MAX - 2):
                with contextlib.suppress(Conflict):
                    return await attempt()
            return await attempt()

    def at_hand(self, session_id: str, who: Caller) -> Session | None:
        """The session as it is now, if it is in memory and may be seen; else ask `get`."""
        state: Session | None = self._states.at_hand(PREFIX + session_id)
        return None if state is None or state.deleted or not who.sees(state.tenant) else state

    async def get(self, session_id: str, who: Caller) -> Session:
        """The session as it is now; raises NotFound or Deleted."""
        return await self._load(session_id, who)

    async def find(self, session_id: str, who: Caller) -> Session:
        """The session as it is now, also a deleted one; raises NotFound."""
        return await self._load(session_id, who, deleted=True)

    async def touch(self, session_id: str, who: Caller) -> Session:
        """Note a use of the session; uses shortly after one another are one fact in the log."""
        state = await self._load(session_id, who)
        now = self._clock_us()
        share = (state.idle_timeout_s or 0) * session_fold.SECOND_US * TOUCH_SHARE
        if state.idle_timeout_s is None or now - state.active_at < share:
            return state
        return await self.execute(session_id, Touch(at=now), who)

    async def commits(
        self, session_id: str, who: Caller, after: Position = START, limit: int = STREAM_PAGE
    ) -> list[Commit]:
        """The history of a session, also of a deleted one."""
        await self._load(session_id, who, deleted=True)
        page = await self._log.read_stream(PREFIX + session_id, after, limit)
        return [recorded.commit for recorded in page]

    async def _load(self, session_id: str, who: Caller, *, deleted: bool = False) -> Session:
        stream = PREFIX + session_id
        state: Session | None = self._states.at_hand(stream) or await self._states.get(stream)
        if state is None or not who.sees(state.tenant):
            raise NotFound("There is no such session.")
        if state.deleted and not deleted:
            raise Deleted
        return state

    async def _state(self, stream: str) -> Session:
        state: Session = self._states.at_hand(stream) or await self._states.get(stream)
        return state

    async def _append_once(
        self,
        stream: str,
        state: Session | None,
        facts: tuple[Fact, ...],
        who: Caller,
        once: Once | None,
    ) -> None:
        if once is None:
            await self._append(stream, state, facts, who, ids.commit_id())
        else:
            fingerprint = await self._fingerprint(once, stream)
            if fingerprint is None:
                raise Deleted  # erased since the request was sealed
            facts = (*facts, RequestAnswered(fingerprint=fingerprint))
            await self._append(stream, state, facts, who, once.commit_id(who.tenant))

    async def _append(
        self,
        stream: str,
        state: Session | None,
        facts: tuple[Fact, ...],
        who: Caller,
        commit_id: bytes,
    ) -> None:
        tenant = who.tenant if state is None else state.tenant
        wish = Append(
            stream=stream,
            expected=START if state is None else state.position,
            commit_id=commit_id,
            events=tuple(map(CODEC.encode, facts)),
            actor=who.actor,
            tenant=tenant,
            tags=session_fold.tags(state, facts),
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self._log.append(wish)

    async def _fingerprint(self, once: Once, stream: str) -> str | None:
        """What the log of `stream` may know of the request; None if its key is gone."""
        if not once.sensitive:
            return once.fingerprint
        return await self._vault.fingerprint(stream, once.fingerprint)

    async def answered(self, once: Once, who: Caller) -> Session | None:
        """The session as `once` left it, None if the request is new.

        Raises IdempotencyKeyReused if it was another request, and Deleted if nobody can tell any
        more, because the session was erased.
        """
        commit = await self._log.find(once.commit_id(who.tenant))
        if commit is None:
            return None
        fingerprint = await self._fingerprint(once, commit.stream)
        if fingerprint is None:
            state = await self._published(commit)
            if state is not None and state.erased:
                raise Deleted
        for event in commit.events:
            fact = CODEC.decode(event)
            if isinstance(fact, RequestAnswered) and fact.fingerprint == fingerprint:
                then: Session | None = await state_of(self._log, commit.stream, commit.position)
                return then
        raise IdempotencyKeyReused
