"""The state of a device that tests run on."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.test_run import ChannelPosted

PREFIX: Final = "device/"
VERSION: Final = 1


class Device(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A device as of `position`; `posted` counts what was said on its channel."""

    id: str
    tenant: str
    user_agent: str
    name: str
    created: Position
    position: Position
    created_at: int
    posted: int = 0
    removed_at: int | None = None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A device, and when it was last heard of in microseconds since the epoch."""

    device: Device
    last_active: int


def evolve(state: Device | None, fact: Fact, commit: Commit) -> Device | None:
    """The state after one more fact; a device that was removed stays removed."""
    if isinstance(fact, DeviceRegistered) and state is None:
        return Device(
            id=commit.stream.removeprefix(PREFIX),
            tenant=commit.tenant,
            user_agent=fact.user_agent,
            name=fact.name,
            created=commit.position,
            position=commit.position,
            created_at=commit.at,
        )
    if state is None:
        return None
    if isinstance(fact, DeviceRemoved) and state.removed_at is None:
        state = replace(state, removed_at=commit.at)
    elif isinstance(fact, ChannelPosted):
        state = replace(state, posted=state.posted + 1)
    return replace(state, position=commit.position)
