"""The spans of turns: each is a stream of its own, under the id that its client chose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from eventstore.codec import Fact
from eventstore.commit import Append
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.span import SpanDeleted, SpanRecorded
from projections.folds.session import Session
from projections.folds.span import Span, stream_of
from projections.follower import Follower
from projections.views.lists import PAGE_MAX
from projections.views.spans import SpanFilter, list_spans
from projections.views.store import Views
from sessions import ids
from sessions.caller import Caller
from sessions.domain.rejections import NotFound

AT_ONCE_MAX: Final = 256
READ_MAX: Final = 10_000


class NewSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span to record, of a turn of a session."""

    id: str
    turn: int
    data: Mapping[str, Any]


class Spans:
    """Every span of every tenant; recording one again under its id replaces it."""

    def __init__(self, log: EventLog, follower: Follower, views: Views) -> None:
        self._log = log
        self._follower = follower
        self._views = views

    async def record(self, wanted: Sequence[tuple[Session, NewSpan]], who: Caller) -> list[Span]:
        """The spans as they stand now, in the order in which they were wanted."""
        for start in range(0, len(wanted), AT_ONCE_MAX):
            part = wanted[start : start + AT_ONCE_MAX]
            await asyncio.gather(*(self._record(state, span, who) for state, span in part))
        return [await self._state(state.tenant, span.id) for state, span in wanted]

    async def list(self, wanted: SpanFilter, counted: Callable[[Span], None]) -> list[Span]:
        """The newest `READ_MAX` spans of those that are wanted; raises what `counted` raises."""
        await self._follower.reached(self._log.size)
        found: list[Span] = []
        before: int | None = None
        while len(found) < READ_MAX:
            page = await list_spans(self._views, wanted, before=before, limit=PAGE_MAX)
            for span in page:
                counted(span)
            found += page
            if len(page) < PAGE_MAX:
                break
            before = page[-1].created
        return found

    async def get(self, span_id: str, who: Caller) -> Span:
        """The span that the caller's tenant calls so, or for an admin any; raises NotFound."""
        tenants = [who.tenant, *sorted(self._views.tenants - {who.tenant})]
        for tenant in tenants if who.admin else tenants[:1]:
            span: Span | None = await self._follower.states.get(stream_of(tenant, span_id))
            if span is not None and not span.deleted:
                return span
        raise NotFound("There is no such trace.")

    async def delete(self, span: Span, who: Caller) -> None:
        """The span is there no more."""
        await self._append(span.tenant, span.span_id, SpanDeleted(), who)

    async def _record(self, state: Session, new: NewSpan, who: Caller) -> None:
        fact = SpanRecorded(session=state.id, turn=new.turn, data=dict(new.data))
        await self._append(state.tenant, new.id, fact, who)

    async def _append(self, tenant: str, span_id: str, fact: Fact, who: Caller) -> None:
        wish = Append(
            stream=stream_of(tenant, span_id),
            expected=None,  # the last one counts, whoever was first
            commit_id=ids.commit_id(),
            events=(CODEC.encode(fact),),
            actor=who.actor,
            tenant=tenant,
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self._log.append(wish)

    async def _state(self, tenant: str, span_id: str) -> Span:
        span: Span = await self._follower.states.get(stream_of(tenant, span_id))
        return span
