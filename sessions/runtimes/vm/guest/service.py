"""The agent: one thread that does what the host asks, and lives through whatever users do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from . import system
from .files import Files
from .framing import Header
from .memory_guard import MemoryGuard
from .port import HostGone, Port
from .programs import Bash, Job, Order
from .python import Python
from .reactor import Reactor
from .streams import Place
from .terminals import Terminal, window
from .user import Refused, User, why

_PROGRAMS_MAX: Final = 128
_TERMINALS_MAX: Final = 32
_UID: Final = 1000
_HOME: Final = "/workspace"

Answer = dict[str, Any]
Operation = Callable[[int, Header, bytes], Answer | None]


class Agent:
    """Answers each request once; programs and terminals say more until they end."""

    def __init__(self, fd: int, user: User) -> None:
        self.reactor = Reactor()
        self._place = Place(self.reactor, user)
        self._user = user
        self._files = Files(user)
        self._python = Python(self._place)
        self._jobs: dict[int, Job] = {}
        self._terminals: dict[int, Terminal] = {}
        self._port = Port(self.reactor, fd, self._received, self._relieved)
        self._place.port = self._port
        self._operations: dict[str, Operation] = {
            "ping": lambda *_: {},
            "reseed": self._reseed,
            "clock": self._clock,
            "mount": self._mount,
            "memory": self._memory,
            "env": self._env,
            "warm": self._warm,
            "run": self._run,
            "terminal": self._terminal,
            "credit": self._credit,
            "kill": self._kill,
            "type": self._type,
            "resize": self._resize,
            "put": self._put,
            "write": lambda _, header, data: {
                "size": self._files.write(_number(header, "handle"), data)
            },
            "commit": lambda _, header, __: {"size": self._files.commit(_number(header, "handle"))},
            "get": self._get,
            "read": self._read,
            "close": self._close,
            "quiesce": self._quiesce,
            "unquiesce": self._unquiesce,
            "sync": self._sync,
        }

    def serve(self) -> None:
        """Work until the host is gone for good."""
        try:
            while True:
                self.reactor.turn()
        except HostGone:
            for job in list(self._jobs.values()):
                job.stop()
            self._drop()

    def _received(self, header: Header, payload: bytes) -> None:
        owner = header["id"]
        try:
            operation = self._operations.get(header.get("op") or "")
            if operation is None:
                raise Refused("there is no such operation")
            answer = operation(owner, header, payload)
        except Refused as refused:
            answer = {"error": str(refused)}
        except HostGone:
            raise
        except Exception as error:  # noqa: BLE001 - one request that goes wrong must not end the machine
            answer = {"error": f"{type(error).__name__}: {why(error)}"}
        if answer is not None:
            self._port.send({"id": owner, **answer})

    def _relieved(self) -> None:
        self._place.relieved()
        for terminal in list(self._terminals.values()):
            terminal.update()

    def _reseed(self, _: int, __: Header, seed: bytes) -> Answer:
        system.reseed(seed)
        return {}

    def _clock(self, _: int, header: Header, __: bytes) -> Answer:
        system.set_clock(_number(header, "ns"))
        return {}

    def _mount(self, _: int, header: Header, __: bytes) -> Answer:
        device = _text(header, "device")
        return {"mounted": system.mount(device, self._user.home, self._user)}

    def _memory(self, _: int, __: Header, ___: bytes) -> Answer:
        found = system.memory()
        if self._user.uid == _UID:
            system.limit_processes(found["total"])
            self._python.limit()
        return found

    def _env(self, _: int, __: Header, payload: bytes) -> Answer:
        self._python.setenv(self._user.setenv(payload))
        return {}

    def _warm(self, owner: int, _: Header, __: bytes) -> None:
        def ready(answers: bool) -> None:
            error = {} if answers else {"error": "python does not start"}
            self._port.send({"id": owner, **error})

        self._python.warm(ready)

    def _run(self, owner: int, header: Header, code: bytes) -> None:
        if len(self._jobs) >= _PROGRAMS_MAX:
            raise Refused("too many programs are running")
        if owner in self._jobs or owner in self._terminals:
            raise Refused("that id is taken")
        timeout_s = _number(header, "timeout_ms") / 1000
        order = Order(owner, code, timeout_s, _number(header, "room"), _number(header, "credit"))
        language = header.get("language")
        if language == "bash":
            self._jobs[owner] = Bash(self._place, order, self._over)
        elif language == "python":
            self._jobs[owner] = self._python.run(order, self._over)
        else:
            raise Refused("a program is in python or bash")

    def _over(self, job: Job) -> None:
        if self._jobs.get(job.order.owner) is job:
            del self._jobs[job.order.owner]

    def _terminal(self, owner: int, header: Header, _: bytes) -> Answer:
        if len(self._terminals) >= _TERMINALS_MAX:
            for ended in [each for each in self._terminals.values() if each.unread]:
                ended.kill()
        if len(self._terminals) >= _TERMINALS_MAX:
            raise Refused("too many terminals are open")
        if owner in self._jobs or owner in self._terminals:
            raise Refused("that id is taken")
        self._terminals[owner] = Terminal(self._place, owner, header, self._terminal_over)
        return {}

    def _terminal_over(self, terminal: Terminal) -> None:
        self._terminals.pop(terminal.owner, None)

    def _credit(self, _: int, header: Header, __: bytes) -> None:
        target, size = _number(header, "target"), _number(header, "bytes")
        if terminal := self._terminals.get(target):
            terminal.grant(size)
        elif job := self._jobs.get(target):
            job.grant(size)

    def _kill(self, _: int, header: Header, __: bytes) -> Answer:
        target = _number(header, "target")
        if terminal := self._terminals.get(target):
            terminal.kill()
        elif job := self._jobs.get(target):
            job.kill()
        return {}

    def _type(self, owner: int, header: Header, keys: bytes) -> None:
        self._open_terminal(header).type(keys, lambda: self._port.send({"id": owner}))

    def _resize(self, _: int, header: Header, __: bytes) -> Answer:
        self._open_terminal(header).resize(*window(header))
        return {}

    def _open_terminal(self, header: Header) -> Terminal:
        terminal = self._terminals.get(_number(header, "target"))
        if terminal is None:
            raise Refused("the terminal has ended")
        return terminal

    def _put(self, owner: int, header: Header, _: bytes) -> Answer:
        self._files.put(owner, _text(header, "path"))
        return {}

    def _get(self, owner: int, header: Header, _: bytes) -> Answer:
        size = self._files.get(owner, _text(header, "path"), _number(header, "most"))
        return {"size": size}

    def _read(self, owner: int, header: Header, _: bytes) -> None:
        data = self._files.read(_number(header, "handle"), _number(header, "bytes"))
        self._port.send({"id": owner}, data)

    def _close(self, _: int, header: Header, __: bytes) -> Answer:
        self._files.drop(_number(header, "handle"))
        return {}

    def _quiesce(self, owner: int, _: Header, __: bytes) -> None:
        self._port.send({"id": owner})
        self._port.hold(held=True)

    def _unquiesce(self, _: int, __: Header, ___: bytes) -> Answer:
        self._port.hold(held=False)
        return {}

    def _sync(self, _: int, __: Header, ___: bytes) -> Answer:
        self._drop()
        self._port.drop()
        self._port.hold(held=False)
        return {}

    def _drop(self) -> None:
        """The host that asked is no more: programs go on unheard, everything else of it ends."""
        for job in list(self._jobs.values()):
            job.detach()
        self._jobs.clear()
        for terminal in list(self._terminals.values()):
            terminal.drop()
        self._files.drop_all()


def _number(header: Header, name: str) -> int:
    value = header.get(name)
    if type(value) is not int or value < 0:
        raise Refused(f"{name} is a number")
    return value


def _text(header: Header, name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise Refused(f"{name} is text")
    return value


def main(arguments: list[str]) -> int:
    """Serve the host of this machine; with `fd=N home=DIR` whoever is at the other end of N."""
    options = dict(argument.split("=", 1) for argument in arguments)
    if "fd" in options:
        uid = int(options["uid"]) if "uid" in options else None
        Agent(int(options["fd"]), User(uid, options["home"])).serve()
        return 0
    os.chdir("/")
    system.take_precedence()
    user = User(_UID, _HOME)
    user.crowded = system.Crowd().crowded
    agent = Agent(system.port(), user)
    MemoryGuard(agent.reactor)
    agent.serve()
    return 1
