"""Reading a JSON body: every way in which it can be wrong becomes a Failure here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from sessions.failure import Failure, FieldError

DEPTH_MAX: Final = 64
# A string that does not end takes all the rest with it, as it does for the decoder.
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[\]{}]")
_BODY: Final = web.RequestKey("body", bytes)
T = TypeVar("T")


async def json_body(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as `decoder` reads it; raises Failure 400, 413 or 422."""
    return decode(await read_body(request), decoder)


async def read_body(request: web.Request) -> bytes:
    """The bytes of the body; raises Failure 400 or 413, the latter before it comes if it can."""
    bytes_max = request.client_max_size
    _check_size(request.content_length or 0, bytes_max)
    content = request.content
    try:
        if not content.is_eof():
            return await request.read()
        # It came with the head, as small ones do: `read` would cost 2 us more.
        if raw := content.read_nowait():
            _check_size(len(raw), bytes_max)
            request[_BODY] = raw
            return raw
    except web.RequestPayloadError:
        raise unreadable() from None
    read_before: bytes = request.get(_BODY) or await request.read()
    return read_before


async def read_up_to(request: web.Request, bytes_max: int) -> bytes:
    """The bytes of a body that may be larger than most; raises HTTPRequestEntityTooLarge."""
    told = request.content_length
    _check_size(told or 0, bytes_max)
    if told is not None and told <= request.client_max_size:
        return await read_body(request)  # the short way, and nearly all come by it
    parts: list[bytes] = []
    size = 0
    async for part in body_parts(request):
        size += len(part)
        _check_size(size, bytes_max)
        parts.append(part)
    return b"".join(parts)


def _check_size(size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise web.HTTPRequestEntityTooLarge(max_size=bytes_max, actual_size=size)


async def body_parts(request: web.Request) -> AsyncIterator[bytes]:
    """The bytes of the body as they come; raises Failure 400, also where the client left."""
    try:
        async for part in request.content.iter_any():
            yield part
    except (web.RequestPayloadError, ConnectionError):
        raise unreadable() from None


def unreadable() -> Failure:
    """The refusal of a body that does not come to its end."""
    detail = "The body is cut off, or is not what its Content-Encoding says."
    close = {"Connection": "close"}  # nobody knows where the next request would begin
    return Failure(400, "unreadable_body", detail, headers=close)


def decode(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """`raw` as `decoder` reads it; raises Failure 400 or 422."""
    try:
        _check_depth(raw)
        value = decoder.decode(raw)
        if b"\\u0000" in raw:
            _check_nul(raw)
    except msgspec.ValidationError as error:
        field = field_error(error)
        raise Failure(422, "invalid_body", str(error), fields=(field,)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Failure(400, "malformed_json", f"The body is not JSON: {error}.") from None
    return value


def field_error(error: msgspec.ValidationError) -> FieldError:
    """Where and what is wrong, taken from msgspec's words (`Expected ... - at `$.a[0].b``)."""
    message, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`").replace("[", ".").replace("]", "").split(".")
    steps = tuple(int(step) if step.isdigit() else step for step in path if step)
    return FieldError(("body", *steps), message)


def _check_depth(raw: bytes) -> None:
    # What goes in must come out again at a deeper stack, and SQLite's JSON has its own limit.
    if raw.count(b"{") + raw.count(b"[") <= DEPTH_MAX:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        if bracket in (b"{", b"["):
            depth += 1
            if depth > DEPTH_MAX:
                raise Failure(
                    400, "too_deep", f"The JSON is nested deeper than {DEPTH_MAX} levels."
                )
        else:
            depth -= 1


def _check_nul(raw: bytes) -> None:
    if _holds_nul(msgspec.json.decode(raw)):
        raise Failure(400, "nul_character", "The body holds a NUL character.")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))
