"""The vault: what is sealed opens again, what is erased never does, and its key is in no file."""

import asyncio
import random
import secrets
import sqlite3
from contextlib import closing

import pytest

from eventstore.errors import StorageUnavailable, SubjectErased, VaultError
from eventstore.vault import SEALED, Erasure, Vault
from tests.support.raw_files import holding, holding_any, vault_keys


@pytest.fixture
async def vault(tmp_path):
    opened = await Vault.open(tmp_path)
    yield opened
    await opened.close()


def erasure(subject):
    return Erasure(subject, "key:me", "lab")


async def test_many_texts_are_sealed_with_one_key_and_open_again(vault, tmp_path):
    texts = {"A": "one", "B": "", "ü": "\N{SNOWMAN} " * 1000, "C": "one"}
    sealed = await vault.seal_many("s/1", texts)
    assert sealed.keys() == texts.keys()
    assert all(text.startswith(SEALED) for text in sealed.values())
    assert sealed["A"] != sealed["C"], "what is equal must not look equal"
    assert await vault.unseal_many("s/1", list(sealed.values())) == list(texts.values())
    assert await vault.unseal("s/1", sealed["A"]) == "one"
    assert list(vault_keys(tmp_path)) == ["s/1"]


async def test_nothing_to_seal_makes_no_key(vault, tmp_path):
    assert await vault.seal_many("s/1", {}) == {}
    assert await vault.unseal_many("s/1", []) == []
    assert vault_keys(tmp_path) == {}


async def test_a_sealed_text_opens_for_its_subject_only(vault):
    sealed = await vault.seal("s/1", "secret")
    await vault.seal("s/2", "other")
    with pytest.raises(VaultError, match="s/2 was changed"):
        await vault.unseal("s/2", sealed)
    with pytest.raises(VaultError, match="key of s/3 is gone"):
        await vault.unseal("s/3", sealed)


async def test_a_changed_text_is_refused_wherever_it_was_changed(vault):
    sealed = await vault.seal("s/1", "secret")
    body = sealed.removeprefix(SEALED)
    flipped = [
        SEALED + body[:place] + ("A" if body[place] != "A" else "B") + body[place + 1 :]
        for place in range(len(body.rstrip("=")) - 1)  # the last has bits that nobody reads
    ]
    for changed in (*flipped, "", SEALED, SEALED + "A", SEALED + body[:-8], body, "\N{SNOWMAN}"):
        with pytest.raises(VaultError):
            await vault.unseal("s/1", changed)


async def test_a_fingerprint_needs_the_key(vault):
    assert await vault.fingerprint("s/1", "d") is None
    await vault.seal_many("s/1", {"A": "x"})
    await vault.seal_many("s/2", {"A": "x"})
    one = await vault.fingerprint("s/1", "d")
    assert one == await vault.fingerprint("s/1", "d")
    assert len({one, await vault.fingerprint("s/1", "e"), await vault.fingerprint("s/2", "d")}) == 3
    await vault.erase(erasure("s/1"))
    assert await vault.fingerprint("s/1", "d") is None


async def test_an_erased_subject_is_never_sealed_again(vault, tmp_path):
    sealed = await vault.seal("s/1", "secret")
    key = vault_keys(tmp_path)["s/1"]
    assert holding(tmp_path, key)
    await vault.erase(erasure("s/1"))
    assert holding(tmp_path, key) == []
    assert await vault.unseal_many("s/1", [sealed]) == [None]
    for _ in range(2):
        with pytest.raises(SubjectErased):
            await vault.seal("s/1", "late")
        await vault.finish("s/1")
        await vault.erase(erasure("s/1"))
    assert vault_keys(tmp_path) == {}


async def test_a_seal_and_an_erasure_at_once_leave_no_key(vault, tmp_path):
    for round_ in range(20):
        subject = f"s/{round_}"
        seals = [vault.seal(subject, "x") for _ in range(3)]
        await asyncio.gather(*seals, vault.erase(erasure(subject)), return_exceptions=True)
    assert vault_keys(tmp_path) == {}


async def test_an_erasure_is_unfinished_until_it_is_said_to_be_finished(vault, tmp_path):
    await vault.erase(erasure("s/1"))
    await vault.erase(Erasure("s/1", "key:other", "lab"))
    await vault.close()
    again = await Vault.open(tmp_path)
    try:
        assert await again.unfinished() == [erasure("s/1")]
        await again.finish("s/1")
        assert await again.unfinished() == []
        await again.erase(erasure("s/1"))
        assert await again.unfinished() == []
    finally:
        await again.close()


async def test_an_erasure_is_not_done_while_another_program_reads_old_pages(tmp_path, monkeypatch):
    vault = await Vault.open(tmp_path)
    try:
        await vault._connection.execute("PRAGMA busy_timeout = 1")
        await vault.seal("s/1", "secret")
        with closing(sqlite3.connect(tmp_path / "vault.db", isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM vault_keys").fetchall()
            with pytest.raises(StorageUnavailable, match="holds the vault open"):
                await vault.erase(erasure("s/1"))
        assert await vault.unfinished() == [erasure("s/1")]
        await vault.erase(erasure("s/1"))
    finally:
        await vault.close()


async def test_no_file_keeps_a_key_however_the_table_was_shuffled(tmp_path):
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    vault = await Vault.open(tmp_path)
    try:
        await vault._connection.execute("PRAGMA synchronous = OFF")
        gone: list[bytes] = []
        for number in range(1500):
            name = f"{number:06d}" if number % 2 else f"{chance.getrandbits(128):032x}"
            await vault.seal(f"session/{name}", "x")
            if number % 100 == 99:
                keys = vault_keys(tmp_path)
                for subject in chance.sample(sorted(keys), 30):
                    gone.append(keys[subject])
                    await vault.erase(erasure(subject))
        assert len(gone) == 450
        assert holding_any(tmp_path, gone) == {}
        assert holding(tmp_path, next(iter(vault_keys(tmp_path).values()))) == ["vault.db"]
    finally:
        await vault.close()


async def test_a_vault_of_before_there_were_erasures_opens(tmp_path):
    with closing(sqlite3.connect(tmp_path / "vault.db")) as old:
        old.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE vault_keys (subject TEXT PRIMARY KEY,"
            " key BLOB NOT NULL CHECK (length(key) = 32)) STRICT, WITHOUT ROWID;"
            f"INSERT INTO vault_keys VALUES ('s/1', x'{'5a' * 32}');"
        )
    vault = await Vault.open(tmp_path)
    try:
        assert await vault.unseal("s/1", await vault.seal("s/1", "secret")) == "secret"
        assert vault_keys(tmp_path) == {"s/1": b"\x5a" * 32}
        await vault.erase(erasure("s/1"))
        assert holding(tmp_path, b"\x5a" * 32) == []
    finally:
        await vault.close()
