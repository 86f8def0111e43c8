"""Heads of a log on SQLite: on time, by count and at the end, durable commits only."""

import asyncio
import contextlib
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof

from eventstore.errors import BadCheckpoint, LogContradicted
from eventstore.heads import KEY_FILE, HeadFolder
from eventstore.merkle import leaf_hash
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from sessions.heads import Heads
from sessions.metrics import Metrics
from tests.support.logs import filled, wish
from tests.support.process import eventually
from tests.support.tampering import cut_off, unguarded

NEVER = 86_400
WAIT_S_MAX = 60


class Opened:
    """A log with its heads, as the service opens them."""

    def __init__(self, log, heads, folder, metrics):
        self.log = log
        self.heads = heads
        self.folder = folder
        self.metrics = metrics

    def sizes(self):
        """Of which sizes heads stand in the folder."""
        return [int(file.stem) for file in self.folder.files()]

    async def written(self, size):
        """Return when the newest head is of `size`."""
        await eventually(lambda: self.sizes()[-1:] == [size], WAIT_S_MAX, f"a head of {size}")

    async def told(self, size):
        """Return when the metrics say so: the file is there a moment before they do."""
        await eventually(lambda: self.metric("head_position") == size, WAIT_S_MAX, "the position")

    def metric(self, name):
        """The value of a metric."""
        text = self.metrics.text().decode()
        families = text_string_to_metric_families(text)
        return next(s.value for f in families for s in f.samples if s.name == f"sessiond_{name}")


@contextlib.asynccontextmanager
async def opened(data, every=NEVER, interval_s=NEVER):
    """The log of `data` with heads that were started; as the service closes them."""
    async with contextlib.AsyncExitStack() as stack:
        log = await SqliteLog.open(data)
        folder, metrics = HeadFolder(data / "heads"), Metrics()
        heads = Heads(log, folder, metrics, every=every, interval_s=interval_s)
        stack.push_async_callback(heads.finish)
        stack.push_async_callback(log.close)
        await heads.start(data / KEY_FILE)
        running = asyncio.create_task(heads.run())
        one = Opened(log, heads, folder, metrics)
        await one.written(log.size)
        yield one
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_head_is_written_at_the_start_and_at_the_end(tmp_path):
    async with opened(tmp_path) as one:
        assert one.sizes() == [0]
        await filled(one.log, ["a"] * 7)
    assert one.sizes() == [0, 7]
    async with opened(tmp_path) as one:
        pass
    assert one.sizes() == [0, 7]


async def test_what_the_log_writes_while_it_drains_is_signed_too(tmp_path):
    async with opened(tmp_path) as one:
        # Queued, and nobody waits for them.
        late = [asyncio.ensure_future(one.log.append(wish("a"))) for _ in range(30)]
        await asyncio.sleep(0)
    assert all(future.done() for future in late)
    assert one.sizes() == [0, 30]


async def test_a_head_is_written_after_so_many_commits(tmp_path):
    async with opened(tmp_path, every=5) as one:
        await filled(one.log, ["a"] * 4)
        await asyncio.sleep(0.05)
        assert one.sizes() == [0]
        await filled(one.log, ["a"])
        await one.written(5)
        await filled(one.log, ["a"] * 5)
        await one.written(10)


async def test_a_head_is_written_after_so_much_time_if_the_log_grew(tmp_path):
    async with opened(tmp_path, interval_s=0.02) as one:
        await filled(one.log, ["a"])
        await one.written(1)
        await filled(one.log, ["a"] * 2)
        await one.written(3)
        before = one.sizes()
        await asyncio.sleep(0.1)
        assert one.sizes() == before
        await one.told(3)


