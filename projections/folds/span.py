"""The state of a span: a piece of what an evaluated program did in a turn."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.span import SpanDeleted, SpanRecorded

PREFIX: Final = "span/"
VERSION: Final = 1
_UTF8: Final = ("utf-8", "surrogatepass")


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A span as of `position`; instants in microseconds since the epoch.

    `id` is the key of its stream; the id that its client chose is `span_id`.
    """

    id: str
    tenant: str
    session: str
    turn: int
    created: Position
    position: Position
    created_at: int
    updated_at: int
    data: dict[str, Any] = {}
    deleted: bool = False

    @property
    def span_id(self) -> str:
        """The id that the client gave it, which is unique in its tenant."""
        return unquote(self.id.partition("/")[2], *_UTF8)


def key_of(tenant: str, span_id: str) -> str:
    """The key of the span that a tenant calls so: no other tenant or span has it."""
    return "/".join(quote(part, "", *_UTF8) for part in (tenant, span_id))


def stream_of(tenant: str, span_id: str) -> str:
    """The stream of the span that a tenant calls so."""
    return PREFIX + key_of(tenant, span_id)


def evolve(state: Span | None, fact: Fact, commit: Commit) -> Span | None:
    """The state after one more fact: what was recorded last, unless that was deleted."""
    if isinstance(fact, SpanDeleted) and state is not None:
        return replace(state, deleted=True, position=commit.position, updated_at=commit.at)
    if not isinstance(fact, SpanRecorded):
        return state
    if state is not None:
        return replace(
            state,
            session=fact.session,
            turn=fact.turn,
            data=fact.data,
            deleted=False,
            position=commit.position,
            updated_at=commit.at,
        )
    return Span(
        id=commit.stream.removeprefix(PREFIX),
        tenant=commit.tenant,
        session=fact.session,
        turn=fact.turn,
        created=commit.position,
        position=commit.position,
        created_at=commit.at,
        updated_at=commit.at,
        data=fact.data,
    )
