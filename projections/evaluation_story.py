"""The turns of conversations, their spans and what they refer to, in words; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.events.span import SpanDeleted, SpanRecorded
from projections.telling import Known
from projections.wording import pairs, quoted


def _with(data: dict[str, Any]) -> str:
    return f": {pairs(data)}" if data else ""


def _spanned(fact: SpanRecorded, _: Known) -> str:
    where = f"turn {fact.turn} of session {quoted(fact.session, 64)}"
    return f"span of {where} recorded{_with(fact.data)}"


def _entered(fact: CatalogEntered, _: Known) -> str:
    parent = f" of {quoted(fact.parent, 64)}" if fact.parent else ""
    return f"entered as {quoted(fact.type, 40)}{parent}{_with(fact.data)}"


EVALUATION_SENTENCES: Final[dict[type, Callable[[Any, Known], str]]] = {
    TurnRecorded: lambda fact, _: f"turn {fact.index} recorded{_with(fact.data)}",
    TurnChanged: lambda fact, _: f"turn {fact.index} changed{_with(fact.data)}",
    TurnRemoved: lambda fact, _: f"turn {fact.index} removed",
    SpanRecorded: _spanned,
    SpanDeleted: lambda *_: "span deleted",
    CatalogEntered: _entered,
    CatalogChanged: lambda fact, _: f"entry changed{_with(fact.data)}",
    CatalogDeleted: lambda *_: "entry deleted",
}
