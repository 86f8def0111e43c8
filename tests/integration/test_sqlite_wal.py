"""What a crash left in a WAL is written again before it is read, and a broken file says so."""

import errno
import os
import random
import shutil

import pytest

from eventstore.errors import LogFormatError, StorageUnavailable
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from eventstore.sqlite.wal import CHUNK_BYTES, WAL_SUFFIX, settle_wal
from eventstore.vault import FILE_NAME as VAULT_FILE
from eventstore.vault import Vault
from tests.support.logs import check_log, gather_outcomes, wish

COMMITS = 300
PAGE_BYTES = 4096


@pytest.fixture
async def crashed(tmp_path):
    """A data folder as a killed process leaves it: its log and its vault are in their WALs."""
    folder, crashed = tmp_path / "data", tmp_path / "crashed"
    crashed.mkdir()
    log, vault = await SqliteLog.open(folder), await Vault.open(folder)
    await gather_outcomes(log, [wish(f"thing/{number}") for number in range(COMMITS)])
    await vault.seal("thing/1", "secret")
    for name in (FILE_NAME, VAULT_FILE):
        for suffix in ("", WAL_SUFFIX):
            shutil.copy(folder / (name + suffix), crashed)
    await log.close()
    await vault.close()
    return crashed


@pytest.fixture
def refusing(monkeypatch):
    """A disk that takes every write and no sync."""

    def fsync(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 5])
def test_every_byte_is_written_again_as_it_is_and_then_synced(tmp_path, monkeypatch, size):
    database = tmp_path / "some.db"
    wal = tmp_path / f"some.db{WAL_SUFFIX}"
    content = random.Random(size).randbytes(size)
    wal.write_bytes(content)
    written, synced = [], []
    write = os.pwrite

    def half(handle, chunk, offset):
        done = write(handle, chunk[: len(chunk) // 2 + 1], offset)
        written.append((offset, offset + done))
        return done

    monkeypatch.setattr(os, "pwrite", half)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(list(written)))
    settle_wal(database)
    assert wal.read_bytes() == content
    assert synced == [written]
    ends = [0, *(end for _, end in written)]
    assert [begin for begin, _ in written] == ends[:-1]
    assert ends[-1] == size


def test_where_there_is_no_wal_nothing_is_made(tmp_path):
    settle_wal(tmp_path / "some.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("store", [SqliteLog, Vault])
async def test_what_cannot_be_made_durable_is_not_opened(crashed, store):
    with pytest.raises((StorageUnavailable, OSError), match="Input/output error"):
        await store.open(crashed)


async def test_what_was_settled_is_all_there(crashed):
    log = await SqliteLog.open(crashed)
    try:
        assert len(await check_log(log)) == COMMITS
    finally:
        await log.close()


async def test_a_log_with_broken_pages_is_refused_as_no_log(crashed):
    await (await SqliteLog.open(crashed)).close()  # all of it is in the file now
    file = crashed / FILE_NAME
    noise = random.Random(1).randbytes(file.stat().st_size - PAGE_BYTES)
    with file.open("r+b") as handle:
        handle.seek(PAGE_BYTES)
        handle.write(noise)
    with pytest.raises(LogFormatError, match=FILE_NAME):
        await SqliteLog.open(crashed)


async def test_a_log_that_lacks_commits_its_tree_stands_on_is_refused(crashed):
    log = await SqliteLog.open(crashed)
    await log._connection.execute_fetchall("DROP TRIGGER commits_are_not_deleted")
    await log._connection.execute_fetchall("DELETE FROM commits WHERE position = 256")
    await log.close()
    with pytest.raises(LogFormatError, match="missing before position 300"):
        await SqliteLog.open(crashed)
