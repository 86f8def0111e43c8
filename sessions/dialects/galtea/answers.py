"""Answers of Galtea's API."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

_encode: Final = msgspec.json.Encoder().encode


def json_answer(body: Any, status: int = 200) -> web.Response:
    """`body` as JSON."""
    return web.Response(body=_encode(body), status=status, content_type="application/json")
