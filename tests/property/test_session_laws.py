"""The laws of a session: what may become of any command in any state that can be reached."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import START
from projections.events import CODEC
from projections.events.session import SessionConfigured, SessionDeleted, SessionStatusChanged
from projections.events.status import ENDED, KINDS, STATUSES
from projections.folds import access, catalog, device, vm
from projections.folds import session as session_fold
from projections.folds.session import SECOND_US, Session, deadline
from sessions.domain.commands import (
    ChangeStatus,
    Configure,
    Delete,
    Extend,
    FireClocks,
    Touch,
)
from sessions.domain.policy import DURATION_S_MAX, MAX_DURATION_S, TRANSITIONS, reopens
from sessions.domain.rejections import AlreadyEnded, Deleted, Rejection, TransitionNotAllowed
from sessions.domain.reopening import reopened
from tests.support.facts import facts as any_fact
from tests.support.facts import json_objects
from tests.support.sessions import (
    LIVE,
    commands,
    commit_at,
    create,
    decided,
    due,
    fold,
    fold_steps,
    histories,
    session_in,
    wild_histories,
)

FOLDS: dict[str, Callable[..., Any]] = {
    "session": session_fold.evolve,
    "vm": vm.evolve,
    "key": access.evolve,
    "catalog": catalog.evolve,
    "device": device.evolve,
}
IDEMPOTENT = (Configure, ChangeStatus, Extend, Touch, FireClocks, Delete)


@given(wild_histories)
def test_a_command_gives_facts_or_a_rejection_and_nothing_else(history):
    # Any other exception would have come out of `play`.
    for step in history:
        assert isinstance(step.facts, tuple)
        if step.rejection is not None:
            assert step.facts == ()
            assert step.rejection.code
            assert step.rejection.detail
            assert step.after == step.before


@given(wild_histories)
def test_facts_never_break_the_transition_table(history):
    for step in history:
        state = step.before
        for fact in step.facts:
            if isinstance(fact, SessionStatusChanged):
                assert fact.was == state.status
                if state.status in ENDED:
                    assert reopens(state.kind, state.status)
                    assert (fact.to, fact.reason) == ("running", "reopened")
                else:
                    assert fact.to in TRANSITIONS[state.status]
            state = fold(state, [fact], step.commit)


@pytest.mark.parametrize("was", STATUSES)
@pytest.mark.parametrize("to", STATUSES)
def test_the_table_is_obeyed_in_every_field(was, to):
    state = session_in(was)
    if to == was:
        assert decided(ChangeStatus(to=to), state, 0) == ()
    elif to in TRANSITIONS[was]:
        [fact] = decided(ChangeStatus(to=to), state, 0)
        assert (fact.was, fact.to) == (was, to)
    else:
        refusal = AlreadyEnded if was in ENDED else TransitionNotAllowed
        with pytest.raises(refusal):
            decided(ChangeStatus(to=to), state, 0)


@pytest.mark.parametrize("status", LIVE)
@pytest.mark.parametrize("end", sorted(ENDED))
def test_every_live_status_can_be_ended_by_force(status, end):
    [fact] = decided(ChangeStatus(to=end), session_in(status), 0)
    assert fact.to == end


@given(histories)
def test_what_ended_stays_ended_unless_it_is_reopened(history):
    ended = None
    for step in history:
        state = step.after
        if ended is not None and (state.status, state.ended_at) != ended:
            assert reopens(state.kind, ended[0])
            assert (state.status, state.reason, state.ended_at) == ("running", "reopened", None)
            assert deadline(state) > step.now
        ended = None
        if state is not None and state.status in ENDED:
            ended = state.status, state.ended_at
            assert state.ended_at is not None


REOPEN = ChangeStatus(to="running", reason="reopened")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", sorted(ENDED))
def test_only_an_evaluation_that_no_clock_or_fault_ended_is_reopened(kind, end):
    state = session_in(end, kind=kind)
    if kind == "evaluation" and end in ("completed", "failed", "stopped"):
        [fact] = decided(REOPEN, state, state.updated_at)
        assert (fact.was, fact.to, fact.reason) == (end, "running", "reopened")
        deleted = fold(state, decided(Delete(), state, 0), commit_at(state.position + 1, 0))
        state = deleted
        refusal: type[Rejection] = Deleted
    else:
        refusal = AlreadyEnded
    with pytest.raises(refusal):
        decided(REOPEN, state, state.updated_at)
    for to in STATUSES:
        if to != end:
            with pytest.raises(refusal):
                decided(ChangeStatus(to=to), state, state.updated_at)


@pytest.mark.parametrize("status", LIVE)
def test_what_has_not_ended_is_not_reopened(status):
    assert reopened(session_in(status, kind="evaluation"), 0) == ()


@given(st.integers(0, 400 * 86_400), st.sampled_from([3600, 86_400, 30 * 86_400]))
def test_what_is_reopened_late_has_time_again_until_it_is_too_old(age_s, longest):
    state = session_in("completed", kind="evaluation", max_duration_s=longest)
    now = state.created_at + age_s * SECOND_US
    if age_s >= DURATION_S_MAX - 1:
        with pytest.raises(AlreadyEnded):
            reopened(state, now)
        return
    after = fold(state, reopened(state, now), commit_at(state.position + 1, now))
    assert after.max_duration_s == (
        longest if age_s < longest else min(age_s + MAX_DURATION_S["evaluation"], DURATION_S_MAX)
    )
    assert due(after) > now


def test_what_is_told_of_an_end_is_taken_back_with_it():
    told = {"stoppingReason": "x", "error": None, "customId": "c"}
    state = session_in("failed", kind="evaluation", spec=told)
    after = fold(state, reopened(state, 0), commit_at(state.position + 1, 0))
    assert after.spec == {"stoppingReason": None, "error": None, "customId": "c"}


@given(histories)
def test_what_was_deleted_stays_deleted_and_ended(history):
    deleted = False
    for step in history:
        deleted = deleted or any(isinstance(fact, SessionDeleted) for fact in step.facts)
        if step.after is not None:
            assert step.after.deleted == deleted
            assert step.after.ended or not deleted


@given(histories)
def test_every_session_that_lives_has_a_deadline_and_only_those(history):
    for step in history:
        if step.after is not None:
            assert (deadline(step.after) is not None) == (not step.after.ended)


@pytest.mark.parametrize("status", LIVE)
def test_a_session_that_nobody_set_a_clock_for_has_a_deadline_in_every_status(status):
    state = session_in(status)
    assert due(state) == state.created_at + MAX_DURATION_S[state.kind] * SECOND_US


@pytest.mark.parametrize("status", STATUSES)
def test_a_session_can_be_deleted_in_every_status(status):
    state = session_in(status)
    facts = decided(Delete(), state, 0)
    assert [type(fact) for fact in facts[-1:]] == [SessionDeleted]
    gone = fold(state, facts, commit_at(state.position + 1, 0))
    assert gone.status == (status if status in ENDED else "stopped")
    assert gone.deleted


@given(histories)
def test_the_clocks_end_a_session_at_its_deadline_and_not_before(history):
    for state in live_states(history):
        at = due(state)
        assert decided(FireClocks(), state, at - 1) == ()
        ended = fold(state, decided(FireClocks(), state, at), commit_at(state.position + 1, at))
        assert ended.status == "timed_out"
        assert ended.reason in ("idle_timeout", "max_duration", "expired")
        assert ended.deleted == (ended.reason == "expired")
        assert deadline(ended) is None


@given(histories, st.integers(0, 10**9))
def test_the_clock_that_was_first_is_the_reason_however_late_it_is_seen(history, late_s):
    for state in live_states(history):
        first = decided(FireClocks(), state, due(state))
        assert decided(FireClocks(), state, due(state) + late_s * SECOND_US) == first


@pytest.mark.parametrize("status", LIVE)
def test_a_paused_session_is_not_idle(status):
    state = session_in(status, idle_timeout_s=60, max_duration_s=600)
    [fact, *_] = decided(FireClocks(), state, due(state))
    assert fact.reason == ("max_duration" if status == "paused" else "idle_timeout")


@given(wild_histories, st.data())
def test_a_fold_goes_on_from_any_prefix_and_from_its_json(history, data):
    cut = data.draw(st.integers(0, len(history)))
    whole = fold_steps(None, history)
    prefix = fold_steps(None, history[:cut])
    assert fold_steps(prefix, history[cut:]) == whole
    stored = msgspec.json.decode(msgspec.json.encode(prefix), type=Session | None)
    assert stored == prefix
    assert fold_steps(stored, history[cut:]) == whole


@given(wild_histories)
def test_a_fold_over_stored_facts_gives_the_same_state(history):
    state = None
    for step in history:
        stored = [CODEC.decode(CODEC.encode(fact)) for fact in step.facts]
        state = fold(state, stored, step.commit)
        assert state == step.after


@given(histories)
def test_an_idempotent_command_gives_no_facts_the_second_time(history):
    for step in history:
        if isinstance(step.command, IDEMPOTENT) and step.rejection is None:
            assert decided(step.command, step.after, step.now) == ()


@given(histories)
def test_the_state_stands_at_its_last_commit(history):
    for step in history:
        if step.facts:
            assert step.after.position == step.commit.position
            assert step.after.updated_at == step.now
        if any(isinstance(fact, SessionStatusChanged) for fact in step.facts):
            assert step.after.status_position == step.commit.position
            assert step.after.actor == step.commit.actor


@given(json_objects, json_objects)
def test_a_change_that_json_can_tell_is_made(old, new):
    state = session_in("pending", metadata=old, spec=old)
    facts = decided(Configure(metadata=new, spec=new), state, state.updated_at)
    changed = fold(state, facts, commit_at(state.position + 1, state.updated_at))
    assert as_json(changed.metadata) == as_json(new)
    assert as_json(changed.spec) == as_json({**old, **new})


@pytest.mark.parametrize(("old", "new"), [(1, True), (False, 0), ([1], [True])])
def test_a_number_that_becomes_a_boolean_is_a_change(old, new):
    state = session_in("pending", metadata={"x": old}, spec={"x": old})
    change = Configure(metadata={"x": new}, spec={"x": new})
    assert decided(change, state, 0) == (SessionConfigured(metadata={"x": new}, spec={"x": new}),)


@given(commands, st.lists(st.tuples(any_fact, st.integers(0, 2**60)), max_size=12))
def test_a_command_is_decided_in_any_state_that_any_facts_make(command, told):
    # Such states cannot be reached by commands, but an old or a foreign log may hold them.
    state = None
    for position, (fact, at) in enumerate(told, 1):
        state = session_fold.evolve(state, fact, commit_at(position, at))
    with contextlib.suppress(Rejection):
        decided(command, state, 0)


@pytest.mark.parametrize("subject", FOLDS)
@given(told=st.lists(st.tuples(any_fact, st.integers(-(2**62), 2**62)), max_size=15))
def test_evolve_is_total(subject, told):
    state = None
    for position, (fact, at) in enumerate(told, 1):
        before = msgspec.json.encode(state)
        after = FOLDS[subject](state, fact, commit_at(position, at))
        assert msgspec.json.encode(state) == before  # pure: the old state is as it was
        if state is not None:
            assert after is not None
            assert (after.id, after.created) == (state.id, state.created)
            assert after.position >= state.position
        state = after


@given(st.lists(any_fact, max_size=15))
def test_a_machine_that_ended_stays_ended(told):
    state: Any = None
    for position, fact in enumerate(told, 1):
        after: Any = vm.evolve(state, fact, commit_at(position, 0))
        if state is not None and state.status in vm.VM_ENDED:
            assert (after.status, after.reason) == (state.status, state.reason)
            assert (after.executing, after.ended_at) == (0, state.ended_at)
        state = after


@given(st.lists(any_fact, max_size=15), st.integers(0, 15))
def test_a_machine_and_a_key_go_on_from_their_json(told, cut):
    kinds = {"vm": vm.Vm, "key": access.Key, "catalog": catalog.Entry, "device": device.Device}
    for subject, kind in kinds.items():
        evolve, state, stored = FOLDS[subject], None, None
        for position, fact in enumerate(told, 1):
            commit = commit_at(position, position)
            state, stored = evolve(state, fact, commit), evolve(stored, fact, commit)
            if position == cut:
                stored = msgspec.json.decode(msgspec.json.encode(stored), type=kind | None)
        assert stored == state


def test_a_session_begins_where_its_policy_says():
    [fact] = decided(create("browser", idle_timeout_s=3600), None, 0)
    assert fact.max_duration_s == 3600  # not shorter than the idle clock that was asked for
    state = fold(None, [fact], commit_at(1, 0))
    assert (state.created, state.position, state.status_position) == (1, 1, 1)
    assert state.position != START


def live_states(history):
    """The states on the way in which the session had not ended."""
    states = [step.after for step in history]
    return [state for state in states if state is not None and not state.ended]


def as_json(value):
    """The JSON of a value, in one order of keys."""
    return msgspec.json.encode(value, order="sorted")
