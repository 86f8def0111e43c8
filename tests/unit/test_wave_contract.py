"""Every call and every rule of the WAVE contract has a test whose docstring names its section."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.wave_contract import CALLS, call_made, calls_in, sections_in

TESTS = Path(__file__).resolve().parents[1]
# By what a call begins with.
SECTIONS = {
    "/api/sessions": "1.2",
    "/api/tests": "1.3",
    "/api/results": "1.4",
    "/api/devices": "1.5",
    "/api/status": "1.6",
    "/_wave": "1.7",
    "/results": "1.7",
}
RULES = [
    *("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.9", "2.1", "2.2", "2.3", "2.4", "2.5"),
    *("3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "4", "5.1", "5.2", "5.3"),
]
DISAGREEMENTS = [
    *("labels GET", "completed_tests", "results path filter", "results/config"),
    *("last_completed count", "apis", "event answer", "session events timeout"),
    *("reference_tokens", "import", "multi report", "session completed", "status NOT_RUN"),
    *("malformed JSON", "unknown token", "DELETE of a public session", "dates"),
]


def docstrings(pattern: str) -> Iterator[str]:
    """What the tests in files of this name say of themselves, each on one line."""
    for path in sorted(TESTS.rglob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text and node.name.startswith("test_"):
                    yield " ".join(text.split())


OF_THE_CONTRACT = list(docstrings("test_wave_contract*.py"))
OF_WAVE = list(docstrings("test_wave*.py"))


def section_of(call: str) -> str:
    path = call.partition(" ")[2]
    return next(section for front, section in SECTIONS.items() if path.startswith(front))


@pytest.mark.parametrize("call", CALLS)
def test_every_call_has_a_test_that_names_its_section(call):
    assert [
        text
        for text in OF_THE_CONTRACT
        if call in calls_in(text) and section_of(call) in sections_in(text)
    ]


def test_no_test_names_a_call_that_is_none():
    assert {call for text in OF_THE_CONTRACT for call in calls_in(text)} <= CALLS.keys()


@pytest.mark.parametrize("section", RULES)
def test_every_section_is_named_by_a_test(section):
    assert any(section in sections_in(text) for text in OF_WAVE)


@pytest.mark.parametrize("topic", DISAGREEMENTS)
def test_every_disagreement_is_decided_by_a_test(topic):
    assert any(text.startswith(f"Section 1.9, {topic}:") for text in OF_THE_CONTRACT)


def test_what_a_docstring_says_is_read():
    said = "Sections 1.2, 1.9 and 4, `GET /api/x/{token}`: not `devices`, and no 3.7."
    assert sections_in(said) == {"1.2", "1.9", "4"}
    assert calls_in(said) == {"GET /api/x/{token}"}


@pytest.mark.parametrize(
    ("made", "call"),
    [
        ("GET /api/devices/events", "GET /api/devices/events"),
        ("GET /_wave//api/devices/x/?a=/b", "GET /api/devices/{token}"),
        ("POST /api/results/import", "POST /api/results/import"),
        ("GET /_wave/", "GET /_wave/{page}"),
        ("GET /_wave", "GET /_wave"),
        ("PUT /api/devices", ""),
    ],
)
def test_a_request_is_known_as_the_call_that_it_is(made, call):
    method, _, path = made.partition(" ")
    assert call_made(method, path) == call
