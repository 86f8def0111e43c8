"""Structured outputs are held against the session's schema, and no schema holds up the service."""

from __future__ import annotations

from typing import Any

import pytest

from projections.folds.session import Session
from sessions.domain.output_schema import SCHEMA_BYTES_MAX, check_schema, fits_of
from sessions.domain.policy import OUTPUT_BYTES_MAX
from sessions.domain.rejections import InvalidValue
from sessions.domain.schema_limits import weight_of
from tests.support.work_life import Life

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ages": {"items": {"type": "integer"}}},
    "required": ["name"],
}


def session(schema: Any) -> Session:
    state: Session = Life(spec={"structured_output_schema": schema}).state
    return state


def test_what_fits_passes_and_what_does_not_is_refused_by_its_place():
    fits = fits_of(session(PERSON))
    fits({"name": "x", "ages": [1, 2]})
    with pytest.raises(InvalidValue) as refused:
        fits({"name": "x", "ages": [1, "two"]})
    assert refused.value.field == "structured_output/ages/1"
    with pytest.raises(InvalidValue) as refused:
        fits({})
    assert "name" in refused.value.message


@pytest.mark.parametrize("schema", [None, "object", [], True, 3])
def test_what_is_no_schema_wants_nothing(schema):
    fits_of(session(schema))({"any": "thing"})
    fits_of(Life().state)(None)


def test_an_output_is_so_large_at_most():
    fits = fits_of(Life().state)
    fits("x" * (OUTPUT_BYTES_MAX - 2))
    with pytest.raises(InvalidValue):
        fits("x" * (OUTPUT_BYTES_MAX - 1))


UNUSABLE = {
    "a type that does not exist": {"type": "nonsense"},
    "a reference to nowhere": {"$ref": "#/definitions/none"},
    "a reference to a host": {"$ref": "http://127.0.0.1:1/schema"},
    "a reference to a file": {"$ref": "file:///etc/hostname"},
    "a reference by name": {"definitions": {"a": {"$id": "#a"}}, "$ref": "#a"},
    "a moved base": {"properties": {"x": {"$id": "other", "$ref": "#/definitions/x"}}},
    "no regular expression": {"pattern": "("},
    "one that looks ahead": {"pattern": "^(?=a)b"},
    "one that is too large": {"pattern": "((a{1000}){1000}){1000}"},
    "too many of them": {"properties": {f"p{n}": {"pattern": "x"} for n in range(65)}},
    "too many of them for names": {"patternProperties": {f"p{n}": {} for n in range(65)}},
    "too many bytes": {"const": "x" * SCHEMA_BYTES_MAX},
    "parts that multiply": {
        "definitions": {
            **{f"a{n}": {"allOf": [{"$ref": f"#/definitions/a{n + 1}"}] * 2} for n in range(40)},
            "a40": {"type": "integer"},
        },
        "$ref": "#/definitions/a0",
    },
    "alternatives that multiply": {
        "definitions": {
            **{
                f"a{n}": {
                    "anyOf": [{"$ref": f"#/definitions/a{n + 1}"}],
                    "dependencies": {"x": {"$ref": f"#/definitions/a{n + 1}"}},
                }
                for n in range(40)
            },
            "a40": {"type": "string"},
        },
        "$ref": "#/definitions/a0",
    },
    "a chain without an end": {
        "definitions": {f"a{n}": {"$ref": f"#/definitions/a{n + 1}"} for n in range(900)},
        "$ref": "#/definitions/a0",
    },
}


@pytest.mark.parametrize("why", UNUSABLE)
def test_a_schema_that_cannot_be_used_is_refused_and_so_is_every_output_of_its_session(why):
    schema: Any = UNUSABLE[why]
    with pytest.raises(InvalidValue) as refused:
        check_schema(schema)
    assert refused.value.field == "structured_output_schema"
    with pytest.raises(InvalidValue) as refused:
        fits_of(session(schema))(1)
    assert refused.value.field == "structured_output"


USABLE: dict[str, Any] = {
    "itself": {"$ref": "#"},
    "a tree": {
        "definitions": {
            "node": {
                "type": "object",
                "properties": {
                    "left": {"$ref": "#/definitions/node"},
                    "right": {"$ref": "#/definitions/node"},
                },
            }
        },
        "$ref": "#/definitions/node",
    },
    "a language of twenty words": {
        "definitions": {
            f"w{n}": {
                "type": "object",
                "properties": {
                    "with": {"anyOf": [{"$ref": f"#/definitions/w{m}"} for m in range(20)]}
                },
            }
            for n in range(20)
        },
        "anyOf": [{"$ref": f"#/definitions/w{m}"} for m in range(20)],
    },
    "escaped names": {"definitions": {"a/b%": {"type": "object"}}, "$ref": "#/definitions/a~1b%25"},
    "patterns": {"properties": {"p": {"pattern": "^[A-Z][a-z0-9]{7}$"}}},
}


@pytest.mark.parametrize("what", USABLE)
def test_a_schema_may_refer_to_itself(what):
    check_schema(USABLE[what])
    fits_of(session(USABLE[what]))({"left": {"right": {}}, "with": {"with": {}}, "p": "Passw0rd"})


def test_a_pattern_that_tries_for_ever_does_not():
    evil = {"items": {"allOf": [{"pattern": "^(a+)+$"}] * 20}}
    with pytest.raises(InvalidValue):
        fits_of(session(evil))(["a" * 40 + "b"] * 1000)


@pytest.mark.parametrize(
    ("schema", "weight"),
    [
        ({}, 1),
        ({"properties": {"a": {}, "b": {"items": {}}}}, 1),
        ({"allOf": [{}, {"not": {}}, True]}, 4),
        ({"patternProperties": {"a": {}, "b": {}}, "additionalProperties": {}}, 4),
        (
            {"definitions": {"a": {"anyOf": [{}, {}]}}, "allOf": [{"$ref": "#/definitions/a"}] * 3},
            13,
        ),
    ],
)
def test_the_weight_of_a_schema_is_how_many_of_its_parts_look_at_one_value(schema, weight):
    assert weight_of(schema) == weight


def test_the_heavier_the_schema_the_smaller_the_output():
    heavy = {"items": {"allOf": [{"uniqueItems": True}] * 1000}}
    fits = fits_of(session(heavy))
    fits([1] * 1000)
    with pytest.raises(InvalidValue) as refused:
        fits([[n] for n in range(5000)])
    assert "so involved a schema" in refused.value.message


def test_numbers_of_any_size_are_held_against_it():
    fits = fits_of(session({"type": "integer", "maximum": 10}))
    fits(-(1 << 70))
    with pytest.raises(InvalidValue):
        fits(1 << 70)
