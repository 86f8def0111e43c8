"""Galtea's ids are another way to write a UUID, and its shapes keep what a session is (law 6)."""

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.events.status import STATUSES
from sessions.dialects import uuids
from sessions.dialects.galtea import wire
from tests.support.sessions import create, histories, play

END = 36**25 - 1


@given(st.uuids(), st.sampled_from(["session", "testCase"]))
def test_an_id_is_its_uuid(given_uuid, entity):
    public = uuids.public_id(entity, str(given_uuid))
    assert len(public) == len(entity) + 26
    assert uuids.uuid_of(entity, public) == str(given_uuid)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ids_sort_as_their_uuids_do(a, b):
    first, second = (uuids.public_id("session", str(uuid.UUID(int=n))) for n in (a, b))
    assert (first < second) == (a < b)


@given(st.text(max_size=40) | st.from_regex(r"session_[0-9a-zA-Z]{24,26}", fullmatch=True))
def test_only_what_was_given_out_is_an_id(text):
    found = uuids.uuid_of("session", text)
    assert found is None or uuids.public_id("session", found) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "session", "session_", "session_" + "A" * 25, "session_" + "0" * 24),
        *("version_" + "0" * 25, "session_" + "z" * 25, "session_" + "٣" * 25, "0" * 25),
        *("session_session_" + "0" * 25, "session_" + "0" * 24 + "-"),
    ],
)
def test_what_is_no_id(text):
    assert uuids.uuid_of("session", text) is None


def test_the_largest_uuid_is_the_last_id():
    last = uuids.public_id("session", str(uuid.UUID(int=2**128 - 1)))
    assert uuids.uuid_of("session", last) is not None
    assert last < "session_" + "z" * 25


@given(histories, st.uuids())
def test_every_state_can_be_shown_and_keeps_identity_and_status(history, session_uuid):
    state = history[-1].after
    if state is None:
        return
    state = msgspec.structs.replace(state, id=str(session_uuid))
    sent = msgspec.json.encode(wire.session_view(state))
    shown = msgspec.json.decode(sent, type=wire.SessionView)
    assert uuids.uuid_of("session", shown.id) == state.id
    assert shown.status == wire.status_of(state.status)
    assert (shown.metadata or {}) == state.metadata


@given(st.integers(0, 253402300799999999), st.integers(0, 253402300799999999))
def test_times_sort_as_text(a, b):
    first, second = wire.instant(a), wire.instant(b)
    assert len(first) == len("2026-01-01T00:00:00.000Z")
    assert (first < second) == (a // 1000 < b // 1000)


def test_every_status_has_a_word_and_every_word_a_status():
    words = {status: wire.status_of(status) for status in STATUSES}
    assert set(words.values()) == set(wire.INITIAL)
    assert all(words[status] == word for word, (status, _) in wire.INITIAL.items())


contexts = st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=3), st.integers())
bodies = st.builds(
    wire.NewSession,
    version_id=st.just("version_1"),
    custom_id=st.none() | st.text(min_size=1, max_size=5),
    test_case_id=st.none() | st.just("testCase_1"),
    is_production=st.none() | st.booleans(),
    context=contexts,
    metadata=st.none() | st.dictionaries(st.text(max_size=3), st.integers(-5, 5), min_size=1),
)


@given(bodies, st.none() | st.dictionaries(st.text(max_size=3), st.integers(-5, 5)))
def test_what_is_kept_of_a_request_is_read_back(body, case_context):
    origin = wire.Origin(version_id="version_1", product_id="product_1", context=case_context)
    command = create(
        "evaluation", "galtea", spec=wire.spec(body, origin), metadata=body.metadata or {}
    )
    *_, step = play([(command, 0)])
    state = msgspec.structs.replace(step.after, id=str(uuid.UUID(int=1)))
    shown = wire.session_view(state)
    assert (shown.version_id, shown.custom_id) == ("version_1", body.custom_id)
    assert (shown.test_case_id, shown.is_production) == (body.test_case_id, body.production)
    wrapped = {"value": body.context} if isinstance(body.context, str) else body.context
    assert shown.context == (case_context if body.test_case_id else wrapped)
    assert shown.metadata == body.metadata
