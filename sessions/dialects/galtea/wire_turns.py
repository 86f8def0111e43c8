"""Shapes of Galtea's turns, which its wire calls inference results (section 6)."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from projections.folds.turns import Turn
from sessions.dialects.galtea.wire import Body, bad, instant, wrapped
from sessions.dialects.uuids import public_id, uuid_of
from sessions.domain.rejections import NotFound

INFERENCE_RESULT: Final = "inferenceResult"
BATCH_MAX: Final = 2_000
NUMBER_MAX: Final = 1 << 53
_DIGITS: Final = string.digits + string.ascii_lowercase
_INDEX_CHARS_MAX: Final = 8
_ID_CHARS: Final = len(public_id(INFERENCE_RESULT, "0"))

Json = dict[str, Any]
TurnStatus = Literal["PENDING", "GENERATED", "FAILED", "SKIPPED"]
Count = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
TextOrObject = str | Json


class Anchor(Body, frozen=True, kw_only=True):
    """Which session is meant: by its id, or by its custom id in a version or product."""

    session_id: str | None = None
    session_custom_id: str | None = None
    version_id: str | None = None
    product_id: str | None = None


class NewTurn(Anchor, frozen=True, kw_only=True):
    """A turn to record; without a status it is one that was generated."""

    status: TurnStatus | None = None
    error: str | None = None
    input: TextOrObject | None = None
    actual_output: TextOrObject | None = None
    retrieval_context: str | None = None
    latency: Amount | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    tokens: Count | None = None
    cost_per_input_token: Amount | None = None
    cost_per_output_token: Amount | None = None
    cost_per_cache_read_input_token: Amount | None = None
    cost: Amount | None = None
    conversation_simulator_version: str | None = None


class TurnPatch(Body, frozen=True, kw_only=True):
    """What is to change of a turn: what is absent stays, null takes a field away."""

    status: TurnStatus | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    input: TextOrObject | UnsetType | None = UNSET
    actual_output: TextOrObject | UnsetType | None = UNSET
    retrieval_context: str | UnsetType | None = UNSET
    latency: Amount | UnsetType | None = UNSET
    input_tokens: Count | UnsetType | None = UNSET
    output_tokens: Count | UnsetType | None = UNSET
    cache_read_input_tokens: Count | UnsetType | None = UNSET
    tokens: Count | UnsetType | None = UNSET
    cost_per_input_token: Amount | UnsetType | None = UNSET
    cost_per_output_token: Amount | UnsetType | None = UNSET
    cost_per_cache_read_input_token: Amount | UnsetType | None = UNSET
    cost: Amount | UnsetType | None = UNSET
    conversation_simulator_version: str | UnsetType | None = UNSET


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one side said in a conversation that is recorded as a whole."""

    role: Literal["user", "assistant"]
    content: str
    retrieval_context: str | None = None


class NewTurns(Anchor, frozen=True, kw_only=True):
    """A conversation to record."""

    conversation_turns: list[Message]
    conversation_simulator_version: str | None = None


