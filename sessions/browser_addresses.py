"""Addresses of pages as the log may have them; pure."""

from __future__ import annotations

import re
from typing import Final

URL_CHARS_MAX: Final = 4_096
_USER: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*:[/\\]{0,3})[^/\\?#]*@")


def without_user(url: str) -> str:
    """The address without user and password, and not longer than the log takes."""
    return _USER.sub(r"\1", url.strip())[:URL_CHARS_MAX]
