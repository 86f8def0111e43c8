"""Frames: host and guest understand each other, however the bytes of them are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.vm import frames
from sessions.runtimes.vm.guest import framing

SAID = st.fixed_dictionaries(
    {"id": st.integers(0, 2**53), "error": st.text()},
    optional={"ev": st.sampled_from(["out", "err", "exit"]), "exit_code": st.integers(-9, 255)},
)
ASKED = st.dictionaries(
    st.text(), st.one_of(st.integers(-(2**53), 2**53), st.text(), st.booleans(), st.none())
)


@st.composite
def cuts(draw, headers, encode):
    """Frames, and their bytes in pieces of any size."""
    sent = draw(st.lists(st.tuples(headers, st.binary(max_size=300)), max_size=6))
    data = b"".join(encode(header, payload) for header, payload in sent)
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    edges = [0, *at, len(data)]
    return sent, [data[start:end] for start, end in pairwise(edges)]


@given(cuts(SAID, framing.frame))
def test_the_host_reads_what_the_guest_writes(case):
    sent, parts = case
    decoder = frames.Decoder()
    read = [frame for part in parts for frame in decoder.feed(part)]
    assert [payload for _, payload in read] == [payload for _, payload in sent]
    for (said, _), (header, _) in zip(read, sent, strict=True):
        assert {name: getattr(said, name) for name in header} == header


@given(cuts(ASKED, frames.encode))
def test_the_guest_reads_what_the_host_writes(case):
    sent, parts = case
    deframer = framing.Deframer()
    read = [frame for part in parts for frame in deframer.feed(part)]
    assert [(json.loads(header), payload) for header, payload in read] == sent


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_frame_or_refused(data):
    decoder = frames.Decoder()
    try:
        for said, payload in decoder.feed(data):
            assert isinstance(said, frames.Said)
            assert len(payload) <= framing.PAYLOAD_MAX
    except frames.FrameError:
        pass


@pytest.mark.parametrize(
    "start", [(2**32 - 1, 0), (framing.HEADER_MAX + 1, 0), (2, framing.PAYLOAD_MAX + 1)]
)
def test_sizes_beyond_the_limits_are_refused_before_they_are_waited_for(start):
    head = b"".join(size.to_bytes(4) for size in start)
    with pytest.raises(frames.FrameError):
        list(frames.Decoder().feed(head))
    with pytest.raises(framing.FramingLost):
        list(framing.Deframer().feed(head))


@pytest.mark.parametrize("header", [b"", b"[]", b'"x"', b'{"id":"x"}', b'{"id":1', b"\xff"])
def test_a_header_that_is_no_answer_is_refused(header):
    frame = len(header).to_bytes(4) + bytes(4) + header
    with pytest.raises(frames.FrameError):
        list(frames.Decoder().feed(frame))


def test_a_frame_that_is_too_large_is_not_sent():
    frames.encode({"id": 1}, bytes(framing.PAYLOAD_MAX))
    with pytest.raises(frames.FrameError):
        frames.encode({"id": 1}, bytes(framing.PAYLOAD_MAX + 1))
    with pytest.raises(frames.FrameError):
        frames.encode({"id": 1, "path": "x" * framing.HEADER_MAX})
