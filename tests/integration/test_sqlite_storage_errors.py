"""A disk that refuses, a writer that breaks: nothing is half there, and the log goes on."""

import asyncio
import sqlite3

import pytest

from eventstore.errors import Conflict, LogClosed, StorageFull, StorageUnavailable
from eventstore.sqlite import writer
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.storage import QUERIES
from tests.support.logs import (
    NEW,
    check_log,
    commit_id,
    filled,
    gather_outcomes,
    positions,
    whole,
    wish,
)

BIG = "x" * 50_000


@pytest.fixture
async def log(tmp_path):
    log = await SqliteLog.open(tmp_path)
    yield log
    await log.close()


async def limit_pages(log, more):
    """Let the file grow by `more` pages; a full disk to SQLite."""
    [[pages]] = await log._connection.execute_fetchall("PRAGMA page_count")
    await log._connection.execute_fetchall(f"PRAGMA max_page_count = {pages + more}")


def fail_once(monkeypatch, log, query):
    """The next run of `query` on the writer's connection fails as a broken disk does."""
    real, left = log._connection.execute_fetchall, [query]

    async def execute_fetchall(sql, parameters=None):
        if left and sql == left[0]:
            left.clear()
            raise sqlite3.OperationalError("disk I/O error")
        return await real(sql, parameters)

    monkeypatch.setattr(log._connection, "execute_fetchall", execute_fetchall)


async def test_a_full_disk_refuses_the_batch_and_nothing_of_it_is_there(log):
    await filled(log, ["a", "b"])
    head = log.head()
    await limit_pages(log, 3)
    outcomes = await gather_outcomes(log, [wish("a", data=[BIG]) for _ in range(5)])
    assert [type(one) for one in outcomes] == [StorageFull] * 5
    assert log.head() == head
    assert len(await check_log(log)) == 2


async def test_reads_go_on_while_the_disk_is_full(log):
    asked = wish("a", id=commit_id(1))
    original = await log.append(asked)
    await limit_pages(log, 0)
    with pytest.raises(StorageFull):
        await log.append(wish("a", data=[BIG]))
    assert positions(await log.read()) == [1]
    assert positions(await log.read_stream("a")) == [1]
    assert await log.find(commit_id(1)) == original
    assert await log.append(asked) == original
    with pytest.raises(Conflict):
        await log.append(wish("a", NEW))


async def test_appends_work_again_once_there_is_room(log):
    heard: list[int] = []
    log.listen(lambda batch: heard.extend(positions(batch)))
    await filled(log, ["a", "b", "a"])
    refused = wish("a", 3, id=commit_id(1), data=[BIG])
    for _ in range(2):
        await limit_pages(log, 1)
        with pytest.raises(StorageFull):
            await log.append(refused)
    await limit_pages(log, 10_000)
    assert (await log.append(refused)).position == 4
    await filled(log, ["b", "c"])
    assert len(await check_log(log)) == 6
    assert heard == [1, 2, 3, 4, 5, 6]


async def test_small_commits_that_still_fit_go_in_after_a_large_one_did_not(log):
    await limit_pages(log, 20)
    with pytest.raises(StorageFull):
        await log.append(wish("a", data=[BIG, BIG, BIG]))
    await filled(log, ["a", "b"])
    assert len(await check_log(log)) == 2


async def test_a_log_filled_to_the_brim_is_whole_after_reopening(tmp_path):
    log = await SqliteLog.open(tmp_path)
    await limit_pages(log, 40)
    outcomes = [await gather_outcomes(log, [wish("a", data=["x" * 3000])]) for _ in range(100)]
    accepted = sum(not isinstance(one, StorageFull) for [one] in outcomes)
    await log.close()
    log = await SqliteLog.open(tmp_path)
    assert 0 < accepted < 100
    assert len(await check_log(log)) == accepted
    await filled(log, ["a"])
    await log.close()


async def test_a_disk_that_refuses_writes_is_unavailable(log):
    await filled(log, ["a"])
    await log._connection.execute_fetchall("PRAGMA query_only = 1")
    with pytest.raises(StorageUnavailable):
        await log.append(wish("a"))
    await log._connection.execute_fetchall("PRAGMA query_only = 0")
    await filled(log, ["a"])
    assert len(await check_log(log)) == 2


