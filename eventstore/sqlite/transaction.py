"""A transaction of several statements in one thread hop.

aiosqlite takes a hop per statement, which costs two wake-ups of a thread (60 us each on a virtual
machine) and several turns at the interpreter lock. Here the whole transaction runs in the
connection's thread: no await is inside it, so a cancelled task cannot leave it open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import aiosqlite

Statement = tuple[str, Sequence[object]]
_TRANSACTION: Final = "-- the statements of a transaction"


class TransactionConnection(sqlite3.Connection):
    """A connection whose `execute` also takes the statements of a transaction.

    To be given to `aiosqlite.connect` as `factory`, with `isolation_level=None`.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As in sqlite3, but for the SQL that `transact` gives it."""
        if sql is not _TRANSACTION:
            return super().execute(sql, parameters)
        cursor = super().execute("BEGIN IMMEDIATE")
        try:
            for statement, values in parameters:
                cursor.execute(statement, values)
            return cursor.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                super().execute("ROLLBACK")
            raise


async def transact(connection: aiosqlite.Connection, statements: Sequence[Statement]) -> None:
    """Run the statements, all or nothing; `connection` is a `TransactionConnection`."""
    await connection.execute_fetchall(_TRANSACTION, statements)
