"""Handlers of what is said in an organisation's session (section 4)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import Session
from sessions.caller import Caller
from sessions.conversation import Said, opened, said_in
from sessions.dialects.addresses import origin
from sessions.dialects.devin import agents
from sessions.dialects.devin.sessions import exited
from sessions.dialects.devin.v3 import wire, wire_changes, wire_lists
from sessions.dialects.devin.v3.organisations import session_asked
from sessions.dialects.devin.v3.wire_lists import Mark
from sessions.dialects.reading import answer, encoded_answer
from sessions.dialects.rendered import CONVERSATION_BYTES_MAX, Rendered
from sessions.domain.rejections import AlreadyEnded
from sessions.web.appkeys import VAULT
from sessions.web.bodies import json_body

Marked = tuple[Mark, wire.Message]
_rendered: Final = Rendered(bytes_max=CONVERSATION_BYTES_MAX)
_any: Final = msgspec.json.Decoder(Any)


async def list_(request: web.Request) -> web.Response:
    """A page of the conversation, oldest first; the prompt is its first message."""
    state, who = await session_asked(request, "sessions:read")
    first, after = wire_lists.first_of(request.query), wire_lists.mark_of(request.query)
    shown = f"{first} {after}"
    known = _rendered.known(state, shown)
    if known is not None:
        return encoded_answer(known, state)
    found, sealed = await _conversation(request, state, who, after, first + 1)
    page = wire.page_of(found, first, lambda one: one[1], lambda one: wire_lists.mark_text(one[0]))
    if sealed:
        return answer(page, state)
    return encoded_answer(_rendered.keep(state, shown, page), state)


async def send(request: web.Request) -> web.Response:
    """Say something to the agent; the answer is the session."""
    state, who = await session_asked(request, "sessions:write")
    said = wire_changes.message(await json_body(request, _any))
    data = {"as_user_id": said.message_as_user_id} if said.message_as_user_id else {}
    try:
        state = await agents.say(request, state, said.message, who, data)
    except AlreadyEnded:
        raise exited() from None
    return answer(wire.session_view(state, origin(request)), state)


async def _conversation(
    request: web.Request, state: Session, who: Caller, after: Mark | None, count: int
) -> tuple[list[Marked], bool]:
    """Up to `count` messages after that one; True if any of them was sealed."""
    prompt = wire.first_message(state)
    found: list[Marked] = []
    if prompt is not None and (after is None or after < (state.created, 0)):
        found.append(((state.created, 0), prompt))
    marks, later = await _said(request, state, who, after, count - len(found))
    words = map(wire.later_message, await opened(request.app[VAULT], later))
    sealed = any(said.sensitive for said in later)
    return [*found, *zip(marks, words, strict=True)], sealed


async def _said(
    request: web.Request, state: Session, who: Caller, after: Mark | None, count: int
) -> tuple[list[Mark], list[Said]]:
    marks: list[Mark] = []
    later: list[Said] = []
    if not state.messages:
        return marks, later
    # A commit may hold several messages, some of which were on the page before.
    begin = None if after is None else max(after[0], state.created) - 1
    async for commit in agents.history(request, state, who, begin):
        for number, said in enumerate(said_in(commit), 1):
            mark = (int(commit.position), number)
            if after is None or mark > after:
                marks.append(mark)
                later.append(said)
            if len(later) == count:
                return marks, later
    return marks, later
