"""A file that is there whole or not at all.

It is written beside its place, as .NAME.part, and gets its name once it is on the disk. A run that
is killed leaves at most that part, which the next run to the same place takes over.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from scripts.audit.command import CannotRun

READABLE: Final = 0o666
"""By whom the umask lets."""
PRIVATE: Final = 0o600


@contextmanager
def new_file(path: Path, mode: int = READABLE) -> Iterator[BinaryIO]:
    """A file that becomes `path` at the end of the block, unless that raises.

    Raises CannotRun: nothing is ever replaced, and a disk that is full says so.
    """
    with new_part(path, mode) as part, part.open("r+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def new_part(path: Path, mode: int = READABLE) -> Iterator[Path]:
    """As `new_file`, for a file that something else writes and makes durable by its name."""
    _refuse(path)
    part = path.with_name(f".{path.name}.part")
    with _plain_errors(path):
        held = _held(part, mode)
        try:
            yield part
            _refuse(path)
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(held)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse(path: Path) -> None:
    if os.path.lexists(path):
        raise CannotRun(f"{path} exists already, and nothing is overwritten")


def _held(part: Path, mode: int) -> int:
    """An empty file that only this process writes, made or taken over."""
    while True:
        held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = part.exists() and os.fstat(held).st_ino == part.stat().st_ino
            if same:
                os.ftruncate(held, 0)
                os.fchmod(held, mode & ~_umask())
                return held
        except BlockingIOError:
            os.close(held)
            raise CannotRun(f"{part} is being written by another process") from None
        except BaseException:
            os.close(held)
            raise
        os.close(held)  # the other process was done just now


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror or error}") from error
