"""Workers that come, report, vanish and come back late: one at a time has the session."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.events.session import MessageAdded, SessionStatusChanged
from projections.events.status import ENDED, STATUSES
from projections.events.work import PullRequest, WorkClaimed, WorkReleased, WorkTerms
from projections.folds.session import SECOND_US
from sessions.domain import work as rules
from sessions.domain import worker_reports as told
from sessions.domain.commands import AddMessage, ChangeStatus, CreateSession, Delete
from sessions.domain.decide import decide
from sessions.domain.policy import allowed
from sessions.domain.rejections import AlreadyEnded, Fenced, InvalidValue, Rejection
from sessions.domain.reporting import report
from tests.support.sessions import EPOCH_US, commit_at, fold

_terms = st.builds(
    WorkTerms,
    requires=st.sampled_from([(), ("gpu",)]),
    on_loss=st.sampled_from(["requeue", "end"]),
    attempts_max=st.integers(1, 3),
)
_specs = st.sampled_from([{}, {"max_acu_limit": 2}, {"max_acu_limit": "x"}])
_reports = st.lists(
    st.one_of(
        st.just(told.Started()),
        st.just(told.Said(id="m", content="hi")),
        st.builds(told.Became, status=st.sampled_from(["running", "blocked"])),
        st.builds(told.Output, structured_output=st.integers()),
        st.just(told.Proposed(pull_request=PullRequest(url="https://x/1"))),
        st.builds(told.Used, acus=st.sampled_from([0.0, 1.0, 2.0, -1.0, float("nan")])),
        st.builds(
            told.Finished,
            exit_code=st.sampled_from([0, 1]),
            signal=st.sampled_from([None, None, 9]),
            detail=st.text(max_size=3),
        ),
    ),
    min_size=1,
    max_size=4,
)
_late = st.integers(-1, 1)  # how far the generation is from the present one
_whys = st.sampled_from(["drained", "refused", "lapsed"])
_steps = st.one_of(
    st.tuples(st.just("claim"), st.none()),
    st.tuples(st.just("report"), st.tuples(_late, _reports)),
    st.tuples(st.just("release"), st.tuples(_late, _whys)),
    st.tuples(st.just("move"), st.sampled_from(STATUSES)),
    st.tuples(st.just("say"), st.sampled_from(["user", "agent"])),
    st.tuples(st.just("offer"), _terms),
    st.tuples(st.just("delete"), st.none()),
)


def decided(step: str, given: Any, state: Any, now: int) -> tuple[Any, ...]:
    generation = 0 if state.work is None else state.work.generation
    match step:
        case "claim":
            return rules.claim(state, "w", 30)
        case "report":
            late, reports = given
            return report(state, generation + late, reports, lambda _: None)
        case "release":
            late, why = given
            return rules.release(state, generation + late, why, "")
        case "move":
            return decide(ChangeStatus(to=given), state, now)
        case "say":
            return decide(AddMessage(id="m", role=given, content="x"), state, now)
        case "offer":
            return rules.offer(state, given)
        case _:
            return decide(Delete(), state, now)


@given(
    st.sampled_from(["agent", "evaluation", "test_run"]),
    _terms,
    _specs,
    st.lists(_steps, max_size=25),
)
def test_one_worker_at_a_time_and_none_too_late(kind, terms, spec, steps):
    created = CreateSession(kind=kind, dialect="native", owner="o", spec=spec, work=terms)
    state = fold(None, decide(created, None, EPOCH_US), commit_at(1, EPOCH_US))
    for position, (step, given_) in enumerate(steps, 2):
        now = EPOCH_US + position * SECOND_US
        before = state
        try:
            facts = decided(step, given_, state, now)
        except Rejection as rejection:
            check_refusal(step, given_, before, rejection)
            continue
        check_facts(step, given_, before, facts)
        if facts:
            state = fold(state, facts, commit_at(position, now, previous=before.position))
        check_state(state)


def check_refusal(step, given_, before, rejection):
    if step == "report":
        if given_[0] == 0 and before.held:
            assert isinstance(rejection, InvalidValue)
        else:
            assert isinstance(rejection, Fenced | AlreadyEnded)
    if step == "claim":
        raise AssertionError("a claim is never refused, it finds nothing")


def check_facts(step, given_, before, facts):
    """Only the holder writes; statuses follow the table, also within one commit."""
    if step in ("report", "release"):
        assert given_[0] == 0
        assert before.held
    if step == "claim" and facts:
        assert before.waits_for_worker
        assert isinstance(facts[0], WorkClaimed)
        assert facts[0].generation == before.work.generation + 1
    status = before.status
    for fact in facts:
        if isinstance(fact, SessionStatusChanged):
            assert fact.was == status
            assert fact.to in ENDED or allowed(status, fact.to)
            status = fact.to
        if isinstance(fact, MessageAdded | WorkClaimed | WorkReleased):
            assert status not in ENDED


def check_state(state):
    """Whoever has the session can always give it back or lose it: nothing is stuck."""
    assert not (state.held and state.waits_for_worker)
    if not state.held:
        return
    assert state.work.attempts >= 1
    generation = state.work.generation
    for why in ("drained", "refused", "lapsed"):
        facts = rules.release(state, generation, why, "")
        after = fold(state, facts, commit_at(state.position + 1, state.updated_at))
        assert not after.held
        assert after.ended or after.waits_for_worker or after.status == "paused"
        if why == "lapsed" and state.work.attempts >= state.work.attempts_max:
            assert after.ended or state.status in rules.CLAIMABLE
