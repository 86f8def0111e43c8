"""The audit scripts about workers: who had a session, field by field and in words."""

import asyncio

import pytest

from projections.events.session import SessionStatusChanged
from projections.events.work import AgentReported, WorkClaimed, WorkReleased
from scripts.audit import diff, replay, state_at
from tests.support.stories import A, created, write

SESSION = f"session/{A}"
CI = (SESSION, "key:ci", "default", ("kind=agent",))
STORY = [
    (*CI, 0, [created(status="queued")]),
    (
        *CI,
        1,
        [
            WorkClaimed(generation=1, worker="w-1", lease_s=30),
            SessionStatusChanged(was="queued", to="starting", reason="requested"),
        ],
    ),
    (*CI, 1, [AgentReported(structured_output={"a": 1}, acus=0.5)]),
    (*CI, 1, [AgentReported(structured_output={"a": 2}, acus=1.5)]),
    (
        *CI,
        30,
        [
            WorkReleased(generation=1, why="lapsed"),
            SessionStatusChanged(was="starting", to="queued", reason="runtime_lost"),
        ],
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a service that has stopped."""
    made = tmp_path_factory.mktemp("made")
    asyncio.run(write(made, STORY))
    return made


def said(capsys, script, *arguments):
    """What a script says."""
    script.main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    assert found.err == ""
    return [" ".join(line.split()) for line in found.out.splitlines()]


def test_diff_tells_who_had_it_field_by_field(folder, capsys):
    lines = said(capsys, diff, "--data", folder, "--a", 1, "--b", 2)
    assert 'work.worker: "" -> "w-1" (by 2)' in lines
    assert "work.claimed_at: nothing -> 2026-01-01T00:00:01.000000Z (by 2)" in lines
    assert any('claimed by worker "w-1"' in line for line in lines)
    lines = said(capsys, diff, "--data", folder, "--a", 3, "--b", 5)
    assert "agent.structured_output.a: 1 -> 2 (by 4)" in lines
    assert "agent.acus: 0.5 -> 1.5 (by 4)" in lines
    assert 'work.worker: "w-1" -> "" (by 5)' in lines


def test_replay_and_state_at_tell_it_too(folder, capsys):
    told = " ".join(said(capsys, replay, "--data", folder, "--session", A))
    for words in (
        'claimed by worker "w-1", generation 1, lease 30 s',
        'agent reported structured output {"a":1}; 0.5 ACUs used so far',
        "taken from its worker, which was not heard of in time, generation 1",
    ):
        assert words in told
    shown = said(capsys, state_at, "--data", folder, "--at", 4, "--session", A)
    assert any(line.startswith("work ") and '"worker":"w-1"' in line for line in shown)
    assert any(line.startswith("agent ") and '"acus":1.5' in line for line in shown)
