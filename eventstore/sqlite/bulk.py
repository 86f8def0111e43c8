"""Many rows in one statement.

A statement is atomic by itself: no transaction is open across an await, and a cancelled caller
cannot break one. It is one thread hop and one turn at the interpreter lock, where `executemany`
takes a turn per row. Row counts are padded, so that few prepared statements serve every batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

# SQLite's default limit on parameters is 32,766; this leaves room for 60 columns.
ROWS_MAX = 512


def padded_size(rows: int) -> int:
    """The next size of the form 2^n or 3 * 2^n."""
    size = 1
    while size < rows:
        if size * 3 // 2 >= rows:
            return size * 3 // 2
        size *= 2
    return size


def insert_sql(clause: str, columns: int, size: int) -> str:
    """The INSERT that `clause` begins, for up to `size` rows; one that begins with NULL is none."""
    row = "(" + ", ".join("?" * columns) + ")"
    values = ", ".join([row] * size)
    return f"{clause} SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"


def insert_parameters(rows: Sequence[Iterable[object]], columns: int, size: int) -> list[object]:
    """The parameters of `insert_sql` for these rows, padded with NULLs."""
    flat = list(chain.from_iterable(rows))
    flat.extend([None] * (size * columns - len(flat)))
    return flat
