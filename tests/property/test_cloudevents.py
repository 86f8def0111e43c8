"""Any commit becomes CloudEvents and comes back to its exact bytes; any change is noticed."""

import io
import json
import string

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import assume, example, given
from hypothesis import strategies as st

from eventstore.cloudevents import (
    NotExact,
    closed,
    decode_record,
    encode_record,
    opened,
    records,
    restored,
    source_of,
    tags_of,
    tags_text,
    time_text,
    time_us,
)
from eventstore.commit import Append, Commit, Event, Position, Recorded, encode, record, restore
from eventstore.merkle import Tree, leaf_hash
from projections.events import CODEC
from scripts.audit.reading import BadLine, CommitReader
from tests.support.facts import facts, json_values

SOURCE = source_of("0123456789abcdef")
NUMBERS = ["1.0", "1e5", "-0.0", "-0", str(2**60), "0.1E-7", "12345678901234567890", "1E400"]
ODD = ['{"a" : [1.0 ,\t2]}', '{\n "a":\r\n1e5 }', '"\\u00e9\\ud83d\\ude00"', "null", " {} "]
YEAR_9999_US = 253_402_300_799_999_999

texts = st.text(max_size=20)
filled = st.text(min_size=1, max_size=20)
raw_data = st.one_of(
    facts.map(CODEC.encode).map(lambda event: bytes(event.data)),
    st.sampled_from([*NUMBERS, *ODD]).map(str.encode),
    json_values.map(lambda value: json.dumps(value, indent=1).encode()),
)
events = st.builds(Event, filled, st.integers(1, 9), raw_data.map(msgspec.Raw))
wishes = st.builds(
    Append,
    stream=filled,
    expected=st.none(),
    commit_id=st.binary(min_size=16, max_size=16),
    events=st.lists(events, min_size=1, max_size=4).map(tuple),
    actor=filled,
    tenant=filled,
    tags=st.lists(st.text(alphabet="a=,%25C\n√", max_size=6), max_size=3).map(tuple),
    correlation_id=texts,
    causation=st.integers(0, 2**53).map(Position),
    traceparent=texts,
)
times = st.integers(-60_000_000_000_000_000, YEAR_9999_US)


@st.composite
def commits(draw):
    position = draw(st.integers(1, 2**40))
    previous = draw(st.integers(0, position - 1))
    # As it is read from a log: the JSON of an event without the white space around it.
    return restore(record(draw(wishes), Position(position), Position(previous), draw(times)).body)


def lines_of(recorded):
    return [encode_record(one) for one in records(recorded, SOURCE)]


def back(lines):
    return restored([decode_record(line) for line in lines])


@given(commits())
def test_a_commit_comes_back_to_its_exact_bytes(recorded):
    lines = lines_of(recorded)
    assert len(lines) == len(recorded.commit.events)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    whole = [decode_record(line).body for line in lines]
    assert any(whole) == (encode(recorded.commit) != recorded.body)
    assert back(lines) == recorded


@given(commits(), st.sampled_from([1, None]), st.booleans(), st.booleans())
def test_so_does_one_whose_bytes_another_writer_chose(recorded, indent, plain, turned):
    assume(
        all(bytes(event.data) not in map(str.encode, NUMBERS) for event in recorded.commit.events)
    )
    fields = json.loads(recorded.body)
    if turned:
        fields = dict(reversed(fields.items()))
    body = json.dumps(fields, indent=indent, ensure_ascii=plain).encode()
    foreign = restore(body)
    lines = lines_of(foreign)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert back(lines).body == body


@given(commits())
def test_the_lines_are_cloudevents(recorded):
    commit = recorded.commit
    for n, (line, event) in enumerate(zip(lines_of(recorded), commit.events, strict=True)):
        read = JSONFormat().read(None, line)
        assert (read.get_specversion(), read.get_id()) == ("1.0", f"{commit.position}.{n}")
        assert (read.get_type(), read.get_subject()) == (event.type, commit.stream)
        time = read.get_time()
        assert time is not None
        assert time.timestamp() == pytest.approx(commit.at / 1e6)
        assert read.get_extension("traceparent") == (commit.traceparent or None)
        data = read.get_data()
        if isinstance(data, bytes):
            assert data == bytes(event.data)
        else:
            assert data == json.loads(bytes(event.data)) or "NaN" in str(data)
        for name, value in read.get_attributes().items():
            assert len(name) <= 20
            assert set(name) <= set(string.ascii_lowercase + string.digits)
            assert type(value) in (str, int, bool) or name == "time"


@given(st.lists(texts, max_size=4).map(tuple))
@example(("a,b", "%2C", "", "%", "%25"))
def test_tags_come_back(tags):
    assert not tags or tags_of(tags_text(tags)) == tags


@given(times)
@example(0)
@example(-1)
@example(YEAR_9999_US)
def test_a_time_comes_back_to_the_microsecond(at_us):
    assert time_us(time_text(at_us)) == at_us


def test_a_time_of_no_calendar_is_refused():
    with pytest.raises(NotExact, match="year"):
        time_text(YEAR_9999_US + 1)


