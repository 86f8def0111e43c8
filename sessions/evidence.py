"""Bundles of evidence about sessions, each with a head that is signed for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from eventstore.artifacts import ArtifactStore
from eventstore.commit import START, Position, Recorded
from eventstore.evidence import (
    Chain,
    Contents,
    SharedNodes,
    all_positions,
    body_line,
    first_line,
    last_words,
)
from eventstore.ports import EventLog
from projections.evidence import Shown
from projections.folds import session, vm
from projections.follower import Follower
from projections.views.lists import VmFilter, list_vms
from projections.views.store import Views
from sessions.artifacts import in_thread, opened
from sessions.caller import Caller
from sessions.heads import Heads
from sessions.service import STREAM_PAGE, Sessions

_PROOFS: Final = 256


class Bundle(msgspec.Struct, frozen=True):
    """A bundle before its commits and files are read: what it is to hold, up to which position."""

    contents: Contents
    size: Position


class Evidence:
    """Makes bundles beside the traffic; nothing of a log is held in memory but positions."""

    def __init__(
        self,
        log: EventLog,
        heads: Heads,
        sessions: Sessions,
        follower: Follower,
        views: Views,
        store: ArtifactStore,
    ) -> None:
        self._log = log
        self._heads = heads
        self._sessions = sessions
        self._follower = follower
        self._views = views
        self._store = store

    async def prepare(self, session_id: str, who: Caller, *, artifacts: bool) -> Bundle:
        """A bundle about a session as it is now, also about a deleted one; raises NotFound."""
        state = await self._sessions.find(session_id, who)
        head = self._log.head()
        shown = Shown()
        for stream in await self._streams(state.id, head.size):
            async for recorded in self._stream(stream, head.size):
                shown.add(recorded.commit)
        chains = shown.chains
        contents = Contents(
            session=state.id,
            note=self._heads.sign_saying(head.size, head.root, last_words(chains)),
            key=self._heads.vkey,
            chains=chains,
            nodes=await self._nodes(chains, head.size),
            artifacts=await self._sound(state.id, shown) if artifacts else (),
        )
        return Bundle(contents, head.size)

    async def parts(self, bundle: Bundle) -> AsyncIterator[bytes]:
        """The bytes of a bundle."""
        contents = bundle.contents
        yield first_line(contents)
        for chain in contents.chains:
            async for recorded in self._stream(chain.stream, bundle.size):
                yield body_line(recorded.body)
        for sha256 in contents.artifacts:
            async with opened(self._store, contents.session, sha256) as file:
                async for part in in_thread(file):
                    yield part

    async def _streams(self, session_id: str, size: Position) -> list[str]:
        """The session's stream, then those of its machines, oldest first."""
        await self._follower.reached(size)
        machines: list[vm.Vm] = []
        before: int | None = None
        while page := await list_vms(
            self._views, VmFilter(session=session_id), before=before, limit=STREAM_PAGE
        ):
            machines += page
            before = page[-1].created
        streams = [vm.PREFIX + machine.id for machine in reversed(machines)]
        return [session.PREFIX + session_id, *streams]

    async def _stream(self, stream: str, size: Position) -> AsyncIterator[Recorded]:
        after = START
        while page := await self._log.read_stream(stream, after, STREAM_PAGE):
            for recorded in page:
                if recorded.commit.position > size:
                    return
                yield recorded
            after = page[-1].commit.position

    async def _nodes(self, chains: list[Chain], size: Position) -> bytes:
        positions = all_positions(chains)
        shared = SharedNodes(positions, size)
        for begin in range(0, len(positions), _PROOFS):
            some = positions[begin : begin + _PROOFS]
            paths = await self._log.inclusion(some, size)
            for position, path in zip(some, paths, strict=True):
                shared.add(position, path)
        return shared.nodes()

    async def _sound(self, session_id: str, shown: Shown) -> list[str]:
        """The files whose bytes are still those that were stored; of an erased session none."""
        return [
            sha256
            for sha256 in shown.artifacts
            if await asyncio.to_thread(self._store.sound, session_id, sha256)
        ]
