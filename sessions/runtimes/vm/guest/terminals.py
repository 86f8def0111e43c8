"""Terminals: a program behind a pseudo-terminal, with keys going in and a screen coming out."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from . import processes
from .framing import Header
from .reactor import READABLE, WRITABLE
from .streams import Allowance, Place
from .user import Refused, expose, why

_CHUNK: Final = 32 * 1024
_GRACE_S: Final = 0.2
_SIZE_MAX: Final = 1000
_KEYS_MAX: Final = 256 * 1024


def window(header: Header) -> tuple[int, int]:
    """Rows and columns that were asked for; raises Refused."""
    rows, cols = header.get("rows"), header.get("cols")
    if type(rows) is not int or type(cols) is not int:
        raise Refused("a terminal has rows and columns")
    if not (1 <= rows <= _SIZE_MAX and 1 <= cols <= _SIZE_MAX):
        raise Refused(f"a terminal has 1 to {_SIZE_MAX} rows and columns")
    return rows, cols


class Terminal:
    """One pseudo-terminal and what runs in it; `over` is called when that has ended."""

    def __init__(
        self, place: Place, owner: int, header: Header, over: Callable[[Terminal], None]
    ) -> None:
        self.owner = owner
        self._place = place
        self._over = over
        self._allowance = Allowance(int(header.get("credit", 0)))
        self._keys: list[tuple[memoryview, Callable[[], None]]] = []
        self._killed = False
        self._ended = False
        self._closed = False
        self._silent = False
        rows, cols = window(header)
        shell, command = str(header.get("shell") or ""), str(header.get("command") or "")
        if "\0" in shell + command:
            raise Refused("what runs in a terminal holds no null byte")
        argv = ["/bin/bash", "-l"]
        if command:
            argv = ["/bin/bash", "-lc", command]
        elif shell:
            argv = ["/bin/bash", "-c", f"exec {shell}"]
        self._pid, self._fd = _start(place, argv, rows, cols)
        os.set_blocking(self._fd, False)
        place.reactor.on_exit(self._pid, self._exited)
        self.update()

    def grant(self, size: int) -> None:
        """The host takes so much more."""
        self._allowance.credit += size
        self.update()

    def type(self, keys: bytes, taken: Callable[[], None]) -> None:
        """Pass on keystrokes, and call once the terminal has taken them; raises Refused."""
        if self._closed:
            raise Refused("the terminal has ended")
        if sum(len(waiting) for waiting, _ in self._keys) + len(keys) > _KEYS_MAX:
            raise Refused("the terminal does not take its keys")
        self._keys.append((memoryview(keys), taken))
        self._write()

    def resize(self, rows: int, cols: int) -> None:
        """The window has this size now."""
        if not self._closed:
            termios.tcsetwinsize(self._fd, (rows, cols))

    def kill(self) -> None:
        """End what runs in it; what it showed and nobody has read is lost."""
        self._killed = True
        if self._pid:
            processes.end(self._pid)
        else:
            self._close()
            self._finish()

    def drop(self) -> None:
        """End it without a word to the host."""
        self._ended = True
        self.kill()
        self._close()
        self._over(self)

    @property
    def unread(self) -> bool:
        """True where it has ended and the host does not care for the rest."""
        return not self._pid

    def update(self) -> None:
        """Read and write again, or not."""
        if self._closed:
            return
        events = WRITABLE if self._keys else 0
        if self._allowance.credit > 0 and not self._place.port.full:
            events |= READABLE
        if events and not self._silent:
            self._place.reactor.watch(self._fd, events, self._ready)
        else:
            self._place.reactor.forget(self._fd)

    def _ready(self, events: int) -> None:
        if events & WRITABLE:
            self._write()
        if events & ~WRITABLE and self._allowance.credit > 0 and not self._place.port.full:
            self._read()
        self.update()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, min(_CHUNK, self._allowance.credit))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hung_up()
            return
        self._allowance.credit -= len(data)
        self._place.port.send({"id": self.owner, "ev": "out"}, data)

    def _hung_up(self) -> None:
        """Nothing holds the terminal any more, not even what began in it."""
        if self._pid:
            # It may be about to end: a terminal closed now would end it by a signal.
            self._silent = True
        else:
            self._close()
            self._finish()

    def _write(self) -> None:
        while self._keys and not self._closed:
            keys, taken = self._keys[0]
            try:
                count = os.write(self._fd, keys)
            except BlockingIOError:
                break
            except OSError:
                count = len(keys)
            if count < len(keys):
                self._keys[0] = (keys[count:], taken)
                break
            self._keys.pop(0)
            taken()
        self.update()

    def _exited(self, code: int, _cpu_s: float) -> None:
        self._pid = 0
        if not self._ended:
            exit_code = code if code >= 0 else 128 - code
            self._place.port.send({"id": self.owner, "ev": "exit", "exit_code": exit_code})
        if self._closed or self._killed or self._silent:
            self._close()
            self._finish()
        else:
            self._place.reactor.later(_GRACE_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._closed:
            return
        if self._allowance.credit > 0 and not self._place.port.full:
            self._close()
            self._finish()
        else:
            # The host is slow: what was shown is still for it to see.
            self._place.reactor.later(_GRACE_S, self._stop_waiting)

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._place.reactor.forget(self._fd)
            os.close(self._fd)
            for _, taken in self._keys:
                taken()
            self._keys.clear()

    def _finish(self) -> None:
        if self._pid or self._ended:
            # What runs there has closed the terminal and goes on: that end is still to come.
            return
        self._ended = True
        self._place.port.send({"id": self.owner, "ev": "end"})
        self._over(self)


def _start(place: Place, argv: list[str], rows: int, cols: int) -> tuple[int, int]:
    user = place.user
    user.check_room()
    env = {**user.env, "TERM": "xterm-256color"}
    try:
        with user:
            # Opened as the user, so that the terminal is theirs.
            fd, inner = os.openpty()
    except OSError as error:
        raise Refused(f"there is no terminal: {why(error)}") from None
    try:
        termios.tcsetwinsize(inner, (rows, cols))
        pid = os.fork()
        if pid == 0:
            _become(inner, argv, env, user.uid, user.folder())
    except OSError as error:
        os.close(fd)
        raise Refused(f"the terminal cannot be started: {why(error)}") from None
    finally:
        os.close(inner)
    return pid, fd


def _become(inner: int, argv: list[str], env: dict[str, str], uid: int | None, folder: str) -> None:
    """The rest of a child's life."""
    try:
        os.login_tty(inner)
        # As a login does: what is ignored when a shell begins, it cannot trap.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir(folder)
        if uid is not None:
            expose("self")
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        os.execve(argv[0], argv, env)
    except BaseException as error:  # noqa: BLE001 - no exception may bring this child back into the agent
        with suppress(BaseException):
            os.write(2, f"{error}\r\n".encode())
    finally:
        os._exit(126)
