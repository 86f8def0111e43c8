"""The state of a catalog entry."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.folds.merging import merged

PREFIX: Final = "catalog/"
VERSION: Final = 2


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A thing that sessions refer to, as of `position`; instants in microseconds."""

    id: str
    type: str
    tenant: str
    parent: str
    created: Position
    position: Position
    created_at: int
    updated_at: int
    data: dict[str, Any] = {}
    deleted: bool = False


def evolve(state: Entry | None, fact: Fact, commit: Commit) -> Entry | None:
    """The state after one more fact; what was deleted stays so, and as it was then."""
    if state is None:
        return _entered(fact, commit) if isinstance(fact, CatalogEntered) else None
    state = replace(state, position=commit.position)
    if state.deleted:
        return state
    match fact:
        case CatalogChanged(data=data):
            return replace(state, data=merged(state.data, data), updated_at=commit.at)
        case CatalogDeleted():
            return replace(state, deleted=True, updated_at=commit.at)
        case _:
            return state


def _entered(fact: CatalogEntered, commit: Commit) -> Entry:
    return Entry(
        id=commit.stream.removeprefix(PREFIX),
        type=fact.type,
        tenant=commit.tenant,
        parent=fact.parent,
        created=commit.position,
        position=commit.position,
        created_at=commit.at,
        updated_at=commit.at,
        data=fact.data,
    )
