"""Changes of what Galtea's sessions refer to: absent keeps a field, null clears it (section 7)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from sessions.dialects.galtea.entities import (
    ClosedPolicy,
    Json,
    facts_key,
    facts_of,
    required_name,
)
from sessions.dialects.galtea.wire import Body

Text = str | UnsetType | None
FACTS: Final = "facts"
FACTS_KEY: Final = "factsKey"
LAST_NUMBER: Final = "lastVersionNumber"
"""What a product keeps of the versions that were deleted, for a number is never used again."""


class ChangedProduct(Body, frozen=True, kw_only=True):
    """What to change of a product."""

    name: str | UnsetType = UNSET
    description: Text = UNSET
    risk_level: Text = UNSET
    operator_type: Text = UNSET
    interaction_mode: Text = UNSET
    primary_task: Text = UNSET
    capabilities: Text = UNSET
    policies: Text = UNSET
    inabilities: Text = UNSET
    auto_close_scope: Text = UNSET
    auto_close_inactivity_minutes: int | UnsetType | None = UNSET
    closed_session_inference_creation_policy: ClosedPolicy | UnsetType | None = UNSET
    otel_output_source_rule: Json | UnsetType | None = UNSET
    otel_input_source_rule: Json | UnsetType | None = UNSET


class ChangedVersion(Body, frozen=True, kw_only=True):
    """What to change of a version; one without a name is called by its number."""

    name: Text = UNSET
    facts: dict[str, str] | UnsetType | None = UNSET
    description: Text = UNSET
    system_prompt: Text = UNSET
    model_id: Text = UNSET
    dataset_description: Text = UNSET
    dataset_uri: Text = UNSET
    guardrails: Text = UNSET
    conversation_endpoint_connection_id: Text = UNSET
    initialization_endpoint_connection_id: Text = UNSET
    finalization_endpoint_connection_id: Text = UNSET
    phone_connection_id: Text = UNSET
    web_rtc_connection_id: Text = UNSET
    otel_output_source_rule: Json | UnsetType | None = UNSET
    otel_input_source_rule: Json | UnsetType | None = UNSET


class ChangedTest(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a test; all else of it is as it was made."""

    name: str | UnsetType = UNSET
    metadata: Any = UNSET
    specification_ids: list[str] | UnsetType | None = UNSET


def product_changes(body: ChangedProduct) -> Json:
    """The keys of a product to set, None to clear one."""
    changes = _given(body)
    if changes.get("description", "") is None:
        changes["description"] = ""
    return _named(changes)


def version_changes(body: ChangedVersion) -> Json:
    """The keys of a version to set, None to clear one; a blank name is none."""
    changes = _given(body)
    if isinstance(body.name, str):
        changes["name"] = body.name.strip() or None
    if body.facts is not UNSET:
        facts = None if body.facts is None else facts_of(body.facts)
        changes |= {FACTS: facts, FACTS_KEY: None if facts is None else facts_key(facts)}
    return changes


def test_changes(body: ChangedTest) -> Json:
    """The keys of a test to set, None to clear one."""
    return _named(_given(body))


def _named(changes: Json) -> Json:
    return changes | {"name": required_name(changes["name"])} if "name" in changes else changes


def _given(body: Body) -> Json:
    values: Json = msgspec.to_builtins(body)
    return values