async def test_the_heads_and_proofs_of_a_log_hold_for_an_independent_implementation(tmp_path):
    async with opened(tmp_path, every=1) as one:
        for size in range(1, 13):
            await filled(one.log, [f"thing/{size % 3}"])
            await one.written(size)
        key = Vkey.from_string(one.folder.vkey())
        notes = [Checkpoint.from_text(note) for _, note in one.folder.notes()]
        for checkpoint in notes:
            checkpoint.verify(key)
        bodies = [recorded.body for recorded in await one.log.read()]
        for now in notes:
            for was in notes[1 : now.size + 1]:
                path = await one.log.consistency(was.size, now.size)
                ConsistencyProof(was.size, now.size, path).check(was.root_hash, now.root_hash)
            paths = await one.log.inclusion(range(1, now.size + 1), now.size)
            for index, path in enumerate(paths):
                proof = InclusionProof(index, now.size, path)
                proof.check(leaf_hash(bodies[index]), now.root_hash)


async def test_a_folder_that_refuses_is_caught_up_with(tmp_path):
    async with opened(tmp_path, every=1) as one:
        shutil.rmtree(one.folder.path)
        one.folder.path.write_text("a file stands in the way")
        await filled(one.log, ["a"] * 2)
        await eventually(lambda: one.heads.failure is not None, WAIT_S_MAX, "the failure")
        assert one.metric("head_failures_total") >= 1
        one.folder.path.unlink()
        await filled(one.log, ["a"])
        await one.written(3)
        await eventually(lambda: one.heads.failure is None, WAIT_S_MAX, "the recovery")
        assert one.folder.vkey() == one.heads.vkey
        await one.told(3)


async def test_a_note_is_signed_once_for_each_size(tmp_path, monkeypatch):
    async with opened(tmp_path) as one:
        await filled(one.log, ["a"])
        checkpoint, note = one.heads.signed()
        assert one.heads.signed()[1] is note
        assert one.heads.sign(checkpoint.size, checkpoint.root) is note
        assert one.heads.sign(0, await one.log.root_at(0)) != note
        await filled(one.log, ["a"])
        assert one.heads.signed()[0].size == 2


async def test_a_log_that_was_cut_off_is_refused(tmp_path):
    async with opened(tmp_path) as one:
        await filled(one.log, ["a"] * 9)
    cut_off(tmp_path, 6)
    for _ in range(2):
        with pytest.raises(LogContradicted, match=r"had 9 commits, and it ends at 6.*put the log"):
            async with opened(tmp_path):
                pytest.fail("opened")
    assert one.sizes() == [0, 9]


async def test_a_log_that_went_on_from_an_older_copy_is_refused(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    async with opened(ours) as one:
        await filled(one.log, ["a"] * 5)
    shutil.copytree(ours, theirs)
    async with opened(ours) as one:
        await filled(one.log, ["a"] * 3)
    async with opened(theirs) as one:
        await filled(one.log, ["a"] * 4)
    shutil.copy(ours / "heads" / f"{8:020d}.checkpoint", theirs / "heads")
    (theirs / "heads" / f"{9:020d}.checkpoint").unlink()
    with pytest.raises(LogContradicted, match=r"otherwise of its first 8 commits.*put the log"):
        async with opened(theirs):
            pytest.fail("opened")


async def test_a_changed_commit_that_a_head_covers_is_refused(tmp_path):
    async with opened(tmp_path) as one:
        await filled(one.log, ["a"] * 6)
    with unguarded(tmp_path / FILE_NAME) as file:
        file.execute("UPDATE commits SET node = zeroblob(32) WHERE position = 6")
    with pytest.raises(LogContradicted, match="otherwise of its first 6 commits"):
        async with opened(tmp_path):
            pytest.fail("opened")


async def test_a_newest_head_that_cannot_be_read_is_refused_by_its_name(tmp_path):
    async with opened(tmp_path) as one:
        await filled(one.log, ["a"])
    one.folder.latest()[0].write_text("not a note")
    with pytest.raises(BadCheckpoint, match=f"{1:020d}.checkpoint: this is no signed note"):
        async with opened(tmp_path):
            pytest.fail("opened")


async def test_two_logs_do_not_share_a_head(tmp_path):
    async with opened(tmp_path) as one:
        await filled(one.log, ["a"])
        one.folder.write(one.heads.sign(2, bytes(32)), 2)
        await filled(one.log, ["a"])
        with pytest.raises(LogContradicted, match="root of 2 commits is another"):
            await one.heads.write()
