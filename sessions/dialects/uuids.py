"""UUIDs behind the ids of dialects that write them in another way; pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
# Clients ask for the same ones again and again, and each takes as long as the rest of its answer.
IDS_KEPT: Final = 8_192
_ID: Final = re.compile("[0-9a-z]+")
_ID_CHARS: Final = 25  # the first power of 36 beyond 2 ** 128
_UUID_END: Final = 1 << 128


def dashed(digits: str) -> str:
    """The UUID with these 32 hexadecimal digits."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@functools.lru_cache(maxsize=IDS_KEPT)
def public_id(entity: str, uuid: str) -> str:
    """The id of the entity with this UUID in Galtea's API."""
    number = int(uuid.replace("-", ""), 16)
    digits = ""
    for _ in range(_ID_CHARS):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return f"{entity}_{digits}"


def uuid_of(entity: str, public: str) -> str | None:
    """The UUID behind an id that clients see; None for what `public_id` does not give."""
    prefix, _, digits = public.rpartition("_")
    if prefix != entity or len(digits) != _ID_CHARS or not _ID.fullmatch(digits):
        return None
    number = int(digits, 36)
    if number >= _UUID_END:
        return None
    return dashed(f"{number:032x}")


def uuids_of(entity: str, publics: Iterable[str]) -> list[str]:
    """The UUIDs behind such ids, each once; what is no id has none."""
    found = (uuid_of(entity, public) for public in publics)
    return list(dict.fromkeys(uuid for uuid in found if uuid is not None))
