"""Somebody who follows a page of the documentation with a shell."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PORT: Final = 8080
# Below those that the system gives to whoever asks for any: nobody gets one before it is taken.
PORTS: Final = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = random.choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Reader:
    """Somebody who follows the page: a shell that keeps what it was told, and a service."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.patience_s = 240.0
        self._service: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        (folder / "scripts").symlink_to(ROOT / "scripts")

    def serve(self, command: str) -> None:
        """Start the service as `command` says, on another port, and wait until it is ready."""
        self.close()
        line = self._localised(command.strip()).replace(
            "scripts/serve", f"exec {sys.executable} -m sessions serve --port {self.port}"
        )
        self._service = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**self._environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._service.stdout is not None
        for out in self._service.stdout:
            if out.startswith(b"ready "):
                return
        pytest.fail("the service ended before it was ready")

    def run(self, commands: str) -> str:
        """The output of the commands; they must all succeed."""
        keep = f"\n{{ export -p; declare -f; }} > {self.folder}/.exports"
        load = f"cd {self.folder}; [ -f .exports ] && . ./.exports\nset -e\n"
        done = subprocess.run(
            ["bash", "-c", load + self._localised(commands) + keep],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=self.patience_s,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _localised(self, commands: str) -> str:
        programs = {
            "sessiond": f"PYTHONPATH={ROOT} {sys.executable} -m sessions",
            "python": sys.executable,
        }
        local = commands.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}")
        # The second in which a page listens to a feed is short for a busy machine.
        local = local.replace("--max-time 1 ", "--max-time 5 ")
        return re.sub(r"\.venv/bin/(\w+)", lambda found: programs[found[1]], local)

    def close(self) -> None:
        """End the service, where the page has not done so."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            assert self._service.stdout is not None
            self._service.stdout.close()
            self._service = None
