"""What a machine is while it lives: what may be waited for, and what may be asked of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from eventstore.errors import EventStoreError
from projections.events.status import Reason
from projections.events.vm import VmLost, VmRequested, VmStopped, VmSuspended
from projections.folds.session import Session
from projections.folds.vm import Vm
from sessions.caller import SERVICE, Caller
from sessions.domain.rejections import InvalidValue, LimitReached
from sessions.runtimes.vm.port import Machine, MachineFailed, RuntimeUnavailable, Wanted

RETRY_S: Final = 1.0


def reason_of(error: BaseException) -> Reason:
    """Why there is no machine, where this stood in the way."""
    match error:
        case RuntimeUnavailable():
            return "runtime_unavailable"
        case LimitReached():
            return "capacity"
        case InvalidValue():
            return "client_error"
        case _:
            return "runtime_failed"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long each step may take, in seconds; what takes longer has failed.

    The first start of all makes the image and a template, which takes its time.
    """

    start_s: float = 900.0
    stop_s: float = 10.0
    keep_s: float = 300.0
    answer_s: float = 30.0
    resize_s: float = 90.0
    file_s: float = 900.0


@contextlib.asynccontextmanager
async def answers(within_s: float) -> AsyncIterator[None]:
    """Raises MachineFailed where the machine does not answer in time."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise MachineFailed("The machine did not answer in time.") from None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine is to be made, once nothing speaks against it."""

    requested: VmRequested
    wanted: Wanted
    goes_on: str = ""
    forget: str = ""


class Ask(msgspec.Struct, frozen=True):
    """That the machine is to end, or with `suspend` to stand still; `done` tells when it does."""

    suspend: bool
    reason: Reason
    detail: str
    who: Caller
    done: asyncio.Future[None]


class End(msgspec.Struct, frozen=True):
    """How a life ended: the fact that says so, by whom, and what the session is told."""

    fact: VmStopped | VmLost | VmSuspended
    reason: Reason
    detail: str = ""
    who: Caller = SERVICE
    error: Exception | None = None
    """What those are told who waited for the machine; None: that it ended."""


class Life:
    """A machine of a session; `requested`, `up` and `gone` come in this order, or an error."""

    def __init__(self, vm_id: str, session: Session, who: Caller) -> None:
        loop = asyncio.get_running_loop()
        self.id = vm_id
        self.session = session.id
        self.who = who
        self.machine: Machine | None = None
        self.requested: asyncio.Future[Vm] = loop.create_future()
        self.up: asyncio.Future[Machine] = loop.create_future()
        self.asks: asyncio.Queue[Ask] = asyncio.Queue()
        self.leaving: asyncio.Future[None] | None = None
        """There while the machine is about to end; done when it is clear whether it has."""
        self.owes: EventStoreError | None = None
        """Why the end of the machine is not in the log yet."""
        self.ending = ""
        """Why the machine ended, for those who still waited for it."""
        self.reason: Reason = "runtime_lost"
        self.task: asyncio.Task[None] | None = None
        for future in (self.requested, self.up):
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def ask(self, *, suspend: bool, reason: Reason, detail: str, who: Caller) -> Ask:
        """Ask for the end of the machine."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda done: done.cancelled() or done.exception())
        ask = Ask(suspend, reason, detail, who, done)
        self.asks.put_nowait(ask)
        return ask

    @property
    def usable(self) -> bool:
        """True while the machine answers and is not about to end."""
        return self.leaving is None and self.up.done() and not self.up.exception()

    def leave(self) -> None:
        """From now on nobody uses the machine."""
        if self.leaving is None:
            self.leaving = asyncio.get_running_loop().create_future()

    def stay(self) -> None:
        """The machine did not end after all."""
        if self.leaving is not None:
            self.leaving.set_result(None)
            self.leaving = None

    async def left(self) -> None:
        """Return when the machine has ended, or stays; raises what keeps it from being told."""
        assert self.task is not None
        waits: set[asyncio.Future[None]] = {self.task}
        if self.leaving is not None:
            waits.add(self.leaving)
        done: set[asyncio.Future[None]] = set()
        while not done:
            if self.owes is not None:
                raise self.owes
            done, _ = await asyncio.wait(
                waits, timeout=RETRY_S, return_when=asyncio.FIRST_COMPLETED
            )
