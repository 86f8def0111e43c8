"""Handlers that change what a session is: its configuration, its labels, that it is there."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from aiohttp import web

from eventstore.codec import Fact
from projections.folds.session import Session
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.sessions import answer, done, test_run, test_run_or_none
from sessions.dialects.wave.wire import configuration
from sessions.dialects.wave.wire_sessions import (
    ChangesBody,
    LabelsBody,
    changed_spec,
    labels_of,
)
from sessions.domain.commands import Configure, Delete
from sessions.domain.decide import decide
from sessions.domain.rejections import NotConfigurable
from sessions.web.appkeys import SESSIONS
from sessions.web.bodies import decode, read_body

_changes: Final = msgspec.json.Decoder(ChangesBody)
_labels: Final = msgspec.json.Decoder(LabelsBody)


async def update(request: web.Request) -> web.Response:
    """Configure a session anew; ignored once it has been started (section 1.2, Update)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    body = decode(raw, _changes) if raw else None
    token = (await test_run(request, request.match_info["token"], who)).id

    def changed(state: Session, now: int) -> tuple[Fact, ...]:
        # What is not given stays as it is in the end, whoever else changes it meanwhile.
        return decide(Configure(spec=changed_spec(body, state)), state, now)

    with contextlib.suppress(NotConfigurable):
        await request.app[SESSIONS].change(token, changed, who)
    return done()


async def delete(request: web.Request) -> web.Response:
    """Remove a session; a public one stays, with all its results (section 1.9)."""
    who = wave_caller(request, "sessions:write")
    state = await test_run(request, request.match_info["token"], who)
    if not configuration(state).is_public:
        await request.app[SESSIONS].execute(state.id, Delete(), who)
    return done()


async def labels(request: web.Request) -> web.Response:
    """The labels of a session (section 1.9)."""
    who = wave_caller(request, "sessions:read")
    state = await test_run(request, request.match_info["token"], who)
    return answer(state.labels)


async def relabel(request: web.Request) -> web.Response:
    """Replace the labels, at any time; those of a public session or of none stay (section 1.2)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    given = labels_of(decode(raw, _labels)) if raw else None
    state = await test_run_or_none(request, who)
    if given is not None and state is not None and not configuration(state).is_public:
        await request.app[SESSIONS].execute(state.id, Configure(labels=given), who)
    return done()
