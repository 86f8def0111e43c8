"""Every command in the README is run, in order, and its output compared with what stands there.

Ids and times differ from run to run and are compared by shape. SESSIOND_UPDATE_DOCS=1 writes the
output that was seen into the README.
"""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- (run|serve|output) -->\n```\w+\n(.*?)```", re.DOTALL)
PORT = 8080
START_S = 60

VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b(product|version|test|testCase|session)_[a-z0-9]{25}\b"), r"\1_ID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+]00:00)?"), "TIME"),
    (re.compile(r"PT[\d.]+S"), "DURATION"),
)


def shape(text: str) -> str:
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


class Reader:
    """Somebody who follows the page: a shell that keeps its variables, and a service."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.service: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    def serve(self, command: str) -> None:
        self.close()
        line = self._localised(command.strip()).replace(
            "scripts/serve", f"exec {sys.executable} -m sessions serve --port {self.port}"
        )
        self.service = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        assert self.service.stdout is not None
        for out in self.service.stdout:
            assert time.monotonic() < deadline
            if out.startswith(b"ready "):
                return
        pytest.fail("the service ended before it was ready")

    def run(self, commands: str) -> str:
        keep = f"\nexport -p > {self.folder}/.exports"
        load = f"cd {self.folder}; [ -f .exports ] && . ./.exports\nset -e\n"
        done = subprocess.run(
            ["bash", "-c", load + self._localised(commands) + keep],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
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
        return re.sub(r"\.venv/bin/(\w+)", lambda found: programs[found[1]], local)

    def close(self) -> None:
        if self.service is not None:
            self.service.kill()  # where the page has not done so
            self.service.wait()
            assert self.service.stdout is not None
            self.service.stdout.close()
            self.service = None


@pytest.fixture
def reader(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    someone = Reader(tmp_path, port)
    yield someone
    someone.close()


def test_the_readme_does_what_it_says(reader):
    text = (ROOT / "README.md").read_text()
    seen = ""
    for kind, block in BLOCK.findall(text):
        if kind == "serve":
            reader.serve(block)
        elif kind == "run":
            seen = reader.run(block).replace(f":{reader.port}", f":{PORT}")
        elif os.environ.get("SESSIOND_UPDATE_DOCS"):
            marked = f"<!-- output -->\n```{_language(text, block)}\n"
            text = text.replace(f"{marked}{block}```", f"{marked}{_lines(seen)}```", 1)
            (ROOT / "README.md").write_text(text)
        else:
            assert shape(_lines(seen)) == shape(block)


def _lines(seen: str) -> str:
    """Answers of the native API end without a newline: one line each makes them readable."""
    return seen.strip().replace("}{", "}\n{") + "\n"


def _language(text: str, block: str) -> str:
    found = re.search(r"<!-- output -->\n```(\w+)\n" + re.escape(block) + "```", text)
    assert found is not None
    return found.group(1)
