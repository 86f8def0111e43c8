"""Whether a structured output is as its session's JSON Schema (draft 7) wants it; pure.

Schemas and outputs come from outside, and checking must not hold up the service: references stay
within the schema, regular expressions take linear time, and the more parts a schema has that may
look at one value, the smaller is the largest output that is held against it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

import jsonschema_rs
import msgspec

from projections.folds.session import Session
from sessions.domain.policy import OUTPUT_BYTES_MAX
from sessions.domain.rejections import InvalidValue
from sessions.domain.schema_limits import Unusable, weight_of

SCHEMA: Final = "structured_output_schema"
OUTPUT: Final = "structured_output"
SCHEMA_BYTES_MAX: Final = 64 << 10
# The weight of a schema times the bytes of an output.
COST_MAX: Final = 8 << 20
PATTERN_BYTES_MAX: Final = 256 << 10
"""A regular expression, compiled."""
MESSAGE_CHARS_MAX: Final = 400
PLACE_CHARS_MAX: Final = 200
_CACHED: Final = 64

_encode: Final = msgspec.json.Encoder().encode
# This engine has no look-around and no references to groups: so it never tries twice.
_patterns: Final = jsonschema_rs.RegexOptions(
    size_limit=PATTERN_BYTES_MAX, dfa_size_limit=PATTERN_BYTES_MAX
)


class _Checker(NamedTuple):
    weight: int
    validator: jsonschema_rs.Draft7Validator


def check_schema(schema: dict[str, Any]) -> None:
    """Raises InvalidValue for what is no schema, or one that nobody can afford to check."""
    try:
        _checker(_encode(schema))
    except Unusable as error:
        raise InvalidValue(SCHEMA, str(error)) from None


def fits_of(session: Session) -> Callable[[Any], None]:
    """Raises InvalidValue, naming the place, for an output that the session does not want."""
    schema = session.spec.get(SCHEMA)

    def fits(output: Any) -> None:
        size = len(_encode(output))
        if size > OUTPUT_BYTES_MAX:
            raise InvalidValue(OUTPUT, f"at most {OUTPUT_BYTES_MAX} bytes of JSON")
        if isinstance(schema, dict):
            _check(_encode(schema), output, size)

    return fits


def _check(schema: bytes, output: Any, size: int) -> None:
    try:
        checker = _checker(schema)
        if checker.weight * size > COST_MAX:
            most = COST_MAX // checker.weight
            raise InvalidValue(OUTPUT, f"at most {most} bytes of JSON with so involved a schema")
        checker.validator.validate(output)
    except Unusable as error:
        raise InvalidValue(OUTPUT, f"the session's schema cannot be used: {error}") from None
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"/{step}" for step in error.instance_path)[:PLACE_CHARS_MAX]
        raise InvalidValue(OUTPUT + place, error.message[:MESSAGE_CHARS_MAX]) from None


@functools.lru_cache(maxsize=_CACHED)
def _checker(raw: bytes) -> _Checker:
    if len(raw) > SCHEMA_BYTES_MAX:
        raise Unusable(f"at most {SCHEMA_BYTES_MAX} bytes of JSON")
    schema = msgspec.json.decode(raw)
    weight = weight_of(schema)
    try:
        validator = jsonschema_rs.Draft7Validator(
            schema, pattern_options=_patterns, retriever=_refuse
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        words = getattr(error, "message", None) or str(error)
        raise Unusable(f"no JSON Schema of draft 7: {words[:MESSAGE_CHARS_MAX]}") from None
    return _Checker(weight, validator)


def _refuse(_: str) -> NoReturn:
    raise ValueError("a $ref must stay within the schema")
