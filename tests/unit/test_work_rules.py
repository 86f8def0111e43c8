"""What becomes of a session when its worker is gone, and what a worker may tell of it."""

from __future__ import annotations

import pytest

from projections.events.work import PullRequest, WorkTerms
from sessions.domain import policy
from sessions.domain import work as rules
from sessions.domain import worker_reports as told
from sessions.domain.rejections import (
    AlreadyEnded,
    Fenced,
    InvalidValue,
    NotConfigurable,
    TransitionNotAllowed,
)
from tests.support.work_life import Life

REQUEUE, END = WorkTerms(attempts_max=2), WorkTerms(on_loss="end", attempts_max=2)
ONCE = WorkTerms(attempts_max=1)
QUEUED = ("queued", "requested", "d")
LOST = ("lost", "runtime_lost", "d")


@pytest.mark.parametrize(
    ("terms", "status", "why", "after"),
    [
        (REQUEUE, "starting", "lapsed", ("queued", "runtime_lost", "d")),
        (REQUEUE, "running", "lapsed", ("queued", "runtime_lost", "d")),
        (REQUEUE, "blocked", "drained", QUEUED),
        (REQUEUE, "running", "refused", QUEUED),
        (ONCE, "starting", "lapsed", LOST),
        (ONCE, "running", "refused", LOST),
        (ONCE, "running", "drained", QUEUED),
        (END, "running", "lapsed", LOST),
        (END, "running", "drained", LOST),
        (END, "starting", "drained", QUEUED),
        (END, "starting", "lapsed", ("queued", "runtime_lost", "d")),
    ],
)
def test_a_session_without_its_worker_waits_or_is_lost_as_its_terms_say(terms, status, why, after):
    life = Life(terms=terms).claimed()
    if status != "starting":
        life.told(told.Started())
    if status == "blocked":
        life.told(told.Became(status="blocked"))
    life.released(why, "d")
    assert life.is_ == after
    assert not life.state.held
    assert life.state.waits_for_worker == (after[0] == "queued")


def test_attempts_count_and_drains_do_not():
    life = Life(terms=REQUEUE)
    for _ in range(5):
        life.claimed().told(told.Started()).released("drained")
    assert (life.state.work.attempts, life.state.work.generation) == (0, 5)
    life.claimed().released("lapsed")
    assert life.state.waits_for_worker
    life.claimed().released("lapsed")
    assert life.state.status == "lost"


def test_what_is_stopping_stops_when_its_worker_is_gone():
    life = Life().claimed().moved("stopping").released("lapsed", "d")
    assert life.state.status == "stopped"
    life = Life().claimed().moved("stopping").told(told.Finished(exit_code=137))
    assert life.is_ == ("stopped", "requested", "exit code 137")


def test_what_is_paused_stays_so_without_its_worker_and_can_go_on():
    life = Life().claimed().told(told.Started()).moved("pausing").released("drained")
    assert life.state.status == "paused"
    assert not life.state.held
    assert life.moved("resuming", "queued").claimed().state.held


def test_a_late_worker_is_fenced_whatever_it_wants():
    life = Life().claimed().released("lapsed").claimed()
    for late in (1, 3, 0):
        with pytest.raises(Fenced):
            life.told(told.Finished(exit_code=0), generation=late)
        with pytest.raises(Fenced):
            rules.release(life.state, late, "drained", "")
    life.released("drained")
    with pytest.raises(Fenced):
        life.told(told.Started(), generation=2)


def test_the_holder_of_an_ended_session_is_told_so():
    life = Life().claimed().moved("stopped")
    with pytest.raises(AlreadyEnded):
        life.told(told.Said(id="m", content="x"))
    with pytest.raises(AlreadyEnded):
        rules.release(life.state, 1, "drained", "")
    assert rules.was_held(life.state, 1)
    assert not rules.was_held(life.state, 2)


@pytest.mark.parametrize(
    ("end", "after"),
    [
        (told.Finished(exit_code=0), ("completed", "finished", "")),
        (told.Finished(exit_code=0, detail="ok"), ("completed", "finished", "ok")),
        (told.Finished(exit_code=3), ("failed", "runtime_failed", "exit code 3")),
        (told.Finished(exit_code=-9, signal=9), ("failed", "runtime_failed", "signal 9")),
        (told.Finished(exit_code=1, detail="x"), ("failed", "runtime_failed", "exit code 1: x")),
        (told.Finished(exit_code=0, signal=15), ("failed", "runtime_failed", "signal 15")),
    ],
)
def test_a_session_ends_as_its_command_did(end, after):
    assert Life().claimed().told(told.Started(), end).is_ == after


def test_what_comes_before_the_end_in_one_commit_is_kept():
    over = told.Finished(exit_code=0)
    life = Life().claimed().told(told.Started(), over, told.Said(id="m", content="bye"))
    assert (life.state.status, life.state.messages) == ("completed", 1)


