"""Every stable code that the native API can give, with its status and what it means."""

from __future__ import annotations

from typing import Final

import msgspec


class Meaning(msgspec.Struct, frozen=True):
    """What a code says: the HTTP status that it comes with, and one sentence."""

    status: int
    text: str


CODES: Final[dict[str, Meaning]] = {
    "bad_request": Meaning(400, "The HTTP request itself is malformed."),
    "unreadable_body": Meaning(400, "The body is cut off, or not as its `Content-Encoding` says."),
    "malformed_json": Meaning(400, "The body is not JSON."),
    "too_deep": Meaning(400, "The JSON is nested deeper than 64 levels."),
    "nul_character": Meaning(400, "The body holds a NUL character."),
    "invalid_query": Meaning(400, "A query parameter is unknown or out of range."),
    "bad_cursor": Meaning(400, "`cursor` is not the `next` of a page."),
    "bad_position": Meaning(400, "A position is no integer, or lies beyond the end of the log."),
    "bad_time": Meaning(400, "`as_of` is before the first event."),
    "bad_if_match": Meaning(400, "`If-Match` does not hold a revision."),
    "bad_idempotency_key": Meaning(400, "`Idempotency-Key` is not 1 to 255 visible characters."),
    "gone": Meaning(400, "The client left while a feed was being opened."),
    "unauthorized": Meaning(401, "The key is missing, unknown or revoked."),
    "link_expired": Meaning(401, "The link to a file is no longer valid; ask for another one."),
    "forbidden": Meaning(403, "The key's scopes do not cover this."),
    "no_such_route": Meaning(404, "There is nothing at this path."),
    "not_found": Meaning(404, "There is no such thing, or not for this key."),
    "method_not_allowed": Meaning(405, "The path does not answer this method; `Allow` says which."),
    "already_exists": Meaning(409, "Another session of the version has the `customId`."),
    "transition_not_allowed": Meaning(409, "The status machine has no such step."),
    "session_ended": Meaning(409, "The session has ended; nothing but deletion happens to it."),
    "not_configurable": Meaning(409, "The field can be changed only while the session is pending."),
    "no_machine": Meaning(409, "The session has no machine that this can be done to."),
    "fenced": Meaning(409, "The session is another worker's by now, or nobody's."),
    "conflict": Meaning(409, "Others kept changing the session at the same moment; try again."),
    "session_deleted": Meaning(410, "The session was deleted; its history is still there."),
    "artifact_gone": Meaning(410, "The bytes of the artifact were erased, or the disk lost them."),
    "revision_mismatch": Meaning(412, "The session is not at the revision that `If-Match` names."),
    "too_large": Meaning(413, "The body is larger than the service, or one commit, takes."),
    "invalid_body": Meaning(422, "A field of the body is unknown, missing or of the wrong type."),
    "invalid_value": Meaning(422, "A field of the body is out of its range."),
    "idempotency_key_reused": Meaning(422, "The idempotency key came before, for something else."),
    "guest_refused": Meaning(422, "The machine refuses: no such file, no room."),
    "page_refused": Meaning(422, "The page cannot do that: it crashed, or gives nothing."),
    "websocket_required": Meaning(426, "The path speaks websocket only."),
    "limit_reached": Meaning(429, "There are as many as there may be; try again later."),
    "internal": Meaning(500, "The service failed; its log says why, by the request id."),
    "browser_failed": Meaning(502, "The browser did not start, is gone, or does not answer."),
    "unavailable": Meaning(503, "The service takes nothing more at the moment; try again."),
    "storage_unavailable": Meaning(503, "The disk refuses; nothing was changed; try again."),
    "runtime_unavailable": Meaning(
        503, "No machine or browser can be had here; `detail` says why."
    ),
    "runtime_failed": Meaning(503, "The machine did not start, or is gone."),
    "too_many_observers": Meaning(503, "No more feeds can be opened."),
    "storage_full": Meaning(507, "The disk is full; nothing was changed; reads go on."),
}

OPEN: Final = ("internal",)
READ: Final = (*OPEN, "unauthorized", "forbidden", "unavailable", "storage_unavailable")
WRITE: Final = (*READ, "storage_full")
BODY: Final = (
    "unreadable_body",
    "malformed_json",
    "too_deep",
    "nul_character",
    "too_large",
    "invalid_body",
    "invalid_value",
)
ONCE: Final = ("bad_idempotency_key", "idempotency_key_reused")
CHANGE: Final = (
    *WRITE,
    *("not_found", "conflict", "bad_if_match", "revision_mismatch"),
)
HISTORY: Final = (*READ, "not_found", "invalid_query", "bad_position")
PAGED: Final = (*READ, "invalid_query", "bad_cursor", "bad_position")
FEED: Final = (*READ, "invalid_query", "bad_position", "too_many_observers")
COMMAND: Final = (*CHANGE, *BODY, *ONCE, "session_deleted")
MACHINE: Final = (
    *("not_found", "conflict", "session_ended", "no_machine"),
    *("limit_reached", "runtime_unavailable", "runtime_failed"),
)
