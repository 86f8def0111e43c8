"""One canonical line per request and per notable moment, on stderr; never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import msgspec
import structlog

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
_encoder: Final = msgspec.json.Encoder(enc_hook=repr)


def drop_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: the event without fields that are named like secrets."""
    for name in SECRET_NAMES & event.keys():
        event[name] = "***"
    return event


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    return _encoder.encode(event)


def configure(level: str, style: str) -> None:
    """Set up structlog: JSON lines, or for people where `style` or the terminal says so."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_secrets,
    ]
    if console:
        processors = [*shared, structlog.dev.ConsoleRenderer()]
        factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    else:
        processors = [*shared, structlog.processors.format_exc_info, _render]
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
