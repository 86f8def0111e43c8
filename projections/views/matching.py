"""The filters of lists as predicates over states: they mean what the SQL of `lists` means."""

from __future__ import annotations

from projections.folds.references import references
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.subjects import session_text
from projections.views.lists import SessionFilter, VmFilter

_INT64 = range(-(1 << 63), 1 << 63)
Scalar = str | int | float | bool | None


def session_matches(wanted: SessionFilter, state: Session) -> bool:
    """True if a list with this filter holds the session; the cheap questions come first."""
    return (
        not state.deleted
        and wanted.tenant in (None, state.tenant)
        and _one_of(wanted.kinds, state.kind)
        and _one_of(wanted.statuses, state.status)
        and _one_of(wanted.dialects, state.dialect)
        and wanted.owner in (None, state.owner)
        and _one_of(wanted.owners, state.owner)
        and _one_of(wanted.ids, state.id)
        and _within(wanted.since, state.created_at, wanted.until)
        and _within(wanted.updated_since, state.updated_at, wanted.updated_until)
        and all(label in state.labels for label in wanted.labels)
        and (not wanted.labels_any or not set(wanted.labels_any).isdisjoint(state.labels))
        and _refers(wanted, state)
        and all(_holds(state, key, value) for key, value in wanted.metadata)
        and (wanted.text is None or wanted.text.lower() in session_text(state))
    )


def vm_matches(wanted: VmFilter, state: Vm) -> bool:
    """True if a list with this filter holds the machine."""
    return (
        wanted.tenant in (None, state.tenant)
        and _one_of(wanted.statuses, state.status)
        and wanted.session in (None, state.session)
    )


def _within(since: int | None, at: int, until: int | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)


def _refers(wanted: SessionFilter, state: Session) -> bool:
    if not wanted.refs and not wanted.no_refs:
        return True
    held = dict(references(state))
    return all(
        held.get(name, "") in values for name, values in wanted.refs.items() if values
    ) and not any(held.get(name, "") in values for name, values in wanted.no_refs.items())


def _one_of(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or value in wanted


def _holds(state: Session, key: str, value: Scalar) -> bool:
    if key not in state.metadata:
        return False
    held = state.metadata[key]
    if value is None or isinstance(value, bool) or isinstance(held, bool):
        return held is value
    return isinstance(held, str) == isinstance(value, str) and _as_stored(held) == value


def _as_stored(value: object) -> object:
    """What SQLite makes of a number: one that is too long for an integer is a float."""
    if isinstance(value, int) and value not in _INT64:
        return float(str(value))  # which overflows to infinity as it does there
    return value
