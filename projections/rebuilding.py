"""One rebuild at a time, started by a request, watched by others, stopped with the service."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from eventstore.commit import START, Position
from projections.follower import Follower


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last rebuild is, or how it ended."""

    status: Literal["none", "running", "done", "failed"] = "none"
    position: Position = START
    head: Position = START
    detail: str = ""


class Rebuilding:
    """Owns the task of a rebuild."""

    def __init__(self, follower: Follower) -> None:
        self.state = Rebuild()
        self._follower = follower
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Rebuild:
        """Begin a rebuild unless one runs; how far it is."""
        if self.state.status != "running":
            self.state = Rebuild(status="running")
            self._task = asyncio.create_task(self._run(), name="rebuild")
        return self.state

    async def stop(self) -> None:
        """Break off; the live views stay as they are."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._follower.rebuild(self._progress)
        except asyncio.CancelledError:
            self._end("failed", "stopped")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the next one must be able to run
            self._end("failed", str(error) or type(error).__name__)
        else:
            self._end("done", "")

    def _progress(self, position: Position, head: Position) -> None:
        self.state = Rebuild(status="running", position=position, head=head)

    def _end(self, status: Literal["done", "failed"], detail: str) -> None:
        reached = self.state
        self.state = Rebuild(
            status=status, position=reached.position, head=reached.head, detail=detail
        )
