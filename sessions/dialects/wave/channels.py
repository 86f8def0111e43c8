"""Long-poll channels whose events and numbers come from the log (section 4 of the contract).

A channel is a stream of the log and a pure function, its `Tell`, that says what a commit of the
stream tells: pairs of a type and its data. Events are numbered from 0 in the order of the log, so
the numbers are the same after a restart, and no event is ever forgotten.

To have a channel: append facts to one stream (`device/<token>`, or one stream `devices` for all),
write its `Tell` as a pure function, and answer a poll with `events.polled(request, stream, tell,
after, wait_s)`. Whoever appends to the stream wakes those who wait; nothing else is to be called.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from eventstore.commit import START, Commit, Position, Recorded
from eventstore.feed import Feed
from eventstore.ports import EventLog

# An answer ends with the event that reaches one of these; the next poll goes on from there.
EVENTS_MAX: Final = 1000
ANSWER_BYTES: Final = 4 << 20
PAGE: Final = 100
MARK_EVERY: Final = 256
RESTED_MAX: Final = 4096
SWEEP_S: Final = 0.25

Told = tuple[str, Any]
Tell = Callable[[Commit], Sequence[Told]]
"""What a commit tells; the same for the same commit, always, and it raises nothing."""
Gone = Callable[[], bool]
"""True once the client of a poll has left."""


class ChannelEvent(msgspec.Struct, frozen=True):
    """One event of a channel as it goes out."""

    type: str
    data: Any
    number: int


Events = Sequence[ChannelEvent]


class _Channel:
    """How far a stream was followed; the events after `marks[i][1]` have numbers from the first."""

    __slots__ = (
        *("stream", "tell", "position", "count", "marks"),
        *("watchers", "current", "tail", "waiting", "bringing"),
    )

    def __init__(self, stream: str, tell: Tell) -> None:
        self.stream = stream
        self.tell = tell
        self.position = START
        self.count = 0
        self.marks: list[tuple[int, Position]] = [(0, START)]
        self.watchers = 0
        self.current = False
        self.tail: list[Commit] = []
        self.waiting: set[asyncio.Future[Events]] = set()
        self.bringing = asyncio.Lock()

    def take(self, commit: Commit) -> list[ChannelEvent]:
        """What the next commit tells, numbered; nothing for one that was taken already."""
        if commit.position <= self.position:
            return []
        if self.count >= self.marks[-1][0] + MARK_EVERY:
            self.marks.append((self.count, self.position))
        events = _numbered(self.tell(commit), self.count)
        self.count += len(events)
        self.position = commit.position
        return events

    def rest(self) -> None:
        """Nobody watches: what is appended from now on is read from the log when it is wanted."""
        self.current = False
        self.tail.clear()


class Channels:
    """Every channel that is or was polled; memory goes with those who wait, not with the log."""

    def __init__(self, log: EventLog, feed: Feed) -> None:
        self._log = log
        self._feed = feed
        self._watched: dict[str, _Channel] = {}
        self._rested: OrderedDict[str, _Channel] = OrderedDict()
        self._polls: dict[asyncio.Future[Events], Gone] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False
        log.listen(self._publish)

    @property
    def waiting(self) -> int:
        """How many polls wait for an event."""
        return len(self._polls)

    async def poll(
        self, stream: str, tell: Tell, after: int | None, wait_s: float, gone: Gone
    ) -> Events:
        """The events numbered above `after`, as soon as there are any; with None the next one only.

        Empty if none came in `wait_s` seconds, at the end of the service, and if the client left.
        """
        arrived = self._feed.head
        channel = self._watch(stream, tell)
        try:
            await self._bring(channel)
            known = after if after is not None else await self._last_number(channel, arrived)
            # No await from here to the future: what is published in between would be missed.
            if channel.count - 1 > known:
                events: Events = await self._newer(channel, known)
            else:
                events = await self._next(channel.waiting, wait_s, gone)
            return events if after is not None else events[:1]
        finally:
            self._leave(channel)

    async def silence(self, wait_s: float, gone: Gone) -> Events:
        """What a poll of a channel that nobody has answers: nothing, after as long a wait."""
        return await self._next(set(), wait_s, gone)

    def close(self) -> None:
        """Answer every poll, and wait for none from now on."""
        self._closed = True
        for future in list(self._polls):
            _resolve(future, ())
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _watch(self, stream: str, tell: Tell) -> _Channel:
        channel = self._watched.get(stream) or self._rested.pop(stream, None)
        if channel is None:
            channel = _Channel(stream, tell)
        self._watched[stream] = channel
        channel.watchers += 1
        return channel

    def _leave(self, channel: _Channel) -> None:
        channel.watchers -= 1
        if channel.watchers:
            return
        channel.rest()
        del self._watched[channel.stream]
        if channel.position != START:
            self._rested[channel.stream] = channel
            if len(self._rested) > RESTED_MAX:
                self._rested.popitem(last=False)

    async def _bring(self, channel: _Channel) -> None:
        """Follow the stream to its end; what is appended meanwhile waits in the tail."""
        async with channel.bringing:
            if channel.current:
                return
            while page := await self._log.read_stream(channel.stream, channel.position, PAGE):
                for recorded in page:
                    channel.take(recorded.commit)
            for commit in channel.tail:
                channel.take(commit)
            channel.tail.clear()
            channel.current = True

    async def _last_number(self, channel: _Channel, position: Position) -> int:
        """The number of the last event at or before `position`; -1 before the first."""
        if channel.position <= position:
            return channel.count - 1
        at = bisect.bisect_right(channel.marks, position, key=lambda mark: mark[1]) - 1
        number, after = channel.marks[at]
        while page := await self._log.read_stream(channel.stream, after, PAGE):
            for recorded in page:
                if recorded.commit.position > position:
                    return number - 1
                number += len(channel.tell(recorded.commit))
            after = page[-1].commit.position
        return number - 1

    async def _newer(self, channel: _Channel, known: int) -> Events:
        at = bisect.bisect_right(channel.marks, max(known, -1) + 1, key=lambda mark: mark[0]) - 1
        number, after = channel.marks[at]
        events: list[ChannelEvent] = []
        size = 0
        while page := await self._log.read_stream(channel.stream, after, PAGE):
            for recorded in page:
                told = _numbered(channel.tell(recorded.commit), number)
                number += len(told)
                newer = [event for event in told if event.number > known]
                events += newer
                size += len(recorded.body) if newer else 0
                if len(events) >= EVENTS_MAX or size >= ANSWER_BYTES:
                    return events
            after = page[-1].commit.position
        return events

    async def _next(
        self, waiting: set[asyncio.Future[Events]], wait_s: float, gone: Gone
    ) -> Events:
        if self._closed:
            return ()
        future: asyncio.Future[Events] = asyncio.get_running_loop().create_future()
        waiting.add(future)
        self._polls[future] = gone
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep(), name="polls")
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return ()
        finally:
            waiting.discard(future)
            del self._polls[future]

    def _publish(self, batch: Sequence[Recorded]) -> None:
        if not self._watched:
            return
        for recorded in batch:
            channel = self._watched.get(recorded.commit.stream)
            if channel is None:
                continue
            if not channel.current:
                channel.tail.append(recorded.commit)
                continue
            events = channel.take(recorded.commit)
            if events:
                for future in channel.waiting:
                    _resolve(future, events)

    async def _sweep(self) -> None:
        # The HTTP server tells nobody that the client of a plain request has left.
        while self._polls:
            await asyncio.sleep(SWEEP_S)
            for future, gone in list(self._polls.items()):
                if gone():
                    _resolve(future, ())


def _numbered(told: Sequence[Told], first: int) -> list[ChannelEvent]:
    return [ChannelEvent(type, data, first + n) for n, (type, data) in enumerate(told)]


def _resolve(future: asyncio.Future[Events], events: Events) -> None:
    if not future.done():
        future.set_result(events)
