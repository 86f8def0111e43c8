"""A process to be killed: appends under concurrency and says what was acknowledged.

python -m tests.support.log_writer FOLDER ROUND prints `position task number` for each answer.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from hashlib import sha256
from pathlib import Path

from eventstore.commit import Append
from eventstore.sqlite.log import SqliteLog
from tests.support.logs import wish

TASKS = 16
STREAMS = 5


def numbered(round_number: int, task: int, number: int) -> Append:
    """The append that a task makes as its `number`-th; the same in every process."""
    name = f"{round_number}/{task}/{number}"
    size = random.Random(name).choice([1, 100, 2000])
    return wish(
        f"thing/{task % STREAMS}",
        id=sha256(name.encode()).digest()[:16],
        data=[name, "x" * size],
    )


async def append_for_ever(log: SqliteLog, round_number: int, task: int) -> None:
    """Append one after the other; a line is written in one piece once the append is answered."""
    number = 0
    while True:
        commit = await log.append(numbered(round_number, task, number))
        os.write(1, f"{commit.position} {task} {number}\n".encode())
        number += 1


async def main(folder: Path, round_number: int) -> None:
    """Append until killed."""
    log = await SqliteLog.open(folder)
    await asyncio.gather(*(append_for_ever(log, round_number, task) for task in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
