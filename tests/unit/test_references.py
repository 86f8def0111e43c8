"""What an evaluation refers to is what it is found by."""

from typing import Any

import pytest

from projections.events.session import SessionConfigured, SessionCreated, SessionLabelled
from projections.events.status import KINDS
from projections.folds.references import NAMES, VALUE_CHARS_MAX, references
from projections.folds.session import evolve
from projections.marks import LABELS, MARKS, REFERENCES, changed_marks
from tests.support.sessions import EPOCH_US, commit_at

SPEC: dict[str, Any] = {"versionId": "v", "customId": "c/ö", "testId": None, "context": {"a": 1}}


def session(kind: Any = "evaluation", *more: Any, **fields: Any) -> Any:
    """A session after these facts."""
    given: dict[str, Any] = {"dialect": "native", "owner": "o", "status": "running"}
    facts = [SessionCreated(kind=kind, max_duration_s=60, **(given | fields)), *more]
    state: Any = None
    for position, fact in enumerate(facts, 7):
        state = evolve(state, fact, commit_at(position, EPOCH_US))
    return state


def test_evaluations_and_agents_have_references_and_nothing_else_has():
    spec = {**SPEC, "playbook_id": "p"}
    expected = {
        "evaluation": (("customId", "c/ö"), ("versionId", "v")),
        "agent": (("playbook_id", "p"),),
    }
    for kind in KINDS:
        assert references(session(kind, spec=spec)) == expected.get(kind, ())


@pytest.mark.parametrize("kind", ["evaluation", "agent"])
def test_what_is_no_text_or_too_long_or_empty_is_no_reference(kind):
    for value in ("", "x" * (VALUE_CHARS_MAX + 1), 7, None, True, ["x"], {"x": 1}):
        spec = dict.fromkeys(NAMES, value) | {"isProduction": True}
        assert references(session(kind, spec=spec)) == ()
    long = references(session(kind, spec=dict.fromkeys(NAMES, "x" * VALUE_CHARS_MAX)))
    assert long
    assert {name for name, _ in long} <= set(NAMES)


def test_who_launched_an_evaluation_is_a_reference_unless_it_is_in_production():
    for spec, launched in (
        ({}, False),
        ({"isProduction": True, "testCaseId": "t"}, False),
        ({"isProduction": False}, True),
        ({"testCaseId": "t"}, True),
    ):
        assert (("userId", "o") in references(session(spec=spec))) == launched


def test_marks_are_rows_of_the_session_and_its_tenant():
    state = session(spec=SPEC, labels=("b", "a"))
    at, tenant = state.created, state.tenant
    assert LABELS.rows(state) == [(at, "a", tenant), (at, "b", tenant)]
    assert REFERENCES.rows(state) == [
        (at, "customId", "c/ö", tenant),
        (at, "versionId", "v", tenant),
    ]


def changed(before: Any, after: Any) -> list[str]:
    """The tables of the marks that are written anew."""
    bits = changed_marks(before, after)
    return [marks.table for bit, marks in enumerate(MARKS) if bits >> bit & 1]


def test_only_marks_that_changed_are_written():
    plain = session(spec={"context": {"a": 1}})
    assert changed(None, plain) == []
    marked = session(spec=SPEC, labels=("a",))
    assert changed(None, marked) == ["session_labels", "session_refs"]

    def then(fact: Any) -> list[str]:
        return changed(marked, evolve(marked, fact, commit_at(9, EPOCH_US)))

    assert then(SessionConfigured(title="new")) == []
    assert then(SessionConfigured(spec={"context": None})) == []
    assert then(SessionConfigured(spec={"customId": None})) == ["session_refs"]
    assert then(SessionLabelled(labels=("a",))) == []
    assert then(SessionLabelled(labels=())) == ["session_labels"]
