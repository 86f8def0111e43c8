"""Child processes: servers that say `ready`, the load generator, and what they cost."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from scripts.bench.report import ROOT, Latency

ADMIN_KEY: Final = "bench-admin-key"
READY: Final = "ready http://127.0.0.1:"
START_S_MAX: Final = 120.0
STOP_S_MAX: Final = 20.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Server:
    """A process that answers HTTP on `port` of 127.0.0.1."""

    def __init__(self, process: subprocess.Popen[str], port: int, ready_s: float) -> None:
        self.pid = process.pid
        self.port = port
        self.ready_s = ready_s
        self._process = process

    def cpu_s(self) -> float:
        """User and system time so far."""
        text = Path(f"/proc/{self.pid}/stat").read_text("ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_bytes(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no Rss in smaps_rollup")

    def stop(self) -> float:
        """End the process; how long it took."""
        began = time.perf_counter()
        self._process.terminate()
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return time.perf_counter() - began


def cores() -> tuple[set[int], set[int]]:
    """Cores for a server and for its load: different ones where there are two."""
    there = sorted(os.sched_getaffinity(0))
    return ({there[0]}, {there[1]}) if len(there) > 1 else ({there[0]}, {there[0]})


@contextmanager
def running(
    module: str, *arguments: str, errors: Path, pinned: bool = True, **environ: str
) -> Iterator[Server]:
    """`python -m module arguments`, from when it is ready to the end of the block."""
    began = time.perf_counter()
    with errors.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**_clean(os.environ), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    server: Server | None = None
    try:
        if pinned:
            os.sched_setaffinity(process.pid, cores()[0])
        port = _port(process, errors)
        server = Server(process, port, time.perf_counter() - began)
        yield server
    finally:
        Server(process, 0, 0).stop()
        if process.stdout is not None:
            process.stdout.close()


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not name.startswith("SESSIOND_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def _port(process: subprocess.Popen[str], errors: Path) -> int:
    assert process.stdout is not None
    until = time.monotonic() + START_S_MAX
    while select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
        line = process.stdout.readline()
        if line.startswith(READY):
            return int(line.removeprefix(READY))
        if not line:
            break
    raise RuntimeError(f"the process did not get ready: {errors.read_text('utf-8')[-2000:]}")


@contextmanager
def service(data: Path, *options: str, pinned: bool = True) -> Iterator[Server]:
    """`sessiond serve` on `data`, as it runs by default."""
    arguments = ("serve", "--data", str(data), "--port", "0", *options)
    errors = data.parent / f"{data.name}.stderr"
    with running(
        "sessions", *arguments, errors=errors, pinned=pinned, SESSIOND_ADMIN_KEY=ADMIN_KEY
    ) as server:
        yield server


@contextmanager
def bare(folder: Path, answers: Mapping[str, bytes]) -> Iterator[Server]:
    """The bare aiohttp server; `answers` are the constant bodies by route."""
    place = folder / "bare.answers"
    place.write_bytes(msgspec.msgpack.encode(dict(answers)))
    with running("scripts.bench.bare", str(place), errors=folder / "bare.stderr") as server:
        yield server


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator is to send: requests in turn, over keep-alive connections."""

    port: int
    requests: list[bytes]
    status: int
    connections: int
    seconds: float
    warm_up_s: float = 0.5
    requests_max: int = 1_000_000


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator saw: `sent` with the warm-up, all other figures without."""

    sent: int
    count: int
    seconds: float
    wrong: int
    received: int
    latency: Latency
    busy: float
    first_body: bytes

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.count / self.seconds


def generate(load: Load) -> Answered:
    """Run the generator in its own process, on its own core."""
    with conversation("scripts.bench.load") as child:
        answer = child.answer(given=msgspec.msgpack.encode(load))
    return msgspec.msgpack.decode(answer, type=Answered)


def first_body(load: Load) -> bytes:
    """The body of the answer to the first request of a load."""
    once = msgspec.structs.replace(load, requests_max=1, connections=1, seconds=10, warm_up_s=0.0)
    return generate(once).first_body


class Conversation:
    """A child that says one line, waits for one, and ends with an answer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def wait_for(self, line: str) -> None:
        """Return when the child has said `line`."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline().decode().strip()
        if said != line:
            raise RuntimeError(f"the load generator said {said!r}, not {line!r}")

    def ask(self, line: str) -> bytes:
        """The line that the child says to that one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError("the child ended without an answer")
        return said

    def answer(self, line: str = "", given: bytes = b"") -> bytes:
        """Everything that the child writes after `line` or `given`, to its end."""
        out, _ = self._process.communicate(given or f"{line}\n".encode(), timeout=START_S_MAX)
        if self._process.returncode:
            raise RuntimeError("the load generator failed")
        return out


@contextmanager
def conversation(module: str, *arguments: str, pinned: bool = True) -> Iterator[Conversation]:
    """`python -m module arguments` on the core of the load, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=_clean(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if pinned:
            os.sched_setaffinity(process.pid, cores()[1])
        yield Conversation(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def request(
    method: str, path: str, key: str = ADMIN_KEY, body: bytes = b"", headers: str = ""
) -> bytes:
    """One HTTP/1.1 request, ready to be sent; without a key where that is empty."""
    lines = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if key:
        lines += f"Authorization: Bearer {key}\r\n"
    if body:
        lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{lines}{headers}\r\n".encode("ascii") + body
