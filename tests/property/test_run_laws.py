"""The laws of a test run: whatever is asked in whatever order, each test runs once.

Sections are those of the WAVE contract.
"""

import contextlib
from urllib.parse import quote

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from projections.events import CODEC
from projections.events.session import SessionStatusChanged
from projections.events.test_run import TestCompleted, TestStarted, TestTimedOut
from projections.folds.run import Run, api_of, evolve
from sessions.domain.commands import ChangeStatus
from sessions.domain.rejections import Rejection
from sessions.domain.turn import Complete, HandOut, MarkMalfunctioning, Plan, TimeOut
from tests.support.facts import facts as any_fact
from tests.support.facts import json_objects, structs_of
from tests.support.runs import Driven, timeout_of
from tests.support.sessions import commit_at

PATHS = [
    *("/a/1.html", "/a/2.html", "/a/v.html?one", "/a/v.html?two", "/slow/1.html"),
    *("/slow/x.html", "/none/1.html", "/größe/1.html", "/a b/1.html", "/c/1.any.html"),
]
subtests = st.none() | st.lists(
    st.sampled_from(["PASS", "FAIL", "TIMEOUT", "NOTRUN", "NOT_RUN", "?", 7]).map(
        lambda status: {"name": "x", "status": status}
    )
    | json_objects,
    max_size=3,
).map(tuple)
reports = st.builds(
    Complete,
    path=st.sampled_from([*PATHS, "/a/v.html", "/gr%C3%B6%C3%9Fe/1.html", "/a%20b/1.html", "/zz"]),
    status=st.sampled_from(["OK", "ERROR", "TIMEOUT", "NOTRUN"]),
    message=st.none() | st.just("m"),
    subtests=subtests,
    extra=json_objects,
)
wishes = st.one_of(
    st.just(HandOut()),
    st.just(HandOut()),
    reports,
    st.lists(st.sampled_from([*PATHS, "/zz"]), max_size=4).map(lambda some: TimeOut(tuple(some))),
    st.lists(st.sampled_from(PATHS), max_size=2).map(lambda some: MarkMalfunctioning(tuple(some))),
)


def spellings(path):
    """How a page may tell that it is this test."""
    file = path.partition("?")[0]
    return {path, file, quote(file)}


class RunMachine(RuleBasedStateMachine):
    """A run that devices, people, the clock and restarts act on in any order."""

    @initialize(order=st.lists(st.sampled_from(PATHS), unique=True))
    def made(self, order):
        self.driven = Driven(order)
        self.ended_by_hand = False
        self.malfunctioning: tuple[str, ...] = ()

    @rule()
    def start(self):
        with contextlib.suppress(Rejection):
            self.driven.begin()

    @rule(asked=st.lists(wishes, min_size=1, max_size=5))
    def ask(self, asked):
        driven = self.driven
        out = list(driven.run.running)
        status = driven.session.status
        over = driven.over()
        answers = driven.ask(*asked)
        for wish, answer in zip(asked, answers, strict=True):
            if isinstance(wish, HandOut) and answer.path is not None:
                assert status in ("running", "blocked")  # native: it waits for somebody there
                assert answer.timeout_ms == timeout_of(answer.path)
                out.append(answer.path)
            elif isinstance(wish, HandOut):
                assert driven.session.status != "running" or not driven.plan.pending(driven.run)
            elif isinstance(wish, Complete):
                meant = [one for one in out if wish.path in spellings(one)]
                assert answer == bool(meant)
                if answer:
                    out.remove(wish.path if wish.path in meant else meant[0])
            elif isinstance(wish, TimeOut):
                assert answer == len({*wish.paths} & {*out} & {*over})
                out = [one for one in out if one not in over or one not in wish.paths]
            elif isinstance(wish, MarkMalfunctioning):
                assert answer == (wish.paths != self.malfunctioning)
                self.malfunctioning = wish.paths
        assert driven.run.malfunctioning == self.malfunctioning

    @rule(ms=st.sampled_from([0, 1, 99, 100, 301, 10**6]))
    def time_passes(self, ms):
        driven = self.driven
        driven.wait(ms)
        over = driven.over()
        [count] = driven.ask(TimeOut(tuple(driven.run.running)))
        assert count == len(over)
        assert not over & driven.run.running.keys()

    @rule(to=st.sampled_from(["paused", "running", "stopped", "blocked", "failed"]))
    def move(self, to):
        if to == "running" and self.driven.session.status != "paused":
            return
        with contextlib.suppress(Rejection):
            before = self.driven.session.status
            self.driven.order_to(ChangeStatus(to=to))
            self.ended_by_hand |= to != before and self.driven.session.ended

    @rule()
    def restart(self):
        before = self.driven.run
        self.driven.restart()
        assert self.driven.run == before

    @invariant()
    def each_test_is_out_once_and_in_order(self):
        started = [fact.path for fact in self.driven.facts(TestStarted)]
        assert started == list(self.driven.order[: len(started)])

    @invariant()
    def each_test_has_one_result_and_only_if_it_was_out(self):
        driven = self.driven
        done = [fact.path for fact in driven.facts(TestCompleted) + driven.facts(TestTimedOut)]
        started = {fact.path for fact in driven.facts(TestStarted)}
        assert len(done) == len(set(done))
        assert set(done) == driven.run.completed.keys()
        assert started == driven.run.completed.keys() | driven.run.running.keys()
        assert not driven.run.completed.keys() & driven.run.running.keys()
        pending = driven.plan.pending(driven.run)
        if driven.run.selection is not None:
            assert pending == list(driven.order[len(started) :])

    @invariant()
    def the_counters_add_up(self):
        session, run, order = self.driven.session, self.driven.run, self.driven.order
        selected = run.selection is not None
        assert run.total == session.tests_total == (len(order) if selected else 0)
        assert session.tests_completed == len(run.completed)
        assert session.tests_running == len(run.running)
        for api, counts in run.counts.items():
            assert counts.total == sum(api_of(path) == api for path in order)
            assert counts.complete == sum(api_of(path) == api for path in run.completed)
        told = sum(
            1 if fact.subtests is None else len(fact.subtests)
            for fact in self.driven.facts(TestCompleted)
        ) + len(self.driven.facts(TestTimedOut))
        counted = sum(c.passed + c.failed + c.timed_out + c.not_run for c in run.counts.values())
        assert counted == told

    @invariant()
    def it_is_completed_when_every_test_has_a_result_and_no_sooner(self):
        session, run = self.driven.session, self.driven.run
        if session.status == "completed":
            assert run.finished
            assert session.reason == "finished"
        elif run.finished:
            assert self.ended_by_hand
        finishes = [
            fact for fact in self.driven.facts(SessionStatusChanged) if fact.to == "completed"
        ]
        assert len(finishes) == (session.status == "completed")


