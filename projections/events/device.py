"""Facts about a device that tests run on; stream `device/<token>`.

What is said on its channel are `channel.posted` facts in the same stream; what is said to all
devices of a tenant has the stream `devices/<tenant>`.
"""

from __future__ import annotations

from typing import ClassVar

from eventstore.codec import Fact
from projections.events.status import Reason


class DeviceRegistered(Fact, frozen=True, kw_only=True):
    """A device is there and may be told to start; `name` is its browser with the version."""

    NAME: ClassVar = "device.registered"

    user_agent: str
    name: str


class DeviceRemoved(Fact, frozen=True, kw_only=True):
    """The device is not there any more."""

    NAME: ClassVar = "device.removed"

    reason: Reason
