"""What the OpenAPI document says of each operation; `routes.py` has the operations themselves."""

from __future__ import annotations

from typing import Any, Final

from projections.rebuilding import Rebuild
from sessions.dialects.native import (
    files,
    log,
    parameters,
    problems,
    wire,
    wire_vms,
)
from sessions.dialects.native.explanations import WhyView
from sessions.dialects.native.operation import (
    ACCEPT_RANGES,
    CACHE_CONTROL,
    CONTENT_RANGE,
    DISPOSITION,
    ETAG,
    LOCATION,
    NO_SNIFF,
    SESSION_POSITION,
    Answer,
    Operation,
    json_of,
)
from sessions.observe import routes as observe
from sessions.verifying import Verification
from sessions.web import health

_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_REVISION: Final = (ETAG, SESSION_POSITION)
_BYTES: Final = (DISPOSITION, NO_SNIFF, ACCEPT_RANGES)
_TO_CHANGE: Final = (parameters.SESSION_ID, parameters.IF_MATCH, parameters.ONCE)
_FRAMES: Final = (
    "Frames: `hello` first, `gap` if the cursor does not fit this log, one `event` for every "
    "commit that passes the filters, `caught_up` when what follows is live, "
    "`ping` when nothing happened for a while, `end` last. To resume, ask for `after` with the "
    "position of the last frame, and for its `epoch`."
)


def _session(text: str) -> tuple[Answer, ...]:
    return (json_of(wire.SessionView, text, *_REVISION),)


def _made(text: str) -> tuple[Answer, ...]:
    return (json_of(wire.SessionView, text, *_REVISION, LOCATION, status=201),)


LIVEZ: Final = Operation(
    tag="service",
    scope=None,
    answers=(json_of(health.Liveness, "The process turns."),),
    problems=problems.OPEN,
)

READYZ: Final = Operation(
    tag="service",
    scope=None,
    answers=(
        json_of(health.Readiness, "The service answers from the present."),
        json_of(health.Readiness, "The lists cannot be kept up to date.", status=503),
    ),
    problems=problems.OPEN,
)

METRICS: Final = Operation(
    tag="service",
    scope=None,
    answers=(Answer(status=200, text="Counters.", content={"text/plain": _TEXT}),),
    problems=problems.OPEN,
)

OPENAPI: Final = Operation(
    tag="service",
    scope=None,
    answers=(json_of(_OBJECT, "An OpenAPI 3.1 document."),),
    problems=problems.OPEN,
)

VIEWS_REBUILD: Final = Operation(
    tag="service",
    scope="admin",
    answers=(json_of(Rebuild, "A rebuild runs.", status=202),),
    problems=problems.READ,
)

VIEWS_PROGRESS: Final = Operation(
    tag="service",
    scope="admin",
    answers=(json_of(Rebuild, "The last rebuild since the service was started."),),
    problems=problems.READ,
)

SESSIONS_CREATE: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=(parameters.ONCE,),
    body=wire.CreateSession,
    answers=_made("The session."),
    problems=(*problems.WRITE, *problems.BODY, *problems.ONCE, "already_exists", "conflict"),
)

SESSIONS_LIST: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(
        *parameters.SESSION_FILTERS,
        *parameters.CURSOR_PAGE,
        parameters.AS_OF,
        parameters.SEEN,
    ),
    answers=(json_of(wire.SessionList, "A page of sessions.", SESSION_POSITION),),
    problems=(*problems.PAGED, "bad_time"),
    text="A page never repeats or skips a session, however many are made meanwhile.",
)

SESSIONS_GET: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.WAIT, parameters.AS_OF, parameters.SEEN),
    answers=_session("The session."),
    problems=(*problems.HISTORY, "session_deleted", "bad_time"),
)

SESSIONS_PATCH: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=_TO_CHANGE,
    body=wire.PatchSession,
    answers=_session("The session after it."),
    problems=(*problems.COMMAND, "not_configurable", "already_exists"),
)

