"""QR codes: what a device shows for a phone to read, drawn without a script."""

from __future__ import annotations

import functools
import io
from typing import Final

import segno
from aiohttp import web

from sessions.dialects.wave import wire
from sessions.dialects.wave.access import wave_caller
from sessions.failure import Failure

TEXT_BYTES_MAX: Final = 512
KEPT_MAX: Final = 256
SVG: Final = "image/svg+xml"
# The white edge that a reader needs, in modules (ISO/IEC 18004).
_QUIET_ZONE: Final = 4
# A drawing has nothing to load or to run, also where it is opened by itself.
_HEADERS: Final = {
    **wire.CORS,
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


async def qr(request: web.Request) -> web.Response:
    """The query parameter `text` as an SVG picture (a page's own, no part of the contract)."""
    wave_caller(request, "sessions:read")
    text = request.query.get("text", "")
    # What was no UTF-8 in the URL is half a character here.
    if not 0 < len(text.encode("utf-8", "surrogatepass")) <= TEXT_BYTES_MAX or not _whole(text):
        raise Failure(400, "invalid_parameter", f"text: 1 to {TEXT_BYTES_MAX} bytes of UTF-8")
    return web.Response(body=picture(text), headers=_HEADERS, content_type=SVG)


@functools.lru_cache(maxsize=KEPT_MAX)
def picture(text: str) -> bytes:
    """The QR code of `text`, black on white and as large as its place, as an SVG file."""
    drawn = io.BytesIO()
    code = segno.make_qr(text, error="m", boost_error=False, encoding="utf-8")
    code.save(
        drawn,
        kind="svg",
        border=_QUIET_ZONE,
        dark="#000",
        light="#fff",
        xmldecl=False,
        omitsize=True,
    )
    return drawn.getvalue()


def _whole(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)
