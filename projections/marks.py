"""What sessions are found by besides their own row: their labels and what they refer to.

Each has a table, with a row for each mark of each session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    of: Callable[[Session], Sequence[tuple[str, ...]]]

    def rows(self, session: Session) -> list[Row]:
        """The rows of a session, in order."""
        created, tenant, marks = session.created, session.tenant, self.of(session)
        distinct = marks if len(marks) < 2 else sorted(set(marks))
        return [(created, *mark, tenant) for mark in distinct]


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
CHOSEN: Final = ((), (LABELS,), (REFERENCES,), MARKS)
"""The marks that `changed_marks` says."""


def changed_marks(before: Session | None, after: Session) -> int:
    """Which of `MARKS` a session does not have as it had them, a bit for each."""
    if before is None:
        return bool(after.labels) | bool(references(after)) << 1
    labelled = before.labels != after.labels
    # Of what they are made of only the spec changes; one that no fact touched is the same object.
    referring = before.spec is not after.spec and references(before) != references(after)
    return labelled | referring << 1
