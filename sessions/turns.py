"""The turns of conversations that are evaluated: folded once, then brought forward by the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from eventstore.codec import Fact
from eventstore.commit import START, Commit
from eventstore.errors import Conflict
from projections.events import CODEC
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.folds.session import PREFIX, Session
from projections.folds.turns import Turn, Turns, evolve
from sessions.caller import Caller
from sessions.domain import turns as domain
from sessions.domain.rejections import InvalidValue, NotFound, RevisionMismatch
from sessions.domain.turns import Closed
from sessions.service import CONFLICT_RETRIES_MAX, Sessions

HOT_MAX: Final = 1_024
HOT_BYTES_MAX: Final = 32 << 20
SESSION_BYTES_MAX: Final = 32 << 20
"""How much the turns of one session may hold together, for they are folded into memory."""
PAGE: Final = 200

Data = Mapping[str, Any]
Changes = Callable[[Turn], Data]
"""The fields of a turn to set, None to clear one; may be asked more than once."""
Following = Callable[[Sequence[Turn]], Sequence[Data]]
"""The turns that follow after those that are there; may be asked more than once."""
_Seeing = Callable[[Session, Mapping[int, Turn], int], tuple[Fact, ...]]
_TURNS: Final = (TurnRecorded, TurnChanged, TurnRemoved)
_encode: Final = msgspec.json.Encoder().encode


class _Hot:
    """The turns of a session in memory, and how many bytes of JSON they hold.

    Who writes holds `writing`: of many at once, none has to try again until it gives up. It is
    kept as long as there are `writers`, also those that wait.
    """

    def __init__(self) -> None:
        self.turns = Turns()
        self.writing = asyncio.Lock()
        self.writers = 0
        self.size = 0
        self._sizes: dict[int, int] = {}

    def bring(self, commit: Commit) -> None:
        """Fold a commit in; one that another reader has folded in meanwhile changes nothing."""
        if commit.position <= self.turns.position:
            return
        for event in commit.events:
            fact = CODEC.decode(event)
            evolve(self.turns, fact, commit)
            if isinstance(fact, _TURNS):
                self._measure(fact.index)

    def _measure(self, index: int) -> None:
        turn = self.turns.by_index.get(index)
        size = 0 if turn is None else len(_encode(turn.data))
        self.size += size - self._sizes.get(index, 0)
        self._sizes[index] = size

    def check_room(self, facts: Sequence[Fact]) -> None:
        """Raises InvalidValue for facts by which the turns would hold too much."""
        size = sum(len(_encode(f.data)) for f in facts if isinstance(f, TurnRecorded | TurnChanged))
        if self.size + size > SESSION_BYTES_MAX:
            detail = f"the turns of a session hold at most {SESSION_BYTES_MAX} bytes"
            raise InvalidValue("turns", detail)


class Conversations:
    """Every change to the turns of a session goes through here, and every look at them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._hot: OrderedDict[str, _Hot] = OrderedDict()

    @property
    def in_memory(self) -> int:
        """Of how many sessions the turns are in memory."""
        return len(self._hot)

    async def turns(self, session_id: str, who: Caller) -> list[Turn]:
        """The turns as they are now, in their order; raises NotFound or Deleted."""
        state = await self._sessions.get(session_id, who)
        return list((await self._folded(state, who)).by_index.values())

    async def turn(self, session_id: str, index: int, who: Caller) -> Turn:
        """One turn as it is now; raises NotFound or Deleted."""
        state = await self._sessions.get(session_id, who)
        return _known((await self._folded(state, who)).by_index, index)

    async def record(
        self, session_id: str, data: Sequence[Data], closed: Closed, who: Caller
    ) -> list[Turn]:
        """The new turns: all of them, or none if the session has ended and ignores what comes.

        Raises what `domain.turns.record` raises, and Deleted.
        """

        def facts_of(state: Session, _: Mapping[int, Turn], now: int) -> tuple[Fact, ...]:
            return domain.record(state, data, closed, now)

        return await self._write(session_id, facts_of, who)

    async def follow(
        self, session_id: str, following: Following, closed: Closed, who: Caller
    ) -> list[Turn]:
        """The new turns, which follow from those that were there; raises as `record` does."""

        def facts_of(state: Session, known: Mapping[int, Turn], now: int) -> tuple[Fact, ...]:
            data = following(list(known.values()))
            return domain.record(state, data, closed, now) if data else ()

        return await self._write(session_id, facts_of, who)

    async def change(self, session_id: str, index: int, changes_of: Changes, who: Caller) -> Turn:
        """The turn after what `changes_of` makes of it; raises NotFound or Deleted."""

        def facts_of(_: Session, known: Mapping[int, Turn], __: int) -> tuple[Fact, ...]:
            turn = _known(known, index)
            return domain.change(turn, changes_of(turn))

        return (await self._write(session_id, facts_of, who, index))[0]

    async def remove(self, session_id: str, index: int, who: Caller) -> None:
        """The turn is there no more; raises NotFound or Deleted."""

        def facts_of(_: Session, known: Mapping[int, Turn], __: int) -> tuple[Fact, ...]:
            return domain.remove(_known(known, index))

        await self._write(session_id, facts_of, who)

    async def _write(
        self, session_id: str, facts_of: _Seeing, who: Caller, *named: int
    ) -> list[Turn]:
        """The turns that came and those that are named, after what `facts_of` makes of them all."""
        came: list[int] = []
        async with self._writing(session_id) as hot:
            for _ in range(CONFLICT_RETRIES_MAX):
                await self._folded(await self._sessions.get(session_id, who), who)

                def seen(state: Session, now: int) -> tuple[Fact, ...]:
                    if hot.turns.position != state.position:
                        raise RevisionMismatch(state.position)
                    facts = facts_of(state, hot.turns.by_index, now)
                    hot.check_room(facts)
                    came[:] = [fact.index for fact in facts if isinstance(fact, TurnRecorded)]
                    return facts

                with contextlib.suppress(RevisionMismatch):
                    after = await self._sessions.change(session_id, seen, who)
                    known = (await self._folded(after, who)).by_index
                    return [_known(known, index) for index in (*came, *named)]
        raise Conflict(PREFIX + session_id, START, START)

    @contextlib.asynccontextmanager
    async def _writing(self, session_id: str) -> AsyncIterator[_Hot]:
        """The turns of a session, which nobody else writes to, and which stay in memory."""
        hot = self._held(session_id)
        hot.writers += 1
        try:
            async with hot.writing:
                yield hot
        finally:
            hot.writers -= 1

    async def _folded(self, state: Session, who: Caller) -> Turns:
        """The turns of a session at `state` or later."""
        domain.of_evaluation(state)
        hot = self._held(state.id)
        read = False
        while hot.turns.position < state.position:
            after = hot.turns.position
            for commit in await self._sessions.commits(state.id, who, after, PAGE):
                hot.bring(commit)
            read = True
        if read:
            self._evict()
        return hot.turns

    def _held(self, session_id: str) -> _Hot:
        hot = self._hot.get(session_id)
        if hot is None:
            hot = self._hot[session_id] = _Hot()
            self._evict()
        self._hot.move_to_end(session_id)
        return hot

    def _evict(self) -> None:
        """Forget the conversations that nobody has looked at for longest, and nobody writes to."""
        size = sum(hot.size for hot in self._hot.values())
        for session_id, hot in list(self._hot.items())[:-1]:
            if len(self._hot) <= HOT_MAX and size <= HOT_BYTES_MAX:
                return
            if not hot.writers:
                size -= hot.size
                del self._hot[session_id]


def _known(turns: Mapping[int, Turn], index: int) -> Turn:
    turn = turns.get(index)
    if turn is None:
        raise NotFound("There is no such inference result.")
    return turn
