"""The subjects of the log: for each kind of stream its fold, its state and its row in the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from eventstore.codec import Fact
from eventstore.commit import Commit
from projections.events import CODEC
from projections.folds import access, catalog, device, session, span, vm, vm_snapshot

TEXT_CHARS_MAX: Final = 4_000
"""How much of a session's words the text filter of lists sees."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """How the streams with one prefix are folded and kept."""

    prefix: str
    table: str
    columns: tuple[str, ...]
    state: type[Any]
    evolve: Callable[[Any, Fact, Commit], Any]
    row: Callable[[Any], tuple[object, ...]]


_encode: Final = msgspec.json.Encoder().encode


def state_text(state: msgspec.Struct) -> str:
    """The state as it stands in a row; `Subject.state` decodes it."""
    return _encode(state).decode()


def _session_row(state: session.Session) -> tuple[object, ...]:
    return (
        state.created,
        state.id,
        state.tenant,
        state.kind,
        state.dialect,
        state.status,
        state.owner,
        state.created_at,
        session.deadline(state),
        state.tests_running,
        int(state.browser is not None and state.browser.open),
        int(state.work is not None and state.waits_for_worker),
        int(state.work is not None and state.held),
        int(state.deleted),
        session_text(state),
        state_text(state),
    )


def session_text(state: session.Session) -> str:
    """The words of a session that the text filter of lists looks into."""
    words = " ".join((state.id, state.title, *state.labels, *_words(state.spec)))
    return words[:TEXT_CHARS_MAX].lower()


def _words(spec: dict[str, Any]) -> list[str]:
    return [value for value in spec.values() if type(value) is str]


def _vm_row(state: vm.Vm) -> tuple[object, ...]:
    head = (state.created, state.id, state.tenant, state.session, state.status)
    return (*head, state_text(state))


def _snapshot_row(state: vm_snapshot.Snapshot) -> tuple[object, ...]:
    head = (state.created, state.id, state.tenant, state.session, state.status)
    return (*head, int(state.deleted), state_text(state))


def _key_row(state: access.Key) -> tuple[object, ...]:
    return state.created, state.id, state.tenant, state_text(state)


def _entry_row(state: catalog.Entry) -> tuple[object, ...]:
    head = (state.created, state.id, state.tenant, state.type, state.parent)
    return (*head, int(state.deleted), state_text(state))


def _span_row(state: span.Span) -> tuple[object, ...]:
    type_, name = (state.data.get(key) for key in ("type", "name"))
    head = (state.created, state.id, state.tenant, state.session, state.turn)
    return (*head, _text(type_), _text(name), int(state.deleted), state_text(state))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _device_row(state: device.Device) -> tuple[object, ...]:
    removed = int(state.removed_at is not None)
    return state.created, state.id, state.tenant, removed, state_text(state)


SESSION: Final = Subject(
    prefix=session.PREFIX,
    table="sessions",
    columns=(
        "created",
        "id",
        "tenant",
        "kind",
        "dialect",
        "status",
        "owner",
        "created_at",
        "deadline",
        "tests_running",
        "browser_open",
        "waits_for_worker",
        "held",
        "deleted",
        "text",
        "state",
    ),
    state=session.Session,
    evolve=session.evolve,
    row=_session_row,
)
VM: Final = Subject(
    prefix=vm.PREFIX,
    table="vms",
    columns=("created", "id", "tenant", "session", "status", "state"),
    state=vm.Vm,
    evolve=vm.evolve,
    row=_vm_row,
)
SNAPSHOT: Final = Subject(
    prefix=vm_snapshot.PREFIX,
    table="vm_snapshots",
    columns=("created", "id", "tenant", "session", "status", "deleted", "state"),
    state=vm_snapshot.Snapshot,
    evolve=vm_snapshot.evolve,
    row=_snapshot_row,
)
KEY: Final = Subject(
    prefix=access.PREFIX,
    table="keys",
    columns=("created", "id", "tenant", "state"),
    state=access.Key,
    evolve=access.evolve,
    row=_key_row,
)
CATALOG: Final = Subject(
    prefix=catalog.PREFIX,
    table="catalog",
    columns=("created", "id", "tenant", "type", "parent", "deleted", "state"),
    state=catalog.Entry,
    evolve=catalog.evolve,
    row=_entry_row,
)
SPAN: Final = Subject(
    prefix=span.PREFIX,
    table="spans",
    columns=("created", "id", "tenant", "session", "turn", "type", "name", "deleted", "state"),
    state=span.Span,
    evolve=span.evolve,
    row=_span_row,
)
DEVICE: Final = Subject(
    prefix=device.PREFIX,
    table="devices",
    columns=("created", "id", "tenant", "deleted", "state"),
    state=device.Device,
    evolve=device.evolve,
    row=_device_row,
)

SUBJECTS: Final[dict[str, Subject]] = {
    subject.prefix: subject for subject in (SESSION, VM, SNAPSHOT, KEY, CATALOG, SPAN, DEVICE)
}
# A change of any of these makes the views of an older version worthless: they are rebuilt.
VIEWS_VERSION: Final = (
    f"schema 5, session {session.VERSION}, vm {vm.VERSION}, "
    f"snapshot {vm_snapshot.VERSION}, key {access.VERSION}, catalog {catalog.VERSION}, "
    f"span {span.VERSION}, device {device.VERSION}"
)


def subject_of(stream: str) -> Subject | None:
    """The subject that a stream belongs to; None for a stream that no view shows."""
    return SUBJECTS.get(stream[: stream.find("/") + 1])


def fold(subject: Subject, state: Any, commit: Commit) -> Any:
    """The state after one more commit of its stream."""
    evolve, decode = subject.evolve, CODEC.decode
    for event in commit.events:
        state = evolve(state, decode(event), commit)
    return state
