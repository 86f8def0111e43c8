"""Shapes of InstaVM's terminals (contract instavm.md sections 5 and 5.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError

COLS: Final = 80
ROWS: Final = 24
SIDE_MAX: Final = 1000
ID_CHARS_MAX: Final = 64
SHELL_CHARS_MAX: Final = 4000
COMMAND_CHARS_MAX: Final = 64 << 10

CLOSE_DONE: Final = 1000
CLOSE_AUTHENTICATION: Final = 4401
CLOSE_ELSEWHERE: Final = 4409
"""Another client took the terminal over; clients know no code for it."""
CLOSE_UNREACHABLE: Final = 4502
CLOSE_RESTART: Final = 1012
REASON_BYTES_MAX: Final = 120


class CreateTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST .../pty/sessions`; `command` is a line for a login shell."""

    cols: int | None = None
    rows: int | None = None
    shell: str | None = None
    command: str | None = None
    id: str | None = None


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a window, in characters."""

    cols: int
    rows: int


class TerminalView(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal; its `session_id` is its own id, since clients look for it there (section 7)."""

    session_id: str
    id: str
    vm_id: str
    cols: int
    rows: int
    alive: bool
    connected: bool
    exit_code: int | None
    created_at: datetime


class _Control(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    cols: int = 0
    rows: int = 0


_control: Final = msgspec.json.Decoder(_Control)


def create_terminal(body: Any) -> CreateTerminal:
    """The body, which may be absent; raises Failure 422 that names every wrong field."""
    return fastapi.checked({} if body is None else body, _CREATE, CreateTerminal)


def resize(body: Any) -> Size:
    """The body of `POST .../resize`; raises Failure 422 that names every wrong field."""
    return fastapi.checked(body, _RESIZE, Size)


def control_frame(text: str) -> Size | None:
    """The size that a text frame asks for; None for a frame that means nothing here."""
    try:
        frame = _control.decode(text.encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    sound = frame.type == "resize" and 0 < frame.cols <= SIDE_MAX and 0 < frame.rows <= SIDE_MAX
    return Size(cols=frame.cols, rows=frame.rows) if sound else None


def exit_frame(exit_code: int) -> str:
    """The last frame of a terminal whose program has ended."""
    return f'{{"type":"exit","exit_code":{exit_code}}}'


def _id(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.text(1, ID_CHARS_MAX)(value, path, wrong)
    if isinstance(value, str) and value and not value.replace("-", "").replace("_", "").isalnum():
        message = "an id has letters, digits, - and _"
        wrong.append(FieldError(path, message, "value_error"))
    return value


_side: Final = fastapi.integer(1, SIDE_MAX)
_CREATE: Final = (
    Field("cols", _side),
    Field("rows", _side),
    Field("shell", fastapi.text(1, SHELL_CHARS_MAX)),
    Field("command", fastapi.text(1, COMMAND_CHARS_MAX)),
    Field("id", _id),
)
_RESIZE: Final = (
    Field("cols", _side, required=True, nullable=False),
    Field("rows", _side, required=True, nullable=False),
)