def a_log():
    """Three commits of two streams, one with two events, one with line breaks."""
    data = [[b'{"x":1.0,"y":-0.0}'], [b'"a"', b"{\n}"], [b'{"z":"\xc3\xa9"}']]
    made = []
    for place, (stream, previous) in enumerate([("s/1", 0), ("s/1", 1), ("t/1", 0)]):
        chosen = tuple(Event("thing.happened", 1, msgspec.Raw(raw)) for raw in data[place])
        wish = Append(
            stream=stream,
            expected=None,
            commit_id=bytes([place] * 16),
            events=chosen,
            actor="tester",
            tenant="lab",
            tags=("kind=vm", "label=a,b"),
            correlation_id="c",
        )
        made.append(record(wish, Position(place + 1), Position(previous), 1_700_000_000_123_456))
    return made


def export_of(log):
    made = [one for recorded in log for one in records(recorded, SOURCE)]
    tree = Tree()
    for recorded in log:
        tree.append(leaf_hash(recorded.body))
    made[0] = opened(made[0], 1_700_000_000_000_000)
    made[-1] = closed(made[-1], len(log), tree.root())
    return b"".join(encode_record(one) + b"\n" for one in made)


LOG = a_log()
EXPORT = export_of(LOG)


def read(data):
    """The commits in an export, or None if it is refused; the root it says it has."""
    reader = CommitReader(io.BytesIO(data))
    try:
        return list(reader), reader.root
    except BadLine:
        return None, ""


def test_a_whole_export_is_read():
    reader = CommitReader(io.BytesIO(EXPORT))
    assert list(reader) == LOG
    assert (reader.epoch, reader.created_at, reader.events) == (
        "0123456789abcdef",
        1_700_000_000_000_000,
        4,
    )


@given(st.integers(0, len(EXPORT) - 1), st.integers(0, 255))
def test_a_changed_byte_changes_nothing_or_is_refused(place, byte):
    root = read(EXPORT)[1]
    commits, said = read(EXPORT[:place] + bytes([byte]) + EXPORT[place + 1 :])
    # What it says of its own root is held against the commits by who makes the log.
    assert commits in (None, LOG) or said != root


@pytest.mark.parametrize(
    ("keep", "line", "why"),
    [
        ([], 1, "cut off"),
        ([0], 1, "ends at position 1 without its end"),
        ([0, 1], 2, "the rest of its commit is missing"),
        ([0, 1, 2], 3, "cut off"),
        ([1, 2, 3], 1, "not the first line"),
        ([0, 2, 3], 2, "event 0 of position 2 is expected"),
        ([0, 1, 3], 3, "event 1 of position 2 is expected"),
        ([0, 3], 2, "position 3 follows position 1"),
        ([0, 2, 1, 3], 2, "event 0 of position 2"),
        ([0, 0, 1, 2, 3], 2, "another export than the first line"),
        ([0, 1, 1, 2, 3], 3, "event 1 of position 2"),
        ([0, 1, 2, 3, 3], 5, "ended with the line before"),
    ],
)
def test_missing_repeated_and_reordered_lines_are_named(keep, line, why):
    lines = EXPORT.splitlines(keepends=True)
    reader = CommitReader(io.BytesIO(b"".join(lines[index] for index in keep)))
    with pytest.raises(BadLine, match=why) as error:
        list(reader)
    assert error.value.line == line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b'"x":1.0', b'"x":1', 1),
        (b'"y":-0.0', b'"y":0.0', 1),
        (b'"actor":"tester"', b'"actor":"tosser"', 1),
        (b'"id":"1.0"', b'"id":"1.1"', 1),
        (b'"time":"2023-11-14T22:13:20.123456Z"', b'"time":"2023-11-14T22:13:20.123457Z"', 1),
        (b"/sessiond/0123456789abcdef", b"/else/where", 1),
        (b'"specversion":"1.0"', b'"specversion":"0.3"', 1),
        (b'"specversion"', b'"unknown":1,"specversion"', 1),
        (b"{", b"[", 1),
        (b'"data_base64":"e', b'"data_base64":"f', 2),
        (b'"z":', b'"y":', 4),
        (b'"logsize":3', b'"logsize":4', 4),
    ],
)
def test_a_changed_line_is_named(old, new, line):
    assert old in EXPORT
    reader = CommitReader(io.BytesIO(EXPORT.replace(old, new, 1)))
    with pytest.raises(BadLine) as error:
        list(reader)
    assert error.value.line == line


def test_a_line_without_end_is_refused_before_it_fills_the_memory():
    with pytest.raises(BadLine, match="longer than any line"):
        list(CommitReader(io.BytesIO(b"x" * (9 << 20))))


def test_a_commit_with_its_bytes_in_base64_is_held_to_its_attributes():
    commit = LOG[0].commit
    body = json.dumps(json.loads(encode(commit))).encode()
    [line] = lines_of(Recorded(restore(body).commit, body))
    assert back([line]).body == body
    with pytest.raises(NotExact):
        back([line.replace(b'"actor":"tester"', b'"actor":"tosser"')])
    assert isinstance(back([line]).commit, Commit)
