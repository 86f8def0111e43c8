"""The schemas of the OpenAPI document: what msgspec knows of the Structs, and what it cannot know.

Lengths and ranges are those that `sessions/domain/checks.py` and `sessions/access.py` refuse; they
are not in the Structs, so that a refusal there names its field with the code `invalid_value`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from eventstore.commit import Commit
from projections.events import VOCABULARY
from sessions import access
from sessions.dialects.native import wire
from sessions.domain import policy
from sessions.observe.protocol import EventFrame, Frame

REF: Final = "#/components/schemas/{name}"
Schema = dict[str, Any]

_LABEL: Final = {"type": "string", "minLength": 1, "maxLength": policy.LABEL_CHARS_MAX}
_SESSION_LIMITS: Final[dict[str, Schema]] = {
    "title": {"maxLength": policy.TITLE_CHARS_MAX},
    "labels": {"maxItems": policy.LABELS_MAX, "items": _LABEL},
    "metadata": {"maxProperties": policy.METADATA_KEYS_MAX},
}
_CLOCK_LIMITS: Final[dict[str, Schema]] = {
    "idle_timeout_s": {"minimum": 1, "maximum": policy.DURATION_S_MAX},
    "max_duration_s": {"minimum": 1, "maximum": policy.DURATION_S_MAX},
}
_WORD: Final = {"minLength": 1, "maxLength": access.NAME_CHARS_MAX}

# What a property is beside its type, by component.
_REFINED: Final[dict[str, dict[str, Schema]]] = {
    "CreateSession": _SESSION_LIMITS | _CLOCK_LIMITS,
    "PatchSession": _SESSION_LIMITS,
    "Extend": _CLOCK_LIMITS,
    "Transition": {"detail": {"maxLength": policy.DETAIL_CHARS_MAX}},
    "NewMessage": {"content": {"maxLength": policy.CONTENT_CHARS_MAX}},
    "NewKey": {
        "name": _WORD,
        "tenant": _WORD,
        "prefix": {"maxLength": access.PREFIX_CHARS_MAX, "pattern": "^[ -~]*$"},
    },
    "Page": {"items": {"items": {"$ref": REF.format(name="Commit")}}},
    "Problem": {"type": {"format": "uri"}},
    "ProblemField": {"pointer": {"format": "json-pointer"}},
}

# What a property means, wherever it has this name.
MEANINGS: Final[dict[str, str]] = {
    "kind": "What sort of session it is; it never changes.",
    "dialect": "The API through which the session was made.",
    "tenant": "Whose it is; keys see what is of their tenant.",
    "owner": "The actor who made the session.",
    "actor": "Who did it last: `key:` and the name of a key, or `service`.",
    "reason": "Why it has this status.",
    "labels": "Words to find the session by, in order and without repeats.",
    "metadata": "Whatever the client wants to keep with the session.",
    "spec": "What the session is asked to be, in the words of its dialect.",
    "idle_timeout_s": "Seconds without a use after which the session times out; null for never.",
    "max_duration_s": "Seconds after which the session times out, used or not.",
    "idle_deadline": "When the session times out unless it is used; null if that clock stands.",
    "max_deadline": "When the session times out at the latest; null once it has ended.",
    "expires_at": "When the session is ended and deleted unless it has begun; null for never.",
    "messages": "How many messages the session holds.",
    "status_position": "The position that gave the session its status.",
    "position": "A position in the log: an integer that only grows.",
    "previous": "The position of the commit before in the same history; 0 for the first.",
    "correlation_id": "The `X-Request-Id` of the request behind it.",
    "next": "Where the next page begins; null if there is nothing more.",
    "epoch": "Which log this is; positions of another log mean nothing here.",
    "scopes": "What the key allows; `admin` allows everything, for every tenant.",
    "prefix": "What the key begins with.",
    "revoked_at": "When the key was closed; null while it opens.",
    "tags": "What feeds and lists select by, such as `kind=vm`.",
    "stream": "What it happened to: `session/` or `vm/` and the id.",
    "causation": "The position of the commit that this one follows from; 0 for none.",
    "traceparent": "The W3C trace context of the request behind it.",
    "v": "The version of the shape that `data` has.",
    "lag": "How many commits the lists have not taken up yet.",
    "boot_ms": "Milliseconds from the start until the machine was ready.",
    "generation": "How many times the machine was started.",
    "executing": "How many executions run at the moment.",
    "executions": "How many executions were started in all.",
    "code": "Why, as a stable word for programs.",
    "pointer": "Where, as a JSON pointer (RFC 6901) into the body.",
}


def components(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """A schema for each type, and the components that these refer to."""
    wanted = [*types, EventFrame | Frame, Commit, wire.Problem, *_facts()]
    found, named = msgspec.json.schema_components(wanted, ref_template=REF)
    count = len(wanted) - 3 - len(_facts())
    named["Frame"] = {"title": "Frame", **found[count]}
    named["EventView"]["oneOf"] = [_of_fact(fact) for fact in _facts()]
    for name, properties in _REFINED.items():
        for key, more in properties.items():
            named[name]["properties"][key].update(more)
    for schema in named.values():
        _explain(schema)
    return list(found[:count]), dict(sorted(named.items()))


def _facts() -> list[Any]:
    """The facts that a history or a feed may show."""
    return [fact for fact in VOCABULARY if not fact.NAME.startswith(("key.", "catalog."))]


def _of_fact(fact: Any) -> Schema:
    data = {"$ref": REF.format(name=fact.__name__)}
    return {"properties": {"type": {"const": fact.NAME}, "data": data}}


def _explain(schema: Schema) -> None:
    for name, property_ in schema.get("properties", {}).items():
        if name in MEANINGS:
            property_.setdefault("description", MEANINGS[name])
