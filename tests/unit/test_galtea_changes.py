"""What a change makes of any session of Galtea's: it is what was asked, by steps that there are."""

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from projections.events.session import SessionStatusChanged
from projections.events.status import ENDED
from sessions.dialects.galtea import wire
from sessions.dialects.galtea.changes import Change, Finish, facts_of, finishing
from sessions.domain.policy import TRANSITIONS, reopens
from sessions.domain.rejections import AlreadyEnded
from sessions.failure import Failure
from tests.support.facts import json_objects
from tests.support.sessions import commit_at, fold, histories

texts = st.none() | st.text(max_size=3)
unset = st.just(UNSET)
changes = st.builds(
    Change,
    custom_id=unset | texts,
    context=unset | texts | json_objects,
    stopping_reason=unset | texts,
    metadata=unset | st.none() | json_objects,
    error=unset | texts,
    status=st.none() | st.sampled_from(list(wire.INITIAL)),
)


def states(history):
    for step in history:
        if step.after is not None and not step.after.deleted:
            evaluation = {"kind": "evaluation", "id": str(uuid.UUID(int=1))}
            yield msgspec.structs.replace(step.after, **evaluation)


@given(histories, changes)
def test_a_change_does_what_it_says_and_nothing_the_second_time(history, change):
    for state in states(history):
        now = state.updated_at
        try:
            facts = facts_of(change, state, now)
        except AlreadyEnded:
            assert not reopens(state.kind, state.status)
            assert change.status not in (None, wire.status_of(state.status))
            continue
        after = fold(state, facts, commit_at(state.position + 1, now))
        before, shown = wire.session_view(state), wire.session_view(after)
        assert shown.status == (change.status or before.status)
        assert shown.metadata == (
            before.metadata if change.metadata is UNSET else change.metadata or None
        )
        if change.context is not UNSET:
            assert shown.context == wire.wrapped(change.context, "value")
        if change.custom_id is not UNSET:
            assert shown.custom_id == change.custom_id
        for given_, there in (
            (change.error, shown.error),
            (change.stopping_reason, shown.stopping_reason),
        ):
            assert given_ is UNSET or there == (given_ or None)
        assert facts_of(change, after, now) == ()


@given(histories, changes)
def test_every_step_is_one_of_the_table(history, change):
    for state in states(history):
        try:
            facts = facts_of(change, state, state.updated_at)
        except AlreadyEnded:
            continue
        status = state.status
        for fact in facts:
            if isinstance(fact, SessionStatusChanged):
                assert fact.was == status
                again = fact.to == "running" and fact.reason == "reopened"
                assert reopens("evaluation", status) if again else fact.to in TRANSITIONS[status]
                status = fact.to
        assert (status in ENDED) == (wire.status_of(status) != "PENDING")


@given(texts, texts)
def test_a_finish_needs_words(reason, error):
    said = [bool((text or "").strip()) for text in (reason, error)]
    if not any(said):
        with pytest.raises(Failure):
            finishing(Finish(stopping_reason=reason, error=error))
        return
    change = finishing(Finish(stopping_reason=reason, error=error))
    assert change.status == ("FAILED" if said[1] else "COMPLETED")


@given(changes)
def test_a_null_and_an_absent_field_are_two_things_on_the_wire(change):
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change
