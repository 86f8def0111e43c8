"""What an agent has to show for its work: what its reports in the session's stream add up to."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from projections.events.work import AgentReported, PullRequest


class AgentState(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What came of an agent's work so far; `acus` is what it has used of its budget."""

    structured_output: Any = None
    pull_requests: tuple[PullRequest, ...] = ()
    acus: float = 0.0


def evolve(state: AgentState | None, fact: AgentReported) -> AgentState:
    """The state after one more report."""
    state = AgentState() if state is None else state
    output, acus = fact.structured_output, fact.acus
    return replace(
        state,
        structured_output=state.structured_output if output is UNSET else output,
        pull_requests=_with(state.pull_requests, fact),
        acus=state.acus if acus is UNSET else acus,
    )


def _with(known: tuple[PullRequest, ...], fact: AgentReported) -> tuple[PullRequest, ...]:
    if fact.pull_requests is UNSET:
        return known
    by_url = {one.url: one for one in (*known, *fact.pull_requests)}
    return tuple(by_url.values())
