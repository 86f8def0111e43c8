"""Addresses that carry their own permission: for whoever follows a link without a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from sessions.failure import Failure

LIFETIME_S: Final = 3600
DIGITS_MAX: Final = 12
_SECOND_US: Final = 1_000_000


class Link(msgspec.Struct, frozen=True):
    """What to put behind a path, and the second at which it is worth nothing any more."""

    query: str
    expires_at: int


class Links:
    """Signs paths for a while; the key is the process's own, so that a restart ends them all."""

    def __init__(self, key: bytes, clock_us: Callable[[], int]) -> None:
        self._key = key
        self._clock_us = clock_us

    def sign(self, path: str, lifetime_s: int = LIFETIME_S) -> Link:
        """What makes `path` one that needs no key for so long."""
        expires_at = self._clock_us() // _SECOND_US + lifetime_s
        query = urlencode({"expires": expires_at, "token": self._token(path, expires_at)})
        return Link(query, expires_at)

    def check(self, path: str, query: Mapping[str, str]) -> None:
        """Raises Failure 401 unless the query was signed for this path and still holds."""
        expires, token = query.get("expires", ""), query.get("token", "")
        number = expires.isascii() and expires.isdigit() and len(expires) <= DIGITS_MAX
        expected = self._token(path, int(expires) if number else 0)
        if not hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
            raise Failure(401, "unauthorized", "The link is none that was given out.")
        if int(expires) * _SECOND_US < self._clock_us():
            raise Failure(401, "link_expired", "The link has expired; ask for another one.")

    def _token(self, path: str, expires_at: int) -> str:
        signed = f"{expires_at}\n{path}".encode("utf-8", "surrogateescape")
        digest = hmac.new(self._key, signed, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
