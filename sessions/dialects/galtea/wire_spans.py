"""Shapes of Galtea's spans, which its wire calls traces (section 6)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from projections.folds.span import Span
from sessions.dialects.galtea.wire import Body, bad, instant
from sessions.dialects.galtea.wire_turns import Amount, turn_id
from sessions.domain.rejections import Rejection
from sessions.failure import Failure
from sessions.web.bodies import field_error

BATCH_MAX: Final = 1_000
DESCRIPTION_CHARS_MAX: Final = 10 << 10
TYPES: Final = (
    "SPAN",
    "GENERATION",
    "EVENT",
    "AGENT",
    "TOOL",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "EMBEDDING",
    "GUARDRAIL",
)
ORIGINAL_TYPE: Final = "galtea.span.original_type"
_ID: Final = re.compile(r"[!-~]{1,128}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
Json = dict[str, Any]


class NewTrace(Body, frozen=True, kw_only=True):
    """A span to record; its client may choose its id, and recording that again replaces it."""

    inference_result_id: str
    name: str
    id: str | None = None
    type: str | None = None
    description: str | None = None
    input_data: Any = None
    output_data: Any = None
    error: str | None = None
    latency_ms: Amount | None = None
    metadata: Any = None
    parent_trace_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class NewTraces(Body, frozen=True, kw_only=True):
    """Spans to record, of which those that are wrong are refused one by one."""

    traces: list[Any]


class TraceView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A span as it is answered: every key, null where there is nothing."""

    id: str
    inference_result_id: str
    parent_trace_id: Any
    name: Any
    type: Any
    description: Any
    input_data: Any
    output_data: Any
    error: Any
    latency_ms: Any
    metadata: Any
    start_time: Any
    end_time: Any
    created_at: str
    deleted_at: None = None


class RejectedSpan(msgspec.Struct, frozen=True):
    """One span of a batch that was refused."""

    index: int
    name: str | None
    reason: str


class PartialSuccess(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What of a batch was refused."""

    rejected_spans: int
    errors: list[RejectedSpan]


class Recorded(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of a batch (section 6)."""

    spans: list[TraceView] = msgspec.field(default_factory=list)
    partial_success: PartialSuccess | None = None


_KEPT: Final = tuple(
    (field.name, field.encode_name)
    for field in msgspec.structs.fields(TraceView)
    if field.name in NewTrace.__struct_fields__ and field.name not in ("id", "inference_result_id")
)


def trace_in(item: Any) -> NewTrace:
    """One span of a batch; raises Failure."""
    try:
        return msgspec.convert(item, NewTrace)
    except msgspec.ValidationError as error:
        field = field_error(error)
        raise Failure(422, "invalid_body", field.message, fields=(field,)) from None


def check(body: NewTrace) -> None:
    """Raises Failure for a value out of range."""
    if not body.name.strip():
        raise bad("name", "name is not blank")
    for name, text in (("id", body.id), ("parentTraceId", body.parent_trace_id)):
        if text is not None and not _ID.fullmatch(text):
            raise bad(name, f"{name} has 1 to 128 visible ASCII characters")
    if body.description is not None and len(body.description) > DESCRIPTION_CHARS_MAX:
        raise bad("description", f"description has at most {DESCRIPTION_CHARS_MAX} characters")
    times = (_time("startTime", body.start_time), _time("endTime", body.end_time))
    if times[0] is not None and times[1] is not None and times[1] < times[0]:
        raise bad("endTime", "endTime is not before startTime")


def trace_data(body: NewTrace) -> Json:
    """What is kept of a span, nothing that is null; a type that nobody knows is a plain SPAN's."""
    given: Json = msgspec.to_builtins(body)
    kept = {
        name: value
        for name, value in given.items()
        if value is not None and name not in ("id", "inferenceResultId")
    }
    if body.type is not None:
        kept["type"] = body.type.strip().upper()
        if kept["type"] not in TYPES:
            kept["type"] = "SPAN"
            kept["metadata"] = _with_type(body.metadata, body.type)
    return kept


def trace_view(span: Span) -> TraceView:
    """A span as Galtea shows it."""
    return TraceView(
        id=span.span_id,
        inference_result_id=turn_id(span.session, span.turn),
        created_at=instant(span.created_at),
        **{name: span.data.get(wire_name) for name, wire_name in _KEPT},
    )


def started_at(span: Span) -> int:
    """When the work of a span began, in microseconds; when it was recorded if nobody said."""
    told = _time("startTime", span.data.get("startTime"))
    return span.created_at if told is None else told


def recorded(spans: list[TraceView], refused: list[RejectedSpan]) -> Recorded:
    """What became of a batch, and what of it was refused, if anything was."""
    told = PartialSuccess(rejected_spans=len(refused), errors=refused)
    return Recorded(spans=spans, partial_success=told if refused else None)


def why(error: Failure | Rejection) -> str:
    """Why one span of a batch is refused, in one line."""
    fields = error.fields if isinstance(error, Failure) else ()
    place = ".".join(str(step) for step in fields[0].path[1:]) if fields else ""
    return error.detail if place in error.detail else f"{place}: {error.detail}"


def _with_type(metadata: Any, type_: str) -> Json:
    if metadata is None:
        return {ORIGINAL_TYPE: type_}
    kept = metadata if isinstance(metadata, dict) else {"value": metadata}
    return {**kept, ORIGINAL_TYPE: type_}


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH) // _US
    except (ValueError, OverflowError):
        raise bad(name, f"{name} is an ISO 8601 time") from None
