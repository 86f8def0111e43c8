"""What a user of Galtea's Python client does with turns; runs in the environment of that client.

python galtea_turns_driver.py SCENARIO URL KEY
"""

from __future__ import annotations

import importlib
import sys
import uuid
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # last, for there is a galtea.py of the tests too

# They are in the environment of the client, and not where this file is checked.
shared: Any = importlib.import_module("galtea_driver")
galtea: Any = shared.galtea
models: Any = importlib.import_module("galtea.domain.models.span")
equal, refused, refused_400 = shared.equal, shared.refused, shared.refused_400
EntityNotFound = shared.not_found.EntityNotFoundHTTPError


def turns(world: Any) -> None:
    """Section 6: turns are recorded, read, changed and deleted."""
    client, version = world.client, world.version()
    session = world.sessions.create(version_id=version, custom_id="mine")
    info = client.traces.create(
        session_id=session.id,
        input="hello",
        output="hi",
        retrieval_context="r",
        latency=3.5,
        usage_info={"input_tokens": 1, "output_tokens": 2},
        cost_info={"cost_per_input_token": 0.5},
    )
    equal(
        (info.index, info.input, info.actual_output, info.status), (0, "hello", "hi", "GENERATED")
    )
    equal((info.input_tokens, info.cost_per_input_token, info.latency), (1, 0.5, 3.5))
    second = client.traces.create(
        session_custom_id="mine", version_id=version, input={"user_message": "x", "a": 1}
    )
    equal((second.session_id, second.index, second.input_data["a"]), (session.id, 1, 1))
    said = [("user", "a"), ("assistant", "b"), ("user", "c")]
    batch = client.traces.create_batch(
        session_custom_id="mine",
        product_id=world.product,
        conversation_turns=[{"role": role, "content": text} for role, text in said],
    )
    equal(
        [(turn.index, turn.input, turn.actual_output) for turn in batch],
        [(2, "a", "b"), (3, "c", None)],
    )
    found = client.traces.list(session_id=session.id, sort_by_created_at="asc")
    equal([turn.index for turn in found], [0, 1, 2, 3])
    equal(client.traces.get(second.id), second)
    changed = client.traces.update(second.id, output="done", cost=None, status="generated")
    equal((changed.actual_output, changed.input_data), ("done", second.input_data))
    client.traces.delete(second.id)
    refused(EntityNotFound, client.traces.get, second.id)
    refused(EntityNotFound, client.traces.list, id=[info.id, second.id])
    equal(client.traces.list(session_id=world.sessions.create(version_id=version).id), [])
    refused(EntityNotFound, client.traces.list, session_id="session_unknown")
    refused_400(client.traces.create, session_custom_id="none", version_id=version, input="x")
    refused_400(client.traces.create, session_id=session.id, status="DONE")


def closed(world: Any) -> None:
    """Section 6: what becomes of a turn after the end is the product's to say."""
    for policy, word in (("REJECT", None), ("IGNORE", "COMPLETED"), (None, "PENDING")):
        product = world.raw(
            "POST",
            "products",
            name=uuid.uuid4().hex,
            closedSessionInferenceCreationPolicy=policy,
        )
        session = world.sessions.create(product_id=product["id"])
        world.sessions.finish(session.id)
        if word is None:
            refused_400(world.client.traces.create, session_id=session.id, input="late")
        else:
            world.client.traces.create(session_id=session.id, input="late")
        found = world.client.traces.list(session_id=session.id)
        equal(len(found), int(word == "PENDING"))
        equal(world.sessions.get(session.id).status, word or "COMPLETED")


def generated(world: Any) -> None:
    """Section 7: an agent answers a turn, and what it does on the way becomes spans."""

    class Agent(galtea.Agent):  # type: ignore[misc]
        @galtea.traced(name="main", type="AGENT")
        def call(self, asked: Any) -> Any:
            with world.client.spans.start_span("look it up", type="TOOL", input={"q": 1}) as span:
                span.update(output="found")
            equal(asked.context_data, {"value": "c"})
            usage = {"input_tokens": 7, "output_tokens": 1}
            return galtea.AgentResponse(
                content=f"you said {asked.last_user_message_str()}", usage_info=usage
            )

    session = world.sessions.create(
        version_id=world.version(), test_case_id=world.case(input="hello", context="c").id
    )
    turn = world.client.traces.generate(agent=Agent(), session=session)
    equal((turn.status, turn.input, turn.actual_output), ("GENERATED", "hello", "you said hello"))
    equal((turn.input_tokens, turn.cost), (7, None))
    spans = world.client.spans.list(trace_id=turn.id)
    by_name = {span.name: span for span in spans}
    equal(set(by_name), {"main", "look it up"})
    equal(by_name["look it up"].parent_span_id, by_name["main"].id)
    equal((by_name["look it up"].type, by_name["main"].type), ("TOOL", "AGENT"))

    def fails(_: list[dict[str, Any]]) -> str:
        raise ZeroDivisionError("no")

    refused(ZeroDivisionError, world.client.traces.generate, agent=fails, session=session)
    newest = world.client.traces.list(session_id=session.id)[0]
    equal((newest.status, newest.error), ("FAILED", "no"))


