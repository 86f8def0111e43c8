"""Devices that say that they are there: who they are, who is gone, and what is said to them.

Who registered, who was removed and what was said stand in the log. When a device was last heard
of stands only in memory, for a fact for each poll would be all noise; so a restart counts as a
sign of life of every device, which has its whole time again.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import structlog

from eventstore.codec import Fact
from eventstore.commit import START, Append, Position, Recorded
from eventstore.errors import LogBusy, LogClosed, StorageError
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.status import Reason
from projections.events.test_run import ChannelPosted
from projections.folds.device import PREFIX, Device, Seen
from projections.subjects import DEVICE, fold
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.domain.rejections import NotFound

GONE_AFTER_US: Final = 60_000_000
TICK_S: Final = 0.5
# Of one tenant; when one more comes, the device that was silent for longest is removed.
DEVICES_MAX: Final = 10_000
ALL: Final = "devices/"

_log = structlog.get_logger()


Described = Callable[[Seen], Any]
"""The device as the others are told of it."""


class Devices:
    """Every device of every tenant that is there now.

    A device is told on the stream `device/<token>`, all of a tenant on `devices/<tenant>`.
    """

    def __init__(
        self,
        log: EventLog,
        devices: Iterable[Device],
        clock_us: Callable[[], int],
        described: Described,
    ) -> None:
        self._log = log
        self._clock_us = clock_us
        self._described = described
        self._seen: dict[str, Seen] = {}
        # By tenant, the one that was silent for longest first.
        self._tokens: dict[str, dict[str, None]] = {}
        self._coming: Counter[str] = Counter()
        self._removing = asyncio.Lock()
        # Removed, and the others are not told yet: a disk may take the one and refuse the other.
        self._untold: deque[Seen] = deque()
        for device in devices:
            self._note(Seen(device, clock_us()))
        log.listen(self._follow)

    def find(self, token: str, who: Caller) -> Seen:
        """The device; raises NotFound also for one that is gone."""
        seen = self._there(token, who)
        if seen is None:
            raise NotFound("There is no such device.")
        return seen

    def list(self, who: Caller) -> list[Seen]:
        """The devices that are there, oldest first."""
        there = (self._there(token, who) for token in self._seen)
        return sorted((one for one in there if one is not None), key=lambda s: s.device.created)

    def channel(self, token: str, who: Caller) -> str | None:
        """The stream on which the device is told; None for one that is gone."""
        return None if self._there(token, who) is None else PREFIX + token

    def channel_of_all(self, who: Caller) -> str:
        """The stream on which all devices of the caller's tenant are told of."""
        return ALL + who.tenant

    async def register(self, token: str, agent: str, name: str, who: Caller) -> Seen:
        """The new device; the others of its tenant are told."""
        self._coming[who.tenant] += 1
        try:
            await self._make_room(who.tenant)
            fact = DeviceRegistered(user_agent=agent, name=name)
            await self._append(PREFIX + token, START, fact, who, who.tenant)
            seen = self._seen[token]
        finally:
            self._coming[who.tenant] -= 1
        await self._announce("device_added", seen, who)
        return seen

    def refresh(self, token: str, who: Caller) -> None:
        """Note that the device is there; nothing where it is gone already."""
        seen = self._there(token, who)
        if seen is not None:
            self._note(Seen(seen.device, self._clock_us()))

    async def say(self, token: str, type: str, data: Any, who: Caller) -> None:
        """Tell the device; nothing happens where there is none."""
        seen = self._there(token, who)
        if seen is not None:
            fact = ChannelPosted(type=type, data=data)
            await self._append(PREFIX + token, None, fact, who, seen.device.tenant)

    async def say_to_all(self, type: str, data: Any, who: Caller) -> None:
        """Tell all who listen to the devices of the caller's tenant."""
        fact = ChannelPosted(type=type, data=data)
        await self._append(self.channel_of_all(who), None, fact, who, who.tenant)

    async def run(self) -> None:
        """Remove devices that fell silent, until cancelled; at most a tick late."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.sweep()
            except (StorageError, LogBusy, LogClosed) as error:
                # They are gone for every reader; the log is told when it takes it again.
                _log.warning("devices.failed", error=str(error))

    async def sweep(self) -> None:
        """Remove every device that has been silent for too long; raises what the log raises."""
        if self._untold:
            async with self._removing:
                await self._tell_removed()
        for token in [*self._silent()]:
            await self._remove(token, "idle_timeout")

    def _silent(self) -> Iterator[str]:
        for tokens in self._tokens.values():
            for token in tokens:
                if not self._gone(self._seen[token]):
                    break
                yield token

    def _there(self, token: str, who: Caller) -> Seen | None:
        seen = self._seen.get(token)
        if seen is None or self._gone(seen) or not who.sees(seen.device.tenant):
            return None
        return seen

    def _gone(self, seen: Seen) -> bool:
        return self._clock_us() - seen.last_active >= GONE_AFTER_US

    async def _make_room(self, tenant: str) -> None:
        tokens = self._tokens.setdefault(tenant, {})
        while tokens and len(tokens) + self._coming[tenant] > DEVICES_MAX:
            await self._remove(next(iter(tokens)), "capacity")

    async def _remove(self, token: str, reason: Reason) -> None:
        async with self._removing:
            seen = self._seen.get(token)
            if seen is not None:
                fact = DeviceRemoved(reason=reason)
                await self._append(PREFIX + token, None, fact, SERVICE, seen.device.tenant)
                self._untold.append(seen)
            await self._tell_removed()

    async def _tell_removed(self) -> None:
        while self._untold:
            await self._announce("device_removed", self._untold[0], SERVICE)
            self._untold.popleft()

    async def _announce(self, type: str, seen: Seen, who: Caller) -> None:
        tenant = seen.device.tenant
        fact = ChannelPosted(type=type, data=self._described(seen))
        await self._append(ALL + tenant, None, fact, who, tenant)

    async def _append(
        self, stream: str, expected: Position | None, fact: Fact, who: Caller, tenant: str
    ) -> None:
        wish = Append(
            stream=stream,
            expected=expected,
            commit_id=ids.commit_id(),
            events=(CODEC.encode(fact),),
            actor=who.actor,
            tenant=tenant,
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self._log.append(wish)

    def _follow(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            if not recorded.commit.stream.startswith(PREFIX):
                continue
            token = recorded.commit.stream.removeprefix(PREFIX)
            seen = self._seen.get(token)
            device = fold(DEVICE, None if seen is None else seen.device, recorded.commit)
            if device is None:
                continue  # it was removed while this was on its way
            if seen is None:
                self._note(Seen(device, self._clock_us()))
            elif device.removed_at is None:
                self._seen[token] = Seen(device, seen.last_active)
            else:
                del self._seen[token], self._tokens[device.tenant][token]

    def _note(self, seen: Seen) -> None:
        """Keep the device as the one that was heard of last."""
        token = seen.device.id
        tokens = self._tokens.setdefault(seen.device.tenant, {})
        tokens.pop(token, None)
        tokens[token] = None
        self._seen[token] = seen
