"""What sessions are found by besides their own row: their labels and what they refer to.

Each has a table, with a row for each mark of each session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from eventstore.commit import Position
from projections.folds.references import references
from projections.folds.session import Session

Row = tuple[Position | str, ...]


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of marks: its table, and what it holds of a session.

    The first column is the session's `created`, the last one its tenant.
    """

    table: str
    columns: tuple[str, ...]
    of: Callable[[Session], Iterable[tuple[str, ...]]]

    def rows(self, session: Session) -> list[Row]:
        """The rows of a session, in order."""
        created, tenant = session.created, session.tenant
        return [(created, *mark, tenant) for mark in sorted(set(self.of(session)))]


LABELS: Final = Marks(
    table="session_labels",
    columns=("created", "label", "tenant"),
    of=lambda session: [(label,) for label in session.labels],
)
REFERENCES: Final = Marks(
    table="session_refs",
    columns=("created", "name", "value", "tenant"),
    of=references,
)
MARKS: Final = (LABELS, REFERENCES)


def changed_marks(before: Session | None, after: Session) -> int:
    """Which of `MARKS` a session does not have as it had them, a bit for each."""
    if before is None:
        return bool(after.labels) | bool(references(after)) << 1
    # A field that no fact touched is the same object still: so it is after nearly all facts.
    if before.labels is after.labels and before.spec is after.spec:
        return 0
    labelled = before.labels != after.labels
    return labelled | (references(before) != references(after)) << 1
