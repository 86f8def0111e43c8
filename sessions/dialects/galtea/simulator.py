"""The user of a conversation that is simulated: a script in the test case, and no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from projections.folds.turns import Turn
from sessions.dialects.galtea.wire import Body, bad

VERSION: Final = "script-1"
TURNS_MAX: Final = 1_000
AT_ITS_END: Final = "The script of the test case is at its end."

Json = Mapping[str, Any]


class Wanted(Body, frozen=True, kw_only=True):
    """Which session wants to hear the user, and how often it may (section 7)."""

    session_id: str
    max_turns: int | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says next; `waiting` is the turn that it was said in already, unanswered."""

    message: str = ""
    finished: bool = False
    reason: str | None = None
    waiting: Turn | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The user's next message, and the turn that waits for an answer to it (section 7)."""

    next_message: str
    finished: bool
    stopping_reason: str | None
    simulator_version: str
    inference_result_id: str


def script(test_case: Json) -> list[str]:
    """What the user says: the input, then the scenario line by line; the goal if there is neither.

    Raises Failure where there is nothing to say.
    """
    lines = [_text(test_case.get("input"), "user_message"), *_lines(test_case.get("scenario"))]
    said = [line for line in lines if line.strip()] or _lines(test_case.get("goal"))
    if not said:
        raise bad("sessionId", "the test case of the session has no input, scenario or goal")
    return said


def check(body: Wanted) -> None:
    """Raises Failure for a number of turns that nobody can take."""
    if body.max_turns is not None and not 0 < body.max_turns <= TURNS_MAX:
        raise bad("maxTurns", f"maxTurns is from 1 to {TURNS_MAX}")


def step(test_case: Json, known: Sequence[Turn], turns_max: int | None) -> Step:
    """What comes next in a conversation; asked again before there is an answer, it is the same.

    Raises as `script` does.
    """
    lines = script(test_case)
    longest = turns_max or _positive(test_case.get("maxIterations")) or len(lines)
    turns = [turn for turn in known if turn.data.get("conversationSimulatorVersion") == VERSION]
    waiting = known[-1] if known and known[-1] in turns and _unanswered(known[-1]) else None
    said = len(turns) - (waiting is not None)
    met = None if waiting else _met(test_case, known)
    if met is not None:
        return Step(finished=True, reason=f"The agent met a stopping criterion: {met}")
    reason = _ending(said + 1, len(lines), longest)
    if said >= min(len(lines), longest):
        return Step(finished=True, reason=reason)
    return Step(message=lines[said], finished=reason is not None, reason=reason, waiting=waiting)


def turn_of(step: Step) -> dict[str, Any]:
    """The turn in which the user says it, which waits for the agent."""
    return {
        "status": "PENDING",
        "input": {"user_message": step.message},
        "conversationSimulatorVersion": VERSION,
    }


def _ending(said: int, lines: int, longest: int) -> str | None:
    """Why a conversation ends after so many turns; None if it goes on."""
    if said >= lines:
        return AT_ITS_END
    return f"The maximum of {longest} turns is reached." if said >= longest else None


def _met(test_case: Json, known: Sequence[Turn]) -> str | None:
    """The first stopping criterion whose words the agent's last answer holds."""
    answer = _text(known[-1].data.get("actualOutput"), "assistant_message") if known else ""
    criteria = test_case.get("stoppingCriterias") or ()
    return next((c for c in criteria if c.strip() and c.casefold() in answer.casefold()), None)


def _unanswered(turn: Turn) -> bool:
    return turn.data.get("status") == "PENDING" and turn.data.get("actualOutput") is None


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()] if text else []


def _positive(number: Any) -> int | None:
    return number if isinstance(number, int) and number > 0 else None


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""
