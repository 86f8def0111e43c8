"""The socket in the data folder, by which the command line talks to a running service."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "control.sock"


def socket_path(folder: Path) -> Path:
    """Where the socket of the service that runs in `folder` is."""
    return folder / SOCKET_NAME


def running(folder: Path) -> bool:
    """True if a service listens in `folder`."""
    path = socket_path(folder)
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe, contextlib.chdir(folder):
        try:
            probe.connect(SOCKET_NAME)
        except OSError:
            return False
    return True
