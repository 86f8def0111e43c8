"""Handlers of an organisation's files, and of those that a session names (section 4)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from aiohttp import web

from projections.evidence import artifacts_of
from sessions.caller import Caller
from sessions.conversation import opened, said_in
from sessions.dialects.addresses import origin
from sessions.dialects.devin import attachments, wire
from sessions.dialects.devin.agents import history
from sessions.dialects.devin.attached import addresses_in, attachment_id
from sessions.dialects.devin.v3.organisations import member, session_asked
from sessions.dialects.reading import answer, json_answer
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import CATALOG, VAULT

# A conversation may name the same files over and over, and others without end.
LISTED_MAX: Final = 1_000


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an upload."""

    attachment_id: str
    name: str
    url: str


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a session has, and who brought it."""

    attachment_id: str
    name: str
    source: Literal["devin", "user"]
    url: str
    content_type: str


async def upload(request: web.Request) -> web.Response:
    """Keep a file for sessions to come."""
    entry = await attachments.received(request, member(request, "sessions:write"))
    return json_answer(
        Uploaded(
            attachment_id=entry.id,
            name=entry.data["name"],
            url=attachments.address(request, entry),
        )
    )


async def find(request: web.Request) -> web.Response:
    """307 to where the bytes are, for a while without a key."""
    return await attachments.shown(request, member(request, "sessions:read"))


async def of_session(request: web.Request) -> web.Response:
    """The files that the conversation names, and those that came of the work."""
    state, who = await session_asked(request, "sessions:read")
    named: dict[str, Literal["devin", "user"]] = {}
    for url in addresses_in(wire.spec_text(state, "prompt") or ""):
        named.setdefault(url, "user")
    made: dict[str, Attachment] = {}
    async for commit in history(request, state, who):
        for said in await opened(request.app[VAULT], said_in(commit)):
            for url in addresses_in(said.fact.content):
                named.setdefault(url, "user" if said.fact.role == "user" else "devin")
        for fact in artifacts_of(commit):
            url = f"{origin(request)}/api/v1/sessions/{state.id}/artifacts/{fact.sha256}"
            made[fact.sha256] = Attachment(
                attachment_id=fact.sha256,
                name=fact.name,
                source="devin",
                url=url,
                content_type=fact.media_type,
            )
        if len(named) + len(made) >= LISTED_MAX:
            break
    known = [await _known(request, url, source, who) for url, source in named.items()]
    shown = [*(one for one in known if one is not None), *made.values()]
    return answer(shown[:LISTED_MAX], state)


async def _known(
    request: web.Request, url: str, source: Literal["devin", "user"], who: Caller
) -> Attachment | None:
    """The file at an address, None for what is not here."""
    entry_id = attachment_id(url)
    if entry_id is None:
        return None
    try:
        entry = await request.app[CATALOG].get(attachments.TYPE, entry_id, who)
    except NotFound:
        return None
    return Attachment(
        attachment_id=entry.id,
        name=entry.data["name"],
        source=source,
        url=url,
        content_type=entry.data["media_type"],
    )
