"""Hypothesis strategies for the vocabulary, made from the annotations of its types."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from eventstore.codec import Fact
from projections.events import VOCABULARY

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(max_size=4), json_values, max_size=3)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    str: st.text(max_size=20),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
    UnsetType: st.just(UNSET),
    Any: json_values,
    dict[str, Any]: json_objects,
    dict[str, str]: st.dictionaries(st.text(max_size=4), st.text(max_size=8), max_size=3),
    dict[str, int]: st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field with this annotation may hold."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return structs_of(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return st.sampled_from(get_args(annotation))
        case origin if origin in (Union, UnionType):
            return st.one_of([values_of(one) for one in get_args(annotation)])
        case origin if origin is tuple:
            return st.lists(values_of(get_args(annotation)[0]), max_size=3).map(tuple)
        case _:
            raise TypeError(f"no strategy for {annotation}")


def structs_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a struct; a field with a default may be left out."""
    hints = get_type_hints(kind)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        (required if field.required else optional)[field.name] = values_of(hints[field.name])
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


facts: st.SearchStrategy[Fact] = st.one_of([structs_of(kind) for kind in VOCABULARY])
