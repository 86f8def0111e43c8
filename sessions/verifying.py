"""One verification of the log at a time, beside the traffic, in a process that gives way to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final, Literal

import msgspec

import eventstore
from eventstore.sqlite.parts import Task, Told
from eventstore.testimony import Sources
from eventstore.verification import Finding, Verified

LINE_BYTES_MAX: Final = 1 << 20
_ROOT: Final = Path(eventstore.__file__).resolve().parents[1]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last verification is, or what it found.

    It `holds`, it `does_not_hold`, or it `failed` to find out, for which `detail` has the reason.
    Up to `position` the log agrees with itself, up to `vouched` with the heads that were signed.
    """

    status: Literal["none", "running", "holds", "does_not_hold", "failed", "stopped"] = "none"
    position: int = 0
    head: int = 0
    vouched: int = 0
    heads: int = 0
    root: str = ""
    findings: list[Finding] = []
    seconds: float = 0.0
    detail: str = ""


class Verifying:
    """Owns the process of a verification of the log in `folder`, against the heads in `heads`."""

    def __init__(self, folder: Path, heads: Path, vkey: str) -> None:
        self.state = Verification()
        sources = Sources(vkey=vkey, key_from="data", folder=str(heads.absolute()))
        self._task = Task(work="all", path=str(folder.absolute()), sources=sources)
        self._run: asyncio.Task[None] | None = None

    def start(self) -> Verification:
        """Begin a verification unless one runs; how far it is."""
        if self.state.status != "running":
            self.state = Verification(status="running")
            self._run = asyncio.create_task(self._watch(), name="verification")
        return self.state

    async def stop(self) -> Verification:
        """Break off what runs; how far it came."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
        return self.state

    async def _watch(self) -> None:
        try:
            self.state = await self._verified()
        except asyncio.CancelledError:
            self._end("stopped", "")
            raise
        except (OSError, ValueError, EOFError, msgspec.MsgspecError) as error:
            self._end("failed", str(error) or type(error).__name__)

    async def _verified(self) -> Verification:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "eventstore.sqlite.verify"),
            env={**os.environ, "PYTHONPATH": path},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(self._task) + b"\n")
            while not (told := await _next(process.stdout)).last:
                self.state = msgspec.structs.replace(
                    self.state, position=told.position, head=told.size
                )
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if told.verified is None:
            raise EOFError(told.error)
        return _found(told.verified)

    def _end(self, status: Literal["failed", "stopped"], detail: str) -> None:
        self.state = msgspec.structs.replace(self.state, status=status, detail=detail)


async def _next(lines: asyncio.StreamReader) -> Told:
    line = await lines.readline()
    if not line:
        raise EOFError("the process of the verification ended before it was done")
    return msgspec.json.decode(line, type=Told)


def _found(verified: Verified) -> Verification:
    return Verification(
        status="holds" if verified.holds else "does_not_hold",
        position=verified.position,
        head=verified.size,
        vouched=verified.vouched,
        heads=verified.heads,
        root=verified.root,
        findings=verified.findings,
        seconds=verified.seconds,
    )
