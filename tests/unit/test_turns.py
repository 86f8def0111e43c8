"""What becomes of a conversation: the rules for turns, in every status that a session has."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import Position
from projections.events.evaluation import TurnChanged, TurnRecorded
from projections.events.status import ENDED, KINDS, STATUSES
from projections.folds.session import Session
from projections.folds.turns import Turn
from sessions.domain import turns
from sessions.domain.policy import reopens
from sessions.domain.rejections import AlreadyEnded, InvalidValue, NotFound
from tests.support.facts import json_objects
from tests.support.sessions import EPOCH_US, commit_at, fold

CLOSED: list[turns.Closed] = ["reject", "ignore", "reopen"]
NOW = EPOCH_US + 60_000_000


def evaluation(**fields: Any) -> Session:
    """A session that was made at EPOCH_US."""
    made = {"id": "s", "kind": "evaluation", "dialect": "galtea", "tenant": "t", "owner": "o"}
    times = dict.fromkeys(("created_at", "updated_at", "active_at"), EPOCH_US)
    at = {"created": 1, "position": 1, "status_position": 1, "max_duration_s": 30}
    state = {"status": "running", "reason": "requested", "actor": "a"}
    return Session(**{**made, **times, **at, **state, **fields})


@given(
    st.sampled_from(STATUSES),
    st.sampled_from(CLOSED),
    st.lists(json_objects, min_size=1, max_size=3),
    st.integers(0, 5),
)
def test_turns_are_numbered_on_and_their_session_is_open(status, closed, data, before):
    """Law 1: facts, or a Rejection that a policy or the status machine asks for."""
    state = evaluation(status=status, turns=before)
    if state.ended and (closed == "reject" or not (closed == "ignore" or reopens_now(state))):
        with pytest.raises(AlreadyEnded):
            turns.record(state, data, closed, NOW)
        return
    facts = turns.record(state, data, closed, NOW)
    told = [fact for fact in facts if isinstance(fact, TurnRecorded)]
    if state.ended and closed == "ignore":
        assert facts == ()
        return
    assert [fact.index for fact in told] == [before + n for n in range(len(data))]
    assert [fact.data for fact in told] == data
    after = fold(state, facts, commit_at(2, NOW))
    assert after.turns == before + len(data)
    assert after.status == ("running" if state.ended else status)


def reopens_now(state: Session) -> bool:
    return reopens(state.kind, state.status)


@given(json_objects, json_objects)
def test_only_what_is_new_of_a_turn_is_told(data, changes):
    known = {key: value for key, value in data.items() if value is not None}
    at = Position(1)
    turn = Turn(index=3, data=known, created=at, position=at, created_at=0, updated_at=0)
    new = {key: value for key, value in changes.items() if known.get(key) != value}
    assert turns.change(turn, changes) == ((TurnChanged(index=3, data=new),) if new else ())
    assert turns.change(turn, known) == ()


def test_a_session_has_so_many_turns_and_no_more():
    state = evaluation(turns=turns.TURNS_MAX - 1)
    assert len(turns.record(state, [{}], "reopen", NOW)) == 1
    with pytest.raises(InvalidValue, match="at most"):
        turns.record(state, [{}, {}], "reopen", NOW)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "evaluation"])
def test_only_evaluations_have_turns(kind):
    with pytest.raises(NotFound):
        turns.record(evaluation(kind=kind), [{}], "reopen", NOW)


def test_what_a_clock_or_a_fault_ended_stays_ended():
    assert {status for status in ENDED if not reopens_now(evaluation(status=status))} == {
        "timed_out",
        "lost",
    }
