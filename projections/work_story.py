"""What workers and agents did, in words; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from projections.events.work import (
    AgentReported,
    PullRequest,
    Released,
    WorkClaimed,
    WorkOffered,
    WorkReleased,
    WorkTerms,
)
from projections.telling import Known
from projections.wording import ITEMS_MAX, TEXT_CHARS_MAX, items, plain, quoted, seconds, shown

_RELEASED: Final[dict[Released, str]] = {
    "drained": "given back by its worker, which was on its way out",
    "lapsed": "taken from its worker, which was not heard of in time",
    "refused": "refused by its worker",
}


def terms_words(terms: WorkTerms) -> str:
    """On which terms workers may have a session."""
    whom = f"workers with {items(terms.requires)}" if terms.requires else "workers"
    tries = "1 attempt" if terms.attempts_max == 1 else f"{terms.attempts_max} attempts"
    after = "ends" if terms.on_loss == "end" else "is offered again"
    return f"offered to {whom}, {tries} at most; if its worker is lost it {after}"


def _claimed(fact: WorkClaimed, _: Known) -> str:
    lease = seconds(fact.lease_s)
    return f"claimed by worker {quoted(fact.worker)}, generation {fact.generation}, lease {lease}"


def _released(fact: WorkReleased, _: Known) -> str:
    detail = f": {quoted(fact.detail)}" if fact.detail else ""
    return f"{_RELEASED[fact.why]}, generation {fact.generation}{detail}"


def _reported(fact: AgentReported, _: Known) -> str:
    told = []
    if fact.structured_output is not UNSET:
        told.append(f"structured output {shown(fact.structured_output, TEXT_CHARS_MAX)}")
    if fact.pull_requests is not UNSET:
        told += map(_pull_request, fact.pull_requests[:ITEMS_MAX])
        more = len(fact.pull_requests) - ITEMS_MAX
        told += [f"{more} more pull requests"] if more > 0 else []
    if fact.acus is not UNSET:
        told.append(f"{fact.acus:g} ACUs used so far")
    return f"agent reported {'; '.join(told) or 'nothing new'}"


def _pull_request(one: PullRequest) -> str:
    state = f" ({plain(one.state, 40)})" if one.state else ""
    return f"pull request {quoted(one.url)}{state}"


WORK_SENTENCES: Final[dict[type, Callable[[Any, Known], str]]] = {
    WorkOffered: lambda fact, _: terms_words(fact.terms),
    WorkClaimed: _claimed,
    WorkReleased: _released,
    AgentReported: _reported,
}
