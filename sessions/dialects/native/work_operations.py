"""What the OpenAPI document says of the operations for workers."""

from __future__ import annotations

from typing import Final

from sessions.dialects.native import parameters, problems, wire, wire_work
from sessions.dialects.native.operation import (
    CACHE_CONTROL,
    ETAG,
    SESSION_POSITION,
    Answer,
    Operation,
    json_of,
)

_HELD: Final = (*problems.WRITE, *problems.BODY, "not_found", "conflict", "fenced")

WORK_LIST: Final = Operation(
    tag="work",
    scope="work",
    parameters=(*parameters.WORK_FILTERS, *parameters.CURSOR_PAGE, parameters.SEEN),
    answers=(json_of(wire_work.WorkList, "A page of sessions.", SESSION_POSITION),),
    problems=problems.PAGED,
)

WORK_CLAIM: Final = Operation(
    tag="work",
    scope="work",
    body=wire_work.NewClaim,
    answers=(
        json_of(wire_work.Claim, "The session is the worker's.", CACHE_CONTROL),
        Answer(status=204, text="None came in time; ask again."),
    ),
    problems=(*problems.WRITE, *problems.BODY, "conflict", "limit_reached"),
    text="The oldest goes first. It stays the worker's as long as that is heard of once in every "
    "`lease_s` seconds, by polls or reports; then another worker may have it, under another "
    "`generation`. A session that was given back or lost is claimed anew.",
)

WORK_POLL: Final = Operation(
    tag="work",
    scope="work",
    parameters=(parameters.SESSION_ID,),
    body=wire_work.NewPoll,
    answers=(json_of(wire_work.Poll, "What is new, maybe nothing.", CACHE_CONTROL),),
    problems=_HELD,
    text="It answers as soon as a user says something or the session gets another status than it "
    "had at `after`, at the latest after `wait_s`, which is a third of the lease at most. "
    "The lease begins anew.",
)

WORK_REPORT: Final = Operation(
    tag="work",
    scope="work",
    parameters=(parameters.SESSION_ID,),
    body=wire_work.NewReports,
    answers=(json_of(wire_work.Reported, "It is in the log."),),
    problems=(*_HELD, "session_ended", "idempotency_key_reused"),
    text="A request that may have got lost is sent again under its `sequence`, and answered as it "
    "was the first time. A `status` that the session cannot have, because somebody paused or "
    "stopped it meanwhile, is passed over; the answer has the one it has. The lease begins anew.",
)

WORK_RELEASE: Final = Operation(
    tag="work",
    scope="work",
    parameters=(parameters.SESSION_ID,),
    body=wire_work.NewRelease,
    answers=(json_of(wire_work.ReleaseView, "It is the worker's no more."),),
    problems=(*_HELD, "session_ended"),
    text="It waits for a worker again. Where its `on_loss` is `end` and its work had begun, or "
    "where its attempts are used up, it is lost instead; to be `drained` uses up none.",
)

SESSIONS_WORK: Final = Operation(
    tag="work",
    scope="sessions:write",
    parameters=(parameters.SESSION_ID,),
    body=wire.NewWork,
    answers=(json_of(wire.SessionView, "The session after it.", ETAG, SESSION_POSITION),),
    problems=(
        *problems.WRITE,
        *problems.BODY,
        *("not_found", "conflict", "session_deleted", "session_ended"),
        *("not_configurable", "transition_not_allowed"),
    ),
    text="For sessions of agents, which are offered from the start, evaluations and test runs. "
    "One that runs without a worker is queued for one.",
)
