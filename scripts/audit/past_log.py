"""A log read from outside, as the folds of the past ask for it."""

from __future__ import annotations

import itertools

from eventstore.commit import START, Commit, Position, restore
from eventstore.sqlite.archive import Archive


class ArchiveLog:
    """Reads block: for a script, which has nothing else to do."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def commits(self, after: Position = START, limit: int = 1000) -> list[Commit]:
        """Up to `limit` commits after `after`, in order."""
        until = Position(min(after + limit, self._archive.size))
        pages = self._archive.bodies(after, until)
        return [restore(body).commit for page in pages for body in page]

    async def stream_commits(
        self, stream: str, after: Position, until: Position, limit: int = 1000
    ) -> list[Commit]:
        """Up to `limit` commits of one stream after `after` up to and with `until`, in order."""
        found = self._archive.stream(stream, after, until)
        return [recorded.commit for recorded in itertools.islice(found, limit)]
