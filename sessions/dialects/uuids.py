"""UUIDs behind the ids of dialects that write them in another way; pure."""

from __future__ import annotations


def dashed(digits: str) -> str:
    """The UUID with these 32 hexadecimal digits."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
