"""The checks of bodies in FastAPI's manner, and the refusals that come of them."""

from typing import Any

import msgspec
import pytest

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, checked, encode_failure
from sessions.failure import Failure, FieldError


class Thing(msgspec.Struct):
    name: str
    count: int | None = None
    tags: tuple[str, ...] = ()


FIELDS = (
    Field("name", fastapi.text(1, 3), required=True, nullable=False),
    Field("count", fastapi.integer(1, 9)),
    Field("tags", fastapi.list_of(fastapi.string, 2), nullable=False),
)


def details(body: Any) -> Any:
    with pytest.raises(Failure) as caught:
        checked(body, FIELDS, Thing)
    reply = encode_failure(caught.value)
    assert reply.status == 422
    return [(d["loc"], d["type"]) for d in msgspec.json.decode(reply.body)["detail"]]


@pytest.mark.parametrize(
    ("body", "thing"),
    [
        ({"name": "a"}, Thing("a")),
        ({"name": "a", "count": None}, Thing("a")),
        ({"name": "a", "count": 9.0, "other": 1}, Thing("a", 9)),
        ({"name": "abc", "tags": ["x", "y"]}, Thing("abc", None, ("x", "y"))),
    ],
)
def test_a_good_body_becomes_its_type(body: Any, thing: Thing) -> None:
    assert checked(body, FIELDS, Thing) == thing


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], [(["body"], "model_attributes_type")]),
        (None, [(["body"], "model_attributes_type")]),
        ({}, [(["body", "name"], "missing")]),
        ({"name": None}, [(["body", "name"], "string_type")]),
        ({"name": ""}, [(["body", "name"], "string_too_short")]),
        ({"name": "abcd"}, [(["body", "name"], "string_too_long")]),
        ({"name": "a", "count": 0}, [(["body", "count"], "greater_than_equal")]),
        ({"name": "a", "count": 10}, [(["body", "count"], "less_than_equal")]),
        ({"name": "a", "count": 1.5}, [(["body", "count"], "int_from_float")]),
        ({"name": "a", "count": True}, [(["body", "count"], "int_type")]),
        ({"name": "a", "tags": None}, [(["body", "tags"], "list_type")]),
        ({"name": "a", "tags": "ab"}, [(["body", "tags"], "list_type")]),
        ({"name": "a", "tags": ["x", 1]}, [(["body", "tags", 1], "string_type")]),
        ({"name": "a", "tags": ["x"] * 3}, [(["body", "tags"], "too_long")]),
        (
            {"count": "1", "tags": [1, 2]},
            [
                (["body", "name"], "missing"),
                (["body", "count"], "int_type"),
                (["body", "tags", 0], "string_type"),
                (["body", "tags", 1], "string_type"),
            ],
        ),
    ],
)
def test_every_wrong_field_is_told_once(body: Any, expected: Any) -> None:
    assert details(body) == expected


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (Failure(400, "malformed_json", "no"), 422, list),
        (Failure(400, "too_deep", "no"), 422, list),
        (Failure(400, "nul_character", "no"), 422, list),
        (Failure(401, "unauthorized", "no"), 401, str),
        (Failure(404, "not_found", "no"), 404, str),
        (Failure(422, "idempotency_key_reused", "no"), 422, str),
        (Failure(422, "x", "no", fields=(FieldError(("body", "a"), "bad"),)), 422, list),
        (Failure(400, "x", "no", fields=(FieldError(("query", "a"), "bad"),)), 400, str),
    ],
)
def test_a_refusal_is_a_list_or_a_text(failure: Failure, status: int, kind: type[Any]) -> None:
    reply = encode_failure(failure)
    body = msgspec.json.decode(reply.body)
    assert (reply.status, body.keys()) == (status, {"detail"})
    assert isinstance(body["detail"], kind)
    assert reply.headers["Content-Type"] == "application/json"
