"""The rules as data: which status follows which, and how long a session may last."""

from __future__ import annotations

from typing import Final

from projections.events.status import ENDED, STATUSES, Kind, Status

# Whatever is not ended can also be ended by force; nothing leaves an ended status but what is
# reopened.
_ONWARD: Final[dict[Status, frozenset[Status]]] = {
    "pending": frozenset({"queued", "starting", "running"}),
    "queued": frozenset({"starting", "running"}),
    "starting": frozenset({"queued", "running", "blocked", "stopping"}),
    "running": frozenset({"queued", "blocked", "pausing", "paused", "stopping"}),
    "blocked": frozenset({"queued", "running", "pausing", "paused", "stopping"}),
    "pausing": frozenset({"running", "paused", "stopping"}),
    "paused": frozenset({"resuming", "running", "stopping"}),
    "resuming": frozenset({"queued", "running", "blocked", "paused", "stopping"}),
    "stopping": frozenset(),
}


def _after(status: Status) -> frozenset[Status]:
    return frozenset() if status in ENDED else ENDED | _ONWARD[status]


TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    status: _after(status) for status in STATUSES
}

# A conversation that is evaluated goes on when one more turn of it comes: with the reason
# `reopened` it runs again. What a clock or a fault ended stays ended.
REOPENED_FROM: Final[dict[Kind, frozenset[Status]]] = {
    "evaluation": frozenset({"completed", "failed", "stopped"}),
}

INITIAL: Final[frozenset[Status]] = frozenset((*ENDED, "pending", "queued", "running"))

# A session in one of these has not begun its work, or not again.
WAITING: Final[frozenset[Status]] = frozenset({"pending", "queued", "starting"})

MINUTE_S: Final = 60
DAY_S: Final = 24 * 60 * MINUTE_S

# Every session that is not ended has a deadline; this is the one it gets when nobody sets one.
MAX_DURATION_S: Final[dict[Kind, int]] = {
    "test_run": 7 * DAY_S,
    "browser": 15 * MINUTE_S,
    "evaluation": 30 * DAY_S,
    "agent": 7 * DAY_S,
    "vm": 7 * DAY_S,
}
DURATION_S_MAX: Final = 366 * DAY_S

# Whose work is done by workers, who claim it; browsers and machines have a runtime of their own.
WORKED_ON: Final[frozenset[Kind]] = frozenset({"agent", "evaluation", "test_run"})
ATTEMPTS_MAX: Final = 100
WORKER_CHARS_MAX: Final = 200
PULL_REQUESTS_MAX: Final = 100
PULL_REQUEST_STATE_CHARS_MAX: Final = 64
URL_CHARS_MAX: Final = 2_048
OUTPUT_BYTES_MAX: Final = 256 << 10

TITLE_CHARS_MAX: Final = 1_000
LABELS_MAX: Final = 64
LABEL_CHARS_MAX: Final = 256
METADATA_KEYS_MAX: Final = 256
SECRETS_MAX: Final = 1_000
SECRET_NAME_CHARS_MAX: Final = 256
SECRET_CHARS_MAX: Final = 64 << 10
DETAIL_CHARS_MAX: Final = 4_000
CONTENT_CHARS_MAX: Final = 256 << 10
CHANNEL_TYPE_CHARS_MAX: Final = 256
TOKEN_CHARS_MAX: Final = 64
ARTIFACTS_MAX: Final = 1_000
ARTIFACT_BYTES_MAX: Final = 16 << 30
"""All artifacts of one session together."""
ARTIFACT_NAME_CHARS_MAX: Final = 255
MEDIA_TYPE_CHARS_MAX: Final = 255


def allowed(was: Status, to: Status) -> bool:
    """True if a session may go from `was` to `to`."""
    return to in TRANSITIONS[was]


def reopens(kind: Kind, was: Status) -> bool:
    """True if a session that ended as `was` may run again."""
    return was in REOPENED_FROM.get(kind, frozenset())