def test_the_limit_of_acus_ends_the_session_in_the_commit_that_reaches_it():
    life = Life(spec={"max_acu_limit": 3}).claimed()
    life.told(told.Started(), told.Used(acus=2.5))
    assert life.state.status == "running"
    life.told(told.Used(acus=1.0))
    assert life.state.agent.acus == 2.5
    life.told(told.Used(acus=3.0), told.Said(id="m", content="last"), told.Finished(exit_code=0))
    assert life.is_ == ("failed", "limit_reached", "3 of 3 ACUs are used.")
    assert (life.state.agent.acus, life.state.messages) == (3.0, 1)


@pytest.mark.parametrize("limit", [None, 0, -1, "3", True, [3]])
def test_what_is_no_limit_limits_nothing(limit):
    life = Life(spec={"max_acu_limit": limit}).claimed().told(told.Used(acus=1e9))
    assert life.state.status == "starting"


@pytest.mark.parametrize(
    "wrong",
    [
        told.Used(acus=-0.1),
        told.Used(acus=float("nan")),
        told.Used(acus=float("inf")),
        told.Proposed(pull_request=PullRequest(url="")),
        told.Proposed(pull_request=PullRequest(url="x" * 2049)),
        told.Proposed(pull_request=PullRequest(url="x", state="y" * 65)),
        told.Became(status="blocked", detail="x" * (policy.DETAIL_CHARS_MAX + 1)),
        told.Finished(exit_code=0, detail="x" * (policy.DETAIL_CHARS_MAX + 1)),
        told.Said(id="m", content="x" * (policy.CONTENT_CHARS_MAX + 1)),
    ],
)
def test_a_report_out_of_range_is_refused_with_all_that_came_with_it(wrong):
    life = Life().claimed()
    before = life.state
    with pytest.raises(InvalidValue):
        life.told(told.Started(), wrong)
    assert life.state is before


def test_pull_requests_are_so_many_at_most():
    life = Life().claimed()
    many = [PullRequest(url=f"u{n}") for n in range(policy.PULL_REQUESTS_MAX)]
    life.told(*[told.Proposed(pull_request=one) for one in many])
    life.told(told.Proposed(pull_request=PullRequest(url="u0", state="merged")))
    with pytest.raises(InvalidValue):
        life.told(told.Proposed(pull_request=PullRequest(url="one more")))
    assert len(life.state.agent.pull_requests) == policy.PULL_REQUESTS_MAX


def test_an_answer_moves_a_session_on_that_waits_for_it():
    life = Life().claimed().told(told.Started(), told.Became(status="blocked"))
    assert life.said("agent").state.status == "blocked"
    assert life.said().state.status == "running"
    unheld = Life().moved("running", "blocked").said()
    assert unheld.state.status == "blocked"


def test_who_steers_the_session_has_the_last_word_on_its_status():
    life = Life().claimed().told(told.Started()).moved("paused")
    life.told(told.Became(status="blocked"), told.Said(id="m", content="x"))
    assert (life.state.status, life.state.messages) == ("paused", 1)
    assert life.moved("stopping").told(told.Became(status="running")).state.status == "stopping"


def test_a_session_is_offered_again_on_other_terms_unless_somebody_has_it():
    life = Life("evaluation")
    assert life.state.work is None
    assert rules.claim(life.state, "w", 30) == ()
    life.added(rules.offer(life.state, REQUEUE))
    assert rules.offer(life.state, REQUEUE) == ()
    assert len(rules.offer(life.state, END)) == 1
    life.claimed()
    with pytest.raises(NotConfigurable):
        rules.offer(life.state, END)


def test_an_offer_of_what_runs_queues_it_and_of_what_is_paused_is_refused():
    life = Life("test_run").moved("running")
    life.added(rules.offer(life.state, REQUEUE))
    assert life.state.waits_for_worker
    with pytest.raises(TransitionNotAllowed):
        rules.offer(Life("evaluation").moved("running", "paused").state, REQUEUE)


@pytest.mark.parametrize("kind", ["browser", "vm"])
def test_what_has_a_runtime_is_not_offered(kind):
    with pytest.raises(InvalidValue):
        Life(kind, REQUEUE)
    with pytest.raises(InvalidValue):
        rules.offer(Life(kind).state, REQUEUE)


@pytest.mark.parametrize(
    "terms",
    [
        WorkTerms(attempts_max=0),
        WorkTerms(attempts_max=policy.ATTEMPTS_MAX + 1),
        WorkTerms(requires=("",)),
        WorkTerms(requires=("x" * 257,)),
        WorkTerms(requires=tuple(map(str, range(policy.LABELS_MAX + 1)))),
    ],
)
def test_terms_out_of_range_are_refused(terms):
    with pytest.raises(InvalidValue):
        Life(terms=terms)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "\0"])
def test_the_name_of_a_worker_can_be_printed(name):
    with pytest.raises(InvalidValue):
        rules.check_worker(name)
