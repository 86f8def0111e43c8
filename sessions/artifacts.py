"""Files: first their bytes are durable, then the log tells of them.

They belong to a session, or to an entry of the catalog, by its id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from typing import IO, TypeVar

from eventstore.artifacts import ArtifactStore, Incoming, chunks, is_sha256
from eventstore.commit import START, Commit, Position
from eventstore.errors import ArtifactTooLarge, CommitTooLarge, Conflict, LogBusy
from eventstore.ports import EventLog
from projections.events.artifact import ArtifactStored
from projections.evidence import artifacts_of
from projections.folds import catalog
from projections.folds.session import Session
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import StoreArtifact
from sessions.domain.decide import decide
from sessions.domain.rejections import NotFound, Rejection
from sessions.runtimes.in_thread import to_its_end
from sessions.service import STREAM_PAGE, Once, Sessions

T = TypeVar("T")


class Artifacts:
    """Every artifact comes and goes through here; no file has more than `bytes_max` bytes."""

    def __init__(
        self,
        store: ArtifactStore,
        sessions: Sessions,
        log: EventLog,
        clock_us: Callable[[], int],
        bytes_max: int,
    ) -> None:
        self.store = store
        self._sessions = sessions
        self._log = log
        self._clock_us = clock_us
        self._bytes_max = bytes_max
        # From the rename to the commit: a refused commit takes back the file, and nobody else's.
        self._turn = asyncio.Lock()

    async def clear_up(self) -> None:
        """Take back the files whose commit a crash prevented; raises StorageError."""
        for marker in await asyncio.to_thread(self.store.left_over):
            owner, sha256 = self.store.marked(marker)
            if not await self._told(owner, sha256):
                await asyncio.to_thread(self.store.drop, owner, sha256)
            await asyncio.to_thread(self.store.settle, marker)

    async def check(
        self, session_id: str, wanted: StoreArtifact, who: Caller, *, repeatable: bool
    ) -> None:
        """Refuse before its bytes come what would be refused after; raises Rejection.

        A repeat of what was answered once is to be answered even where it would be refused now.
        """
        state = await self._sessions.find(session_id, who)
        if not repeatable:
            decide(wanted, state, self._clock_us())

    def check_size(self, announced: int | None) -> None:
        """Raises ArtifactTooLarge for a body that says itself that it is too long."""
        if announced is not None and announced > self._bytes_max:
            raise ArtifactTooLarge(f"more than {self._bytes_max} bytes")

    @contextlib.asynccontextmanager
    async def receive(self, parts: AsyncIterable[bytes]) -> AsyncIterator[Incoming]:
        """The durable bytes, which are gone afterwards unless `add` kept them.

        Raises ArtifactTooLarge or StorageError.
        """
        incoming = await to_its_end(
            lambda: self.store.receive(self._bytes_max), undo=Incoming.discard
        )
        try:
            async for part in parts:
                await asyncio.to_thread(incoming.write, part)
            await asyncio.to_thread(incoming.finish)
            yield incoming
        finally:
            await to_its_end(incoming.discard)

    async def add(
        self,
        session_id: str,
        incoming: Incoming,
        command: StoreArtifact,
        who: Caller,
        *,
        expected: Position | None = None,
        once: Once | None = None,
    ) -> Session:
        """The session, which has the file now; raises Rejection."""
        return await asyncio.shield(
            self._add(session_id, incoming, command, who, expected=expected, once=once)
        )

    async def _add(
        self,
        session_id: str,
        incoming: Incoming,
        command: StoreArtifact,
        who: Caller,
        *,
        expected: Position | None,
        once: Once | None,
    ) -> Session:
        async with self._turn:
            state = await self._sessions.find(session_id, who)
            if state.erased:  # refused, or answered as before: its bytes must not come back
                return await self._sessions.execute(
                    session_id, command, who, expected=expected, once=once
                )
            return await self._keep(
                state.id,
                (incoming,),
                lambda: self._sessions.execute(
                    session_id, command, who, expected=expected, once=once
                ),
            )

    async def _told(self, owner: str, sha256: str) -> bool:
        """True if the log tells of the file, as one of a session or of an entry."""
        with contextlib.suppress(NotFound):
            await self.find(owner, sha256, SERVICE)
            return True
        first = await self._log.read_stream(catalog.PREFIX + owner, limit=1)
        return any(fact.sha256 == sha256 for each in first for fact in artifacts_of(each.commit))

    async def keep(self, owner: str, incoming: Incoming, commit: Callable[[], Awaitable[T]]) -> T:
        """What `commit` makes, which tells the log of the file that has its place by then.

        What `commit` rejects is taken back. It must not change an erased session; where `owner` is
        an entry of the catalog it enters it.
        """
        return await self.keep_all(owner, (incoming,), commit)

    async def keep_all(
        self,
        owner: str,
        arrived: Sequence[Incoming],
        commit: Callable[[], Awaitable[T]],
    ) -> T:
        """The same for several files, of which the log is told in one commit."""

        async def in_turn() -> T:
            async with self._turn:
                return await self._keep(owner, arrived, commit)

        return await asyncio.shield(in_turn())

    async def _keep(
        self,
        owner: str,
        arrived: Sequence[Incoming],
        commit: Callable[[], Awaitable[T]],
    ) -> T:
        kept = [
            (incoming, *await asyncio.to_thread(self.store.keep, owner, incoming))
            for incoming in arrived
        ]
        try:
            made = await commit()
        except (Rejection, Conflict, LogBusy, CommitTooLarge):
            for incoming, marker, new in kept:
                if new:
                    await asyncio.to_thread(self.store.drop, owner, incoming.sha256)
                await asyncio.to_thread(self.store.settle, marker)
            raise
        for _, marker, _ in kept:
            await asyncio.to_thread(self.store.settle, marker)
        return made

    async def remove(self, session_id: str) -> None:
        """Remove every file of an erased session, durably; raises StorageError."""
        async with self._turn:
            await asyncio.to_thread(self.store.remove, session_id)

    async def find(self, session_id: str, sha256: str, who: Caller) -> ArtifactStored:
        """What the log says of the file, by its last name; raises NotFound."""
        found: ArtifactStored | None = None
        if is_sha256(sha256):
            async for commit in self._commits(session_id, who):
                for fact in artifacts_of(commit):
                    found = fact if fact.sha256 == sha256 else found
        if found is None:
            raise NotFound("The session has no such artifact.")
        return found

    async def _commits(self, session_id: str, who: Caller) -> AsyncIterator[Commit]:
        after = START
        while page := await self._sessions.commits(session_id, who, after, STREAM_PAGE):
            for commit in page:
                yield commit
            after = page[-1].position

    @contextlib.asynccontextmanager
    async def read(self, session_id: str, sha256: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes, all of which were found to be those that came; raises ArtifactGone."""
        async with opened(self.store, session_id, sha256) as file:
            yield in_thread(file)


@contextlib.asynccontextmanager
async def opened(store: ArtifactStore, owner: str, sha256: str) -> AsyncIterator[IO[bytes]]:
    """The file, whose bytes were found to be those that came; raises ArtifactGone."""
    reading = to_its_end(lambda: store.read(owner, sha256), undo=lambda file: file.close())
    with await reading as file:
        yield file


async def in_thread(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a file, which another thread waits for."""
    pieces = chunks(file)
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
