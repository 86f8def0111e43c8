"""The state of an API key."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.access import KeyIssued, KeyRevoked, Scope

PREFIX: Final = "key/"
VERSION: Final = 1


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An API key as of `position`; the key itself is nowhere."""

    id: str
    name: str
    digest: str
    prefix: str
    tenant: str
    scopes: tuple[Scope, ...]
    created: Position
    position: Position
    created_at: int
    revoked_at: int | None = None


def evolve(state: Key | None, fact: Fact, commit: Commit) -> Key | None:
    """The state after one more fact; a revoked key stays revoked."""
    if isinstance(fact, KeyIssued) and state is None:
        return Key(
            id=commit.stream.removeprefix(PREFIX),
            name=fact.name,
            digest=fact.digest,
            prefix=fact.prefix,
            tenant=fact.tenant,
            scopes=fact.scopes,
            created=commit.position,
            position=commit.position,
            created_at=commit.at,
        )
    if state is None:
        return None
    if isinstance(fact, KeyRevoked) and state.revoked_at is None:
        state = replace(state, revoked_at=commit.at)
    return replace(state, position=commit.position)
