"""Whatever a log holds can be told on one printable line, and why a session is as it is."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.commit import Commit, Event, Position
from projections.events import CODEC, VOCABULARY
from projections.events.vm import ExecutionRequested
from projections.folds.session import deadline
from projections.story import tell
from projections.subjects import SESSION, fold
from scripts.audit.command import json_line
from scripts.audit.lines import Page, Telling, as_object
from sessions.domain import policy
from sessions.domain.commands import AnyCommand, ChangeStatus
from sessions.domain.explanation import sentences
from sessions.domain.why import STEPS_MAX, Trail, clocks, follow, onward
from tests.support import sessions
from tests.support.facts import facts, json_values

CHARS_MAX = 4_000
names = st.sampled_from([kind.NAME for kind in VOCABULARY]) | st.text(max_size=20)
events = st.builds(
    lambda name, v, data: Event(name, v, msgspec.Raw(msgspec.json.encode(data))),
    names,
    st.integers(0, 5),
    json_values,
)


@given(
    st.lists(facts | events, min_size=1, max_size=4), st.text(max_size=30), st.integers(0, 2**53)
)
@example([ExecutionRequested(id="", language="", command="", timeout_s=1.8e302)], "", 0)
def test_every_event_is_told_on_one_line(told: list[Any], name: str, at: int) -> None:
    commit = Commit(
        position=Position(7),
        previous=Position(0),
        stream=f"session/{name}",
        id="00" * 16,
        at=at,
        actor=name,
        tenant=name,
        tags=(name, f"kind={name}"),
        events=tuple(one if isinstance(one, Event) else CODEC.encode(one) for one in told),
    )
    for of in (None, commit.stream, "session/other"):
        lines = list(Telling(0).lines([commit]))
        assert len(lines) == len(told)
        for line in lines:
            text = Page(Position(7), of).text(line)
            assert text.endswith("\n")
            assert text[:-1].isprintable()
            assert len(text) < CHARS_MAX
            object_ = json_line(as_object(line))
            assert object_[:-1].isprintable()
            assert msgspec.json.decode(object_)["position"] == 7


@given(facts)
def test_a_fact_is_told_as_itself(fact: Any) -> None:
    told = tell(CODEC.encode(fact))
    assert told.reason == getattr(fact, "reason", "")
    assert "does not know" not in told.words or "does not know" in str(fact)
    assert "do not fit" not in told.words or "do not fit" in str(fact)


def recorded(steps: list[sessions.Step]) -> list[Commit]:
    """What happened, as the log would have it."""
    return [
        msgspec.structs.replace(step.commit, events=tuple(map(CODEC.encode, step.facts)))
        for step in steps
        if step.facts
    ]


def folded(commits: list[Commit]) -> Any:
    """The state that the commits of a session add up to."""
    state = None
    for commit in commits:
        state = fold(SESSION, state, commit)
    return state


@given(sessions.wild_histories, st.integers(0, 12))
def test_the_trail_of_a_history_leads_to_its_state(steps: list[sessions.Step], cut: int) -> None:
    commits = recorded(steps)
    trail = follow(follow(Trail(), commits[:cut]), commits[cut:])
    assert trail == follow(Trail(), commits)
    state = folded(commits)
    assert trail.state == state
    if state is None:
        assert sentences(trail) == ()
        return
    last = trail.steps[-1]
    assert (last.to, last.reason, last.detail) == (state.status, state.reason, state.detail)
    assert (last.cause.position, last.cause.actor) == (state.status_position, state.actor)
    assert [step.was for step in trail.steps[1:]] == [step.to for step in trail.steps[:-1]]
    assert min((clock.deadline for clock in clocks(trail)), default=None) == deadline(state)
    assert (trail.deleted is not None, trail.erased is not None) == (state.deleted, state.erased)
    again = policy.reopens(state.kind, state.status)
    allowed = {"running"} if again else policy.TRANSITIONS[state.status]
    assert set(onward(state)) == (set() if state.deleted else allowed)
    assert all(line.isprintable() for line in sentences(trail))


def test_a_long_history_is_kept_in_bounded_memory() -> None:
    commands: list[AnyCommand] = [sessions.create(status="running")]
    for _ in range(STEPS_MAX):
        commands += [ChangeStatus(to="paused"), ChangeStatus(to="running")]
    commits = recorded(list(sessions.play([(one, 1) for one in commands])))
    trail = follow(Trail(), commits)
    assert len(trail.steps) == STEPS_MAX
    assert trail.left_out == len(commits) - STEPS_MAX
    assert trail.steps[0].was is None
    assert trail.steps[-1].cause.position == commits[-1].position
    assert trail.state == folded(commits)
