"""What the OpenAPI document says of the operation on browsers."""

from __future__ import annotations

from typing import Final

from sessions.dialects.native import parameters, problems, wire_browsers
from sessions.dialects.native.operation import ETAG, SESSION_POSITION, Operation, json_of

SESSIONS_BROWSER: Final = Operation(
    tag="browsers",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, parameters.AS_OF, parameters.SEEN),
    answers=(json_of(wire_browsers.BrowserView, "The browser.", ETAG, SESSION_POSITION),),
    problems=(*problems.HISTORY, "bad_time", "session_deleted"),
    text="Before anybody asked for a browser everything in it is empty. A session of another kind "
    "has none.",
)
