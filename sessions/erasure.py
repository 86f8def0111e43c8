"""Erasing a session: its key, its files and, in the log, the fact that it was done.

The key goes first, in one transaction with a note of what is to follow; whoever finds such a note
goes on from there. So a crash at any point ends in an erased session. An entry of the catalog that
holds a secret goes in the same way when it is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from eventstore.commit import Position
from eventstore.errors import EventStoreError
from eventstore.vault import Erasure, Vault
from projections.folds import catalog
from projections.folds.catalog import Entry
from projections.folds.session import PREFIX, Session
from sessions.caller import Caller
from sessions.domain.commands import Erase
from sessions.domain.rejections import RevisionMismatch
from sessions.service import Sessions

RETRY_S: Final = 1.0

RemoveFiles = Callable[[str], Awaitable[None]]
"""Removes the files of the session with this id, durably; there need not be any."""
RemoveEntry = Callable[[str, Caller], Awaitable[None]]
"""Deletes the entry of the catalog with this id, unless it is deleted."""

_log = structlog.get_logger()


class Erasures:
    """Erases sessions and entries, and finishes what was interrupted."""

    def __init__(
        self,
        sessions: Sessions,
        vault: Vault,
        remove_files: RemoveFiles,
        remove_entry: RemoveEntry,
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._remove_files = remove_files
        self._remove_entry = remove_entry
        self._interrupted = asyncio.Event()

    async def erase(
        self, session_id: str, who: Caller, expected: Position | None = None
    ) -> Session:
        """The session once nothing can open what it sealed, deleted if it was not.

        Raises NotFound, RevisionMismatch if it is not at `expected`, and StorageError; what the
        disk refused is tried again until it is done.
        """
        state = await self._sessions.find(session_id, who)
        if expected is not None and expected != state.position:
            raise RevisionMismatch(state.position)
        await self._begin(Erasure(PREFIX + session_id, who.actor, state.tenant), who)
        return await self._sessions.find(session_id, who)

    async def erase_entry(self, entry: Entry, who: Caller) -> None:
        """Delete the entry, and let nothing open what it sealed; raises StorageError as `erase`."""
        await self._begin(Erasure(catalog.PREFIX + entry.id, who.actor, entry.tenant), who)

    async def finish(self) -> None:
        """Carry out what was interrupted, by a crash or by the disk; raises EventStoreError."""
        for erasure in await self._vault.unfinished():
            who = Caller(actor=erasure.actor, tenant=erasure.tenant, scopes=("sessions:write",))
            await self._carry_out(erasure, who)
            _log.info("erasure.finished", subject=erasure.subject)

    async def run(self) -> None:
        """Finish what is interrupted, again and again where the disk refuses; until cancelled."""
        while True:
            try:
                # First: one that is interrupted meanwhile need not be among those finished here.
                self._interrupted.clear()
                await self.finish()
            except EventStoreError as error:
                _log.warning("erasure.interrupted", error=type(error).__name__)
                self._interrupted.set()
                await asyncio.sleep(RETRY_S)
            await self._interrupted.wait()

    async def _begin(self, erasure: Erasure, who: Caller) -> None:
        try:
            await self._carry_out(erasure, who)
        except EventStoreError:
            self._interrupted.set()
            raise

    async def _carry_out(self, erasure: Erasure, who: Caller) -> None:
        """Every step may be repeated, also by two at once."""
        await self._vault.erase(erasure)
        if erasure.subject.startswith(catalog.PREFIX):
            await self._remove_entry(erasure.subject.removeprefix(catalog.PREFIX), who)
        else:
            session_id = erasure.subject.removeprefix(PREFIX)
            await self._sessions.execute(session_id, Erase(), who)
            await self._remove_files(session_id)
        await self._vault.finish(erasure.subject)
