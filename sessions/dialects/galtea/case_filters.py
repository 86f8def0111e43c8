"""The filters that only lists of test cases have (section 7)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.dialects.galtea import queries

_INTEGER: Final = {str(number): number for number in range(-1, 2)}


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a test case must be to be listed; None and empty mean any."""

    reviewed: bool | None
    user_score: int | None
    tools: frozenset[str]
    text: str

    def holds(self, case: dict[str, Any]) -> bool:
        """True if the list holds the test case, given as it is answered."""
        reviewed = case["reviewedById"] is not None
        tools = case["expectedTools"] or ()
        return (
            self.reviewed in (None, reviewed)
            and self.user_score in (None, case["userScore"] or 0)
            and self.tools <= set(tools)
            and (not self.text or any(self.text in told for told in _texts(case["input"])))
        )


def case_filter(request: web.Request) -> CaseFilter:
    """The filter that a request names; raises Failure 400."""
    return CaseFilter(
        reviewed=queries.word(request, "reviewed", queries.TRUTH),
        user_score=queries.word(request, "userScore", _INTEGER),
        tools=frozenset(queries.array(request, "expectedTools")),
        text=request.query.get("input", "").lower(),
    )


def _texts(value: Any) -> list[str]:
    """Every text in the values of an input, in small letters."""
    if isinstance(value, str):
        return [value.lower()]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return []