class TurnView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A turn as it is answered: every key, null where there is nothing."""

    id: str
    session_id: str
    index: int
    status: str
    error: Any
    input: Any
    actual_output: Any
    latency: Any
    input_tokens: Any
    output_tokens: Any
    cache_read_input_tokens: Any
    tokens: Any
    cost_per_input_token: Any
    cost_per_output_token: Any
    cost_per_cache_read_input_token: Any
    cost: Any
    conversation_simulator_version: Any
    created_at: str
    deleted_at: None = None


_KEPT: Final = tuple(
    (field.name, field.encode_name)
    for field in msgspec.structs.fields(TurnView)
    if field.name in TurnPatch.__struct_fields__ and field.name != "status"
)


def turn_id(session_id: str, index: int) -> str:
    """The id that clients see of a turn; it names the session and the place in it."""
    digits = _DIGITS[index % 36]
    while index := index // 36:
        digits = _DIGITS[index % 36] + digits
    return public_id(INFERENCE_RESULT, session_id) + digits


def place_of(public: str) -> tuple[str, int] | None:
    """The session and the index behind an id; None for what `turn_id` does not give."""
    session_id = uuid_of(INFERENCE_RESULT, public[:_ID_CHARS])
    digits = public[_ID_CHARS:]
    if session_id is None or not digits or len(digits) > _INDEX_CHARS_MAX:
        return None
    if not set(digits) <= set(_DIGITS) or (digits[0] == "0" and digits != "0"):
        return None
    return session_id, int(digits, 36)


def place_named(public: str) -> tuple[str, int]:
    """As `place_of`; raises NotFound."""
    place = place_of(public)
    if place is None:
        raise NotFound("There is no such inference result.")
    return place


def check_anchor(anchor: Anchor) -> None:
    """Raises Failure unless exactly one session is meant (section 6)."""
    if (anchor.session_id is None) == (anchor.session_custom_id is None):
        raise bad("sessionId", "exactly one of sessionId and sessionCustomId is required")
    by_custom_id = anchor.session_custom_id is not None
    if by_custom_id and anchor.version_id is None and anchor.product_id is None:
        raise bad("versionId", "sessionCustomId goes with versionId or productId")


def turn_data(body: NewTurn) -> Json:
    """What is kept of a new turn, in the words of the wire; nothing that is null."""
    anchor = {field.encode_name for field in msgspec.structs.fields(Anchor)}
    given: Json = msgspec.to_builtins(body)
    kept = {k: v for k, v in given.items() if v is not None and k not in anchor}
    if "input" in kept:
        kept["input"] = wrapped(body.input, "user_message")
    return {"status": "GENERATED", **kept}


def turn_changes(body: TurnPatch, known: Mapping[str, Any]) -> Json:
    """What changes of a turn; an output that comes without a status ends the wait for it."""
    changes: Json = msgspec.to_builtins(body)
    if isinstance(body.input, str):
        changes["input"] = wrapped(body.input, "user_message")
    answered = changes.get("actualOutput") is not None and "status" not in changes
    if answered and known.get("status") == "PENDING":
        changes["status"] = "GENERATED"
    return changes


def conversation_data(body: NewTurns) -> list[Json]:
    """The turns of a conversation; what the assistant says right after the user is one with it.

    Raises Failure for one that is empty or too long.
    """
    if not 0 < len(body.conversation_turns) <= BATCH_MAX:
        raise bad("conversationTurns", f"conversationTurns has 1 to {BATCH_MAX} messages")
    turns: list[Json] = []
    version = body.conversation_simulator_version
    simulated = {} if version is None else {"conversationSimulatorVersion": version}
    open_turn = False
    for message in body.conversation_turns:
        if message.role == "user":
            said: Json = {"input": wrapped(message.content, "user_message")}
            turns.append({"status": "GENERATED", **said, **simulated})
        else:
            if not open_turn:
                turns.append({"status": "GENERATED", **simulated})
            turns[-1]["actualOutput"] = message.content
            if message.retrieval_context is not None:
                turns[-1]["retrievalContext"] = message.retrieval_context
        open_turn = message.role == "user"
    return turns


def turn_view(session_id: str, turn: Turn) -> TurnView:
    """A turn as Galtea shows it."""
    return _view(session_id, turn.index, turn.data, turn.created_at, session_id)


def ignored_view(session_id: str, index: int, data: Json, now: int, nowhere: str) -> TurnView:
    """A turn that was not kept: its id, made of a UUID that names nothing, will not be found."""
    return _view(session_id, index, data, now, nowhere)


def turn_views(session_id: str, turns: Iterable[Turn]) -> list[TurnView]:
    """Turns of one session."""
    return [turn_view(session_id, turn) for turn in turns]


def _view(session_id: str, index: int, data: Json, at: int, named: str) -> TurnView:
    return TurnView(
        id=turn_id(named, index),
        session_id=public_id("session", session_id),
        index=index,
        status=str(data.get("status") or "GENERATED"),
        created_at=instant(at),
        **{name: data.get(wire_name) for name, wire_name in _KEPT},
    )
