"""The parameters of the native API, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Final, Literal

from projections.events.status import KINDS, STATUSES
from projections.folds.vm import VM_STATUSES
from sessions.dialects.native.operation import Parameter
from sessions.dialects.native.queries import (
    CONDITIONS_MAX,
    METADATA,
    PAGE_DEFAULT,
    PAGE_MAX,
    POSITION_MAX,
    WORK_STATES,
)
from sessions.domain.policy import ARTIFACT_NAME_CHARS_MAX, WORKED_ON
from sessions.observe.routes import POLL_LIMIT, POLL_LIMIT_MAX

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_POSITION: Final[dict[str, Any]] = {"type": "integer", "minimum": 0, "maximum": POSITION_MAX}
_SECONDS: Final[dict[str, Any]] = {"type": "number", "minimum": 0}


def _query(name: str, schema: dict[str, Any], text: str) -> Parameter:
    return Parameter(name=name, place="query", schema=schema, text=text)


def _any_of(*words: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": list(words)}}


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return _query("limit", schema, "How many items a page has at most.")


def _header(name: str, schema: dict[str, Any], text: str) -> Parameter:
    return Parameter(name=name, place="header", schema=schema, text=text)


def _id(what: Literal["session", "machine", "key"]) -> Parameter:
    return Parameter(name="id", place="path", schema=_TEXT, text=f"The id of the {what}.")


SESSION_ID: Final = _id("session")
EXECUTION_ID: Final = Parameter(
    name="execution", place="path", schema=_TEXT, text="The id of the execution."
)
VM_ID: Final = _id("machine")
KEY_ID: Final = _id("key")

ONCE: Final = _header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "Makes a repeat harmless: the same request under the same key, by the same tenant, is done "
    "once and answered as it was the first time. Another request under the key is refused.",
)
IF_MATCH: Final = _header(
    "If-Match",
    {"type": "string", "examples": ['"42"']},
    "The `ETag` of the session as the caller knows it; the request is refused with 412 if the "
    "session has changed since. `*` or nothing matches every revision.",
)
SHA256: Final = Parameter(
    name="sha256", place="path", schema=_TEXT, text="The SHA-256 of the artifact, in hex."
)
ARTIFACT_NAME: Final = _query(
    "name",
    {"type": "string", "minLength": 1, "maxLength": ARTIFACT_NAME_CHARS_MAX, "default": "artifact"},
    "What the file is called; without slashes or control characters.",
)
WITH_ARTIFACTS: Final = _query(
    "artifacts", {"type": "boolean", "default": True}, "Whether the files come with it."
)
SEEN: Final = _header(
    "Session-Position",
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "The newest `Session-Position` that the caller has seen; the answer is at least as new. "
    "Without it the answer shows everything that happened before the request.",
)
ERASE: Final = _query(
    "erase",
    {"type": "boolean", "default": False},
    "Also destroys the key of the session, for good: its secrets and sensitive messages cannot be "
    "read any more, by anyone, and its artifacts are removed. For deleted sessions too.",
)
LAST_EVENT_ID: Final = _header(
    "Last-Event-ID",
    {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "The id of the last event that the client saw; it weighs more than `after`.",
)

WAIT: Final = (
    _query(
        "wait",
        {"type": "string", "pattern": "^status:.+$", "examples": ["status:running,ended"]},
        "`status:` and one or more statuses with commas between them, `ended` standing for every "
        "last one: answer when the session has one of them, or at the time-out as it then is.",
    ),
    _query(
        "timeout",
        _SECONDS,
        "How many seconds to wait at most: 30 unless told, and no more than the service's "
        "`wait_s_max`, which is 60 unless set.",
    ),
)

AS_OF: Final = _query(
    "as_of",
    {"type": "string", "examples": ["42", "2026-01-31T12:00:00Z"]},
    "A position of the log, or an RFC 3339 time: answer as things were right after the commit at "
    "that position, or after the last one up to that time.",
)

CURSOR_PAGE: Final = (
    _query("cursor", _TEXT, "The `next` of the page before; nothing for the first page."),
    _limit(PAGE_DEFAULT, PAGE_MAX),
)
HISTORY_PAGE: Final = (
    _query("after", {**_POSITION, "default": 0}, "The position after which the page begins."),
    _limit(PAGE_DEFAULT, PAGE_MAX),
)

PROOF: Final = (
    Parameter(
        name="from",
        place="query",
        schema=_POSITION,
        text="The size of the log in the head that the caller kept.",
        required=True,
    ),
    _query("to", _POSITION, "The size of the log to prove it of; without it, the present one."),
)

_KIND: Final = _query("kind", _any_of(*KINDS), "One of these kinds; may be repeated.")
_LABELS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}
_LABEL_TEXT: Final = "With this label; where it is repeated, with every one of them."
_TENANT: Final = _query(
    "tenant", _TEXT, "Of this tenant; for admins, who see all tenants. Others see their own."
)

SESSION_FILTERS: Final = (
    _KIND,
    _query("status", _any_of(*STATUSES), "One of these statuses; may be repeated."),
    _query(
        "dialect",
        _any_of("native", "wave", "notte", "galtea", "devin", "instavm"),
        "Made through one of these APIs; may be repeated.",
    ),
    _query("label", {**_LABELS, "maxItems": CONDITIONS_MAX}, _LABEL_TEXT),
    _query("owner", _TEXT, "Made by this actor, such as `key:ci`."),
    _TENANT,
    _query("created_after", _TIME, "Made at this time or later."),
    _query("created_before", _TIME, "Made before this time."),
    _query(
        "text",
        _TEXT,
        "With this text in the id, the title, a label or a text of the `spec`, whatever the case.",
    ),
    _query(
        METADATA.rstrip("."),
        {
            "type": "object",
            "patternProperties": {r"^metadata\..": _TEXT},
            "maxProperties": CONDITIONS_MAX,
        },
        "Any number of `metadata.<key>=<value>`: only sessions whose metadata has this value "
        "under this key. A value that reads as a JSON number, `true`, `false` or `null` is "
        'compared as that, a string that looks like one is put in quotes (`"1"`).',
    ),
)
WORK_FILTERS: Final = (
    _query("kind", _any_of(*sorted(WORKED_ON)), "One of these kinds; may be repeated."),
    _query("state", _any_of(*WORK_STATES), "Those that wait, or those that a worker holds."),
)
VM_FILTERS: Final = (
    _query("status", _any_of(*VM_STATUSES), "One of these statuses; may be repeated."),
    _query("session", _TEXT, "The machines of this session."),
)
FEED_FILTERS: Final = (
    _query(
        "session",
        {"type": "array", "items": _TEXT},
        "What happens to this session and its machines; may be repeated.",
    ),
    _KIND,
    _query(
        "status",
        _any_of(*dict.fromkeys((*STATUSES, *VM_STATUSES))),
        "Commits that leave their session or machine in one of these statuses; may be repeated.",
    ),
    _query("label", _LABELS, _LABEL_TEXT),
    _TENANT,
    _query("after", _POSITION, "The position after which to begin; without it, what comes next."),
    _query(
        "epoch",
        _TEXT,
        "The `epoch` of the log that `after` belongs to; if it is another log by now, the feed "
        "says so in a `gap` and begins at the start.",
    ),
)
POLL: Final = (
    _query("wait", {**_SECONDS, "default": 0}, "Long poll: how many seconds to wait for a commit."),
    _limit(POLL_LIMIT, POLL_LIMIT_MAX),
)
