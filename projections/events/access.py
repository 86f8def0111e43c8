"""Facts about API keys; stream `key/<id>`."""

from __future__ import annotations

from typing import ClassVar, Literal

from eventstore.codec import Fact

Scope = Literal["sessions:read", "sessions:write", "work", "admin"]


class KeyIssued(Fact, frozen=True, kw_only=True):
    """A key exists; only the SHA-256 of it is known from here on."""

    NAME: ClassVar = "key.issued"

    name: str
    digest: str
    prefix: str
    tenant: str
    scopes: tuple[Scope, ...]


class KeyRevoked(Fact, frozen=True, kw_only=True):
    """The key opens nothing any more."""

    NAME: ClassVar = "key.revoked"
