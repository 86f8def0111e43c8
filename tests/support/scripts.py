"""The audit scripts, run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS_MAX: Final = 200


class Done(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """What it said with --json."""
        return msgspec.json.decode(self.out)


def command(name: str, *arguments: object, wrapper: Sequence[str] = ()) -> list[str]:
    """The command line of `scripts/NAME.py`; `wrapper` is a command that runs the one after it."""
    script = str(ROOT / "scripts" / f"{name}.py")
    return [*wrapper, sys.executable, script, *map(str, arguments)]


def run_script(name: str, *arguments: object, wrapper: Sequence[str] = ()) -> Done:
    """Run a script to its end."""
    done = subprocess.run(
        command(name, *arguments, wrapper=wrapper),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def files_in(folder: Path) -> set[str]:
    """All names below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
