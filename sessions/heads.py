"""The heads of the log, signed: written outside the database on a schedule, and told to callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from eventstore.checkpoint import Checkpoint, Signer
from eventstore.commit import Position, Recorded
from eventstore.errors import BadCheckpoint, LogContradicted
from eventstore.heads import HeadFolder, load_or_make_signer
from eventstore.ports import EventLog
from sessions.metrics import Metrics

_REMEDY: Final = (
    "put the log back that the heads speak of, or, if it is lost, move the heads and signing.key "
    "away, so that what is left goes on under a new key"
)

_log = structlog.get_logger()


class Heads:
    """Signs what is durable in `log`, and nothing that contradicts the newest head in `folder`.

    A folder that refuses does not stop the service: `failure` says why, and the next turn tries
    again.
    """

    def __init__(
        self, log: EventLog, folder: HeadFolder, metrics: Metrics, *, every: int, interval_s: float
    ) -> None:
        self._log = log
        self._name = f"sessiond/{log.head().epoch}"
        self._folder = folder
        self._metrics = metrics
        self._every = every
        self._interval_s = interval_s
        self._signer: Signer | None = None
        self._last: tuple[Checkpoint, str] | None = None
        self._written = self._tried = -1
        self._due = asyncio.Event()
        self.failure: OSError | None = None

    async def start(self, key: Path) -> None:
        """Check the log against the newest head, in log2(n) look-ups, and write one of today.

        Raises LogContradicted, SigningKeyError, BadCheckpoint or OSError.
        """
        signer = await asyncio.to_thread(load_or_make_signer, key, self._name, self._folder)
        newest = await asyncio.to_thread(self._folder.newest, signer.verifier)
        if newest is not None:
            await self._check(*newest)
            self._wrote(newest[1].size)
        self._tried = self._written
        self._signer = signer
        self._log.listen(self._count)
        await self.write()

    async def run(self) -> None:
        """Write heads until cancelled; raises LogContradicted where another log writes them too."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._due.wait()
            self._due.clear()
            await self.write()

    async def finish(self) -> None:
        """Write the last head; for when the log has drained."""
        try:
            await self.write()
        except (LogContradicted, BadCheckpoint) as error:
            _log.error("heads.contradicted", error=str(error))

    async def write(self) -> None:
        """Write a head if the log has grown since the last one."""
        signer, size = self._signer, self._log.size
        if signer is None or size == self._written:
            return
        self._tried = size
        checkpoint, note = self.signed()
        try:
            await asyncio.to_thread(self._keep, signer.verifier.vkey, note, checkpoint.size)
        except OSError as error:
            self._metrics.head_failures.inc()
            if self.failure is None:
                _log.warning("heads.refused", folder=str(self._folder.path), error=str(error))
            self.failure = error
            return
        if self.failure is not None:
            _log.info("heads.resumed", size=checkpoint.size)
        self.failure = None
        self._wrote(checkpoint.size)

    def signed(self) -> tuple[Checkpoint, str]:
        """The head of the log after its last durable commit, and the note that says so."""
        if self._last is not None and self._last[0].size == self._log.size:
            return self._last
        head = self._log.head()
        self._last = Checkpoint(self._name, head.size, head.root), self.sign(head.size, head.root)
        return self._last

    def sign(self, size: int, root: bytes) -> str:
        """The note of a head of this log; `root` must be what the log gives for `size`."""
        if self._last is not None and (self._last[0].size, self._last[0].root) == (size, root):
            return self._last[1]
        assert self._signer is not None, "the heads were not started"
        return self._signer.sign(size, root)

    def sign_saying(self, size: int, root: bytes, words: Sequence[str]) -> str:
        """As `sign`, with lines about that log, which this service vouches for."""
        assert self._signer is not None, "the heads were not started"
        return self._signer.sign(size, root, words)

    @property
    def vkey(self) -> str:
        """The public key."""
        assert self._signer is not None, "the heads were not started"
        return self._signer.verifier.vkey

    def _keep(self, vkey: str, note: str, size: int) -> None:
        self._folder.write_vkey(vkey)
        self._folder.write(note, size)

    def _wrote(self, size: int) -> None:
        self._written = size
        self._metrics.head_position.set(size)

    def _count(self, batch: Sequence[Recorded]) -> None:
        if batch[-1].commit.position >= self._tried + self._every:
            self._due.set()

    async def _check(self, file: Path, head: Checkpoint) -> None:
        size = self._log.size
        if head.size > size:
            raise LogContradicted(
                f"{file} says that it had {head.size} commits, and it ends at {size}: its end was "
                f"cut off or an older copy was put back; {_REMEDY}"
            )
        if await self._log.root_at(Position(head.size)) != head.root:
            raise LogContradicted(
                f"{file} says otherwise of its first {head.size} commits: they were changed, or "
                f"this is a copy that went on by itself; {_REMEDY}"
            )
