"""What a crash left in a WAL is made durable before anybody is told of it.

A process that is killed between a write and its sync leaves commits that every reader sees and no
disk holds. Where the sync failed it is worse: the kernel counts the pages as clean, and to sync
again writes nothing. So the bytes are written once more, as they are, and then synced.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

WAL_SUFFIX: Final = "-wal"
CHUNK_BYTES: Final = 1 << 20


def settle_wal(database: Path) -> None:
    """All that the WAL of `database` shows is on the disk; raises OSError where that fails.

    Blocking, and to be called before the database is opened, by whoever will write it.
    """
    try:
        wal = os.open(database.with_name(database.name + WAL_SUFFIX), os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while chunk := os.pread(wal, CHUNK_BYTES, offset):
            offset += os.pwrite(wal, chunk, offset)
        os.fsync(wal)
    finally:
        os.close(wal)
