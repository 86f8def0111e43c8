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
from sessions.dialects.native import wire, wire_executions, wire_work
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
_SECRETS: Final[Schema] = {
    "maxProperties": policy.SECRETS_MAX,
    "propertyNames": {"minLength": 1, "maxLength": policy.SECRET_NAME_CHARS_MAX},
    "additionalProperties": {"type": "string", "maxLength": policy.SECRET_CHARS_MAX},
    "writeOnly": True,
    "description": "Values that only the vault can open, by name; never given back.",
}
_CLOCK_LIMITS: Final[dict[str, Schema]] = {
    "idle_timeout_s": {"minimum": 1, "maximum": policy.DURATION_S_MAX},
    "max_duration_s": {"minimum": 1, "maximum": policy.DURATION_S_MAX},
}
_WORD: Final = {"minLength": 1, "maxLength": access.NAME_CHARS_MAX}

# What a property is beside its type, by component.
_REFINED: Final[dict[str, dict[str, Schema]]] = {
    "CreateSession": _SESSION_LIMITS | _CLOCK_LIMITS | {"secrets": _SECRETS},
    "PatchSession": _SESSION_LIMITS,
    "Extend": _CLOCK_LIMITS,
    "Transition": {"detail": {"maxLength": policy.DETAIL_CHARS_MAX}},
    "NewMessage": {"content": {"maxLength": policy.CONTENT_CHARS_MAX}},
    "NewExecution": {
        "code": {"maxLength": wire_executions.CODE_CHARS_MAX, "description": "What to run."},
        "timeout_s": {
            "minimum": wire_executions.TIMEOUT_S_MIN,
            "maximum": wire_executions.TIMEOUT_S_MAX,
        },
    },
    "NewWork": {
        "requires": {"maxItems": policy.LABELS_MAX, "items": _LABEL},
        "attempts_max": {"minimum": 1, "maximum": policy.ATTEMPTS_MAX},
    },
    "NewClaim": {
        "worker": {"minLength": 1, "maxLength": policy.WORKER_CHARS_MAX},
        "labels": {"maxItems": policy.LABELS_MAX, "items": _LABEL},
        "wait_s": {"minimum": 0, "maximum": wire_work.WAIT_S_MAX},
    },
    "NewPoll": {
        "after": {"minimum": 0},
        "wait_s": {"minimum": 0, "maximum": wire_work.WAIT_S_MAX},
    },
    "NewReports": {
        "sequence": {"minimum": 0},
        "reports": {"minItems": 1, "maxItems": wire_work.REPORTS_MAX},
    },
    "NewRelease": {"detail": {"maxLength": policy.DETAIL_CHARS_MAX}},
    "ReportedMessage": {"content": {"maxLength": policy.CONTENT_CHARS_MAX}},
    "ReportedStatus": {"detail": {"maxLength": policy.DETAIL_CHARS_MAX}},
    "ReportedPullRequest": {
        "url": {"minLength": 1, "maxLength": policy.URL_CHARS_MAX},
        "state": {"maxLength": policy.PULL_REQUEST_STATE_CHARS_MAX},
    },
    "ReportedAcus": {"used": {"minimum": 0}},
    "ReportedEnd": {"detail": {"maxLength": policy.DETAIL_CHARS_MAX}},
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
    "secrets": "Its secrets by name; their values are sealed, and noise once they are erased.",
    "sensitive": "Whether what is said is sealed in the log.",
    "erased": "Whether what was said is gone for good.",
    "sealed": "What only the vault can open; nothing but noise without it.",
    "idle_timeout_s": "Seconds without a use after which the session times out; null for never.",
    "max_duration_s": "Seconds after which the session times out, used or not.",
    "idle_deadline": "When the session times out unless it is used; null if that clock stands.",
    "max_deadline": "When the session times out at the latest; null once it has ended.",
    "expires_at": "When the session is ended and deleted unless it has begun; null for never.",
    "artifacts": "How many files the session has.",
    "sha256": "The SHA-256 of its bytes, in hex.",
    "size": "How many bytes it has.",
    "media_type": "The `Content-Type` that it came with.",
    "messages": "How many messages the session holds.",
    "status_position": "The position that gave the session its status.",
    "position": "A position in the log: an integer that only grows.",
    "previous": "The position of the commit before in the same history; 0 for the first.",
    "correlation_id": "The `X-Request-Id` of the request behind it.",
    "next": "Where the next page begins; null if there is nothing more.",
    "epoch": "Which log this is; positions of another log mean nothing here.",
    "root": "The Merkle tree hash (RFC 9162) over the first `size`, or `to`, commits, in hex.",
    "from_root": "The root of the log as the caller knows it, if it knows this log.",
    "checkpoint": "The signed note (C2SP tlog-checkpoint) that says so.",
    "proof": "The hashes of the proof, in hex, in the order of RFC 9162.",
    "words": "The same in a sentence.",
    "because": "The last of `steps`: what brought the session to its status.",
    "fired": "The clock that ended the session; null if something else did, or if it goes on.",
    "last_used": "The last use of the session; of one that has ended, the last before its end.",
    "deletion": "Who deleted it; null if it is there.",
    "erasure": "Who erased it; null if its secrets can still be opened.",
    "waits_for": "Who or what would move it on by itself.",
    "clocks": "The clocks that run, the first to fire first.",
    "transitions": "The statuses that it can be moved to.",
    "steps": "How it came from status to status; of a long history the first and the last ones.",
    "steps_left_out": "How many steps between the first and the second one are not shown.",
    "commit_id": "The id of the commit, in hex.",
    "set_by": "The commit that gave the clock its length.",
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
    "generation": "How many times the machine was started, or the session was claimed.",
    "requires": "The labels that a worker must have to get the session.",
    "on_loss": "What becomes of it when its worker is lost: it waits for another one, or ends.",
    "attempts_max": "How many workers may lose the session until it ends as `lost`.",
    "attempts": "How many claims there were; those that were given back by a drain do not count.",
    "attempt": "Which attempt this is, from 1.",
    "worker": "The worker's name for itself.",
    "claimed_at": "When the worker got it.",
    "lease_s": "Within how many seconds a worker must be heard of, again and again.",
    "lease_left_s": "Seconds until the lease is over; null while the service does not know yet.",
    "wait_s": "How many seconds to wait for something new.",
    "sequence": "The worker's number for the request, each once in a generation.",
    "prompt": "The text `prompt` of the `spec`; empty where there is none.",
    "acus": "How much of its budget the session has used in all.",
    "executing": "How many executions run at the moment.",
    "executions": "How many executions were started in all.",
    "code": "Why, as a stable word for programs.",
    "ends_at": "When its lifetime is over; null while it does not count.",
    "exit_code": "What the program left as its code; null where it did not come to its end.",
    "timed_out": "Whether the program was ended because its time was over.",
    "timeout_s": "Seconds after which the program is ended, with all that it started.",
    "stdout_bytes": "How many bytes the program wrote to its standard output.",
    "stderr_bytes": "How many bytes the program wrote to its standard error.",
    "truncated": "Whether a part of the output is not there (any more).",
    "cpu_ms": "Milliseconds of a processor that the program took.",
    "queue_position": "Its place among the machines that wait for room; null if it does not.",
    "env_names": "The names of its variables; what they are is not told.",
    "goes_on": "The suspended machine that it goes on from; empty for none.",
    "goes_on_as": "The machine that goes on from this one; empty for none.",
    "clone_of": "The machine that it is a copy of; empty for none.",
    "kept_bytes": "What it takes on the disk while it is suspended.",
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
