"""Handlers of who is asking, and of the families of InstaVM's API that are not served here."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.reading import json_answer
from sessions.failure import Failure
from sessions.web.auth import authorised
from sessions.web.surface import Handler

NOT_OFFERED: Final = {
    "api-keys": "keys through this API: they are made at /api/v1/keys",
    "audit": "audit events through this API: every fact is at /api/v1/feed",
    "browser": "browsers through this API",
    "computeruse": "desktops",
    "credits": "credits: nobody is charged",
    "custom-domains": "domains: machines have no network",
    "recordings": "recordings",
    "ssh-keys": "SSH keys: machines have no network",
    "shares": "shared ports: machines have no network",
    "tapes": "tapes: every fact is at /api/v1/feed",
    "templates": "templates",
    "vaults": "vaults",
    "volumes": "volumes: files go up and down with /upload and /download",
    "webhooks": "webhooks: live events are at /api/v1/observe",
}
"""The first step of a path after `/v1/`, and what this service does not have."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """The party behind a key; there are no accounts with an address."""

    id: str
    name: str
    email: str | None
    is_verified: bool
    tenant: str
    scopes: tuple[str, ...]


class SshKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that somebody could log in with."""

    keys: tuple[str, ...] = ()


async def me(request: web.Request) -> web.Response:
    """The party behind the key."""
    who = authorised(request, "sessions:read")
    return json_answer(
        User(
            id=who.actor,
            name=who.actor.removeprefix("key:"),
            email=None,
            is_verified=True,
            tenant=who.tenant,
            scopes=who.scopes,
        )
    )


async def ssh_keys(request: web.Request) -> web.Response:
    """None: machines have no network that somebody could log in by."""
    authorised(request, "sessions:read")
    return json_answer(SshKeys())


def not_offered(what: str) -> Handler:
    """A handler that says what this service does not have, to whoever may ask."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        authorised(request, "sessions:read")
        raise Failure(404, "not_offered", f"This service offers no {what}.")

    return refuse
