"""A log whose process is killed holds all that was acknowledged, and is whole."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eventstore.sqlite.log import SqliteLog
from tests.support.log_writer import TASKS, numbered
from tests.support.logs import check_log

ROOT = Path(__file__).resolve().parents[2]
KILLS = 30
LIFE_S_MAX = 0.3
START_S_MAX = 120.0


def run_and_kill(folder, answers, round_number, chance):
    """Start a writer and kill it: while it starts, or some time after its first answer."""
    command = [sys.executable, "-m", "tests.support.log_writer", str(folder), str(round_number)]
    with answers.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out) as writer:
        if chance.random() < 0.2:
            time.sleep(chance.random() * 2 * LIFE_S_MAX)
        else:
            give_up = time.monotonic() + START_S_MAX
            while not answers.stat().st_size and time.monotonic() < give_up:
                assert writer.poll() is None
                time.sleep(0.001)
            time.sleep(chance.random() * LIFE_S_MAX)
        assert writer.poll() is None
        writer.kill()


def acknowledged(answers):
    """(position, task, number) of each answer; a line cut off by the kill is not one."""
    *lines, _ = answers.read_text().split("\n")
    return [tuple(map(int, line.split())) for line in lines]


@pytest.mark.slow(reason="starts and kills thirty processes")
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kept: dict[str, int] = {}
    for round_number in range(KILLS):
        answers = tmp_path / f"answers-{round_number}"
        run_and_kill(tmp_path / "log", answers, round_number, chance)
        last = dict.fromkeys(range(TASKS), -1)
        for position, task, number in acknowledged(answers):
            kept[numbered(round_number, task, number).commit_id.hex()] = position
            last[task] = number

        log = await SqliteLog.open(tmp_path / "log")
        commits = await check_log(log)
        there = {one.commit.id: one.commit.position for one in commits}
        assert {commit_id: there.get(commit_id) for commit_id in kept} == kept

        # Each task had one append under way: made again, it is there once, old or new.
        for task, number in last.items():
            asked = numbered(round_number, task, number + 1)
            size = log.head().size
            commit = await log.append(asked)
            new = asked.commit_id.hex() not in there
            assert commit.position == (size + 1 if new else there[commit.id])
            kept[commit.id] = commit.position
        await log.close()
    assert len(kept) > KILLS * TASKS
