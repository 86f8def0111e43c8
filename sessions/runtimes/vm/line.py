"""One stream to the agent of a machine: requests, their answers, and what is said in between."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Final, Protocol

from sessions.runtimes.vm.frames import Decoder, Field, FrameError, Said, encode
from sessions.runtimes.vm.port import GuestRefused, MachineFailed

READ_BYTES: Final = 256 * 1024

_PENDING_MAX: Final = 1024
_FINAL: Final = frozenset({"", "exit"})

Answer = tuple[Said, bytes]


class Listener(Protocol):
    """Hears what is said about a request besides its answer."""

    def heard(self, said: Said, payload: bytes) -> None:
        """An event of the request."""

    def failed(self, error: MachineFailed) -> None:
        """There will be no more."""


class Pending:
    """A request that was sent."""

    def __init__(self, line: Line, number: int, future: asyncio.Future[Answer | None]) -> None:
        self._line = line
        self._number = number
        self._future = future

    async def answer(self, timeout_s: float) -> Answer:
        """The answer; raises GuestRefused, or MachineFailed when it does not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._future
        except TimeoutError:
            raise MachineFailed(f"the machine did not answer within {timeout_s:g} s") from None
        finally:
            self.abandon()
        if answer is None:
            raise self._line.failure()
        if answer[0].error:
            raise GuestRefused(answer[0].error)
        return answer

    def abandon(self) -> None:
        """No longer wait for the answer."""
        self._line.abandon(self._number)


class Line:
    """When the stream ends, everybody who waits is told at once; nobody waits for ever."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer | None]] = {}
        self._listeners: dict[int, Listener] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held: list[bytes] = []
        self._why = ""
        self._ended = asyncio.Event()
        self._pump = asyncio.create_task(self._hear(), name="agent of a machine")

    def number(self) -> int:
        """A number for a request that has a listener."""
        return next(self._numbers)

    def listen(self, number: int, listener: Listener) -> None:
        """Hear the events of a request, until it is forgotten."""
        self._listeners[number] = listener

    def forget(self, number: int) -> None:
        """Hear no more of it."""
        self._listeners.pop(number, None)

    @property
    def over(self) -> bool:
        """True once the stream has ended."""
        return self._ended.is_set()

    async def ended(self) -> str:
        """Wait until the stream is over; why it is."""
        await self._ended.wait()
        return self._why

    def failure(self) -> MachineFailed:
        """What to raise now that the stream is over."""
        return MachineFailed(self._why or "the machine is gone")

    async def post(
        self, op: str, payload: bytes, fields: dict[str, Field], number: int = 0
    ) -> Pending:
        """Send a request; its answer may be waited for later. Raises MachineFailed."""
        if len(self._waiting) >= _PENDING_MAX:
            raise GuestRefused("too many requests wait for an answer of the machine")
        number = number or self.number()
        data = encode({"id": number, "op": op, **fields}, payload)
        await self._flowing.wait()
        if self._ended.is_set():
            raise self.failure()
        pending = self._begin(number)
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            pending.abandon()
            # Known here before it is read there: whoever looks must find the line over.
            self._fail(_broken(error))
            raise self.failure() from None
        except BaseException:
            pending.abandon()
            raise
        return pending

    async def ask(
        self,
        op: str,
        payload: bytes,
        fields: dict[str, Field],
        timeout_s: float,
        number: int = 0,
    ) -> Answer:
        """Send a request and wait for its answer; raises GuestRefused or MachineFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                pending = await self.post(op, payload, fields, number)
        except TimeoutError:
            raise MachineFailed(f"the machine took nothing for {timeout_s:g} s") from None
        return await pending.answer(timeout_s)

    def tell(self, op: str, **fields: Field) -> None:
        """Send a small request whose answer nobody needs; nothing once the stream is over."""
        if self._ended.is_set():
            return
        data = encode({"id": 0, "op": op, **fields})
        if self._flowing.is_set():
            self._writer.write(data)
        else:
            self._held.append(data)

    async def hold(self, timeout_s: float) -> None:
        """Have nothing under way in either direction, until `release`."""
        self._flowing.clear()
        try:
            await self._ask_alone("quiesce", timeout_s)
        except BaseException:
            self._flow()
            raise

    async def release(self, timeout_s: float) -> None:
        """Let all go on."""
        try:
            await self._ask_alone("unquiesce", timeout_s)
        finally:
            self._flow()

    async def close(self) -> None:
        """Hang up; whoever still waits is told."""
        self._fail("the machine has been left")
        self._pump.cancel()
        with suppress(asyncio.CancelledError):
            await self._pump
        with suppress(OSError):
            await self._writer.wait_closed()

    def abandon(self, number: int) -> None:
        """Nobody waits for that answer any more."""
        self._waiting.pop(number, None)

    def _begin(self, number: int) -> Pending:
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        return Pending(self, number, future)

    async def _ask_alone(self, op: str, timeout_s: float) -> None:
        if self._ended.is_set():
            raise self.failure()
        number = self.number()
        pending = self._begin(number)
        self._writer.write(encode({"id": number, "op": op}))
        await pending.answer(timeout_s)

    def _flow(self) -> None:
        held, self._held = self._held, []
        if not self._ended.is_set():
            self._writer.writelines(held)
        self._flowing.set()

    async def _hear(self) -> None:
        decoder = Decoder()
        try:
            while data := await self._reader.read(READ_BYTES):
                for said, payload in decoder.feed(data):
                    self._pass_on(said, payload)
        except FrameError as error:
            self._fail(f"the agent of the machine sent {error}")
        except OSError as error:
            self._fail(_broken(error))
        else:
            self._fail("the machine is gone")

    def _pass_on(self, said: Said, payload: bytes) -> None:
        # Taken out here, not by whoever waits: the next frame may be an event of the same request.
        waiting = self._waiting.pop(said.id, None) if said.ev in _FINAL else None
        if waiting is not None:
            if not waiting.done():
                waiting.set_result((said, payload))
        elif listener := self._listeners.get(said.id):
            listener.heard(said, payload)

    def _fail(self, why: str) -> None:
        if self._ended.is_set():
            return
        self._why = why
        self._ended.set()
        self._flowing.set()
        self._writer.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener.failed(self.failure())


def _broken(error: OSError) -> str:
    return f"the line to the machine broke: {error.strerror or error}"
