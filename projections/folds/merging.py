"""How data that a fact changes in part becomes new data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the changes: each key is new as a whole, and None takes it away."""
    together = {**data, **changes}
    return {key: value for key, value in together.items() if value is not None}
