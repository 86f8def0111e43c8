"""Devin: whatever JSON comes is taken as its shape says, or refused by one Failure (devin.md 2)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import Position
from projections.folds.catalog import Entry
from projections.folds.merging import merged
from sessions.dialects.devin import wire_changes, wire_secrets, wire_shelves
from sessions.dialects.devin.ids import NOTE, PLAYBOOK, SECRET, public_id, uuid_of
from sessions.failure import Failure
from tests.support.facts import json_values

NAMES = [
    *("name", "body", "trigger_description", "macro", "parent_folder_id", "pinned_repo", "title"),
    *("type", "key", "value", "sensitive", "note", "message", "tags"),
]
values = json_values | st.text(max_size=3) | st.booleans() | st.lists(st.text(max_size=3))
bodies = json_values | st.dictionaries(st.sampled_from(NAMES), values)
DECODERS: list[Callable[[Any], Any]] = [
    wire_changes.message,
    wire_changes.tags,
    wire_secrets.new_secret,
    wire_shelves.new_note,
    wire_shelves.changed_note,
    wire_shelves.new_playbook,
    wire_shelves.changed_playbook,
]
notes = st.fixed_dictionaries(
    {name: st.text(min_size=1, max_size=5) for name in ("name", "body", "trigger_description")},
    optional={
        name: st.none() | st.text(min_size=1, max_size=5)
        for name in ("macro", "parent_folder_id", "pinned_repo")
    },
)


@given(bodies)
def test_any_json_is_taken_or_refused_with_400(body: Any) -> None:
    refusals: list[Failure] = []
    for decode in DECODERS:
        try:
            decode(body)
        except Failure as refusal:
            refusals.append(refusal)
    for each in refusals:
        assert (each.status, each.code) == (400, "invalid_body")
        assert each.detail


@given(notes, notes)
def test_a_note_shows_what_was_put_into_it_and_then_what_changed(first: Any, second: Any) -> None:
    data = merged(wire_shelves.new_note(first), {wire_shelves.AUTHOR: "me"})
    for given_, held in ((first, data), (second, merged(data, wire_shelves.changed_note(second)))):
        entry = Entry(
            id=str(UUID(int=7)),
            type="knowledge",
            tenant="lab",
            parent="",
            created=Position(1),
            position=Position(1),
            created_at=0,
            updated_at=0,
            data=held,
        )
        shown = msgspec.to_builtins(wire_shelves.note_view(entry))
        assert {name: shown[name] for name in given_} == given_
        folders = wire_shelves.knowledge_view([entry]).folders
        folder = shown["parent_folder_id"]
        assert [each.id for each in folders] == ([] if folder is None else [folder])


@given(st.uuids(), st.sampled_from([NOTE, PLAYBOOK, SECRET]), st.text())
def test_an_id_is_its_uuid_there_and_back(uuid: UUID, prefix: str, text: str) -> None:
    assert uuid_of(prefix, public_id(prefix, str(uuid))) == str(uuid)
    found = uuid_of(prefix, text)
    assert found is None or public_id(prefix, found).removeprefix(prefix) == text.removeprefix(
        prefix
    )
