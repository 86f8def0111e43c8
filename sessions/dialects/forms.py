"""Reading forms: fields in memory, within bounds, and one file as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from email.message import Message
from typing import IO, Final
from urllib.parse import parse_qsl

from aiohttp import web

from sessions.artifacts import in_thread
from sessions.dialects.multipart import (
    PARTS_MAX,
    BadForm,
    Event,
    FormParser,
    PartBegins,
    PartData,
    PartEnds,
)
from sessions.failure import Failure, FieldError
from sessions.web.bodies import body_parts, read_body

FIELD_BYTES_MAX: Final = 64 << 10
FILE: Final = "file"
MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"


class Form:
    """A form; `file` are the bytes of its file, which can be read once.

    `filename` and `media_type` are what the form says of it, or empty.
    """

    def __init__(
        self, fields: dict[str, str], file: AsyncIterator[bytes], begun: PartBegins
    ) -> None:
        self.fields = fields
        self.file = file
        self.filename = begun.filename
        self.media_type = begun.media_type


async def fields_of(request: web.Request) -> dict[str, str]:
    """The fields of a form without a file, in either encoding; raises Failure."""
    if request.content_type == MULTIPART:
        parts = _Parts(request)
        await parts.to_end()
        return parts.fields
    if request.content_type != URLENCODED:
        raise _wrong_type(URLENCODED)
    raw = await read_body(request)
    try:
        return dict(
            parse_qsl(
                raw.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=PARTS_MAX,
            )
        )
    except ValueError:
        raise _unreadable_form() from None


@contextlib.asynccontextmanager
async def form_of(
    request: web.Request, needed: tuple[str, ...], spooled_bytes_max: int
) -> AsyncIterator[Form]:
    """A form with a file: passed on as it comes where what is `needed` came before it.

    Else it is put aside until the form is read. Raises Failure.
    """
    if request.content_type != MULTIPART:
        raise _wrong_type(MULTIPART)
    parts = _Parts(request)
    begun = await parts.to_file()
    if begun is None:
        field = FieldError(("body", FILE), "Field required", "missing")
        raise Failure(422, "invalid_body", "file: Field required", fields=(field,))
    if all(name in parts.fields for name in needed):
        yield Form(parts.fields, parts.file(), begun)
        return
    with tempfile.TemporaryFile() as aside:
        await _put_aside(parts.file(), aside, spooled_bytes_max)
        await asyncio.to_thread(aside.seek, 0)
        yield Form(parts.fields, in_thread(aside), begun)


class _Parts:
    """The parts of a form, one after the other."""

    def __init__(self, request: web.Request) -> None:
        self.fields: dict[str, str] = {}
        self._events = _events(request)

    async def to_file(self) -> PartBegins | None:
        """Read fields up to the file; None where there is none."""
        async for event in self._events:
            if isinstance(event, PartBegins):
                if event.name == FILE:
                    return event
                self.fields[event.name] = await self._text()
        return None

    async def to_end(self) -> None:
        """Read all fields that are left; a file, or another one, is dropped."""
        while await self.to_file():
            async for event in self._events:
                if isinstance(event, PartEnds):
                    break

    async def file(self) -> AsyncIterator[bytes]:
        """The bytes of the file; they do not end well before the whole form is read."""
        async for event in self._events:
            if isinstance(event, PartData):
                yield event.data
            elif isinstance(event, PartEnds):
                break
        await self.to_end()

    async def _text(self) -> str:
        raw = b""
        async for event in self._events:
            if isinstance(event, PartEnds):
                break
            if isinstance(event, PartData):
                raw += event.data
            if len(raw) > FIELD_BYTES_MAX:
                detail = f"A field has at most {FIELD_BYTES_MAX} bytes."
                raise Failure(413, "too_large", detail)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise _unreadable_form() from None


async def _events(request: web.Request) -> AsyncIterator[Event]:
    try:
        parser = FormParser(_boundary(request))
        async for data in body_parts(request):
            for event in parser.feed(data):
                yield event
        parser.finish()
    except BadForm:
        raise _unreadable_form() from None


def _boundary(request: web.Request) -> str:
    head = Message()
    head["Content-Type"] = request.headers.get("Content-Type", "")
    found = head.get_param("boundary")
    return found if isinstance(found, str) else ""


async def _put_aside(file: AsyncIterator[bytes], aside: IO[bytes], bytes_max: int) -> None:
    size = 0
    async for data in file:
        size += len(data)
        if size > bytes_max:
            detail = "A file that comes before its fields is put aside, and is too large for that."
            raise Failure(413, "too_large", detail)
        await asyncio.to_thread(aside.write, data)


def _unreadable_form() -> Failure:
    field = FieldError(("body",), "This is not a form that can be read", "value_error")
    close = {"Connection": "close"}  # nobody knows where the next request would begin
    return Failure(422, "invalid_body", field.message, fields=(field,), headers=close)


def _wrong_type(wanted: str) -> Failure:
    field = FieldError(("body",), f"The body should be {wanted}", "value_error")
    return Failure(422, "invalid_body", field.message, fields=(field,))
