"""Handlers of `/api/v1/sessions/{id}/artifacts` and `/evidence`: bytes in, bytes out."""

from __future__ import annotations

from aiohttp import web

from sessions.dialects.native import files, queries
from sessions.dialects.native.answers import (
    expected_revision,
    items_of_history,
    json_answer,
    once_of,
    session_answer,
)
from sessions.dialects.streaming import streamed
from sessions.domain.commands import StoreArtifact
from sessions.web.appkeys import ARTIFACTS, EVIDENCE
from sessions.web.auth import authorised
from sessions.web.bodies import body_parts


async def add(request: web.Request) -> web.Response:
    """Store a file of a session: the body is its bytes, `Content-Type` its type.

    The answer is the session after it, and comes when the bytes and the commit are durable.
    """
    who = authorised(request, "sessions:write")
    name = queries.artifact_name(request)
    media_type = request.headers.get("Content-Type", files.OCTETS)
    session_id, artifacts = request.match_info["id"], request.app[ARTIFACTS]
    wanted = StoreArtifact(name=name, sha256="", size=0, media_type=media_type)
    repeatable = once_of(request, b"") is not None
    await artifacts.check(session_id, wanted, who, repeatable=repeatable)
    artifacts.check_size(request.content_length)
    async with artifacts.receive(body_parts(request)) as incoming:
        command = StoreArtifact(
            name=name, sha256=incoming.sha256, size=incoming.size, media_type=media_type
        )
        asked = f"{name}\0{media_type}\0{incoming.sha256}".encode()
        state = await artifacts.add(
            session_id,
            incoming,
            command,
            who,
            expected=expected_revision(request),
            once=once_of(request, asked),
        )
    answer = session_answer(state, 201)
    answer.fields["Location"] = f"/api/v1/sessions/{state.id}/artifacts/{command.sha256}"
    return answer


async def list_(request: web.Request) -> web.Response:
    """The files of a session, oldest first; those of a deleted one too."""
    who = authorised(request, "sessions:read")
    items, following = await items_of_history(request, who, files.artifact_views)
    return json_answer(files.ArtifactList(items=items, next=following))


async def get(request: web.Request) -> web.StreamResponse:
    """The bytes of a file, once they were found to be those that were stored."""
    who = authorised(request, "sessions:read")
    session_id, sha256 = request.match_info["id"], request.match_info["sha256"]
    artifacts = request.app[ARTIFACTS]
    found = await artifacts.find(session_id, sha256, who)
    async with artifacts.read(session_id, sha256) as parts:
        return await streamed(request, parts, found.media_type, found.name, found.size)


async def evidence(request: web.Request) -> web.StreamResponse:
    """Everything about a session that somebody else needs to check its history.

    Save it as a file and check it with `verify_evidence.py`. It holds the session's commits and
    those of its machines, the signed head, the hashes between them, and the artifacts.
    """
    who = authorised(request, "sessions:read")
    with_artifacts = queries.with_artifacts(request)
    session_id, maker = request.match_info["id"], request.app[EVIDENCE]
    bundle = await maker.prepare(session_id, who, artifacts=with_artifacts)
    name = f"session-{bundle.contents.session}.evidence"
    return await streamed(request, maker.parts(bundle), files.EVIDENCE, name)
