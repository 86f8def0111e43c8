"""Bodies and refusals as FastAPI has them: every wrong field is told at once, in pydantic's words.

A body is described by its fields; a check gives a value as it is kept, and adds what is wrong
with it to a list.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sessions.failure import Failure, FieldError, Reply

Path = tuple[str | int, ...]
Wrong = list[FieldError]
Check = Callable[[Any, Path, Wrong], Any]

OTHERS_TOLD: Final = 20
JSON: Final = {"Content-Type": "application/json"}
# These are refused before a body has fields; FastAPI tells of them in the same list.
_BODY_CODES: Final = {
    "malformed_json": "json_invalid",
    "too_deep": "json_invalid",
    "nul_character": "value_error",
}
T = TypeVar("T")


class Field(msgspec.Struct, frozen=True):
    """One member of an object; an optional one takes null for its absence unless told not to."""

    name: str
    check: Check
    required: bool = False
    nullable: bool = True


class Detail(msgspec.Struct, frozen=True):
    """One wrong field as FastAPI shows it."""

    loc: Path
    msg: str
    type: str


def needing(fields: Sequence[Field], *names: str) -> tuple[Field, ...]:
    """The fields of a body in which just these must be."""
    return tuple(msgspec.structs.replace(field, required=field.name in names) for field in fields)


def given(body: msgspec.Struct) -> dict[str, Any]:
    """What a body says, without what it leaves unset."""
    fields = msgspec.structs.asdict(body)
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def checked(
    body: Any,
    fields: Sequence[Field],
    into: type[T],
    *,
    at: Path = ("body",),
    status: int = 422,
    closed: bool = False,
) -> T:
    """`body` as an `into`; raises one Failure that names all its wrong fields."""
    wrong: Wrong = []
    values = object_of(fields, closed=closed)(body, at, wrong)
    if wrong:
        raise refusal(wrong, status)
    return msgspec.convert(values, into)


def refusal(wrong: Sequence[FieldError], status: int = 422) -> Failure:
    """The Failure that holds these errors, and says them in one line."""
    lines = [f"{'.'.join(map(str, w.path[1:])) or 'body'}: {w.message}" for w in wrong]
    return Failure(status, "invalid_body", "; ".join(lines), fields=tuple(wrong))


def encode_failure(failure: Failure) -> Reply:
    """The refusal in FastAPI's shape: a list for what is wrong with a body, else a text."""
    details = [Detail(f.path, f.message, f.code) for f in failure.fields]
    status = failure.status
    if failure.code in _BODY_CODES:
        details = [Detail(("body",), failure.detail, _BODY_CODES[failure.code])]
        status = 422
    body = {"detail": details if status == 422 and details else failure.detail}
    return Reply(status, msgspec.json.encode(body), JSON)


def anything(value: Any, _: Path, __: Wrong) -> Any:
    """Whatever JSON holds."""
    return value


def string(value: Any, path: Path, wrong: Wrong) -> Any:
    """A string."""
    if not isinstance(value, str):
        wrong.append(FieldError(path, "Input should be a valid string", "string_type"))
    return value


def boolean(value: Any, path: Path, wrong: Wrong) -> Any:
    """True or false, and no number for it."""
    if not isinstance(value, bool):
        wrong.append(FieldError(path, "Input should be a valid boolean", "bool_type"))
    return value


def mapping(value: Any, path: Path, wrong: Wrong) -> Any:
    """An object with whatever in it."""
    if not isinstance(value, dict):
        wrong.append(FieldError(path, "Input should be a valid dictionary", "dict_type"))
    return value


def text(chars_min: int = 0, chars_max: int | None = None) -> Check:
    """A string of a length."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        string(value, path, wrong)
        if isinstance(value, str):
            if len(value) < chars_min:
                message = f"String should have at least {chars_min} character(s)"
                wrong.append(FieldError(path, message, "string_too_short"))
            if chars_max is not None and len(value) > chars_max:
                message = f"String should have at most {chars_max} characters"
                wrong.append(FieldError(path, message, "string_too_long"))
        return value

    return check


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A whole number from `low` to `high`; 5.0 is 5, true is not 1."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        number = _whole(value, path, wrong)
        if number is not None and low is not None and number < low:
            message = f"Input should be greater than or equal to {low}"
            wrong.append(FieldError(path, message, "greater_than_equal"))
        if number is not None and high is not None and number > high:
            message = f"Input should be less than or equal to {high}"
            wrong.append(FieldError(path, message, "less_than_equal"))
        return number

    return check


def one_of(*allowed: int) -> Check:
    """One of a few whole numbers."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        number = _whole(value, path, wrong)
        if number is not None and number not in allowed:
            message = f"Input should be {', '.join(map(str, allowed[:-1]))} or {allowed[-1]}"
            wrong.append(FieldError(path, message, "literal_error"))
        return number

    return check


def word(*words: str) -> Check:
    """One of a few words."""
    named = " or ".join(f"'{each}'" for each in words)

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if value not in words:
            wrong.append(FieldError(path, f"Input should be {named}", "literal_error"))
        return value

    return check


def list_of(item: Check, items_max: int | None = None) -> Check:
    """An array whose items all pass."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if not isinstance(value, list):
            wrong.append(FieldError(path, "Input should be a valid list", "list_type"))
            return value
        _not_too_long("List", "items", value, items_max, path, wrong)
        return [item(each, (*path, index), wrong) for index, each in enumerate(value)]

    return check


def mapping_of(value_check: Check, key_check: Check, items_max: int | None = None) -> Check:
    """An object whose keys and values all pass."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        mapping(value, path, wrong)
        if not isinstance(value, dict):
            return value
        _not_too_long("Dictionary", "items", value, items_max, path, wrong)
        for key in value:
            key_check(key, (*path, key, "[key]"), wrong)
        return {key: value_check(each, (*path, key), wrong) for key, each in value.items()}

    return check


def object_of(fields: Sequence[Field], *, closed: bool = False) -> Check:
    """An object with these members; others are left out, and are wrong in a closed one."""
    known = frozenset(field.name for field in fields)

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if not isinstance(value, dict):
            wrong.append(FieldError(path, "Input should be an object", "model_attributes_type"))
            return value
        if closed:
            others = itertools.islice((name for name in value if name not in known), OTHERS_TOLD)
            message = "Extra inputs are not permitted"
            wrong += [FieldError((*path, name), message, "extra_forbidden") for name in others]
        kept: dict[str, Any] = {}
        for field in fields:
            name = field.name
            if name not in value:
                if field.required:
                    wrong.append(FieldError((*path, name), "Field required", "missing"))
            elif field.nullable and value[name] is None:
                kept[name] = None
            else:
                kept[name] = field.check(value[name], (*path, name), wrong)
        return kept

    return check


def _whole(value: Any, path: Path, wrong: Wrong) -> int | None:
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        message = "Input should be a valid integer, not a number with a fractional part"
        wrong.append(FieldError(path, message, "int_from_float"))
    elif isinstance(value, bool) or not isinstance(value, int):
        wrong.append(FieldError(path, "Input should be a valid integer", "int_type"))
    else:
        return value
    return None


def _not_too_long(
    what: str, unit: str, value: Any, limit: int | None, path: Path, wrong: Wrong
) -> None:
    if limit is not None and len(value) > limit:
        message = f"{what} should have at most {limit} {unit}, not {len(value)}"
        wrong.append(FieldError(path, message, "too_long"))
