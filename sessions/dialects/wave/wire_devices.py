"""Shapes of WAVE's devices API and of the events on its channels; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from eventstore.commit import Commit
from projections.events import CODEC
from projections.events.test_run import ChannelPosted
from projections.folds.device import Seen
from sessions.dialects.wave.wire import Browser, iso

TYPE_CHARS_MAX: Final = 200


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device; keys and their order are the contract's (section 1.5)."""

    token: str
    user_agent: str
    name: str
    last_active: str


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said on a channel; without a type, nothing (section 1.5)."""

    type: Annotated[str, msgspec.Meta(max_length=TYPE_CHARS_MAX)] | None = None
    data: Any = None


EventBody = NewEvent | list[Any] | None
"""What may come as JSON: an array and null say no more than an empty object (section 1.2)."""


def device_view(seen: Seen) -> DeviceView:
    """A device as WAVE reads it."""
    return DeviceView(
        token=seen.device.id,
        user_agent=seen.device.user_agent,
        name=seen.device.name,
        last_active=iso(seen.last_active),
    )


def described(seen: Seen) -> Any:
    """A device as the events that tell of it hold it (section 4)."""
    return msgspec.to_builtins(device_view(seen))


def channel_events(commit: Commit) -> list[tuple[str, Any]]:
    """What a commit says on the channel of a device, or on the one for all (section 4)."""
    facts = (CODEC.decode(event) for event in commit.events if event.type == ChannelPosted.NAME)
    return [(fact.type, fact.data) for fact in facts if isinstance(fact, ChannelPosted)]


def device_name(browser: Browser) -> str:
    """The name of a device: that of its browser, with the version (section 1.5)."""
    return f"{browser.name} {browser.version}"
