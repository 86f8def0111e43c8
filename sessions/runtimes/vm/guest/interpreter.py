"""Runs python programs in one namespace: `interpreter.py COMMANDS RESULTS`, both descriptors."""

import contextlib
import io
import json
import linecache
import os
import resource
import sys
import time
import traceback
from types import ModuleType, TracebackType
from typing import Any, Final, TextIO

_SOURCES_MAX: Final = 64


class Interpreter:
    """Reads programs, runs them as `__main__`, and tells how they ended."""

    def __init__(self, commands: int, results: int) -> None:
        self._commands = commands
        self._results = results
        self._pid = os.getpid()
        self._at_home = False
        self._count = 0
        self._kept = [os.dup(fd) for fd in (0, 1, 2)]
        for fd in (commands, results):
            # What programs start has no business with these.
            os.set_inheritable(fd, False)
        self._main = ModuleType("__main__")
        self._main.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = self._main
        sys.argv = [""]
        sys.path[0] = ""

    def serve(self) -> None:
        """Run programs until nobody has any more."""
        self._tell(0)
        while True:
            header, code = self._next()
            self._prepare(header)
            exit_code = self._run(code)
            self._flush()
            if os.getpid() != self._pid:
                # A fork of a program came to its end here; it is not the one that goes on.
                os._exit(exit_code & 0xFF)
            self._tell(exit_code)

    def _run(self, code: bytes) -> int:
        self._count += 1
        name = f"<program {self._count}>"
        try:
            source = code.decode()
            linecache.cache[name] = (len(source), None, source.splitlines(True), name)
            linecache.cache.pop(f"<program {self._count - _SOURCES_MAX}>", None)
            exec(compile(source, name, "exec", dont_inherit=True), self._main.__dict__)
        except SystemExit as leaving:
            return _status(leaving.code)
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its own end, not ours
            _show(error)
            return 130 if isinstance(error, KeyboardInterrupt) else 1
        return 0

    def _prepare(self, header: dict[str, Any]) -> None:
        os.environ.update(header["env"])
        if "TZ" in header["env"]:
            time.tzset()
        if not self._at_home:
            # The disk of the machine may have come after this process had started.
            self._at_home = True
            with contextlib.suppress(OSError):
                os.chdir(header["home"])
        for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
            stream = getattr(sys, f"__{name}__")
            os.dup2(self._kept[number], number)
            if stream is None or stream.closed:
                stream = _text(number, mode)
                setattr(sys, f"__{name}__", stream)
            setattr(sys, name, stream)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):
                stream.flush()  # type: ignore[union-attr]

    def _next(self) -> tuple[dict[str, Any], bytes]:
        sizes = self._read(8)
        header = self._read(int.from_bytes(sizes[:4]))
        code = self._read(int.from_bytes(sizes[4:]))
        return json.loads(header), code

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = os.read(self._commands, min(size, 1 << 20))
            except OSError:
                part = b""
            if not part:
                os._exit(1)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _tell(self, exit_code: int) -> None:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in both)
        header = json.dumps({"exit_code": exit_code, "cpu_s": cpu_s}).encode()
        try:
            os.write(self._results, len(header).to_bytes(4) + bytes(4) + header)
        except OSError:
            # The program has closed it: there is one way left to say how it ended.
            os._exit(exit_code)


def _status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    with contextlib.suppress(Exception):
        print(code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    # The first entry is the line above that called the program.
    inside = error.__traceback__.tb_next if error.__traceback__ else None
    error.__traceback__ = inside
    try:
        if sys.excepthook is sys.__excepthook__:
            traceback.print_exception(type(error), error, inside)
        else:
            _hook(error, inside)
    except BaseException:  # noqa: BLE001 - an error that cannot be shown is still an error
        with contextlib.suppress(Exception):
            os.write(2, f"{type(error).__name__}\n".encode())


def _hook(error: BaseException, inside: TracebackType | None) -> None:
    sys.excepthook(type(error), error, inside)


def _text(fd: int, mode: str) -> TextIO:
    raw = open(fd, f"{mode}b", closefd=False)  # noqa: SIM115 - it stays open
    return io.TextIOWrapper(
        raw,
        encoding="utf-8",
        errors="backslashreplace" if fd == 2 else "surrogateescape",
        line_buffering=mode == "w",
    )


if __name__ == "__main__":
    # What was printed is there after a kill, and in order with what children print.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    Interpreter(int(sys.argv[1]), int(sys.argv[2])).serve()
