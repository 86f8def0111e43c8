"""kill -9 of a backup at each of its steps, beside a service at work: never half a copy."""

import asyncio
import os
import random
import signal
import subprocess
import sys

import pytest

from eventstore.sqlite.archive import Archive
from tests.support.disk_faults import disk_faults
from tests.support.dying import BACKING_UP, BACKUP, last_words
from tests.support.load import Load, Promises
from tests.support.process import ROOT, eventually, serving
from tests.support.trees import root_of_bodies

IN_THE_COPY = "backup: some pages copied"
RENAMED = "backup: renamed, folder not synced"
# So much that the copy of it is written in many pieces.
ANSWERS = 200
ANSWERS_S_MAX = 120.0
BACKUP_S_MAX = 240

pytestmark = pytest.mark.slow(reason="runs the backup script eight times")


def environment_of(step):
    """What makes the script die at the step."""
    if step in BACKING_UP:
        return {"DIE_AT": step}
    return disk_faults(file=".copy.db.part", call="write", when="after", count=20, name=step)


def run(folder, target, environ):
    """The script as a process that has ended."""
    options = ["--data", str(folder), "--to", str(target)]
    return subprocess.run(
        [sys.executable, "-m", "tests.support.dying", BACKUP, *options],
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BACKUP_S_MAX,
        check=False,
    )


def check_copy(folder, target):
    """The copy is a log of its own, and the service's log begins with it."""
    with Archive(folder) as log, Archive(target) as copy:
        bodies = [body for page in copy.bodies() for body in page]
        assert len(bodies) == copy.size > 0
        assert copy.head().root == root_of_bodies(bodies) == log.root(copy.size)


async def die(folder, target, step):
    """One run of the script that ends at the step."""
    died = await asyncio.to_thread(run, folder, target, environment_of(step))
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stderr.endswith(last_words(step))


async def test_a_backup_that_is_killed_leaves_the_whole_copy_or_none(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    folder, target = tmp_path / "data", tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    load = Load(Promises(), random.Random(seed), "r")
    async with serving(folder) as service, service.client() as client:
        working = asyncio.create_task(load.run(client, 2))
        await eventually(lambda: load.answers >= ANSWERS, ANSWERS_S_MAX, "a log to copy")
        for step in [step for step in BACKING_UP if step != RENAMED]:
            await die(folder, target, step)
            assert not target.exists()
        await die(folder, target, IN_THE_COPY)
        done = await asyncio.to_thread(run, folder, target, {})
        assert done.returncode == 0, done.stderr
        check_copy(folder, target)
        target.unlink()
        await die(folder, target, RENAMED)
        check_copy(folder, target)
        assert [path.name for path in target.parent.iterdir()] == ["copy.db"]
        assert not working.done()
        load.stop()
        await working
        await service.stop()
