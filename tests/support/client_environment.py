"""Environments of clients that the service has no part in: each its own, made once and kept."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

# In all: a test of which nothing is heard for longer is taken for one that hangs.
INSTALL_S_MAX: Final = 600


def environment(name: str, *installs: Sequence[str]) -> Path:
    """The folder of a virtual environment after these calls of `pip install`.

    Skips the test where it cannot be made.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sessiond-tests"
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / f"{name}-venv-{sys.version_info[0]}.{sys.version_info[1]}"
    wanted = "\n".join(" ".join(words) for words in installs)
    with (cache / f"{name}-venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever else wants it waits until it is whole
        holds = made / "holds"
        if holds.exists() and holds.read_text() == wanted:
            return made
        give_up = time.monotonic() + INSTALL_S_MAX
        pip = str(made / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"
        _run([sys.executable, "-m", "venv", "--clear", str(made)], name, give_up)
        for words in installs:
            _run([*pip, *words], " ".join(words), give_up)
        holds.write_text(wanted)
    return made


def _run(command: Sequence[str], what: str, give_up: float) -> None:
    left = give_up - time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what} could not be installed within {INSTALL_S_MAX} s")
    if done.returncode:
        pytest.skip(f"{what} could not be installed: {done.stderr.strip()[-500:]}")


async def play(
    made: Path, driver: Path, words: Sequence[str], home: Path, seconds_max: float, **env: str
) -> None:
    """Run a driver in an environment, with `words`; fails as it fails."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
    process = await asyncio.create_subprocess_exec(
        str(made / "bin" / "python"),
        "-P",
        str(driver),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=home,
        env={**inherited, "HOME": str(home), "NO_COLOR": "1", **env},
    )
    try:
        async with asyncio.timeout(seconds_max):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = out.decode(errors="replace")[-5000:], err.decode(errors="replace")[-5000:]
    assert process.returncode == 0, "\n".join((" ".join(words), *said))
