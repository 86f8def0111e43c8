"""Query parameters, refused as FastAPI refuses them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.failure import FieldError

DIGITS_MAX: Final = 18
YEARS: Final = range(2000, 3000)
_WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}


def integer(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`; raises Failure 422."""
    text = query.get(name)
    if text is None:
        return default
    digits = text.strip().removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise fastapi.refusal([FieldError(("query", name), message, "int_parsing")])
    wrong: fastapi.Wrong = []
    number: int = fastapi.integer(low, high)(int(text), ("query", name), wrong)
    if wrong:
        raise fastapi.refusal(wrong)
    return number


def boolean(query: Mapping[str, str], name: str, default: bool) -> bool:
    """True or false in any of the spellings that pydantic takes; raises Failure 422."""
    text = query.get(name)
    if text is None:
        return default
    found = truth(text)
    if found is None:
        message = "Input should be a valid boolean, unable to interpret input"
        raise fastapi.refusal([FieldError(("query", name), message, "bool_parsing")])
    return found


def truth(text: str) -> bool | None:
    """What a word says, None for one that says neither."""
    return _WORDS.get(text.lower())


def word(query: Mapping[str, str], name: str, *words: str) -> str | None:
    """One of `words`, None where it is not given; raises Failure 422."""
    text = query.get(name)
    if text is None or text in words:
        return text
    named = " or ".join(f"'{each}'" for each in words)
    error = FieldError(("query", name), f"Input should be {named}", "literal_error")
    raise fastapi.refusal([error])


def json_object(query: Mapping[str, str], name: str) -> dict[str, Any]:
    """The object that a parameter holds as JSON; raises Failure 422 (section 4.2)."""
    text = query.get(name)
    if text is None:
        return {}
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        error = FieldError(("query", name), "Invalid JSON", "json_invalid")
        raise fastapi.refusal([error]) from None
    if not isinstance(value, dict):
        error = FieldError(("query", name), "Input should be a valid dictionary", "dict_type")
        raise fastapi.refusal([error])
    return value


def day(query: Mapping[str, str], name: str) -> date | None:
    """A day, of which a time may follow, None where it is not given; raises Failure 422."""
    text = query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text).date()
        if found.year not in YEARS:
            raise ValueError
        return found
    except ValueError:
        message = "Input should be a valid date"
        error = FieldError(("query", name), message, "date_from_datetime_parsing")
        raise fastapi.refusal([error]) from None
