"""WAVE: what was asked of a session is read, and sent again, without a loss (law 6)."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore.commit import Position
from projections.folds.session import Session
from sessions.dialects.wave import wire
from sessions.dialects.wave.wire_sessions import Changes, ChangesBody, changed_spec
from tests.support.facts import json_objects

texts = st.lists(st.text(max_size=5), max_size=3)
numbers = st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9)
parts: dict[str, st.SearchStrategy[Any]] = {
    "tests": st.fixed_dictionaries({}, optional={"include": texts, "exclude": texts}),
    "types": st.lists(st.sampled_from(["automatic", "manual"]), max_size=2),
    "timeouts": st.dictionaries(
        st.sampled_from(["automatic", "manual", "/a", "/b"]), st.none() | numbers
    ),
    "reference_tokens": texts,
}
bodies = st.fixed_dictionaries(
    {}, optional={name: st.none() | part for name, part in parts.items()}
)


def session(spec):
    """A pending session with this spec."""
    return Session(
        id="0" * 36,
        kind="test_run",
        dialect="wave",
        tenant="lab",
        owner="wave",
        status="pending",
        reason="requested",
        actor="wave",
        created=Position(1),
        position=Position(1),
        status_position=Position(1),
        created_at=0,
        updated_at=0,
        active_at=0,
        max_duration_s=1,
        spec=spec,
    )


def made(body):
    """The session that a create with this body makes, as it comes back from the log."""
    asked = wire.new_session(msgspec.convert(body, wire.NewSession))
    spec = wire.spec(asked, "agent", wire.Browser())
    return session(msgspec.json.decode(msgspec.json.encode(spec)))


def updated(state, body):
    """The session after a PUT."""
    changes = msgspec.json.decode(msgspec.json.encode(body), type=ChangesBody)
    spec = msgspec.json.decode(msgspec.json.encode(changed_spec(changes, state)))
    return replace(state, spec={**state.spec, **spec})


@given(bodies)
def test_to_send_what_was_read_changes_nothing(body):
    state = made(body)
    read = wire.configuration(state)
    names = Changes.__struct_fields__
    sent = {name: value for name, value in msgspec.to_builtins(read).items() if name in names}
    assert wire.configuration(updated(state, sent)) == read


@given(bodies, bodies)
def test_an_update_has_what_was_sent_and_keeps_the_rest(first, second):
    """Section 1.2, Update."""
    before = msgspec.to_builtins(wire.configuration(made(first)))
    after = msgspec.to_builtins(wire.configuration(updated(made(first), second)))
    given = {name: value for name, value in second.items() if value is not None}
    sent = {name: ms for name, ms in given.get("timeouts", {}).items() if ms is not None}
    kept = {name: before["timeouts"][name] for name in wire.TIMEOUTS_MS}
    expected = {
        "tests": {**before["tests"], **given.get("tests", {})},
        "types": tuple(given.get("types", before["types"])),
        "timeouts": {**kept, **sent},
        "reference_tokens": given.get("reference_tokens", []),
    }
    assert msgspec.json.encode({**before, **expected}, order="sorted") == msgspec.json.encode(
        after, order="sorted"
    )


@given(json_objects)
def test_an_update_of_what_another_api_made_never_fails(spec):
    state = session(spec)
    assert wire.configuration(updated(state, {})).timeouts.keys() >= wire.TIMEOUTS_MS.keys()
