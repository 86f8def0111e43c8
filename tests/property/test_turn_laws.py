"""Turns: whatever comes in whatever order, an index is used once and a change is a merge."""

from typing import Any
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.events.session import SessionCreated
from projections.folds import session
from projections.folds.merging import merged
from projections.folds.span import PREFIX, Span, key_of, stream_of
from projections.folds.turns import Turns, evolve
from tests.support.facts import facts as any_fact
from tests.support.facts import json_objects
from tests.support.sessions import EPOCH_US, commit_at

indexes = st.integers(0, 5)
turn_facts = st.one_of(
    st.builds(TurnRecorded, index=indexes, data=json_objects),
    st.builds(TurnChanged, index=indexes, data=json_objects),
    st.builds(TurnRemoved, index=indexes),
    any_fact.filter(lambda fact: not isinstance(fact, TurnRecorded | TurnChanged | TurnRemoved)),
)
CREATED = SessionCreated(
    kind="evaluation", dialect="galtea", owner="o", status="running", max_duration_s=60
)


def told(facts: list[Any]) -> Turns:
    """The turns after these facts, each a commit of its own."""
    turns = Turns()
    for position, fact in enumerate(facts, 1):
        assert evolve(turns, fact, commit_at(position, EPOCH_US + position)) is turns
    return turns


@given(st.lists(turn_facts, max_size=20))
def test_turns_are_what_a_plain_reading_says(facts: list[Any]) -> None:
    model: dict[int, dict[str, Any]] = {}
    following = 0
    last: dict[int, int] = {}
    for position, fact in enumerate(facts, 1):
        match fact:
            case TurnRecorded(index=index, data=data) if index >= following:
                model[index] = {key: value for key, value in data.items() if value is not None}
                following, last[index] = index + 1, position
            case TurnChanged(index=index, data=data) if index in model:
                last[index] = position
                for key, value in data.items():
                    model[index].pop(key, None)
                    if value is not None:
                        model[index][key] = value
            case TurnRemoved(index=index):
                model.pop(index, None)
            case _:
                pass
    turns = told(facts)
    assert {index: turn.data for index, turn in turns.by_index.items()} == model
    assert list(turns.by_index) == sorted(turns.by_index)
    assert all(turn.position == last[turn.index] for turn in turns.by_index.values())
    assert (turns.following, turns.position) == (following, len(facts))


@given(st.lists(turn_facts, max_size=20))
def test_a_session_knows_the_next_index_as_its_turns_do(facts: list[Any]) -> None:
    state = session.evolve(None, CREATED, commit_at(1, EPOCH_US))
    for position, fact in enumerate(facts, 2):
        state = session.evolve(state, fact, commit_at(position, EPOCH_US + position))
    assert state is not None
    assert state.turns == told(facts).following


@given(json_objects, json_objects)
def test_a_merge_takes_the_changes_and_forgets_what_is_null(
    data: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = dict(data)
    found = merged(data, changes)
    assert data == before
    for key in {*data, *changes}:
        assert found.get(key) == changes.get(key, data.get(key))
    assert None not in found.values()
    assert merged(found, {}) == found
    assert merged(found, changes) == found


tenants = st.text(min_size=1, max_size=8) | st.sampled_from(["a", "a/b", "a%2Fb", "b", "%", "/"])
span_ids = st.text(max_size=8) | st.sampled_from(["c", "b/c", "%2F", "..", "/", "\ud800"])


@given(st.lists(st.tuples(tenants, span_ids), min_size=2, max_size=6, unique=True))
def test_no_two_tenants_and_no_two_spans_share_a_stream(named: list[tuple[str, str]]) -> None:
    streams = {stream_of(tenant, span_id) for tenant, span_id in named}
    assert len(streams) == len(named)
    for tenant, span_id in named:
        key = key_of(tenant, span_id)
        assert (PREFIX + key).isascii()
        assert key.count("/") == 1
        at = commit_at(1, EPOCH_US)
        span = Span(
            id=key,
            tenant=tenant,
            session="s",
            turn=0,
            created=at.position,
            position=at.position,
            created_at=at.at,
            updated_at=at.at,
        )
        assert span.span_id == span_id
        assert unquote(key.partition("/")[0], errors="surrogatepass") == tenant
