"""What a killed service left of its browsers: processes with profiles in its folder, and files."""

from __future__ import annotations

import os
import select
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.browser.argv import PROFILE_OPTION
from sessions.runtimes.browser.scratch import Held, folder_outside, sweep_outside
from sessions.runtimes.leftovers import Recognised, began_at, end_processes, processes

BROWSERS_FOLDER: Final = "browsers"
_RUN: Final = "run"
FILES_FOLDER: Final = f"{BROWSERS_FOLDER}/files"
_SOCKETS: Final = "sockets"
# Of the 107 bytes that a socket's path may have, Chromium adds up to 60 with our own part.
_SOCKETS_PATH_MAX: Final = 45
DRIVER_FILE: Final = "driver.json"
_GONE_S: Final = 5.0
# The second is what the handler of crashes, which is nobody's child, has.
_OPTIONS: Final = (PROFILE_OPTION, "--database=")


class DriverMark(msgspec.Struct, frozen=True):
    """Which process drives the browsers, and when it began."""

    pid: int
    began: int


def run_folder(data: Path) -> Path:
    """Where the profiles of running browsers are."""
    return (data / BROWSERS_FOLDER / _RUN).resolve()


def scratch_folder(data: Path) -> Path:
    """Where their sockets are: in the data folder, unless that makes their paths too long."""
    beside = run_folder(data).with_name(_SOCKETS)
    if len(os.fsencode(beside)) <= _SOCKETS_PATH_MAX:
        return beside
    return folder_outside(data)


def orphans(data: Path) -> list[int]:
    """The ids of processes of browsers of this data folder. Blocks."""
    return processes(_browses(data))


def make_folders(data: Path, held: Held) -> None:
    """Have the folders of running browsers, for this user alone; raises OSError. Blocks."""
    run_folder(data).mkdir(parents=True, exist_ok=True, mode=0o700)
    held.take(scratch_folder(data))
    for folder in (run_folder(data), scratch_folder(data)):
        if folder.stat().st_uid != os.geteuid():
            raise PermissionError(f"{folder} belongs to somebody else")


def sweep(data: Path) -> int:
    """End those processes and remove their files, before any browser runs; how many. Blocks."""
    ended = end_processes(_browses(data)) + _end_driver(run_folder(data))
    for folder in (run_folder(data), scratch_folder(data), data / FILES_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    # Of data folders that were deleted nobody else would ever sweep them.
    sweep_outside()
    return ended


def _end_driver(folder: Path) -> int:
    """End the driver that was left, if it still runs: it does if it stands still."""
    try:
        mark = msgspec.json.decode((folder / DRIVER_FILE).read_bytes(), type=DriverMark)
        process = os.pidfd_open(mark.pid)
    except (OSError, msgspec.DecodeError):
        return 0
    try:
        if began_at(mark.pid) != mark.began:
            return 0
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], _GONE_S)
    except (ProcessLookupError, PermissionError):
        return 0
    finally:
        os.close(process)
    return 1


def _browses(data: Path) -> Recognised:
    options = [os.fsencode(f"{option}{run_folder(data)}/") for option in _OPTIONS]

    def recognised(words: Sequence[bytes]) -> bool:
        # Chromium's children write all their words into one.
        return any(option in word for word in words for option in options)

    return recognised
