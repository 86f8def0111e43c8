"""What a command reads: the prompt, and in a chat what users say while it runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from sessions.runtimes.worker.claim import Claim
from sessions.runtimes.worker.lines import claim_line, input_line, whole_input
from sessions.runtimes.worker.plan import Stdin

MESSAGES_MAX: Final = 100

_log: Final = structlog.get_logger()


class Input(Protocol):
    """The standard input of a command."""

    async def write(self, data: bytes) -> bool:
        """Hand it some input; False once it reads no more."""

    def end_input(self) -> None:
        """It reads to the end of what was written."""


class Inbox:
    """Messages on their way to the standard input of a command."""

    def __init__(self, stdin: Stdin, claim: Claim) -> None:
        self._chat = stdin == "chat"
        said = [message.content for message in claim.messages]
        if stdin == "prompt":
            self._waiting = deque([whole_input(claim.prompt, said)])
        elif stdin == "claim":
            self._waiting = deque([claim_line(claim.whole)])
        else:
            first = [claim.prompt] if claim.prompt else []
            self._waiting = deque(map(input_line, [*first, *said]))
        self._more = asyncio.Event()
        self._told = False

    @property
    def roomy(self) -> bool:
        """False where the command reads more slowly than users write."""
        return not self._chat or len(self._waiting) < MESSAGES_MAX

    def add(self, messages: Sequence[str]) -> None:
        """Users have said more; a command that does not chat does not hear of it."""
        if self._chat:
            self._waiting.extend(map(input_line, messages))
            self._more.set()
        elif messages and not self._told:
            self._told = True
            _log.warning("worker.messages_not_read", hint="sessiond work --stdin chat")

    async def feed(self, command: Input) -> None:
        """Write it all; a command that closes its input reads no more."""
        while True:
            while self._waiting:
                if not await command.write(self._waiting.popleft()):
                    return
            if not self._chat:
                command.end_input()
                return
            self._more.clear()
            await self._more.wait()
