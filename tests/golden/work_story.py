"""The part of the golden story that tells of workers, agents, turns and spans."""

from __future__ import annotations

from typing import Any

from eventstore.codec import Fact
from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.events.session import SessionCreated, SessionStatusChanged
from projections.events.span import SpanDeleted, SpanRecorded
from projections.events.work import (
    AgentReported,
    PullRequest,
    WorkClaimed,
    WorkOffered,
    WorkReleased,
    WorkTerms,
)

AGENT = "session/0198c0de-0000-7000-8000-000000000011"
EVALUATION = "session/0198c0de-0000-7000-8000-000000000012"
SPAN = "span/lab/trace_0123456789abcdef"
OTHER_SPAN = "span/lab/gr%C3%B6%C3%9Fe%2F1"
VERSION = "catalog/0198c0de-0000-7000-8000-000000000013"
GONE = "catalog/0198c0de-0000-7000-8000-000000000014"

Who = dict[str, Any]
Told = tuple[str, Who, tuple[Fact, ...]]


def work_story(ci: Who, service: Who) -> tuple[Told, ...]:
    """Sessions that workers take on, and a conversation that is evaluated."""
    return (*_agent(ci, service), *_evaluation(ci))


def _agent(ci: Who, service: Who) -> tuple[Told, ...]:
    worker = {**ci, "actor": "key:worker"}
    terms = WorkTerms(requires=("gpu", "größe"), on_loss="end", attempts_max=2)
    pulls = (PullRequest(url="https://example.org/1", state="open"), PullRequest(url="x"))
    return (
        (
            AGENT,
            ci,
            (
                SessionCreated(
                    kind="agent",
                    dialect="devin",
                    owner="key:ci",
                    status="queued",
                    max_duration_s=3600,
                    work=terms,
                ),
            ),
        ),
        (
            AGENT,
            worker,
            (
                WorkClaimed(generation=1, worker="w-1", lease_s=30),
                SessionStatusChanged(was="queued", to="starting", reason="requested"),
            ),
        ),
        (
            AGENT,
            service,
            (
                WorkReleased(generation=1, why="lapsed", detail="not heard of for 30 s"),
                SessionStatusChanged(was="starting", to="queued", reason="runtime_lost"),
            ),
        ),
        (AGENT, ci, (WorkOffered(terms=WorkTerms(requires=("gpu",), attempts_max=5)),)),
        (
            AGENT,
            worker,
            (
                WorkClaimed(generation=2, worker="w-2", lease_s=30),
                SessionStatusChanged(was="queued", to="starting", reason="requested"),
            ),
        ),
        (
            AGENT,
            worker,
            (AgentReported(structured_output={"n": [1, None]}, pull_requests=pulls, acus=0.5),),
        ),
        (
            AGENT,
            worker,
            (
                AgentReported(
                    pull_requests=(PullRequest(url="https://example.org/1", state="merged"),),
                    acus=1.25,
                ),
                SessionStatusChanged(was="starting", to="completed", reason="finished"),
            ),
        ),
    )


def _evaluation(ci: Who) -> tuple[Told, ...]:
    session = EVALUATION.removeprefix("session/")
    return (
        (VERSION, ci, (CatalogEntered(type="version", parent="prod_1", data={"a": 1, "b": 2}),)),
        (VERSION, ci, (CatalogChanged(data={"a": {"x": 1}, "b": None, "c": "new"}),)),
        (GONE, ci, (CatalogEntered(type="version", parent="prod_1", data={"a": 1}),)),
        (GONE, ci, (CatalogDeleted(),)),
        (
            EVALUATION,
            ci,
            (
                SessionCreated(
                    kind="evaluation",
                    dialect="galtea",
                    owner="key:ci",
                    status="running",
                    max_duration_s=3600,
                    spec={"customId": "größe/1", "versionId": "version_1", "testId": None},
                ),
            ),
        ),
        (EVALUATION, ci, (TurnRecorded(index=0, data={"input": {"user_message": "hello"}}),)),
        (
            EVALUATION,
            ci,
            (
                TurnChanged(index=0, data={"actualOutput": "hi", "input": None}),
                TurnRecorded(index=1, data={"status": "PENDING"}),
                TurnRemoved(index=1),
                SessionStatusChanged(was="running", to="completed", reason="finished"),
            ),
        ),
        (
            EVALUATION,
            ci,
            (SessionStatusChanged(was="completed", to="running", reason="reopened"),),
        ),
        (SPAN, ci, (SpanRecorded(session=session, turn=0, data={"name": "a", "type": "TOOL"}),)),
        (SPAN, ci, (SpanRecorded(session=session, turn=0, data={"name": "b", "type": "LLM"}),)),
        (OTHER_SPAN, ci, (SpanRecorded(session=session, turn=1), SpanDeleted())),
    )
