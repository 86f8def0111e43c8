"""What the host can ask of the agent of a machine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.vm.frames import Field
from sessions.runtimes.vm.line import READ_BYTES, Answer, Line, Pending
from sessions.runtimes.vm.port import GuestRefused, MachineFailed, Outcome, Program
from sessions.runtimes.vm.printing import WINDOW, Printing
from sessions.runtimes.vm.terminal import ChannelTerminal

PROGRAM_BYTES_MAX: Final = 1024 * 1024
PATH_BYTES_MAX: Final = 4096

_CHUNK: Final = 256 * 1024
_AHEAD: Final = 4
_TIMEOUT_S: Final = 30.0
_MARGIN_S: Final = 30.0


class Channel:
    """Programs, files and terminals of one machine, and what it must be told about itself.

    Everything here raises GuestRefused where the machine says no, and MachineFailed where it is
    gone or does not answer in time.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = Line(reader, writer)

    @classmethod
    async def connect(cls, path: Path) -> Channel:
        """The agent behind a unix socket; raises MachineFailed where nobody listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(path), limit=READ_BYTES)
        except OSError as error:
            raise MachineFailed(f"the agent cannot be reached: {error}") from None
        return cls(reader, writer)

    async def close(self) -> None:
        """Hang up; whoever still waits is told."""
        await self._line.close()

    @property
    def over(self) -> bool:
        """True once the line is gone."""
        return self._line.over

    async def ended(self) -> str:
        """Wait until the line is gone; why it is."""
        return await self._line.ended()

    async def call(
        self, op: str, payload: bytes = b"", *, timeout_s: float = _TIMEOUT_S, **fields: Field
    ) -> Answer:
        """One request and its answer."""
        return await self._line.ask(op, payload, fields, timeout_s)

    async def ping(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Return once the agent has answered."""
        await self.call("ping", timeout_s=timeout_s)

    async def reseed(self, seed: bytes) -> None:
        """Make what the machine draws differ from all others of its template."""
        await self.call("reseed", seed)

    async def set_clock(self, now_ns: int) -> None:
        """Set the clock of the machine."""
        await self.call("clock", ns=now_ns)

    async def mount(self, device: str) -> None:
        """Have that disk as the home of the user; nothing where it is there already."""
        await self.call("mount", device=device)

    async def memory_total(self) -> int:
        """Bytes of memory that the machine has now."""
        said, _ = await self.call("memory")
        return said.total

    async def warm(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Have a python that is ready to run programs."""
        await self.call("warm", timeout_s=timeout_s)

    async def quiesce(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Have nothing under way in either direction, until `unquiesce`."""
        await self._line.hold(timeout_s)

    async def unquiesce(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Let all go on."""
        await self._line.release(timeout_s)

    async def sync(self, timeout_s: float = _TIMEOUT_S) -> None:
        """After a restore, before anything else: what the agent owed to others is dropped.

        Programs that ran go on unheard; terminals and files under way are left.
        """
        await self.call("sync", timeout_s=timeout_s)

    async def setenv(self, env: Mapping[str, str]) -> None:
        """What later programs find in their environment besides what is there."""
        try:
            payload = msgspec.json.encode(dict(env))
        except (UnicodeEncodeError, msgspec.MsgspecError):
            raise GuestRefused("the environment is not valid text") from None
        if len(payload) > PROGRAM_BYTES_MAX:
            raise GuestRefused(f"the environment has more than {PROGRAM_BYTES_MAX} bytes")
        await self.call("env", payload)

    async def run(self, program: Program, output_bytes_max: int) -> Outcome:
        """Run a program to its end; where the caller is cancelled, the program is ended."""
        code = _bytes(program.code, "the program", PROGRAM_BYTES_MAX)
        number = self._line.number()
        printing = Printing(
            output_bytes_max, lambda size: self._line.tell("credit", target=number, bytes=size)
        )
        fields: dict[str, Field] = {
            "language": program.language,
            "timeout_ms": round(program.timeout_s * 1000),
            "room": output_bytes_max,
            "credit": WINDOW,
        }
        self._line.listen(number, printing)
        try:
            patience_s = program.timeout_s + _MARGIN_S
            said, _ = await self._line.ask("run", code, fields, patience_s, number)
        except (asyncio.CancelledError, MachineFailed):
            self._line.tell("kill", target=number)
            raise
        finally:
            self._line.forget(number)
        return printing.outcome(said)

    async def put(self, path: str, data: AsyncIterator[bytes]) -> int:
        """Write a file, its folders made where missing; its size. Nothing is left of a half."""
        _bytes(path, "the path", PATH_BYTES_MAX)
        handle = self._line.number()
        under_way: deque[Pending] = deque()
        whole = False
        try:
            await self._line.ask("put", b"", {"path": path}, _TIMEOUT_S, handle)
            async for chunk in _chunks(data):
                if len(under_way) >= _AHEAD:
                    await under_way.popleft().answer(_TIMEOUT_S)
                under_way.append(await self._line.post("write", chunk, {"handle": handle}))
            while under_way:
                await under_way.popleft().answer(_TIMEOUT_S)
            said, _ = await self.call("commit", handle=handle)
            whole = True
        finally:
            for pending in under_way:
                pending.abandon()
            if not whole:
                self._line.tell("close", handle=handle)
        return said.size

    async def get(self, path: str, bytes_max: int) -> AsyncIterator[bytes]:
        """The bytes of a file; raises GuestRefused also for one that has more than `bytes_max`."""
        _bytes(path, "the path", PATH_BYTES_MAX)
        handle = self._line.number()
        found: dict[str, Field] = {"path": path, "most": bytes_max}
        read: dict[str, Field] = {"handle": handle, "bytes": _CHUNK}
        ahead: Pending | None = None
        size = 0
        try:
            await self._line.ask("get", b"", found, _TIMEOUT_S, handle)
            ahead = await self._line.post("read", b"", read)
            while data := (await ahead.answer(_TIMEOUT_S))[1]:
                size += len(data)
                if size > bytes_max:
                    raise GuestRefused(f"{path}: it has more than {bytes_max} bytes")
                ahead = await self._line.post("read", b"", read)
                yield data
        finally:
            if ahead is not None:
                ahead.abandon()
            self._line.tell("close", handle=handle)

    async def terminal(self, cols: int, rows: int, shell: str, command: str) -> ChannelTerminal:
        """A new terminal that runs `shell`, or `command` in a login shell where it is given."""
        _bytes(shell, "the shell", PATH_BYTES_MAX)
        _bytes(command, "the command", PATH_BYTES_MAX)
        terminal = ChannelTerminal(self._line, self._line.number())
        await terminal.open(cols, rows, shell, command)
        return terminal


async def _chunks(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a fitting size."""
    buffer = bytearray()
    async for piece in data:
        buffer += piece
        while len(buffer) >= _CHUNK:
            yield bytes(buffer[:_CHUNK])
            del buffer[:_CHUNK]
    if buffer:
        yield bytes(buffer)


def _bytes(text: str, what: str, most: int) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise GuestRefused(f"{what} is not valid text") from None
    if len(data) > most:
        raise GuestRefused(f"{what} has more than {most} bytes")
    return data