TestRun = RunMachine.TestCase
TestRun.settings = settings(stateful_step_count=30, max_examples=60, deadline=None)


@given(st.lists(structs_of(TestStarted) | any_fact, max_size=12))
def test_any_facts_in_any_order_add_up_to_something(told):
    run = Run()
    for position, fact in enumerate(told, 1):
        assert evolve(run, fact, commit_at(position, position)) is run
        assert run.position == position
    assert not run.running.keys() & run.completed.keys()
    again = msgspec.json.decode(msgspec.json.encode(run), type=Run)
    assert again == run


@given(reports)
def test_a_result_is_kept_word_for_word(report):
    """Section 3.8: also what the service does not know."""
    driven = Driven([report.path])
    driven.begin()
    assert driven.ask(HandOut(), report)[1] is True
    [fact] = driven.facts(TestCompleted)
    assert CODEC.decode(CODEC.encode(fact)) == fact
    kept = (fact.path, fact.status, fact.message, fact.subtests, fact.extra)
    sent = (report.path, report.status, report.message, report.subtests, report.extra)
    assert kept == sent
    assert driven.session.status == "completed"


def test_a_run_without_tests_is_over_when_it_begins():
    """Section 3.6."""
    driven = Driven([])
    driven.begin()
    assert (driven.session.status, driven.session.reason) == ("completed", "finished")
    assert driven.session.started_at is not None


def test_a_page_that_does_not_name_its_variant_reports_for_the_first_that_is_out():
    """Section 3.1: each variant is a test of its own."""
    driven = Driven(["/a/v.html?1", "/a/v.html?2"])
    driven.begin()
    driven.ask(HandOut(), HandOut())
    report = Complete(path="/a/v.html", status="OK")
    assert driven.ask(report, report, report) == [True, True, False]
    assert list(driven.run.completed) == ["/a/v.html?1", "/a/v.html?2"]
    assert driven.session.status == "completed"


def test_the_next_of_many_tests_is_found_without_looking_at_those_before():
    order = [f"/a/{n}.html" for n in range(2_000)]
    looked = 0

    class Counting(list[str]):
        def __getitem__(self, at):
            nonlocal looked
            looked += 1
            return super().__getitem__(at)

    plan, run = Plan(Counting(order), timeout_of), Run()
    for position, path in enumerate(order, 1):
        assert plan.first(run, {}) == path
        evolve(run, TestStarted(path=path, timeout_ms=1), commit_at(position, 0))
    assert plan.first(run, {}) is None
    assert looked < 10 * len(order)
