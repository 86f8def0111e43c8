"""Terminals in machines: which there are, and what may be done to them."""

from __future__ import annotations

from typing import Final

import msgspec

from sessions import ids
from sessions.caller import Caller
from sessions.domain.rejections import LimitReached, NotFound
from sessions.machine_life import answers
from sessions.machine_roster import Roster
from sessions.runtimes.vm.port import Terminal

TERMINALS_MAX: Final = 16
"""In one machine, with those that have ended."""
OPEN_S: Final = 30.0


class Opened(msgspec.Struct, kw_only=True):
    """A terminal in the machine `vm`, and the size of its window."""

    id: str
    session: str
    vm: str
    cols: int
    rows: int
    shell: str
    command: str
    created_at: int
    terminal: Terminal


class Terminals:
    """The terminals of all machines, each as long as its machine lives."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._opened: dict[str, dict[str, Opened]] = {}
        """By machine."""

    async def open(
        self,
        session_id: str,
        who: Caller,
        *,
        cols: int,
        rows: int,
        shell: str = "",
        command: str = "",
        id: str = "",
    ) -> Opened:
        """A new terminal; the machine is made where there is none.

        One of the same `id` that still lives is given again. Raises as `MachineSessions.ensure`,
        LimitReached and GuestRefused.
        """
        life = await self._roster.life(session_id, who)
        there = self._opened.setdefault(life.id, {})
        earlier = there.get(id)
        if earlier is not None and earlier.terminal.exit_code is None:
            return earlier
        self._make_room(there)
        assert life.machine is not None
        async with self._roster.in_use(session_id, who), answers(OPEN_S):
            terminal = await life.machine.terminal(cols, rows, shell, command)
            # No await in between: a terminal that nobody knows can be ended by nobody.
            opened = Opened(
                id=id or ids.uuid7(),
                session=life.session,
                vm=life.id,
                cols=cols,
                rows=rows,
                shell=shell,
                command=command,
                created_at=self._roster.now_us(),
                terminal=terminal,
            )
            there[opened.id] = opened
        return opened

    async def list(self, session_id: str, who: Caller) -> list[Opened]:
        """The terminals of the session's machine, oldest first, also those that ended."""
        return list((await self._of(session_id, who)).values())

    async def get(self, session_id: str, terminal_id: str, who: Caller) -> Opened:
        """A terminal; raises NotFound."""
        opened = (await self._of(session_id, who)).get(terminal_id)
        if opened is None:
            raise NotFound("There is no such terminal.")
        return opened

    async def resize(
        self, session_id: str, terminal_id: str, cols: int, rows: int, who: Caller
    ) -> Opened:
        """The terminal with a window of another size."""
        opened = await self.get(session_id, terminal_id, who)
        await opened.terminal.resize(cols, rows)
        opened.cols, opened.rows = cols, rows
        return opened

    async def kill(self, session_id: str, terminal_id: str, who: Caller) -> Opened:
        """The terminal, in which nothing runs any more; it is forgotten."""
        opened = await self.get(session_id, terminal_id, who)
        await opened.terminal.kill()
        self._opened.get(opened.vm, {}).pop(terminal_id, None)
        return opened

    def gone(self, vm_id: str) -> None:
        """Forget the terminals of a machine that has ended."""
        self._opened.pop(vm_id, None)

    async def _of(self, session_id: str, who: Caller) -> dict[str, Opened]:
        session = await self._roster.session(session_id, who)
        life = self._roster.lives.get(session.id)
        return {} if life is None else self._opened.get(life.id, {})

    def _make_room(self, there: dict[str, Opened]) -> None:
        """Forget one that ended; raises LimitReached where all of them live."""
        if len(there) < TERMINALS_MAX:
            return
        for opened in there.values():
            if opened.terminal.exit_code is not None:
                del there[opened.id]
                return
        raise LimitReached(f"The machine has {TERMINALS_MAX} terminals; close one first.")