SESSIONS_DELETE: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=(parameters.SESSION_ID, parameters.ERASE, parameters.IF_MATCH),
    answers=(Answer(status=204, text="It is deleted, or was.", headers=(SESSION_POSITION,)),),
    problems=(*problems.CHANGE, "invalid_query"),
)

SESSIONS_TRANSITION: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=_TO_CHANGE,
    body=wire.Transition,
    answers=_session("The session after it; as it was if it had that status already."),
    problems=(*problems.COMMAND, "transition_not_allowed", "session_ended"),
)

SESSIONS_EXTEND: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=_TO_CHANGE,
    body=wire.Extend,
    answers=_session("The session after it."),
    problems=(*problems.COMMAND, "session_ended"),
)

SESSIONS_MESSAGES_ADD: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=_TO_CHANGE,
    body=wire.NewMessage,
    answers=_made("The session after it."),
    problems=(*problems.COMMAND, "session_ended"),
)

SESSIONS_MESSAGES: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.HISTORY_PAGE, parameters.AS_OF),
    answers=(json_of(wire.MessageList, "A page of messages; the last may be empty."),),
    problems=(*problems.HISTORY, "bad_time"),
)

SESSIONS_EVENTS: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.HISTORY_PAGE),
    answers=(json_of(wire.History, "A page of commits."),),
    problems=problems.HISTORY,
)

SESSIONS_WHY: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, parameters.AS_OF, parameters.SEEN),
    answers=(json_of(WhyView, "The answer, from the log alone.", SESSION_POSITION),),
    problems=(*problems.HISTORY, "bad_time"),
    text="Sessions that were deleted are explained as well.",
)

SESSIONS_VMS: Final = Operation(
    tag="machines",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.CURSOR_PAGE, parameters.SEEN),
    answers=(json_of(wire_vms.VmList, "A page of machines.", SESSION_POSITION),),
    problems=(*problems.PAGED, "not_found", "session_deleted"),
)

SESSIONS_ARTIFACTS_ADD: Final = Operation(
    tag="sessions",
    scope="sessions:write",
    parameters=(*_TO_CHANGE, parameters.ARTIFACT_NAME),
    raw_body=True,
    answers=_made("The session after it; `Location` is where the bytes are."),
    problems=(
        *(*problems.CHANGE, *problems.ONCE, "session_deleted", "session_ended"),
        *("invalid_query", "invalid_value", "unreadable_body", "too_large"),
    ),
    text="The body may be larger than others: up to the setting `artifact_bytes_max`.",
)

SESSIONS_ARTIFACTS: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, *parameters.HISTORY_PAGE),
    answers=(json_of(files.ArtifactList, "A page of files; the last may be empty."),),
    problems=problems.HISTORY,
)

SESSIONS_ARTIFACTS_GET: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, parameters.SHA256),
    answers=(
        Answer(
            status=200,
            text="The bytes, with the type that they came with.",
            content={"*/*": {}},
            headers=_BYTES,
        ),
        Answer(
            status=206,
            text="The part that `Range` asked for.",
            content={"*/*": {}},
            headers=(*_BYTES, CONTENT_RANGE),
        ),
        Answer(status=416, text="There is no such part.", headers=(*_BYTES, CONTENT_RANGE)),
    ),
    problems=(*problems.READ, "not_found", "artifact_gone"),
)

SESSIONS_EVIDENCE: Final = Operation(
    tag="sessions",
    scope="sessions:read",
    parameters=(parameters.SESSION_ID, parameters.WITH_ARTIFACTS),
    answers=(
        Answer(
            status=200,
            text="A bundle, to be saved as a file. Artifacts whose bytes are gone are left out.",
            content={files.EVIDENCE: {}},
            headers=(DISPOSITION, NO_SNIFF),
        ),
    ),
    problems=(*problems.READ, "not_found", "invalid_query"),
)

