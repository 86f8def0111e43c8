"""Galtea: ids of turns, the script of the simulated user, the OpenAPI document, all pure."""

import functools
import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from eventstore.commit import Position
from projections.folds.turns import Turn
from sessions.dialects.galtea import openapi, simulator
from sessions.dialects.galtea.operations import OPERATIONS
from sessions.dialects.galtea.routes import SURFACE
from sessions.dialects.galtea.wire_turns import place_of, turn_id

INDEXES = st.integers(0, 36**8 - 1)
LINES = st.lists(st.sampled_from(["a", "b", "c d", "", "  "]), max_size=5)


@given(st.uuids(), INDEXES)
def test_an_id_names_a_session_and_a_place_in_it(session, index):
    """Section 4: only what was given out names anything."""
    public = turn_id(str(session), index)
    assert re.fullmatch(r"inferenceResult_[a-z0-9]{26,33}", public)
    assert place_of(public) == (str(session), index)


@given(st.text(st.sampled_from("0az_iR"), max_size=40))
def test_whatever_is_no_id_names_nothing(text):
    for public in (text, f"inferenceResult_{text}"):
        place = place_of(public)
        assert place is None or turn_id(*place) == public


def test_ids_that_nothing_is_called():
    known = turn_id(str(uuid.uuid4()), 36)
    for public in (known[:-2] + "010", known[:-2], known.upper(), known + " ", "x" + known):
        assert place_of(public) is None
    assert place_of("inferenceResult_" + "z" * 26) is None


AT = Position(1)


def turn(index, data):
    return Turn(index=index, data=data, created=AT, position=AT, created_at=0, updated_at=0)


def talk(case, turns_max, answer):
    """What the user says until it is finished."""
    turns: list[Turn] = []
    heard: list[str] = []
    for _ in range(20):
        step = simulator.step(case, turns, turns_max)
        assert simulator.step(case, turns, turns_max) == step
        assert step.finished == (step.reason is not None)
        if step.message:
            heard.append(step.message)
            data = simulator.turn_of(step)
            turns.append(turn(len(turns), data))
            again = simulator.step(case, turns, turns_max)
            assert (again.message, again.waiting) == (step.message, turns[-1])
            answered = {**data, "status": "GENERATED", "actualOutput": answer}
            turns[-1] = turn(turns[-1].index, answered)
        if step.finished:
            return heard
    raise AssertionError("the user talks on")


@given(LINES, st.integers(1, 6) | st.none(), st.integers(1, 6) | st.none())
def test_a_conversation_ends_and_says_the_script(lines, turns_max, iterations):
    """Section 7: every line once, in order, up to the limit."""
    said = [line.strip() for line in lines if line.strip()]
    case = {"scenario": "\n".join(lines), "goal": "g", "maxIterations": iterations}
    longest = turns_max or iterations or 100
    assert talk(case, turns_max, "ok") == (said or ["g"])[:longest]


@given(st.integers(0, 3))
def test_a_criterion_is_met_in_the_answer(place):
    """Section 7: letters count whatever their case."""
    criteria = ["", "never"] * place + ["Done"]
    case = {"scenario": "a\nb\nc", "stoppingCriterias": criteria}
    assert talk(case, None, "well DONE") == ["a"]
    assert talk(case, None, "no") == ["a", "b", "c"]


@functools.cache
def document():
    return openapi.document(SURFACE.routes, SURFACE.prefix)


def test_every_route_is_in_the_openapi_document():
    """Section 7: the command line makes its commands of it."""
    served = {route.name for route in SURFACE.routes}
    assert served - set(OPERATIONS) == {"entrance", "openapi"}
    assert set(OPERATIONS) <= served
    told = document()
    shown = {
        (method.upper(), path): operation
        for path, item in told["paths"].items()
        for method, operation in item.items()
    }
    assert set(shown) == {(r.method, r.path) for r in SURFACE.routes if r.name in OPERATIONS}
    assert told["servers"] == [{"url": "/galtea"}]
    for path, verb in (("/sessions", "list"), ("/sessions/{id}", "get")):
        operation = shown["GET", path]
        assert (operation["tags"], operation["x-cli-name"]) == (["sessions"], verb)
    assert shown["POST", "/sessions"]["x-cli-name"] == "create"


def test_a_command_has_one_name_in_the_document():
    """Section 7: two of a name under one tag would be one command."""
    told = document()
    operations = [one for item in told["paths"].values() for one in item.values()]
    names = [(one["tags"][0], one["x-cli-name"]) for one in operations]
    ids = [one["operationId"] for one in operations]
    assert len(set(names)) == len(set(ids)) == len(operations)


def test_every_reference_in_the_document_leads_somewhere():
    told = document()
    found = set(re.findall(r"#/components/schemas/(\w+)", repr(told)))
    assert found <= set(told["components"]["schemas"])
    assert found
