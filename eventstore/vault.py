"""Secrets sealed with a key per subject: AES-256-GCM, the keys in a file of their own.

What is sealed may stand in the log: without its key it is noise. Destroying the key of a subject
erases all its secrets while the log, and the tree over it, stay as they are. A subject that was
erased never gets a key again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eventstore.errors import StorageUnavailable, SubjectErased, VaultError
from eventstore.sealed import SEALED as SEALED
from eventstore.sqlite.storage import storage_error
from eventstore.sqlite.transaction import Statement, TransactionConnection, transact
from eventstore.sqlite.wal import settle_wal

FILE_NAME: Final = "vault.db"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_FINGERPRINTS: Final = b"fingerprints of requests"

# Without ROWID, as it is: in a table with one, pages that were merged kept copies of deleted keys,
# which secure_delete does not see.
_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS vault_keys (
    subject TEXT PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures (
    subject TEXT PRIMARY KEY,
    actor TEXT NOT NULL,
    tenant TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS erasures_pending ON erasures (subject) WHERE finished = 0;
"""
_MAKE_KEY: Final = """
INSERT INTO vault_keys (subject, key)
SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM erasures WHERE subject = ?1)
ON CONFLICT DO NOTHING
"""
_NOTE_ERASURE: Final = """
INSERT INTO erasures (subject, actor, tenant) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
"""


class Erasure(msgspec.Struct, frozen=True):
    """A subject that is to be erased, and who asked for it."""

    subject: str
    actor: str
    tenant: str


class Vault:
    """The keys of `folder`; a subject is any name, such as a stream."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, folder: Path) -> Vault:
        """Open or make the vault, readable by its owner alone; raises VaultError or OSError."""
        path = folder / FILE_NAME
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        await asyncio.to_thread(settle_wal, path)
        connection = await aiosqlite.connect(
            path, isolation_level=None, factory=TransactionConnection
        )
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
        """`plaintext` as only this vault can read it; raises as `seal_many`."""
        return (await self.seal_many(subject, {"": plaintext}))[""]

    async def seal_many(self, subject: str, plaintexts: Mapping[str, str]) -> dict[str, str]:
        """The texts, by the same names, as only this vault can read them.

        The first use makes the subject's key. Raises StorageError if the disk does not take that
        key, and SubjectErased.
        """
        if not plaintexts:
            return {}
        cipher = AESGCM(await self._key(subject) or await self._make_key(subject))
        return {name: _seal(cipher, subject, text) for name, text in plaintexts.items()}

    async def unseal(self, subject: str, sealed: str) -> str:
        """What was sealed; raises VaultError if the key is gone or the text was changed."""
        (plain,) = await self.unseal_many(subject, [sealed])
        if plain is None:
            raise VaultError(f"the key of {subject} is gone")
        return plain

    async def unseal_many(self, subject: str, sealed: Sequence[str]) -> list[str | None]:
        """What was sealed, in order; None where the key is gone. Raises VaultError."""
        key = await self._key(subject) if sealed else None
        if key is None:
            return [None] * len(sealed)
        cipher = AESGCM(key)
        return [_unseal(cipher, subject, text) for text in sealed]

    async def fingerprint(self, subject: str, digest: str) -> str | None:
        """A digest of `digest` that nobody can guess at without the key; None if it is gone.

        The digest of a request with a short secret in it would tell the secret to who tries them
        all; this one is noise as soon as the subject is erased.
        """
        key = await self._key(subject)
        if key is None:
            return None
        subkey = hmac.digest(key, _FINGERPRINTS, hashlib.sha256)
        return hmac.new(subkey, digest.encode(), hashlib.sha256).hexdigest()

    async def erase(self, erasure: Erasure) -> None:
        """Destroy the key of the subject for good; when this returns no file holds it any more.

        May be repeated. From the first moment it survives a crash, and is among `unfinished` until
        it is said to be finished. Raises StorageError.
        """
        values = (erasure.subject, erasure.actor, erasure.tenant)
        statements: list[Statement] = [
            (_NOTE_ERASURE, values),
            ("DELETE FROM vault_keys WHERE subject = ?", (erasure.subject,)),
        ]
        try:
            await transact(self._connection, statements)
        except sqlite3.Error as error:
            raise storage_error(error) from error
        # Older pages with the key stand in the WAL until it is cut off.
        ((busy, *_),) = await self._rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise StorageUnavailable("another program holds the vault open")

    async def finish(self, subject: str) -> None:
        """Note that all that follows from the erasure is done; raises StorageError."""
        await self._rows("UPDATE erasures SET finished = 1 WHERE subject = ?", (subject,))

    async def unfinished(self) -> list[Erasure]:
        """The erasures that a crash or a full disk interrupted; raises StorageError."""
        rows = await self._rows("SELECT subject, actor, tenant FROM erasures WHERE finished = 0")
        return [Erasure(*row) for row in rows]

    async def _key(self, subject: str) -> bytes | None:
        rows = await self._rows("SELECT key FROM vault_keys WHERE subject = ?", (subject,))
        return rows[0][0] if rows else None

    async def _make_key(self, subject: str) -> bytes:
        await self._rows(_MAKE_KEY, (subject, os.urandom(KEY_BYTES)))
        key = await self._key(subject)
        if key is None:
            raise SubjectErased(subject)
        return key

    async def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            rows = await self._connection.execute_fetchall(sql, parameters)
        except sqlite3.Error as error:
            raise storage_error(error) from error
        return [tuple(row) for row in rows]


def _seal(cipher: AESGCM, subject: str, plaintext: str) -> str:
    nonce = os.urandom(NONCE_BYTES)
    sealed = cipher.encrypt(nonce, plaintext.encode(), subject.encode())
    return SEALED + base64.b64encode(nonce + sealed).decode()


def _unseal(cipher: AESGCM, subject: str, sealed: str) -> str:
    try:
        version, raw = sealed[: len(SEALED)], base64.b64decode(sealed[len(SEALED) :], validate=True)
        if version != SEALED:
            raise ValueError(version)
        plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], subject.encode())
    except (InvalidTag, ValueError):
        raise VaultError(f"a secret of {subject} was changed") from None
    return plain.decode()
