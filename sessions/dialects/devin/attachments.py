"""Handlers of attachments: files for sessions to come, which a prompt names by their address."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from aiohttp import web

from eventstore.artifacts import Incoming
from projections.events.artifact import ArtifactStored
from projections.folds.catalog import Entry
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.catalog import NewEntry
from sessions.dialects.addresses import origin
from sessions.dialects.devin import wire
from sessions.dialects.forms import form_of
from sessions.dialects.reading import json_answer
from sessions.dialects.streaming import streamed
from sessions.domain import checks
from sessions.domain.rejections import InvalidValue, NotFound
from sessions.failure import Failure
from sessions.web.appkeys import ARTIFACTS, CATALOG, LINKS, SETTINGS
from sessions.web.auth import authorised

TYPE: Final = "attachment"
FOUND: Final = "/v1/attachments/{id}/{name}"
STORED: Final = "/attachments/{id}/{name}"
NAMELESS: Final = "upload"
ANY_BYTES: Final = "application/octet-stream"
UNKNOWN: Final = "Attachment not found"
# What surrounds a file in its form; a body that is announced as longer need not come at all.
FORM_BYTES: Final = 64 << 10


async def upload(request: web.Request) -> web.Response:
    """Keep a file; the answer is its address, as a JSON string (section 6)."""
    who = authorised(request, "sessions:write")
    return json_answer(address(request, await received(request, who)))


async def find(request: web.Request) -> web.Response:
    """307 to where the bytes are, for a while without a key."""
    return await shown(request, authorised(request, "sessions:read"))


async def shown(request: web.Request, who: Caller) -> web.Response:
    """307 to the file of the path."""
    entry = await _named(request, who)
    path = wire.PREFIX + _path(STORED, entry, entry.data["name"])
    query = request.app[LINKS].sign(path).query
    place = wire.PREFIX + _path(STORED, entry, quote(entry.data["name"], safe=""))
    return web.Response(status=307, headers={"Location": f"{origin(request)}{place}?{query}"})


async def download(request: web.Request) -> web.StreamResponse:
    """The bytes of a file, for whoever has the link to them or a key."""
    who = SERVICE
    if "token" in request.query:
        request.app[LINKS].check(request.path, request.query)
    else:
        who = authorised(request, "sessions:read")
    entry = await _named(request, who)
    data = entry.data
    async with request.app[ARTIFACTS].read(entry.id, data["sha256"]) as parts:
        return await streamed(request, parts, data["media_type"], data["name"], data["size"])


async def received(request: web.Request, who: Caller) -> Entry:
    """The file of the form, kept; raises Failure, InvalidValue and ArtifactTooLarge."""
    artifacts, bytes_max = request.app[ARTIFACTS], request.app[SETTINGS].artifact_bytes_max
    artifacts.check_size((request.content_length or 0) - FORM_BYTES)
    async with form_of(request, (), bytes_max) as form:
        name, media_type = _name(form.filename), _media_type(form.media_type)
        async with artifacts.receive(form.file) as incoming:
            return await _kept(request, incoming, name, media_type, who)


def address(request: web.Request, entry: Entry) -> str:
    """Where clients find the file."""
    name = quote(entry.data["name"], safe="")
    return f"{origin(request)}{wire.PREFIX}{_path(FOUND, entry, name)}"


async def _kept(
    request: web.Request, incoming: Incoming, name: str, media_type: str, who: Caller
) -> Entry:
    sha256, size = incoming.sha256, incoming.size
    new = NewEntry(
        id=ids.uuid7(),
        type=TYPE,
        data={"name": name, "sha256": sha256, "size": size, "media_type": media_type},
        facts=(ArtifactStored(name=name, sha256=sha256, size=size, media_type=media_type),),
    )
    catalog = request.app[CATALOG]
    return await request.app[ARTIFACTS].keep(new.id, incoming, lambda: catalog.enter(new, who))


async def _named(request: web.Request, who: Caller) -> Entry:
    """The file of the path, which may leave its name out."""
    try:
        entry = await request.app[CATALOG].get(TYPE, request.match_info["id"], who)
    except NotFound:
        raise Failure(404, NotFound.code, UNKNOWN) from None
    if request.match_info.get("name", entry.data["name"]) != entry.data["name"]:
        raise Failure(404, NotFound.code, UNKNOWN)
    return entry


def _path(template: str, entry: Entry, name: str) -> str:
    return template.replace("{id}", entry.id).replace("{name}", name)


def _name(told: str) -> str:
    """The last part of what the form says, whichever way its slashes lean."""
    name = told.replace("\\", "/").rpartition("/")[2] or NAMELESS
    checks.artifact_name(name)
    return name


def _media_type(told: str) -> str:
    try:
        checks.media_type(told)
    except InvalidValue:
        return ANY_BYTES
    return told
