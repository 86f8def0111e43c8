"""The OpenAPI document as such: valid, complete, and nothing in it that is not so."""

import re

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from sessions.dialects.native import openapi, schemas
from sessions.dialects.native.operation import Operation, route
from sessions.dialects.native.problems import CODES
from sessions.dialects.native.routes import DOCUMENT, ROUTES
from sessions.web.surface import Route
from tests.support.contract import Contract


@pytest.fixture(scope="module")
def document():
    return msgspec.json.decode(DOCUMENT)


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_operations_are_those_of_the_route_table(document):
    described = [
        (method.upper(), path, operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    assert sorted(described) == sorted((r.method, r.path, r.name) for r in ROUTES)


def test_every_operation_says_what_it_does(document):
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["summary"].endswith(".")
            assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}


def test_path_parameters_are_those_of_the_path(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def test_every_property_that_has_a_meaning_is_one_of_a_component(document):
    names = {
        name
        for schema in document["components"]["schemas"].values()
        for name in schema.get("properties", {})
    }
    assert schemas.MEANINGS.keys() - names == set()


def test_every_component_is_used(document):
    text = DOCUMENT.decode()
    entry_points = {"Frame"}  # what a websocket says is no answer in the sense of OpenAPI
    for section in ("schemas", "responses", "headers"):
        for name in document["components"][section].keys() - entry_points:
            assert f'"#/components/{section}/{name}"' in text, name


def test_every_code_of_the_document_is_known(document):
    for response in document["components"]["responses"].values():
        narrowed = response["content"]["application/problem+json"]["schema"]["allOf"][1]
        status = narrowed["properties"]["status"]["const"]
        assert {CODES[code].status for code in narrowed["properties"]["code"]["enum"]} == {status}


def test_a_route_without_a_description_cannot_be_added():
    async def handler(request):
        raise NotImplementedError

    bare = Route(method="GET", path="/x", handler=handler, name="x")
    with pytest.raises(AssertionError, match="x has no doc"):
        openapi.document([bare])
    doc = Operation(tag="service", scope=None, answers=(), problems=())
    with pytest.raises(AssertionError, match="x says nothing of itself"):
        openapi.document([route("GET", "/x", handler, "x", doc)])


def test_what_answers_may_not_hold_is_refused(document):
    contract = Contract(document)
    page = {"$ref": "#/components/schemas/MessageList"}
    assert contract.fits(page, {"items": [], "next": None})
    assert not contract.fits(page, {"items": [], "next": None, "more": True})
    assert not contract.fits(page, {"items": []})
    assert not contract.fits(page, {"items": [{"id": "1"}], "next": None})
