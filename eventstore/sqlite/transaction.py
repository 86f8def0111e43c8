"""A transaction of several statements in one thread hop.

aiosqlite takes a hop per statement, which costs two wake-ups of a thread (60 us each on a virtual
machine) and several turns at the interpreter lock. Here the whole transaction runs in the
connection's thread: no await is inside it, so a cancelled task cannot leave it open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import aiosqlite

Statement = tuple[str, Sequence[object]]
_TRANSACTION: Final = "BEGIN IMMEDIATE"


class TransactionConnection(sqlite3.Connection):
    """A connection whose `executemany` also takes the statements of a transaction.

    To be given to `aiosqlite.connect` as `factory`, with `isolation_level=None`.
    """

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """As in sqlite3, but for the SQL that `transact` gives it."""
        if sql is not _TRANSACTION:
            return super().executemany(sql, parameters)
        cursor = self.execute(_TRANSACTION)
        try:
            for statement, values in parameters:
                cursor.execute(statement, values)
            cursor.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise
        return cursor


async def transact(connection: aiosqlite.Connection, statements: Iterable[Statement]) -> None:
    """Run the statements, all or nothing; `connection` is a `TransactionConnection`."""
    async with connection.executemany(_TRANSACTION, statements):
        pass
