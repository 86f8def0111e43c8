"""Secrets sealed with a key per subject: AES-256-GCM, the keys in a file of their own.

What is sealed may stand in the log: without its key it is noise. Destroying the key of a subject
erases all its secrets while the log, and the tree over it, stay as they are.
"""

from __future__ import annotations

import base64
import os
import sqlite3
from pathlib import Path
from typing import Final

import aiosqlite
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eventstore.errors import VaultError
from eventstore.sqlite.storage import storage_error

FILE_NAME: Final = "vault.db"
SEALED: Final = "sealed:v1:"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS vault_keys (
    subject TEXT PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;
"""


class Vault:
    """The keys of `folder`; a subject is any name, such as a stream."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, folder: Path) -> Vault:
        """Open or make the vault, readable by its owner alone; raises VaultError or OSError."""
        path = folder / FILE_NAME
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = await aiosqlite.connect(path, isolation_level=None)
        try:
            await connection.executescript(_SCHEMA)
        except BaseException as error:
            await connection.close()
            if isinstance(error, sqlite3.Error):
                raise VaultError(f"{path}: {error}") from error
            raise
        return cls(connection)

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()

    async def seal(self, subject: str, plaintext: str) -> str:
        """`plaintext` as only this vault can read it; the first use makes the subject's key.

        Raises StorageError if the disk does not take that key.
        """
        nonce = os.urandom(NONCE_BYTES)
        key = await self._key(subject) or await self._make_key(subject)
        sealed = AESGCM(key).encrypt(nonce, plaintext.encode(), subject.encode())
        return SEALED + base64.b64encode(nonce + sealed).decode()

    async def unseal(self, subject: str, sealed: str) -> str:
        """What was sealed; raises VaultError if the key is gone or the text was changed."""
        key = await self._key(subject)
        if key is None:
            raise VaultError(f"the key of {subject} is gone")
        raw = base64.b64decode(sealed.removeprefix(SEALED))
        try:
            plain = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], subject.encode())
        except InvalidTag:
            raise VaultError(f"a secret of {subject} was changed") from None
        return plain.decode()

    async def _key(self, subject: str) -> bytes | None:
        sql = "SELECT key FROM vault_keys WHERE subject = ?"
        rows = list(await self._connection.execute_fetchall(sql, (subject,)))
        return rows[0][0] if rows else None

    async def _make_key(self, subject: str) -> bytes:
        sql = "INSERT INTO vault_keys (subject, key) VALUES (?, ?) ON CONFLICT DO NOTHING"
        try:
            await self._connection.execute_fetchall(sql, (subject, os.urandom(KEY_BYTES)))
        except sqlite3.Error as error:
            raise storage_error(error) from error
        key = await self._key(subject)
        assert key is not None
        return key
