"""The small C library of `disk_faults.c`, compiled for the test run and tried once."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).with_suffix(".c")
BUILD_S_MAX: Final = 240
# Does this Python's SQLite write through the C library at all?
_TRY: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("CREATE TABLE t (x)")
"""


def disk_faults(**how: str | int | Path) -> dict[str, str | None]:
    """What the environment of a service must hold; `how` without its FAULT_, in small letters.

    Skips the test where there is no compiler or SQLite cannot be reached in this way.
    """
    library, why = _library()
    if library is None:
        pytest.skip(why)
    return _environment(library, **how)


def _environment(library: Path, **how: str | int | Path) -> dict[str, str | None]:
    given: dict[str, str | None] = {f"FAULT_{name.upper()}": str(v) for name, v in how.items()}
    return {"LD_PRELOAD": str(library), **given}


@functools.cache
def _library() -> tuple[Path | None, str]:
    """The library, or why there is none."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None, "no C compiler here"
    folder = Path(tempfile.mkdtemp(prefix="disk-faults-"))
    atexit.register(shutil.rmtree, folder)
    library = folder / "disk_faults.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"]
    command = [compiler, *flags, "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=BUILD_S_MAX)
    faults = _environment(library, file="tried.db", call="write", when="before")
    tried = subprocess.run(
        [sys.executable, "-c", _TRY, str(folder / "tried.db")],
        env={**os.environ, **{name: value for name, value in faults.items() if value}},
        stderr=subprocess.DEVNULL,
        timeout=BUILD_S_MAX,
        check=False,
    )
    if tried.returncode != -signal.SIGKILL:
        return None, "the SQLite of this Python cannot be reached by LD_PRELOAD"
    return library, ""
