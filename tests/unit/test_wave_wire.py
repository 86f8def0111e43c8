"""WAVE's shapes keep what a session is, whatever state it is in (law 6)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.events.status import STATUSES
from sessions.dialects.wave import wire
from sessions.dialects.wave.access import is_loopback
from sessions.dialects.wave.agents import browser_of
from tests.support.sessions import create, histories, play

agents = st.text(max_size=30)
numbers = (
    st.none()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, width=16).filter(lambda number: abs(number) < 2**15)
)
texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=3).map(tuple)
bodies = st.builds(
    wire.NewSession,
    tests=st.none()
    | st.builds(wire.NewTests, include=st.none() | texts, exclude=st.none() | texts),
    types=st.none() | st.lists(st.sampled_from(["automatic", "manual"]), max_size=2).map(tuple),
    timeouts=st.none() | st.dictionaries(st.text(max_size=4), numbers, max_size=3),
    reference_tokens=st.none() | texts,
    type=st.none() | st.text(max_size=4),
)


@given(histories)
def test_every_state_can_be_shown_and_keeps_identity_and_status(history):
    state = history[-1].after
    if state is None:
        return
    shown = msgspec.json.decode(wire.text(wire.status_view(state)), type=wire.StatusView)
    assert (shown.token, shown.status) == (state.id, wire.STATUS[state.status])
    read = msgspec.json.decode(wire.text(wire.configuration(state)), type=wire.Configuration)
    assert (read.token, read.labels) == (state.id, state.labels)


def test_every_status_has_a_word():
    assert set(wire.STATUS) == set(STATUSES)


@given(bodies, agents)
def test_what_is_kept_of_a_request_is_read_back(body, agent):
    browser = browser_of("nobody")
    spec = msgspec.json.decode(msgspec.json.encode(wire.spec(body, agent, browser)))
    *_, step = play([(create("test_run", "wave", spec=spec), 0)])
    shown = wire.configuration(step.after)
    tests = body.tests or wire.NewTests()
    assert shown.tests.include == (("/",) if tests.include is None else tests.include)
    assert shown.tests.exclude == (tests.exclude or ())
    assert shown.types == (("automatic", "manual") if body.types is None else body.types)
    assert shown.reference_tokens == (body.reference_tokens or ())
    wanted = {k: v for k, v in (body.timeouts or {}).items() if v is not None}
    assert shown.timeouts == {**wire.TIMEOUTS_MS, **wanted}
    assert (shown.user_agent, shown.browser) == (agent, browser)


@given(st.integers(-62135596800000, 253402300799999))
def test_a_time_in_milliseconds_comes_back_as_the_same_time(ms):
    at = wire.expires_at(wire.NewSession(expiration_date=ms))
    assert at is not None
    assert at == ms * 1000
    assert wire.expires_at(wire.NewSession(expiration_date=wire.iso(at))) == at


@pytest.mark.parametrize(
    ("at_us", "shown"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_999, "1970-01-01T00:00:00.001000+00:00"),
        (-1, "1969-12-31T23:59:59.999000+00:00"),
    ],
)
def test_times_are_cut_to_the_millisecond(at_us, shown):
    assert wire.iso(at_us) == shown


@pytest.mark.parametrize(
    ("agent", "name", "version"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
            "Firefox",
            "115.0",
        ),
        ("", "Other", "0"),
        ("garbage", "Other", "0"),
    ],
)
def test_browsers(agent, name, version):
    assert browser_of(agent) == wire.Browser(name=name, version=version)


def test_browsers_are_remembered_within_bounds():
    assert browser_of.cache_info().maxsize == 1024


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *((a, True) for a in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")),
        *((a, False) for a in ("", "192.0.2.1", "::ffff:192.0.2.1", "0.0.0.0", "::", "localhost")),
    ],
)
def test_which_addresses_are_this_machine(address, expected):
    assert is_loopback(address) is expected
