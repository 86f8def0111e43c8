"""Why a session is as it is, where workers are in it."""

import pytest
from msgspec.structs import replace

from projections.events import CODEC
from projections.events.session import SessionCreated, SessionDeleted, SessionStatusChanged
from projections.events.work import WorkClaimed, WorkReleased
from sessions.domain.explanation import sentences
from sessions.domain.why import Trail, awaits, follow
from tests.support.sessions import EPOCH_US, commit_at

CREATED = SessionCreated(
    kind="agent", dialect="native", owner="o", status="queued", max_duration_s=60
)
CLAIM = (
    WorkClaimed(generation=1, worker="w-1", lease_s=30),
    SessionStatusChanged(was="queued", to="starting", reason="requested"),
)
STARTED = (SessionStatusChanged(was="starting", to="running", reason="requested"),)
LAPSED = (
    WorkReleased(generation=1, why="lapsed"),
    SessionStatusChanged(was="running", to="queued", reason="runtime_lost"),
)
DONE = (SessionStatusChanged(was="running", to="completed", reason="finished"),)
OFFERED = "It is offered to any worker; {} of 3 attempts are used up."
HELD = 'Worker "w-1" has had it since 2023-11-14T22:13:20.000002Z: attempt 1 of 3.'


@pytest.mark.parametrize(
    ("commits", "waits", "said"),
    [
        ([], "worker", OFFERED.format(0)),
        ([CLAIM], "runtime", HELD),
        ([CLAIM, STARTED], "work", HELD),
        ([CLAIM, STARTED, LAPSED], "worker", OFFERED.format(1)),
        ([CLAIM, STARTED, DONE], "nothing", ""),
        ([(SessionDeleted(reason="deleted"),)], "worker", ""),
    ],
)
def test_why_tells_who_has_it_or_who_may_have_it(commits, waits, said):
    told = [
        replace(
            commit_at(position, EPOCH_US + position, previous=position - 1),
            events=tuple(map(CODEC.encode, facts)),
        )
        for position, facts in enumerate([(CREATED,), *commits], 1)
    ]
    trail = follow(Trail(), told)
    found = [line for line in sentences(trail) if line.startswith(("It is offered", "Worker"))]
    assert found == ([said] if said else [])
    assert trail.state is not None
    assert awaits(trail.state) == waits
