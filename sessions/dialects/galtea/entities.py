"""Shapes of what Galtea's sessions refer to: products, versions, tests and test cases."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from projections.folds.catalog import Entry
from sessions.dialects.galtea.wire import Body, bad, instant, wrapped
from sessions.dialects.uuids import public_id

ClosedPolicy = Literal["REJECT", "IGNORE", "REOPEN_AND_REEVALUATE"]
# The names that people use, and those of the wire (section 7).
TEST_TYPES: Final = {
    "ACCURACY": "QUALITY",
    "SECURITY": "RED_TEAMING",
    "BEHAVIOR": "SCENARIOS",
}
Json = dict[str, Any]
_LABEL: Final = re.compile(r"[vV]([0-9]+)")


class NewProduct(Body, frozen=True, kw_only=True):
    """A product to enter; the organization is the key's tenant."""

    name: str
    description: str = ""
    risk_level: str | None = None
    operator_type: str | None = None
    interaction_mode: str | None = None
    primary_task: str | None = None
    capabilities: str | None = None
    policies: str | None = None
    inabilities: str | None = None
    auto_close_scope: str | None = None
    auto_close_inactivity_minutes: int | None = None
    closed_session_inference_creation_policy: ClosedPolicy | None = None
    otel_output_source_rule: Json | None = None
    otel_input_source_rule: Json | None = None


class NewVersion(Body, frozen=True, kw_only=True):
    """A version to enter; one without a name is called by its number."""

    product_id: str
    name: str | None = None
    description: str | None = None
    system_prompt: str | None = None
    model_id: str | None = None
    dataset_description: str | None = None
    dataset_uri: str | None = None
    guardrails: str | None = None
    parent_version_id: str | None = None
    conversation_endpoint_connection_id: str | None = None
    initialization_endpoint_connection_id: str | None = None
    finalization_endpoint_connection_id: str | None = None
    phone_connection_id: str | None = None
    web_rtc_connection_id: str | None = None
    otel_output_source_rule: Json | None = None
    otel_input_source_rule: Json | None = None