VMS_LIST: Final = Operation(
    tag="machines",
    scope="sessions:read",
    parameters=(
        *parameters.VM_FILTERS,
        *parameters.CURSOR_PAGE,
        parameters.AS_OF,
        parameters.SEEN,
    ),
    answers=(json_of(wire_vms.VmList, "A page of machines.", SESSION_POSITION),),
    problems=(*problems.PAGED, "bad_time"),
)

VMS_GET: Final = Operation(
    tag="machines",
    scope="sessions:read",
    parameters=(parameters.VM_ID, parameters.AS_OF, parameters.SEEN),
    answers=(json_of(wire_vms.VmView, "The machine.", *_REVISION),),
    problems=(*problems.HISTORY, "bad_time"),
)

OBSERVE: Final = Operation(
    tag="feeds",
    scope="sessions:read",
    key_in_query=True,
    parameters=(*parameters.FEED_FILTERS, parameters.LAST_EVENT_ID),
    answers=(Answer(status=101, text="A websocket; each text frame is a `Frame` in JSON."),),
    problems=(*problems.FEED, "websocket_required"),
    text=_FRAMES,
)

FEED: Final = Operation(
    tag="feeds",
    scope="sessions:read",
    key_in_query=True,
    parameters=(*parameters.FEED_FILTERS, *parameters.POLL, parameters.LAST_EVENT_ID),
    answers=(
        Answer(
            status=200,
            text="A page of commits; or, for clients that accept `text/event-stream`, "
            "events whose `data` is a `Frame`, whose name is its `type` and whose id is "
            "the position to resume after.",
            content={wire.JSON: observe.Page, observe.SSE: _TEXT},
            headers=(CACHE_CONTROL,),
        ),
    ),
    problems=problems.FEED,
    text=f"{_FRAMES} `wait` and `limit` are for the long poll only.",
)

LOG_HEAD: Final = Operation(
    tag="log",
    scope="sessions:read",
    answers=(
        Answer(
            status=200,
            text="The head; for clients that accept `text/plain` and not JSON, its note alone.",
            content={wire.JSON: log.LogHead, log.NOTE: _TEXT},
        ),
    ),
    problems=problems.READ,
    text="The note is a C2SP tlog-checkpoint with an Ed25519 signature; `key` is its verifier key.",
)

LOG_CONSISTENCY: Final = Operation(
    tag="log",
    scope="sessions:read",
    parameters=parameters.PROOF,
    answers=(json_of(log.Consistency, "The proof, with the signed head that it leads to."),),
    problems=(*problems.READ, "invalid_query", "bad_position"),
)

LOG_VERIFY: Final = Operation(
    tag="log",
    scope="admin",
    answers=(json_of(Verification, "A verification runs.", status=202),),
    problems=problems.READ,
)

LOG_VERIFICATION: Final = Operation(
    tag="log",
    scope="admin",
    answers=(json_of(Verification, "The last verification since the service was started."),),
    problems=problems.READ,
)

LOG_VERIFICATION_STOP: Final = Operation(
    tag="log",
    scope="admin",
    answers=(json_of(Verification, "The last verification, which does not run any more."),),
    problems=problems.READ,
)

KEYS_ISSUE: Final = Operation(
    tag="keys",
    scope="admin",
    body=wire.NewKey,
    answers=(json_of(wire.IssuedKey, "The key with its secret.", CACHE_CONTROL, status=201),),
    problems=(*problems.WRITE, *problems.BODY),
)

KEYS_LIST: Final = Operation(
    tag="keys",
    scope="admin",
    answers=(json_of(wire.KeyList, "The keys, without their secrets."),),
    problems=problems.READ,
)

KEYS_REVOKE: Final = Operation(
    tag="keys",
    scope="admin",
    parameters=(parameters.KEY_ID,),
    answers=(json_of(wire.KeyView, "The key, which opens nothing any more."),),
    problems=(*problems.WRITE, "not_found"),
)
