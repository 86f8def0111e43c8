"""What the OpenAPI document says of Galtea's operations, by the names of their routes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sessions.dialects.galtea import (
    changes,
    entities,
    simulator,
    wire,
    wire_changes,
    wire_runs,
    wire_spans,
    wire_turns,
)

TIMES: Final = ("fromCreatedAt", "toCreatedAt")
START_TIMES: Final = ("fromStartTime", "toStartTime")


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: what it says of itself, takes and answers.

    `arrays` and `words` are its query parameters; a list has those of its part of the list too.
    """

    summary: str
    body: Any = None
    answer: Any = dict[str, Any]
    status: int = 200
    arrays: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    listed: bool = False


def _made(summary: str, body: Any, answer: Any = dict[str, Any]) -> Operation:
    return Operation(summary=summary, body=body, answer=answer, status=201)


def _gone(summary: str, body: Any = None) -> Operation:
    return Operation(summary=summary, body=body, answer=None, status=204)


def _list(
    summary: str, *arrays: str, of: Any = dict[str, Any], words: tuple[str, ...] = TIMES
) -> Operation:
    found = ("ids", *arrays)
    return Operation(summary=summary, answer=list[of], arrays=found, words=words, listed=True)


OPERATIONS: Final[dict[str, Operation]] = {
    "sessions.create": _made("Make a session.", wire.NewSession, wire.SessionView),
    "sessions.list": _list(
        "List sessions, newest first.",
        *("customIds", "versionIds", "productIds", "testCaseIds", "testIds", "excludeTestIds"),
        *("statuses", "userIds", "runIds"),
        of=wire.SessionView,
    ),
    "sessions.get": Operation(summary="Get a session.", answer=wire.SessionView),
    "sessions.change": Operation(
        summary="Change a session.", body=changes.Change, answer=wire.SessionView
    ),
    "sessions.finish": Operation(
        summary="Finish a session, with a reason or an error.",
        body=changes.Finish,
        answer=wire.SessionView,
    ),
    "sessions.delete": _gone("Delete a session."),
    "sessions.delete-batch": _gone("Delete sessions, all of them or none.", changes.Batch),
    "products.create": _made("Enter a product.", entities.NewProduct),
    "products.list": _list("List products.", "names"),
    "products.get": Operation(summary="Get a product."),
    "products.change": Operation(summary="Change a product.", body=wire_changes.ChangedProduct),
    "products.delete": _gone("Delete a product."),
    "versions.create": _made("Enter a version of a product.", entities.NewVersion),
    "versions.get-or-create": Operation(
        summary="Find the version with these facts, or enter it.", body=entities.WantedVersion
    ),
    "versions.list": _list("List versions.", "productIds", "names", "parentVersionIds"),
    "versions.get": Operation(summary="Get a version."),
    "versions.change": Operation(summary="Change a version.", body=wire_changes.ChangedVersion),
    "versions.delete": _gone("Delete a version."),
    "tests.create": _made("Enter a test, which the SDK calls a dataset.", entities.NewTest),
    "tests.list": _list("List tests.", "productIds", "names", "types"),
    "tests.get": Operation(summary="Get a test."),
    "tests.change": Operation(summary="Change a test.", body=wire_changes.ChangedTest),
    "tests.delete": _gone("Delete a test."),
    "testCases.create": _made("Enter a test case of a test.", entities.NewTestCase),
    "testCases.list": _list(
        "List test cases.",
        *("testIds", "languages", "variants", "strategies", "expectedTools"),
        words=(*TIMES, "reviewed", "userScore", "input"),
    ),
    "testCases.get": Operation(summary="Get a test case."),
    "testCases.delete": _gone("Delete a test case."),
    "inferenceResults.create": _made(
        "Record a turn of a session.", wire_turns.NewTurn, wire_turns.TurnView
    ),
    "inferenceResults.create-batch": _made(
        "Record the turns of a conversation.", wire_turns.NewTurns, list[wire_turns.TurnView]
    ),
    "inferenceResults.list": _list(
        "List turns, newest first.", "sessionIds", of=wire_turns.TurnView
    ),
    "inferenceResults.get": Operation(summary="Get a turn.", answer=wire_turns.TurnView),
    "inferenceResults.change": Operation(
        summary="Change a turn.", body=wire_turns.TurnPatch, answer=wire_turns.TurnView
    ),
    "inferenceResults.delete": _gone("Delete a turn."),
    "traces.create": _made("Record a span of a turn.", wire_spans.NewTrace, wire_spans.TraceView),
    "traces.create-batch": Operation(
        summary="Record spans: those that are right.",
        body=wire_spans.NewTraces,
        answer=wire_spans.Recorded,
        status=201,
        words=("includeRejected",),
    ),
    "traces.list": _list(
        "List spans of turns or sessions, newest first.",
        *("inferenceResultIds", "sessionIds", "types", "names"),
        of=wire_spans.TraceView,
        words=START_TIMES,
    ),
    "traces.get": Operation(summary="Get a span.", answer=wire_spans.TraceView),
    "traces.delete": _gone("Delete a span."),
    "runs.create": _made("Open a run.", wire_runs.NewRun, wire_runs.RunView),
    "runs.list": _list(
        "List runs, newest first.",
        *("productIds", "versionIds", "customIds", "statuses"),
        of=wire_runs.RunView,
        words=(*TIMES, "search"),
    ),
    "runs.get": Operation(summary="Get a run.", answer=wire_runs.RunView),
    "runs.close": Operation(summary="Close a run.", answer=wire_runs.RunView),
    "runs.delete": _gone("Delete a run; its sessions stay."),
    "conversationSimulator.generate-next-user-message": Operation(
        summary="Say what the user of a test case says next.",
        body=simulator.Wanted,
        answer=simulator.Said,
    ),
    "minimum-sdk-version": Operation(summary="Say which clients are served."),
}
