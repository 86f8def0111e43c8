"""The state of a catalog entry."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.catalog import CatalogEntered

PREFIX: Final = "catalog/"
VERSION: Final = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A thing that sessions refer to, as of `position`."""

    id: str
    type: str
    tenant: str
    parent: str
    created: Position
    position: Position
    created_at: int
    data: dict[str, Any] = {}


def evolve(state: Entry | None, fact: Fact, commit: Commit) -> Entry | None:
    """The state after one more fact."""
    if isinstance(fact, CatalogEntered) and state is None:
        return Entry(
            id=commit.stream.removeprefix(PREFIX),
            type=fact.type,
            tenant=commit.tenant,
            parent=fact.parent,
            created=commit.position,
            position=commit.position,
            created_at=commit.at,
            data=fact.data,
        )
    return None if state is None else replace(state, position=commit.position)
