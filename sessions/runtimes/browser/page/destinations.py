"""Which addresses a browser may be sent to, and how an address is told."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

BLANK: Final = "about:blank"
URL_MAX: Final = 8_192
_SCHEME: Final = re.compile(r"^([a-z][a-z0-9+.-]*):(?!\d)", re.IGNORECASE)


class BadDestination(ValueError):
    """An address that a browser is not sent to; the text says why."""


def destination(url: str) -> str:
    """The address to go to: http, https or the blank page; without a scheme it is https."""
    wanted = url.strip()
    if not wanted:
        raise BadDestination("there is no URL to go to")
    if len(wanted) > URL_MAX:
        raise BadDestination(f"the URL is longer than {URL_MAX} characters")
    if wanted.lower() == BLANK:
        return BLANK
    scheme = _SCHEME.match(wanted)
    if scheme is None:
        wanted = f"https://{wanted.removeprefix('//')}"
    elif scheme[1].lower() not in {"http", "https"}:
        raise BadDestination(f"a page with a {scheme[1].lower()}: URL cannot be visited")
    try:
        parts = urlsplit(wanted)
        if not parts.hostname or parts.port == 0:
            raise BadDestination(f"{told(wanted)!r} is not the URL of a page")
    except ValueError:
        raise BadDestination("this is not the URL of a page") from None
    return wanted


def told(url: str, limit: int = 2_048) -> str:
    """The address as it may be told: without user and password, of a bounded length."""
    text = url.encode("utf-8", "replace").decode()
    if "@" in text:
        try:
            parts = urlsplit(text)
            text = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        except ValueError:
            text = text.rpartition("@")[2]
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
