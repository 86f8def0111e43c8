"""Following the history of a session through the log, page by page."""

from __future__ import annotations

from eventstore.commit import START, Position
from sessions.caller import Caller
from sessions.domain.rejections import NotFound
from sessions.domain.why import Trail, follow
from sessions.service import STREAM_PAGE, Sessions


async def trail_of(
    sessions: Sessions, session_id: str, who: Caller, until: Position | None = None
) -> Trail:
    """What led a session, also a deleted one, to its state at `until`; raises NotFound."""
    trail, after = Trail(), START
    while page := await sessions.commits(session_id, who, after, STREAM_PAGE):
        after = page[-1].position
        if until is not None and after > until:
            trail = follow(trail, (commit for commit in page if commit.position <= until))
            break
        trail = follow(trail, page)
    if trail.state is None:
        raise NotFound("There was no such session yet.")
    return trail
