"""What a session refers to, so that it is found by that."""

from __future__ import annotations

from typing import Any, Final

from projections.folds.session import Session

Reference = tuple[str, str]
"""What kind of thing it is, and its id."""

# As evaluations call them in their spec; the ones that fewest sessions share come first.
_KEPT: Final = ("customId", "testCaseId", "runId", "testId", "versionId", "productId")
LAUNCHER: Final = "userId"
# As agents call them in theirs.
PLAYBOOK: Final = "playbook_id"
ON_BEHALF_OF: Final = "create_as_user_id"
_OF_AGENTS: Final = (PLAYBOOK, ON_BEHALF_OF)
NAMES: Final = (*_KEPT, LAUNCHER, *_OF_AGENTS)
VALUE_CHARS_MAX: Final = 1_024


def references(session: Session) -> tuple[Reference, ...]:
    """The things that an evaluation or an agent refers to, one of each name; others have none."""
    if not session.spec:
        return ()
    if session.kind == "agent":
        return _named([(name, session.spec.get(name)) for name in _OF_AGENTS])
    if session.kind != "evaluation":
        return ()
    named = [(name, session.spec.get(name)) for name in _KEPT]
    if not in_production(session):
        named.append((LAUNCHER, session.owner))
    return _named(named)


def _named(given: list[tuple[str, Any]]) -> tuple[Reference, ...]:
    return tuple(
        (name, value)
        for name, value in given
        if isinstance(value, str) and 0 < len(value) <= VALUE_CHARS_MAX
    )


def in_production(session: Session) -> bool:
    """True for an evaluation that nobody launched: it says so, or it has no test case."""
    said = session.spec.get("isProduction")
    if isinstance(said, bool):
        return said
    return not isinstance(session.spec.get("testCaseId"), str)
