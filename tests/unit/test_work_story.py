"""Workers, agents, turns, spans and entries in words."""

import pytest

from projections.events import CODEC
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
from projections.story import tell

SEALED = "sealed:v1:AAAA"
TOLD = [
    (
        SessionCreated(
            kind="agent",
            dialect="native",
            owner="o",
            status="queued",
            max_duration_s=60,
            work=WorkTerms(requires=("gpu", "x\ny"), on_loss="end", attempts_max=1),
        ),
        (
            'created as an agent session, queued; at most 60 s; offered to workers with "gpu", '
            '"x\\ny", 1 attempt at most; if its worker is lost it ends'
        ),
    ),
    (
        WorkOffered(),
        "offered to workers, 3 attempts at most; if its worker is lost it is offered again",
    ),
    (
        WorkClaimed(generation=2, worker='lab "3"', lease_s=90),
        'claimed by worker "lab \\"3\\"", generation 2, lease 90 s',
    ),
    (
        WorkReleased(generation=2, why="lapsed", detail="no word"),
        'taken from its worker, which was not heard of in time, generation 2: "no word"',
    ),
    (
        WorkReleased(generation=2, why="drained"),
        "given back by its worker, which was on its way out, generation 2",
    ),
    (WorkReleased(generation=2, why="refused"), "refused by its worker, generation 2"),
    (AgentReported(), "agent reported nothing new"),
    (
        AgentReported(
            structured_output={"answer": [1, None]},
            pull_requests=(PullRequest(url="https://x/1", state="open"), PullRequest(url="b")),
            acus=1.25,
        ),
        (
            'agent reported structured output {"answer":[1,null]}; pull request "https://x/1" '
            '(open); pull request "b"; 1.25 ACUs used so far'
        ),
    ),
    (AgentReported(structured_output=None), "agent reported structured output null"),
    (AgentReported(structured_output=SEALED), "agent reported structured output (sealed)"),
    (
        AgentReported(pull_requests=tuple(PullRequest(url=str(n)) for n in range(11))),
        (
            "agent reported "
            + "; ".join(f'pull request "{number}"' for number in range(8))
            + "; 3 more pull requests"
        ),
    ),
    (
        TurnRecorded(index=3, data={"input": {"user_message": "hi"}, "latency": 1.5}),
        'turn 3 recorded: input={"user_message":"hi"}, latency=1.5',
    ),
    (TurnRecorded(index=0), "turn 0 recorded"),
    (TurnChanged(index=0, data={"error": None}), "turn 0 changed: error=null"),
    (TurnRemoved(index=0), "turn 0 removed"),
    (
        SpanRecorded(session="s-1", turn=2, data={"name": "call", "type": "TOOL"}),
        'span of turn 2 of session "s-1" recorded: name="call", type="TOOL"',
    ),
    (SpanDeleted(), "span deleted"),
    (CatalogEntered(type="version", parent="p"), 'entered as "version" of "p"'),
    (CatalogChanged(data={"name": "new", "uri": None}), 'entry changed: name="new", uri=null'),
    (CatalogDeleted(), "entry deleted"),
    (
        SessionStatusChanged(was="completed", to="running", reason="reopened"),
        "went from completed to running: reopened",
    ),
]


@pytest.mark.parametrize(("fact", "said"), TOLD, ids=lambda value: getattr(value, "NAME", ""))
def test_a_fact_in_words(fact, said):
    assert tell(CODEC.encode(fact)).words == said
