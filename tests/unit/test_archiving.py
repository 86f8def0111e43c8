"""What becomes of an archived session, from every status there is."""

import pytest
from msgspec.structs import replace

from projections.events.session import SessionStatusChanged
from projections.events.status import ENDED, STATUSES, Status
from projections.events.work import WorkReleased
from projections.folds.session import Session, evolve
from projections.folds.work import Work
from sessions.domain.archiving import archive, is_archived, noted
from sessions.domain.policy import WAITING, allowed
from tests.support.sessions import commit_at, session_in

HELD = Work(generation=3, attempts=3, worker="w", lease_s=30)


def in_status(status: Status, work: Work | None = None) -> Session:
    return replace(session_in(status, kind="agent", dialect="devin"), work=work)


def folded(state: Session) -> Session:
    commit = commit_at(state.position + 1, state.updated_at + 1, previous=state.position)
    for fact in archive(state):
        if isinstance(fact, SessionStatusChanged):
            assert fact.was == state.status
            assert allowed(fact.was, fact.to)
        after = evolve(state, fact, commit)
        assert after is not None
        state = after
    return state


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("work", [None, Work(), HELD])
def test_an_archived_session_goes_on_in_no_status(status: Status, work: Work | None) -> None:
    before = in_status(status, work)
    after = folded(before)
    assert is_archived(after)
    assert not is_archived(before)
    assert not after.waits_for_worker
    if status in ENDED or status == "stopping":
        assert after.status == status
    else:
        assert after.status == ("stopped" if status in WAITING else "paused")
        assert not after.held
    assert archive(after) == ()
    assert noted(after) == ()


def test_whoever_is_at_work_is_told_by_the_generation() -> None:
    facts = archive(in_status("running", HELD))
    (released,) = (fact for fact in facts if isinstance(fact, WorkReleased))
    assert (released.generation, released.why) == (3, "drained")


@pytest.mark.parametrize("said", [None, 1, "true", [], {}])
def test_only_true_archives(said: object) -> None:
    state = replace(in_status("running"), spec={"is_archived": said})
    assert not is_archived(state)
    assert is_archived(folded(state))
