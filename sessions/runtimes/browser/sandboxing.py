"""A sandbox also where the service is root, for whom Chromium has none.

In a user namespace of its own, root is an ordinary user: its files are its own there, every power
of root is gone, and Chromium shuts its renderers in as on a desktop.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_USER: Final = 65_534
_PROBE_S: Final = 10.0
# The namespaces that Chromium makes for its renderers, inside of the one made for it.
_PROBE: Final = 'test -w "$0" && exec unshare --user --pid --net --fork true'


def cover(folder: Path) -> tuple[str, ...]:
    """The command before Chromium's that makes root an ordinary user, who may write the folder.

    It keeps its process id. Empty where nobody is root, or no such namespace is possible. Blocks.
    """
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        return ()
    command = (unshare, "--user", f"--map-user={_USER}", f"--map-group={_USER}", "--")
    quiet = subprocess.DEVNULL
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [*command, "/bin/sh", "-c", _PROBE, str(folder)],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            timeout=_PROBE_S,
            check=False,
            cwd="/",
        )
        if done.returncode == 0:
            return command
    return ()