def lose_the_answer(monkeypatch, log):
    """Let the next batch be written, and its answer be an error."""
    real, left = log._connection.execute_fetchall, [True]

    async def execute_fetchall(sql, parameters=None):
        rows = await real(sql, parameters)
        if sql.startswith(QUERIES["insert_commits"]) and left:
            left.clear()
            raise sqlite3.OperationalError("disk I/O error")
        return rows

    monkeypatch.setattr(log._connection, "execute_fetchall", execute_fetchall)


async def test_a_batch_that_was_written_but_not_answered_is_told_of(log, monkeypatch):
    heard: list[int] = []
    log.listen(lambda batch: heard.extend(positions(batch)))
    await filled(log, ["a"])
    lose_the_answer(monkeypatch, log)
    lost = wish("a", 1, id=commit_id(1))
    with pytest.raises(StorageUnavailable):
        await log.append(lost)
    assert (await log.append(wish("a", 2))).position == 3
    assert (await log.append(lost)).position == 2
    assert heard == [1, 2, 3]
    await check_log(log)


async def test_a_batch_that_was_not_answered_is_told_of_though_the_disk_fails_again(
    log, monkeypatch
):
    heard: list[int] = []
    log.listen(lambda batch: heard.extend(positions(batch)))
    await filled(log, ["a"])
    lose_the_answer(monkeypatch, log)
    fail_once(monkeypatch, log, QUERIES["unread"])
    for number in (2, 3):
        with pytest.raises(StorageUnavailable):
            await log.append(wish("b", data=[number]))
    await filled(log, ["c"])
    assert heard == [1, 2, 3]
    await check_log(log)


@pytest.mark.parametrize("query", ["stream_heads", "find_many"])
async def test_a_failed_look_up_fails_only_who_needed_it(log, monkeypatch, query):
    asked = wish("a", NEW, id=commit_id(1))
    await log.append(asked)
    log._writer._heads.clear()
    text = QUERIES[query] + " (?)" * (query == "find_many")
    fail_once(monkeypatch, log, text)
    with pytest.raises(StorageUnavailable):
        await log.append(asked)
    assert (await log.append(asked)).position == 1
    await filled(log, ["a"])
    assert len(await check_log(log)) == 2


async def test_a_conflict_is_told_right_when_the_memory_of_heads_is_small(log, monkeypatch):
    monkeypatch.setattr(writer, "HEADS_MAX", 1)
    await filled(log, ["a"])
    batch = [wish("a", 7), wish("b", NEW), wish("c", NEW)]
    conflict = (await gather_outcomes(log, batch))[0]
    assert isinstance(conflict, Conflict)
    assert conflict.actual == 1
    await filled(log, ["a", "b", "c", "a", "b", "c"])
    await check_log(log)


async def test_a_writer_that_breaks_leaves_nobody_waiting(tmp_path):
    log = await SqliteLog.open(tmp_path)

    def listener(_):
        raise RuntimeError("a listener must not raise")

    log.listen(listener)
    first, second = await asyncio.wait_for(gather_outcomes(log, [wish("a"), wish("b")]), 60)
    assert isinstance(first, LogClosed)
    assert isinstance(second, LogClosed)
    with pytest.raises(LogClosed):
        await log.append(wish("c"))
    with pytest.raises(RuntimeError):
        await log.close()
    log = await SqliteLog.open(tmp_path)
    assert len(await whole(log)) == 2
    await log.close()


async def test_a_log_that_was_checkpointed_under_way_is_whole(log, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 100_000)
    for number in range(10):
        await log.append(wish("a", data=[BIG, number]))
        assert (tmp_path / "log.db-wal").stat().st_size < 1_000_000
    assert len(await check_log(log)) == 10


async def test_an_idle_log_is_checkpointed(log, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES_IDLE", 0)
    monkeypatch.setattr(writer, "IDLE_S", 0.01)
    await filled(log, ["a"])
    async with asyncio.timeout(60):
        while (tmp_path / "log.db-wal").stat().st_size:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    await check_log(log)