class WantedVersion(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version to find by its facts, or to enter with them."""

    product_id: str
    facts: dict[str, str]
    name: str | msgspec.UnsetType = msgspec.UNSET


class NewTest(Body, frozen=True, kw_only=True):
    """A test, which the SDK calls a dataset."""

    name: str
    product_id: str | None = None
    type: str | None = None
    language_code: str | None = None
    background_noise_profile: str | None = None
    background_noise_level: str | None = None
    ground_truth_uri: str | None = None
    few_shot: str | None = None
    custom_user_persona: str | None = None
    variants: list[str] | None = None
    strategies: list[str] | None = None
    custom_variant_description: str | None = None
    max_test_cases: int | None = None
    max_iterations: int | None = None
    uri: str | None = None
    metadata: Any = None
    specification_ids: list[str] | None = None
    specification_id: str | None = None


class NewTestCase(Body, frozen=True, kw_only=True):
    """A test case; one that begins with a conversation is not taken yet, so those are null."""

    test_id: str
    input: str | Json | None = None
    context: str | Json | None = None
    expected_output: str | None = None
    expected_tools: list[str] | None = None
    variant: str | None = None
    strategy: str | None = None
    user_persona: str | None = None
    scenario: str | None = None
    goal: str | None = None
    max_iterations: int | None = None
    stopping_criterias: list[str] | None = None
    source: str | None = None
    source_file: str | None = None
    reviewed_by_id: str | None = None
    language_code: str | None = None
    gender: str | None = None
    background_noise_profile: str | None = None
    background_noise_level: str | None = None
    user_score: int | None = None
    user_score_reason: str | None = None
    confidence: float | None = None
    confidence_reason: str | None = None
    seed_session_id: None = None
    conversation_history: None = None


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of entry: what it is called on the wire and in the catalog, and how it looks."""

    type: str
    prefix: str
    parent: str
    fields: tuple[str, ...]
    filters: Mapping[str, str]
    extra: Callable[[Entry], Json]


def _fields(body: type[Body], *left_out: str) -> tuple[str, ...]:
    names = [field.encode_name for field in msgspec.structs.fields(body)]
    return tuple(name for name in names if name not in left_out)


PRODUCT: Final = Entity(
    type="product",
    prefix="product",
    parent="",
    fields=_fields(NewProduct),
    filters={"names": "name"},
    extra=lambda entry: {"organizationId": f"organization_{entry.tenant}"},
)
VERSION: Final = Entity(
    type="version",
    prefix="version",
    parent="productId",
    fields=_fields(NewVersion, "productId", "name"),
    filters={"productIds": "productId", "names": "name", "parentVersionIds": "parentVersionId"},
    extra=lambda entry: {
        "name": entry.data.get("name") or f"v{entry.data.get('number')}",
        "number": entry.data.get("number"),
        "facts": entry.data.get("facts"),
    },
)
TEST: Final = Entity(
    type="test",
    prefix="test",
    parent="productId",
    fields=_fields(NewTest, "productId"),
    filters={"productIds": "productId", "names": "name", "types": "type"},
    extra=lambda _: {"status": "SUCCESS", "error": None},
)
TEST_CASE: Final = Entity(
    type="test_case",
    prefix="testCase",
    parent="testId",
    fields=_fields(NewTestCase, "testId", "conversationHistory"),
    filters={
        "testIds": "testId",
        "languages": "languageCode",
        "variants": "variant",
        "strategies": "strategy",
    },
    extra=lambda _: {
        "isAugmented": False,
        "testCaseGroupId": None,
        "parentTestCaseId": None,
        "legacyAt": None,
    },
)
# What a run shows is more than what is kept of it: `wire_runs.py` has it.
RUN: Final = Entity(
    type="run", prefix="run", parent="productId", fields=(), filters={}, extra=lambda _: {}
)
PARENTS: Final = {
    VERSION.type: PRODUCT,
    TEST.type: PRODUCT,
    RUN.type: PRODUCT,
    TEST_CASE.type: TEST,
}


def view(entity: Entity, entry: Entry) -> Json:
    """An entry as it is answered: every key, null where there is nothing (section 7)."""
    shown: Json = {"id": public_id(entity.prefix, entry.id)}
    if entity.parent:
        above = PARENTS[entity.type].prefix
        shown[entity.parent] = public_id(above, entry.parent) if entry.parent else None
    shown |= {name: entry.data.get(name) for name in entity.fields}
    shown |= entity.extra(entry)
    return shown | {"createdAt": instant(entry.created_at), "deletedAt": None}


def product_data(body: NewProduct) -> Json:
    """What is kept of a product."""
    return {**_given(body), "name": required_name(body.name), "description": body.description}


def version_data(body: NewVersion) -> Json:
    """What is kept of a version, but for its number; a blank name is none."""
    kept = _given(body, "productId", "name")
    name = (body.name or "").strip()
    return {**kept, "name": name} if name else kept


def test_data(body: NewTest) -> Json:
    """What is kept of a test, its type in the words of the wire; raises Failure for others."""
    kept = {**_given(body, "productId"), "name": required_name(body.name)}
    if body.type is not None:
        kept["type"] = TEST_TYPES.get(body.type, body.type)
        if kept["type"] not in TEST_TYPES.values():
            raise bad("type", f"type is one of {', '.join(TEST_TYPES.values())}")
    return kept


def test_case_data(body: NewTestCase) -> Json:
    """What is kept of a test case; texts are wrapped (section 7)."""
    kept = _given(body, "testId")
    wrappings = {"input": wrapped(body.input, "user_message"), "context": context_of(body)}
    return kept | {name: value for name, value in wrappings.items() if value is not None}


def context_of(body: NewTestCase) -> Json | None:
    """The context of a test case as an object."""
    return wrapped(body.context, "value")


def facts_of(given: Mapping[str, str]) -> dict[str, str]:
    """The facts without blanks around or nothing in them, in order; raises Failure if none is."""
    facts: dict[str, str] = {}
    for key, value in given.items():
        name, fact = key.strip(), value.strip()
        if name in facts:
            raise bad("facts", f"facts holds {name!r} twice")
        if name and fact:
            facts[name] = fact
    if not facts:
        raise bad("facts", "facts holds at least one entry that is not blank")
    return dict(sorted(facts.items()))


def facts_key(facts: dict[str, str]) -> str:
    """One text for all maps that hold these facts."""
    return msgspec.json.encode(facts).decode()


def reserved_number(name: str) -> str | None:
    """The number in a name that can only be a version's own label, such as v7; None for others."""
    found = _LABEL.fullmatch(name.strip())
    return found.group(1) if found else None


def required_name(name: str) -> str:
    """The name without blanks around it; raises Failure if nothing is left."""
    if not name.strip():
        raise bad("name", "name is not blank")
    return name.strip()


def _given(body: Body, *left_out: str) -> Json:
    values: Json = msgspec.to_builtins(body)
    return {k: v for k, v in values.items() if v is not None and k not in left_out}
