"""What a change, a finish or a turn that comes late makes of a Galtea session (section 5); pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from eventstore.codec import Fact
from projections.events.session import SessionConfigured, SessionStatusChanged
from projections.events.status import Reason, Status
from projections.folds.session import Session
from sessions.dialects.galtea.wire import (
    Body,
    GalteaStatus,
    bad,
    check_custom_id,
    status_of,
    wrapped,
)
from sessions.domain import checks
from sessions.domain.policy import DETAIL_CHARS_MAX
from sessions.domain.reopening import TOLD_OF_THE_END, reopened

TEXT_CHARS_MAX: Final = 64 << 10
IDS_MAX: Final = 1_000
# Of a session that has ended nothing else would tell that its reason was taken back.
_CLEARED: Final = ""
_ENDS: Final[dict[GalteaStatus, tuple[Status, Reason, str]]] = {
    "COMPLETED": ("completed", "finished", "stoppingReason"),
    "FAILED": ("failed", "client_error", "error"),
}
_encoder: Final = msgspec.json.Encoder(order="deterministic")


class Change(Body, frozen=True, kw_only=True):
    """What to change: absent leaves a field as it is, null clears it.

    A status cannot be cleared: null leaves that as it is too. What never changes is ignored.
    """

    custom_id: str | UnsetType | None = UNSET
    context: str | dict[str, Any] | UnsetType | None = UNSET
    stopping_reason: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    status: GalteaStatus | None = None


class Finish(Body, frozen=True, kw_only=True):
    """How a session ended: with a reason it is completed, with an error it has failed."""

    stopping_reason: str | None = None
    error: str | None = None


class Batch(Body, frozen=True, kw_only=True):
    """Which sessions to delete."""

    ids: list[str]


def check(change: Change) -> None:
    """Raises Failure for a text that is blank or too long, and for metadata out of range."""
    if isinstance(change.custom_id, str):
        check_custom_id(change.custom_id)
    texts = {"stoppingReason": change.stopping_reason, "error": change.error}
    for name, text in texts.items():
        if isinstance(text, str) and len(text) > TEXT_CHARS_MAX:
            raise bad(name, f"{name} has at most {TEXT_CHARS_MAX} characters, not {len(text)}")
    if isinstance(change.metadata, dict):
        checks.metadata(change.metadata)


def check_batch(batch: Batch) -> None:
    """Raises Failure for a batch of none or of too many."""
    if not 0 < len(batch.ids) <= IDS_MAX:
        raise bad("ids", f"ids holds 1 to {IDS_MAX} ids, not {len(batch.ids)}")


def finishing(finish: Finish) -> Change:
    """The change that finishes a session; raises Failure where neither text says anything.

    One that comes with both has failed.
    """
    reason, error = (finish.stopping_reason or "").strip(), (finish.error or "").strip()
    if not (reason or error):
        raise bad("stoppingReason", "stoppingReason or error is required, and is not blank")
    return Change(
        stopping_reason=reason or UNSET,
        error=error or UNSET,
        status="FAILED" if error else "COMPLETED",
    )


def facts_of(change: Change, state: Session, now: int) -> tuple[Fact, ...]:
    """What becomes of a session by a change; raises AlreadyEnded where it cannot be open again."""
    wanted = change.status
    moves = wanted is not None and wanted != status_of(state.status)
    again = reopened(state, now) if moves else ()
    kept = {**state.spec, **dict.fromkeys(TOLD_OF_THE_END)} if again else state.spec
    spec = _given(change, state.ended if wanted is None else wanted != "PENDING")
    spec = {name: value for name, value in spec.items() if not _same(value, kept.get(name))}
    metadata = UNSET if change.metadata is UNSET else change.metadata or {}
    if metadata is not UNSET and _same(metadata, state.metadata):
        metadata = UNSET
    facts = again
    if spec or metadata is not UNSET:
        facts = (*facts, SessionConfigured(metadata=metadata, spec=spec or UNSET))
    if not moves or wanted is None or wanted == "PENDING":
        return facts
    was = "running" if again else state.status
    return *facts, _ended(was, wanted, {**kept, **spec})


def _ended(was: Status, word: GalteaStatus, spec: dict[str, Any]) -> SessionStatusChanged:
    to, reason, name = _ENDS[word]
    said = spec.get(name)
    detail = said[:DETAIL_CHARS_MAX] if isinstance(said, str) else ""
    return SessionStatusChanged(was=was, to=to, reason=reason, detail=detail)


def _given(change: Change, ended: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if change.custom_id is not UNSET:
        spec["customId"] = change.custom_id
    if change.context is not UNSET:
        spec["context"] = wrapped(change.context, "value")
    for name, text in (("stoppingReason", change.stopping_reason), ("error", change.error)):
        if text is not UNSET:
            spec[name] = text or (_CLEARED if ended else None)
    return spec


def _same(one: object, other: object) -> bool:
    # As JSON, because to Python 1 and True are equal.
    return _encoder.encode(one) == _encoder.encode(other)
