"""Commands, and the states of a session that commands can reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec import UNSET

from eventstore.codec import Fact
from eventstore.commit import START, Commit, Position
from projections.events.status import ENDED, KINDS, REASONS, STATUSES, Dialect, Kind, Status
from projections.folds.session import SECOND_US, Session, deadline, evolve
from sessions.domain import policy
from sessions.domain.commands import (
    AddMessage,
    AnyCommand,
    ChangeStatus,
    Configure,
    CreateSession,
    Delete,
    Erase,
    Extend,
    FireClocks,
    PostToChannel,
    ResumeOther,
    StoreArtifact,
    Touch,
)
from sessions.domain.decide import decide
from sessions.domain.rejections import Rejection
from tests.support.facts import json_objects, json_values, values_of

EPOCH_US = 1_700_000_000_000_000
LIVE = [status for status in STATUSES if status not in ENDED]


class Step(NamedTuple):
    """One command, when it was given, and what became of it."""

    before: Session | None
    command: AnyCommand
    now: int
    facts: tuple[Any, ...]
    rejection: Rejection | None
    commit: Commit
    after: Any


class Onward(NamedTuple):
    """Stands for a step that the status machine has, wherever the session is by then."""

    choice: int
    end: bool = False

    def command(self, state: Session | None) -> ChangeStatus:
        """The step; one to nowhere if there is none."""
        onward = policy.TRANSITIONS[state.status] if state is not None else frozenset()
        if state is not None and policy.reopens(state.kind, state.status) and not self.end:
            return ChangeStatus(to="running", reason="reopened")
        steps = sorted(status for status in onward if (status in ENDED) == self.end)
        return ChangeStatus(to=steps[self.choice % len(steps)] if steps else "running")


def commit_at(position: int, now: int, *, stream: str = "session/s-1", previous: int = 0) -> Commit:
    """A commit as the folds see it; its events are beside the point."""
    return Commit(
        position=Position(position),
        previous=Position(previous),
        stream=stream,
        id="00" * 16,
        at=now,
        actor=f"actor-{position}",
        tenant="lab",
        events=(),
    )


def decided(command: AnyCommand, state: Session | None, now: int) -> tuple[Any, ...]:
    """The facts that `decide` gives, as types that a test may look into."""
    return decide(command, state, now)


def due(state: Session) -> int:
    """The deadline of a session that must have one."""
    at = deadline(state)
    assert at is not None
    return at


def fold(state: Session | None, facts: Iterable[Fact], commit: Commit) -> Any:
    """The state after the facts of one commit."""
    for fact in facts:
        state = evolve(state, fact, commit)
    return state


def fold_steps(state: Session | None, steps: Sequence[Step]) -> Any:
    """The state after all that happened in `steps`."""
    for step in steps:
        state = fold(state, step.facts, step.commit)
    return state


def play(commands: Iterable[tuple[AnyCommand | Onward, int]]) -> Iterator[Step]:
    """Give each command to the session as it then is; each comes so many seconds after the last."""
    state: Session | None = None
    now, position = EPOCH_US, 0
    for given, seconds in commands:
        command = given.command(state) if isinstance(given, Onward) else given
        now += seconds * SECOND_US
        facts: tuple[Fact, ...] = ()
        rejection = None
        try:
            facts = decide(command, state, now)
        except Rejection as refused:
            rejection = refused
        position += 1 + position % 3  # other streams take positions too
        previous = state.position if state is not None else START
        commit = commit_at(position, now, previous=previous)
        after = fold(state, facts, commit)
        yield Step(state, command, now, facts, rejection, commit, after)
        state = after


def create(kind: Kind = "browser", dialect: Dialect = "native", **given: Any) -> CreateSession:
    """A command that makes a session."""
    return CreateSession(kind=kind, dialect=dialect, owner="o", **given)


def session_in(status: Status, **given: Any) -> Session:
    """A session that came to `status` the way the status machine has it."""
    commands: list[AnyCommand] = [create(**given)]
    commands += [ChangeStatus(to=step) for step in _way_to(status)]
    *_, last = play([(command, 1) for command in commands])
    state: Session = last.after
    assert state.status == status
    return state


def _way_to(status: Status) -> list[Status]:
    ways: dict[Status, list[Status]] = {"pending": []}
    queue: list[Status] = ["pending"]
    while status not in ways:
        here = queue.pop(0)
        for onward in sorted(policy.TRANSITIONS[here]):
            if onward not in ways:
                ways[onward] = [*ways[here], onward]
                queue.append(onward)
    return ways[status]


_reasons = st.sampled_from(REASONS)
_labels = st.lists(st.text(max_size=3), max_size=3).map(tuple)
_seconds = st.sampled_from([1, 59, 60, 600, 3600, 86400]) | st.integers(-1, 10**9)
_unset = st.just(UNSET)
# Long enough to be refused, without Hypothesis having to think of so much text.
_titles = st.text(max_size=3) | st.just("x" * (policy.TITLE_CHARS_MAX + 1))
_instants = st.integers(0, 10**5).map(lambda s: EPOCH_US + s * SECOND_US)

# Most commands that are drawn blindly are refused, and then nothing happens for the laws to hold
# in: so a history begins with a session that can be made, and half of its steps can be taken.
sound_creations = st.builds(
    create,
    kind=st.sampled_from(KINDS),
    dialect=values_of(Dialect),
    status=st.sampled_from(["pending", "queued", "running"]),
    labels=st.sampled_from([(), ("a", "b"), ("a", "a")]),
    metadata=json_objects,
    spec=json_objects,
    idle_timeout_s=st.sampled_from([None, 60, 3600]),
    max_duration_s=st.sampled_from([None, 3600, 86400]),
    expires_at=st.none() | _instants,
)
any_creations = st.builds(
    CreateSession,
    kind=st.sampled_from(KINDS),
    dialect=values_of(Dialect),
    owner=st.just("o"),
    status=st.sampled_from(STATUSES),
    reason=_reasons,
    title=_titles,
    labels=_labels,
    metadata=json_objects,
    spec=json_objects,
    idle_timeout_s=st.none() | _seconds,
    max_duration_s=st.none() | _seconds,
    expires_at=st.none() | _instants | values_of(int),
)
changes: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(ChangeStatus, to=st.sampled_from(STATUSES), reason=_reasons, detail=_titles),
    st.builds(
        Configure,
        title=_unset | _titles,
        labels=_unset | _labels,
        metadata=_unset | json_objects,
        spec=_unset | json_objects,
    ),
    st.builds(
        Extend,
        idle_timeout_s=_unset | st.none() | _seconds,
        max_duration_s=_unset | _seconds,
    ),
    st.builds(Touch, at=_instants | values_of(int)),
    st.just(FireClocks()),
    st.builds(
        AddMessage,
        id=st.text(max_size=3),
        role=st.sampled_from(["user", "agent", "system"]),
        content=st.text(max_size=3),
        data=json_objects,
    ),
    st.builds(
        ChangeStatus,
        to=st.sampled_from(STATUSES),
        only_from=st.frozensets(st.sampled_from(STATUSES)),
    ),
    st.builds(PostToChannel, type=_titles, data=json_values),
    st.builds(ResumeOther, token=st.none() | st.text(max_size=80)),
    st.builds(
        StoreArtifact,
        name=st.sampled_from(["a.png", "", "..", "a/b", "a\n"]),
        sha256=st.just("0" * 64),
        size=st.sampled_from([0, 1, policy.ARTIFACT_BYTES_MAX // 2]),
        media_type=st.sampled_from(["image/png", "text/plain; charset=utf-8", "text", ""]),
    ),
    st.builds(Delete, reason=_reasons),
    st.builds(Erase, reason=_reasons),
)
commands: st.SearchStrategy[AnyCommand] = any_creations | changes
_onward = st.builds(Onward, choice=st.integers(0, 5), end=st.sampled_from([False] * 7 + [True]))
_gaps = st.sampled_from([0, 0, 1, 30, 600]) | st.integers(-5, 10**6)

histories: st.SearchStrategy[list[Step]] = st.tuples(
    st.tuples(sound_creations, st.just(0)),
    st.lists(st.tuples(_onward, st.just(1)), max_size=5),
    st.lists(st.tuples(_onward | changes, _gaps), min_size=1, max_size=8),
).map(lambda drawn: list(play([drawn[0], *drawn[1], *drawn[2]])))
"""What happened to a session that was made, moved on, and was asked one thing after the other."""

wild_histories: st.SearchStrategy[list[Step]] = histories | st.lists(
    st.tuples(commands, _gaps), min_size=1, max_size=12
).map(lambda drawn: list(play(drawn)))
"""Also commands in any order: before the session was created, twice created, and so on."""
