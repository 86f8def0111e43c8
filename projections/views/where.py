"""Conditions of a query and their parameters, put together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


def values_in(values: Sequence[str]) -> str:
    """The one parameter of `IN (SELECT value FROM json_each(?))`, however many values there are."""
    return msgspec.json.encode(values).decode()


class Where:
    """Conditions joined by AND, with their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[object] = []

    def add(self, condition: str, *parameters: object) -> None:
        """One more condition that must hold."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def one_of(self, column: str, values: Sequence[str]) -> None:
        """The column has one of the values; none means any."""
        if len(values) == 1:
            self.add(f"{column} = ?", values[0])
        elif values:
            # The unary plus keeps the planner on the index that has the order.
            self.add(f"+{column} IN (SELECT value FROM json_each(?))", values_in(values))

    def sql(self) -> str:
        """The whole condition."""
        return " AND ".join(self.conditions)
