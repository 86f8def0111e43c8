"""One canonical line per request and per notable moment, on stderr; never a secret."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, BinaryIO, ClassVar, Final

import msgspec
import structlog
from structlog.dev import plain_traceback

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Whatever is called like this is dropped, whoever put it there.
SECRET_NAMES: Final = frozenset(
    {"key", "secret", "api_key", "admin_key", "authorization", "token", "env", "cookie"}
)
FLUSH_S: Final = 0.1
LINES_MAX: Final = 1000
_encoder: Final = msgspec.json.Encoder(enc_hook=repr)


def drop_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: the event without fields that are named like secrets."""
    if not SECRET_NAMES.isdisjoint(event):
        for name in SECRET_NAMES & event.keys():
            event[name] = "***"
    return event


def rfc3339(at_us: int) -> str:
    """Microseconds since the epoch as a time in UTC."""
    return f"{_second(at_us // 1_000_000)}.{at_us % 1_000_000:06d}Z"


@functools.lru_cache(maxsize=2)
def _second(epoch_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch_s))


class RequestLine(msgspec.Struct, kw_only=True, gc=False):
    """The one line of a request, filled in on the way; a dict would be six times as large."""

    route: str
    method: str
    path: str
    status: int = 0
    ms: float = 0.0
    actor: str = ""
    correlation_id: str
    code: str = ""
    event: str = "request.done"
    level: str = "info"
    timestamp: int | str = 0


_STAMPS: Final = frozenset({"event", "level", "timestamp"})


class Lines:
    """The fields of lines gather for FLUSH_S before they are encoded and written in one go.

    A system call per request costs more than all the rest of a line. The log of the service's own
    doings may lose that much in a crash; the log of facts does not.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[dict[str, Any] | RequestLine] = []
        atexit.register(self.flush)

    def take(self, line: dict[str, Any] | RequestLine) -> None:
        """Take one line; its `timestamp` is microseconds since the epoch."""
        self._lines.append(line)
        if len(self._lines) == 1:
            self._later()
        elif len(self._lines) >= LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        for line in lines:
            if isinstance(line, RequestLine):
                line.timestamp = rfc3339(int(line.timestamp))
            else:
                line["timestamp"] = rfc3339(line["timestamp"])
                drop_secrets(None, "", line)
        # A full disk or a closed pipe costs the lines, never an answer.
        with contextlib.suppress(OSError):
            self._file.write(_encoder.encode_lines(lines))
            self._file.flush()

    def _later(self) -> None:
        try:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        except RuntimeError:
            self.flush()


class LineLogger(structlog.BoundLoggerBase):
    """A bound logger that hands its fields to `Lines`, without a chain of processors.

    The library's own costs 10 us a request, a fifth of all that aiohttp does for one.
    """

    threshold: ClassVar[int] = logging.INFO

    def debug(self, event: str, **fields: Any) -> None:
        """A line for who looks closely."""
        self._take(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """A line of the ordinary course of things."""
        self._take(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """A line that somebody should see."""
        self._take(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """A line that somebody must see."""
        self._take(logging.ERROR, "error", event, fields)

    def request(self, line: RequestLine) -> None:
        """The line of a request, as it is."""
        if self.threshold <= logging.INFO:
            line.timestamp = time.time_ns() // 1000
            self._logger.take(line)

    def _take(self, number: int, level: str, event: str, fields: dict[str, Any]) -> None:
        if number < self.threshold:
            return
        if "exc_info" in fields:
            structlog.processors.format_exc_info(None, level, fields)
        fields["event"] = event
        fields["level"] = level
        fields["timestamp"] = time.time_ns() // 1000
        self._logger.take(fields)


def request_log() -> Callable[[RequestLine], None]:
    """What takes the lines of requests, the short way where there is one."""
    logger = structlog.get_logger().bind()
    if isinstance(logger, LineLogger):
        return logger.request

    def tell(line: RequestLine) -> None:
        fields = msgspec.structs.asdict(line)
        logger.info(line.event, **{name: fields[name] for name in fields.keys() - _STAMPS})

    return tell


class LibraryLines(logging.Handler):
    """What aiohttp has to say becomes a line; its words are dropped, for they quote requests."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell that it happened, where and what kind of error it was."""
        kind = record.exc_info[0] if record.exc_info else None
        structlog.get_logger().warning(
            "http.complained", logger=record.name, error=kind.__name__ if kind else record.levelname
        )


def configure(level: str, style: str) -> None:
    """Set up structlog: JSON lines, or for people where `style` or the terminal says so."""
    library = logging.getLogger("aiohttp")
    library.propagate = False
    library.handlers = [LibraryLines()]
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    if console:
        dev = structlog.dev.ConsoleRenderer(exception_formatter=plain_traceback)
        stamper = structlog.processors.TimeStamper(fmt="iso", utc=True)
        structlog.configure(
            processors=[structlog.processors.add_log_level, stamper, drop_secrets, dev],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        return
    # Without a buffer, which would keep what was refused and refuse all that comes after.
    lines = Lines(getattr(sys.stderr.buffer, "raw", sys.stderr.buffer))
    structlog.configure(
        wrapper_class=type("LineLogger", (LineLogger,), {"threshold": LEVELS[level]}),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
