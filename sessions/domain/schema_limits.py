"""What it may cost to hold a value against a JSON Schema (draft 7), told from the schema; pure.

Whoever checks does so while everybody else waits: so the cost is bounded before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

# So many parts of a schema may look at one and the same value, by references in a row.
PARTS_MAX: Final = 2_000
DEPTH_MAX: Final = 200
PATTERNS_MAX: Final = 64

# Where a part has further ones for the same value; `dependencies` has them by name.
_ONE: Final = ("not", "if", "then", "else")
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_NAMED: Final = "dependencies"
# Where several parts may look at one and the same value within the value.
_WITHIN: Final = ("additionalProperties", "additionalItems", "contains", "propertyNames")
_BY_PATTERN: Final = "patternProperties"


class Unusable(Exception):
    """Why a schema cannot be used."""


def weight_of(schema: dict[str, Any]) -> int:
    """How many parts of a schema may look at one value at the most; raises Unusable.

    Only references from `#` on are allowed, for others could lead out of it, or around the count.
    """
    return _Count(schema).weight()


class _Count:
    """References in a row multiply, all other parts add up."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = schema
        self._known: dict[int, int] = {}
        self._patterns = 0

    def weight(self) -> int:
        most = extra = 0
        waiting: list[Any] = [self._root]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                if part is not self._root and isinstance(part.get("$id"), str):
                    raise Unusable("an $id within it would move its references")
                most = max(most, self._parts(part, ()))
                extra += sum(1 for _ in self._further(part)) + self._within(part)
                waiting.extend(part.values())
            elif isinstance(part, list):
                waiting.extend(part)
        return max(most, 1 + extra)

    def _within(self, part: dict[str, Any]) -> int:
        by_pattern = part.get(_BY_PATTERN)
        patterns = len(by_pattern) if isinstance(by_pattern, dict) else 0
        self._patterns += patterns + isinstance(part.get("pattern"), str)
        if self._patterns > PATTERNS_MAX:
            raise Unusable(f"at most {PATTERNS_MAX} regular expressions")
        return patterns + sum(isinstance(part.get(name), dict) for name in _WITHIN)

    def _parts(self, part: dict[str, Any], inside: tuple[int, ...]) -> int:
        if id(part) in inside:
            return 1
        known = self._known.get(id(part))
        if known is None and len(inside) < DEPTH_MAX:
            within = (*inside, id(part))
            known = 1 + sum(self._parts(each, within) for each in self._further(part))
            self._known[id(part)] = known
        if known is None or known > PARTS_MAX:
            raise Unusable("its parts refer to one another too often")
        return known

    def _further(self, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The parts that look at the same value."""
        found = [part.get(name) for name in _ONE]
        for name in _LISTS:
            each = part.get(name)
            found += each if isinstance(each, list) else ()
        named = part.get(_NAMED)
        found += named.values() if isinstance(named, dict) else ()
        ref = part.get("$ref")
        if isinstance(ref, str):
            found.append(self._target(ref))
        return (each for each in found if isinstance(each, dict))

    def _target(self, ref: str) -> Any:
        """What a reference leads to; None for one that leads nowhere."""
        if ref != "#" and not ref.startswith("#/"):
            raise Unusable("a $ref must stay within the schema, and begin with #")
        found: Any = self._root
        for step in ref.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isascii() and name.isdigit():
                found = found[int(name)] if len(name) < 6 and int(name) < len(found) else None
            else:
                return None
        return found
