"""Which browser a User-Agent names, by the patterns of the ua-parser project."""

from __future__ import annotations

import functools
from typing import Final

from ua_parser import parse_user_agent

from sessions.dialects.wave.wire import Browser

AGENTS_MAX: Final = 1024


@functools.lru_cache(maxsize=AGENTS_MAX)
def browser_of(agent: str) -> Browser:
    """Family and `major[.minor[.patch]]`; Other and 0 for what nobody knows (section 2.1)."""
    found = parse_user_agent(agent)
    if found is None:
        return Browser()
    numbers = [found.major, found.minor, found.patch]
    known = numbers[: numbers.index(None)] if None in numbers else numbers
    return Browser(name=found.family, version=".".join(map(str, known)) or "0")
