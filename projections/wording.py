"""How values from a log are put into words: bounded, on one line, and harmless to a terminal.

A log holds what strangers sent. Whatever does not print (escapes, line ends, marks that turn the
direction of a text around) is shown by its number, what is sealed only by that word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from eventstore.sealed import MARK

TEXT_CHARS_MAX: Final = 120
VALUE_CHARS_MAX: Final = 40
ITEMS_MAX: Final = 8
DEPTH_MAX: Final = 70
"""Deeper than any JSON that the service takes."""

HIDDEN: Final = "(sealed)"
_SEALED: Final = re.compile(re.escape(MARK) + r"v\d+:[A-Za-z0-9+/=_-]*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUOTE: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})
_MS_US, _S_US, _MIN_US = 1_000, 1_000_000, 60_000_000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
SECONDS_SAID_MAX: Final = 600


def plain(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text` without its secrets, cut, and with everything that does not print escaped."""
    cut = _cut(text, chars_max)
    return cut if cut.isprintable() else "".join(map(_escaped, cut))


def _cut(text: str, chars_max: int) -> str:
    text = _opened(text)
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _opened(text: str) -> str:
    return _SEALED.sub(HIDDEN, text) if MARK in text else text


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def quoted(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """`text` in quotes, so that it is clear where it ends whatever it holds."""
    cut = _cut(text, chars_max)
    return HIDDEN if cut == HIDDEN else f'"{plain(cut.translate(_QUOTE), 2 * chars_max)}"'


def items(words: Iterable[str]) -> str:
    """The first few of `words`, in quotes, and how many more there are."""
    every = list(words)
    few = [quoted(word, VALUE_CHARS_MAX) for word in every[:ITEMS_MAX]]
    return ", ".join([*few, *_more(len(every))])


def pairs(values: Mapping[str, Any]) -> str:
    """The first few of `values` as name=value, and how many more there are."""
    names = list(values)[:ITEMS_MAX]
    few = [f"{plain(name, VALUE_CHARS_MAX)}={shown(values[name])}" for name in names]
    return ", ".join([*few, *_more(len(values))])


def _more(count: int) -> list[str]:
    return [f"and {count - ITEMS_MAX} more"] if count > ITEMS_MAX else []


def shown(value: Any, chars_max: int = VALUE_CHARS_MAX) -> str:
    """A JSON value on one line: a text in quotes, anything else as JSON."""
    if isinstance(value, str):
        return quoted(value, chars_max)
    try:
        text = msgspec.json.encode(open_only(value)).decode()
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return plain(text, chars_max)


def open_only(value: Any, depth: int = DEPTH_MAX) -> Any:
    """A JSON value in which nothing is left of what was sealed."""
    if isinstance(value, str):
        return _opened(value)
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return {open_only(name): open_only(one, depth - 1) for name, one in value.items()}
    if isinstance(value, list):
        return [open_only(one, depth - 1) for one in value]
    return value


def duration(us: int) -> str:
    """How long that is, as people say it: 3.2 s, 2 h 10 min."""
    if us < 0:
        return f"-{duration(-us)}"
    if us < _S_US:
        return "0 s" if us == 0 else f"{us / _MS_US:.3g} ms" if us < 999_500 else "1 s"
    if us < _MIN_US:
        return f"{min(us / _S_US, 59.9):.1f} s"
    return _joined(_parts(us // _S_US)[:2])


def seconds(count: int | None) -> str:
    """An exact length as it was set: 300 s, 1 h 30 min, 7 d; none where there is none."""
    if count is None:
        return "none"
    if abs(count) <= SECONDS_SAID_MAX:
        return f"{count} s"
    sign = "-" if count < 0 else ""
    return sign + _joined(_parts(abs(count)))


def _joined(parts: Iterable[tuple[int, str]]) -> str:
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _parts(total_s: int) -> list[tuple[int, str]]:
    """Days, hours, minutes and seconds, from the largest that is not 0."""
    found: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, total_s = divmod(total_s, size)
        if count or found:
            found.append((count, unit))
    return found


def time_text(at_us: int) -> str:
    """An instant in UTC, exact to the microsecond; the bare number where no calendar has it."""
    try:
        at = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        return f"{at_us} us"
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