def spans(world: Any) -> None:
    """Section 6: spans one by one and in a batch, of which what is wrong is dropped."""
    client = world.client
    session = world.sessions.create(version_id=world.version())
    turn = client.traces.create(session_id=session.id, input="a")
    made = client.spans.create(
        trace_id=turn.id,
        name="step",
        type="retriever",
        output_data=["doc"],
        latency_ms=1.5,
        start_time="2026-01-01T00:00:00Z",
    )
    equal((made.type, made.output_data, made.trace_id), ("RETRIEVER", ["doc"], turn.id))
    equal(client.spans.get(made.id), made)
    wanted = [
        models.SpanBase(trace_id=turn.id, name="right", id="trace_0123456789abcdef"),
        models.SpanBase(trace_id=turn.id, name="wrong", latency_ms=-1),
    ]
    [taken] = client.spans.create_batch(wanted)
    equal((taken.id, taken.name), ("trace_0123456789abcdef", "right"))
    equal(client.spans.list(session_id=session.id, types=["RETRIEVER"]), [made])
    equal(len(client.spans.list(trace_id=[turn.id])), 2)
    equal([s.id for s in client.spans.list(id=[made.id, taken.id], names=["right"])], [taken.id])
    client.spans.delete(made.id)
    refused(EntityNotFound, client.spans.get, made.id)
    refused(EntityNotFound, client.spans.list, id=made.id)
    refused(EntityNotFound, client.spans.create, trace_id="inferenceResult_x", name="n")


def simulated(world: Any) -> None:
    """Section 7: a conversation with the user of a test case, until the script is at its end."""
    client = world.client
    dataset = client.datasets.create(
        name=uuid.uuid4().hex, type="BEHAVIOR", product_id=world.product
    )
    case = client.test_cases.create(
        dataset_id=dataset.id, input="hello", scenario="a refund, please\nthanks", goal="refund"
    )
    session = world.sessions.create(version_id=world.version(), test_case_id=case.id)
    heard: list[str] = []

    def agent(messages: list[dict[str, Any]]) -> str:
        heard.append(messages[-1]["content"] if messages else "")
        return f"yes: {heard[-1]}"

    result = client.simulator.simulate(session_id=session.id, agent=agent)
    equal(heard, ["hello", "a refund, please", "thanks"])
    equal((result.total_turns, result.finished), (3, True))
    ended = world.sessions.get(session.id)
    equal((ended.status, ended.stopping_reason), ("COMPLETED", result.stopping_reason))
    told = client.traces.list(session_id=session.id, sort_by_created_at="asc")
    equal([turn.actual_output for turn in told], [f"yes: {message}" for message in heard])
    equal({turn.status for turn in told}, {"GENERATED"})

    other = world.sessions.create(version_id=world.version(), test_case_id=case.id)
    heard.clear()
    result = client.simulator.simulate(
        session_id=other.id, agent=agent, max_turns=1, agent_goes_first=True
    )
    equal((heard, result.total_turns, result.finished), (["", "hello"], 2, True))


def runs(world: Any) -> None:
    """Section 7: sessions that are made in a block join its run."""
    client, version = world.client, world.version()
    with client.runs.start(product_id=world.product, custom_id="nightly") as run:
        equal((run.ordinal, run.opened_by, run.status), (1, "CALLER", "RUNNING"))
        joined = world.sessions.create(version_id=version, is_production=False)
    found = client.runs.get_by_custom_id(world.product, "nightly")
    equal((found.id, found.status, found.session_count), (run.id, "COMPLETED", 1))
    equal([one.id for one in client.runs.list(product_ids=world.product, search="NIGHT")], [run.id])
    refused_400(client.runs.close, run.id)
    refused_400(client.runs.start, product_id=world.product, custom_id="nightly")
    refused_400(world.sessions.create, version_id=version, is_production=False, run_id=run.id)
    client.runs.delete(run.id)
    refused(EntityNotFound, client.runs.get, run.id)
    equal(world.sessions.get(joined.id).status, "PENDING")


SCENARIOS = {one.__name__: one for one in (turns, closed, generated, spans, simulated, runs)}


def main() -> None:
    """Play the scenarios that the first argument names, with commas between them."""
    names, url, key = sys.argv[1:]
    for name in names.split(","):
        SCENARIOS[name](shared.World(url, key))


if __name__ == "__main__":
    main()
