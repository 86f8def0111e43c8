"""A catalog entry: changes are merged key by key, and what is deleted stays as it was."""

from typing import Any

from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.folds.catalog import evolve
from tests.support.sessions import EPOCH_US, commit_at

ENTERED = CatalogEntered(type="version", parent="p", data={"a": {"x": 1, "y": 2}, "b": 1})


def after(*facts: Any) -> Any:
    """The entry after these facts, one a second."""
    state: Any = None
    for second, fact in enumerate(facts):
        commit = commit_at(second + 1, EPOCH_US + second, stream="catalog/e-1")
        state = evolve(state, fact, commit)
    return state


def test_a_key_is_new_as_a_whole_and_null_takes_it_away():
    entry = after(ENTERED, CatalogChanged(data={"a": {"x": 7}, "b": None, "c": False}))
    assert entry.data == {"a": {"x": 7}, "c": False}
    assert (entry.id, entry.parent, entry.type) == ("e-1", "p", "version")
    assert (entry.created, entry.position) == (1, 2)
    assert (entry.created_at, entry.updated_at) == (EPOCH_US, EPOCH_US + 1)


def test_what_is_deleted_stays_so_and_as_it_was():
    entry = after(ENTERED, CatalogDeleted(), CatalogChanged(data={"b": 2}), CatalogDeleted())
    assert (entry.deleted, entry.data) == (True, ENTERED.data)
    assert (entry.position, entry.updated_at) == (4, EPOCH_US + 1)


def test_an_entry_is_entered_once():
    assert after(CatalogChanged(data={"a": 1}), CatalogDeleted()) is None
    again = after(ENTERED, CatalogEntered(type="other", data={"z": 1}))
    assert (again.type, again.data, again.updated_at) == ("version", ENTERED.data, EPOCH_US)
