"""What a command prints becomes reports, and what users say its input: nothing is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.worker.lines import (
    STATEMENT_BYTES_MAX,
    TEXT_BYTES_MAX,
    Line,
    Lines,
    finished,
    input_line,
    reports_of,
    whole_input,
)


def reports(text):
    return list(reports_of(Line(text)))


def said(text):
    return [{"type": "message", "content": text}]


def cut(*chunks):
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)]
    return [*found, *lines.end()]


@given(st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"."))))
def test_however_it_comes_the_lines_are_the_same(chunks):
    whole = b"".join(chunks)
    expected = [part.removesuffix(b"\r") for part in whole.split(b"\n")]
    if not whole.split(b"\n")[-1]:
        expected.pop()
    assert cut(*chunks) == [Line(part.decode(errors="replace")) for part in expected]


@pytest.mark.parametrize("at", [TEXT_BYTES_MAX - 1, TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1])
@pytest.mark.parametrize("chunk", [1 << 20, 50_000, 7_001])
def test_a_line_that_is_too_long_comes_in_pieces_and_breaks_no_character(at, chunk):
    text = "x" * at + "ä€😀" * 30_000
    data = f"{text}\nnext\n".encode()
    found = cut(*(data[start : start + chunk] for start in range(0, len(data), chunk)))
    *pieces, last = found
    assert "".join(piece.text for piece in pieces) == text
    assert last == Line("next")
    assert not any(piece.whole for piece in pieces)
    assert max(len(piece.text.encode()) for piece in pieces) <= TEXT_BYTES_MAX


def test_a_piece_of_a_long_line_is_never_a_statement():
    sly = '{"sessiond": "blocked"}'
    for data in (b"x" * TEXT_BYTES_MAX + sly.encode(), b"x" * TEXT_BYTES_MAX + b"y" + b"\n"):
        found = [report for line in cut(data, b"\n") for report in reports_of(line)]
        assert {report["type"] for report in found} == {"message"}


def test_nothing_piles_up_however_long_a_line_is():
    lines = Lines()
    for _ in range(100):
        lines.feed(b"{" + b"x" * 100_000)
        assert len(lines._rest) <= STATEMENT_BYTES_MAX


def test_text_is_a_message_and_blank_lines_are_nothing():
    assert reports("two words") == said("two words")
    assert reports("") == reports(" \t") == []
    assert cut(b"a\0b\xff\r\n") == [Line("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}")]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("blocked", [{"type": "status", "status": "blocked"}]),
        (
            {"status": "blocked", "detail": "which branch?"},
            [{"type": "status", "status": "blocked", "detail": "which branch?"}],
        ),
        ({"message": "a\nb"}, said("a\nb")),
        ({"message": "a", "data": {"n": 1}}, [said("a")[0] | {"data": {"n": 1}}]),
        ({"structured_output": None}, [{"type": "output", "structured_output": None}]),
        ({"acus": 2}, [{"type": "acus", "used": 2.0}]),
        (
            {"pull_request": "https://x.test/1"},
            [{"type": "pull_request", "url": "https://x.test/1"}],
        ),
        (
            {"pull_request": {"url": "https://x.test/1", "state": "merged"}},
            [{"type": "pull_request", "url": "https://x.test/1", "state": "merged"}],
        ),
        (
            {"status": "blocked", "acus": 1.5, "structured_output": [1], "message": "ready"},
            [
                *said("ready"),
                {"type": "output", "structured_output": [1]},
                {"type": "acus", "used": 1.5},
                {"type": "status", "status": "blocked"},
            ],
        ),
        ({}, []),
    ],
)
def test_a_line_of_json_states_something(statement, expected):
    assert reports(json.dumps({"sessiond": statement})) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"sessiond": {"stauts": "blocked"}}',
        '{"sessiond": "finished"}',
        '{"sessiond": {"acus": -1}}',
        '{"sessiond": {"acus": "3"}}',
        '{"sessiond": {"status": "blocked"}, "more": 1}',
        '{"other": 1}',
        '{"sessiond": ',
        '["sessiond"]',
        "{" * 100_000,
    ],
)
def test_what_is_no_statement_is_a_message_as_it_stands(text):
    assert "".join(report["content"] for report in reports(text)) == text


def test_the_end_tells_the_last_words_of_a_failure_only():
    assert finished(0, None, "a warning") == {"type": "finished", "exit_code": 0}
    assert finished(3, None, "why") == {"type": "finished", "exit_code": 3, "detail": "why"}
    assert finished(137, 9, "") == {"type": "finished", "exit_code": 137, "signal": 9}
    assert len(finished(1, None, "x" * 100_000)["detail"]) <= 1_000


def test_the_whole_input_is_the_prompt_and_what_was_said_since():
    assert whole_input("do it", []) == b"do it\n"
    assert whole_input("do it\n", []) == b"do it\n"
    assert whole_input("do it", ["and that", "now"]) == b"do it\n\nand that\n\nnow\n"


@given(st.text())
def test_each_message_is_one_line_that_tells_what_was_said(content):
    line = input_line(content)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    text = line.decode().removesuffix("\n")
    read = json.loads(text)["message"] if text.startswith("{") else text
    assert read == content
