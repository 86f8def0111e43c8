"""What facts of workers and agents make of a session."""

from typing import Any

import pytest

from projections.events.session import MessageAdded, SessionCreated, SessionStatusChanged
from projections.events.status import KINDS
from projections.events.work import (
    AgentReported,
    PullRequest,
    WorkClaimed,
    WorkOffered,
    WorkReleased,
    WorkTerms,
)
from projections.folds.agent import AgentState
from projections.folds.session import deadline, evolve, idle_deadline, max_deadline
from projections.folds.work import Work
from tests.support.sessions import EPOCH_US, commit_at, fold

S_US = 1_000_000
STARTED = SessionStatusChanged(was="queued", to="starting", reason="requested")
BLOCKED = SessionStatusChanged(was="starting", to="blocked", reason="requested")
DONE = SessionStatusChanged(was="starting", to="completed", reason="finished")
REOPENED = SessionStatusChanged(was="completed", to="running", reason="reopened")


def created(**more: Any) -> SessionCreated:
    """That a session of an agent waits, unless told otherwise."""
    given = {"kind": "agent", "dialect": "native", "owner": "o", "status": "queued"}
    return SessionCreated(**(given | {"max_duration_s": 3600} | more))


def claim(generation: int) -> WorkClaimed:
    """That worker 1, 2 or so on has the session."""
    return WorkClaimed(generation=generation, worker=f"w-{generation}", lease_s=30)


def after(*facts: Any) -> Any:
    """The session after these facts, one a second."""
    state: Any = None
    for second, fact in enumerate(facts):
        state = evolve(state, fact, commit_at(second + 1, EPOCH_US + second * S_US))
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_of_an_agent_is_offered_in_any_case_and_others_where_it_is_said(kind):
    assert after(created(kind=kind)).work == (Work() if kind == "agent" else None)
    terms = WorkTerms(requires=("gpu",), on_loss="end", attempts_max=1)
    offered = Work(requires=("gpu",), on_loss="end", attempts_max=1)
    assert after(created(kind=kind, work=terms)).work == offered
    assert after(created(kind=kind), WorkOffered(terms=terms)).work == offered


@pytest.mark.parametrize(
    ("facts", "waits", "held"),
    [
        ([], True, False),
        ([claim(1)], False, True),
        ([claim(1), STARTED], False, True),
        ([claim(1), WorkReleased(generation=1, why="lapsed")], True, False),
        ([claim(1), WorkReleased(generation=1, why="lapsed"), claim(2)], False, True),
        ([claim(1), STARTED, DONE], False, False),
        ([STARTED], False, False),
    ],
)
def test_it_waits_for_a_worker_or_one_has_it(facts, waits, held):
    state = after(created(), *facts)
    assert (state.waits_for_worker, state.held) == (waits, held)


def test_what_nobody_may_claim_does_not_wait():
    assert not after(created(kind="evaluation")).waits_for_worker
    assert not after(created(status="running")).waits_for_worker


def test_a_release_is_for_the_generation_that_has_it():
    held = after(created(), claim(1), WorkReleased(generation=1, why="lapsed"), claim(2))
    assert held.work == Work(
        generation=2, attempts=2, worker="w-2", lease_s=30, claimed_at=EPOCH_US + 3 * S_US
    )
    late = fold(held, [WorkReleased(generation=1, why="lapsed")], commit_at(9, EPOCH_US))
    assert late.work == held.work
    twice = [WorkReleased(generation=2, why="drained")] * 2
    held = fold(held, twice, commit_at(9, EPOCH_US))
    assert held.work == Work(generation=2, attempts=1)


def test_who_goes_away_in_peace_costs_no_attempt():
    counts = {
        why: after(created(), claim(1), WorkReleased(generation=1, why=why)).work.attempts
        for why in ("drained", "lapsed", "refused")
    }
    assert counts == {"drained": 0, "lapsed": 1, "refused": 1}


def test_an_ended_session_names_who_had_it_and_a_reopened_one_is_free():
    facts = [created(kind="evaluation", work=WorkTerms()), claim(1), STARTED, DONE]
    assert after(*facts).work.worker == "w-1"
    assert not after(*facts).held
    again = after(*facts, REOPENED)
    assert (again.work.worker, again.work.generation, again.held) == ("", 1, False)
    assert (again.status, again.reason, again.ended_at) == ("running", "reopened", None)


def test_the_idle_clock_stands_still_while_a_worker_is_at_work():
    facts = [created(idle_timeout_s=10), claim(1), STARTED]
    at_work = after(*facts)
    assert idle_deadline(at_work) is None
    assert deadline(at_work) == max_deadline(at_work)
    # The user is asked for something, and does not answer.
    assert idle_deadline(after(*facts, BLOCKED)) == EPOCH_US + 13 * S_US
    # Whatever was done was done until then.
    free = after(*facts, WorkReleased(generation=1, why="lapsed"))
    assert idle_deadline(free) == EPOCH_US + 13 * S_US


def test_what_an_agent_reports_adds_up():
    first = (PullRequest(url="a", state="open"), PullRequest(url="b"))
    reports = [
        AgentReported(acus=1.5),
        AgentReported(structured_output={"n": 1}, pull_requests=first),
        AgentReported(pull_requests=(PullRequest(url="a", state="merged"),), acus=0.5),
        AgentReported(),
    ]
    state = after(created(), *reports)
    assert state.agent == AgentState(
        structured_output={"n": 1},
        pull_requests=(PullRequest(url="a", state="merged"), PullRequest(url="b")),
        acus=0.5,
    )
    assert state.active_at == EPOCH_US + 4 * S_US
    taken_back = after(created(), *reports, AgentReported(structured_output=None))
    assert taken_back.agent.structured_output is None


def test_facts_of_other_things_leave_the_work_as_it_is():
    state = after(created(), claim(1), AgentReported(acus=1.0))
    said = fold(state, [MessageAdded(id="m", role="user", content="x")], commit_at(9, EPOCH_US))
    assert said.work is state.work
    assert said.agent is state.agent
