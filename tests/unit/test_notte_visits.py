"""What Notte's clients are told of a visit (notte.md sections 3.2, 3.8): log, film and script."""

from typing import Any

import msgspec
import pytest

from projections.folds.browser import Visit
from projections.folds.session import Session
from sessions.browser_answers import Step
from sessions.dialects.notte import wire_actions, wire_network, wire_replay, wire_workflow
from sessions.runtimes.browser.port import Action, Exchange, Selector


def exchange(number: int) -> Exchange:
    return Exchange(
        at_us=number,
        method="GET",
        url=f"https://a.test/{number}",
        resource="document",
        status=None,
        error="",
        request_bytes=1,
        response_bytes=2,
        duration_ms=3,
    )


def test_3_2_the_network_log_is_cut_into_batches() -> None:
    exchanges = [exchange(number) for number in range(2001)]
    assert wire_network.count_of(exchanges) == 3
    assert wire_network.count_of([]) == 0
    texts = [wire_network.lines(exchanges, number) for number in range(4)]
    assert [text.count(b"\n") for text in texts] == [1000, 1000, 1, 0]
    last = msgspec.json.decode(texts[2])
    assert (last["url"], last["status"], last["error"]) == ("https://a.test/2000", None, None)


def session(**fields: Any) -> Session:
    usual: dict[str, Any] = {
        "id": "s",
        "kind": "browser",
        "dialect": "notte",
        "tenant": "default",
        "owner": "o",
        "status": "stopped",
        "reason": "requested",
        "actor": "o",
        "created": 1,
        "position": 2,
        "status_position": 2,
        "created_at": 1_000_000,
        "updated_at": 1_000_000,
        "active_at": 1_000_000,
        "max_duration_s": 900,
    }
    return Session(**{**usual, **fields})


@pytest.mark.parametrize(
    ("status", "pending", "told", "retryable", "words"),
    [
        ("running", True, "waiting_for_session", True, "still active"),
        ("stopped", True, "processing", True, "being made"),
        ("stopped", False, "unavailable", False, "nothing"),
    ],
)
def test_3_8_a_film_that_is_not_there_says_why(
    status: Any, pending: bool, told: str, retryable: bool, words: str
) -> None:
    made = wire_replay.missing(session(status=status), pending)
    assert (made.replay_status, made.retryable, made.status) == (told, retryable, 404)
    assert words in made.message == made.detail
    # The client stops asking when it reads these words.
    assert ("still active" in made.message) == (status == "running")


def test_3_8_a_film_that_is_there() -> None:
    visit = Visit(requested_at=1, opened_at=1_500_000, recording="h", recording_ms=7000)
    made = wire_replay.replay(session(browser=visit), "http://x/video.mp4?token=t", 86_400)
    assert (made.mp4_url, made.expires_at) == ("http://x/video.mp4?token=t", "1970-01-02T00:00:00Z")
    assert (made.video_start_ms, made.video_duration_ms) == (500, 7000)


def step(kind: Any = "acted", type_: str = "", **fields: Any) -> Step:
    return Step(kind=kind, at=1, position=1, type=type_, **fields)


FOUND = {"css": "#a", "playwright": "text=A"}
VISIT = (
    step("opened"),
    step(type_="goto", action={"url": "https://a.test/'\n"}),
    step("observed"),
    step(type_="click", action={"id": "B9"}, success=False, message="no"),
    step(type_="fill", action={"id": "I1", "selector": FOUND, "value": "x"}, label="Name"),
    step(type_="fill", action={"id": "I2", "value": "***", "clear_before_fill": False}),
    step(
        type_="click",
        action={"selector": {"css": "#b", "frames": ["iframe"]}, "timeout_ms": 15_000},
    ),
    step(type_="form_fill", action={"values": {"email": "e", "city": "c"}}),
    step(type_="form_fill", action={"values": "***"}),
    step(type_="check", action={"id": "I3", "value": False}),
    step(type_="upload_file", action={"id": "I4", "file": "/x/uploads/a.txt"}),
    step("scraped"),
    step("closed"),
)


def test_3_2_the_visit_as_a_script() -> None:
    made = wire_workflow.script(VISIT, whole=True)
    lines = [line.strip() for line in made.python_script.splitlines() if "session." in line]
    assert lines[0] == """session.execute(type='goto', url="https://a.test/'\\n")"""
    assert lines[1] == "session.execute(type='fill', selector='text=A', value='x')"
    assert lines[2] == (
        "session.execute(type='fill', id='I2', clear_before_fill=False, "
        'value=os.environ["SECRET_1"])'
    )
    assert "'iframe_parent_css_selectors': ['iframe']" in lines[3]
    assert lines[4] == "session.execute(type='form_fill', value={'email': 'e', 'city': 'c'})"
    assert lines[5] == (
        "session.execute(type='form_fill', value=json.loads(os.environ[\"SECRET_2\"]))"
    )
    assert lines[6] == "session.execute(type='check', id='I3', value=False)"
    assert lines[7] == "session.execute(type='upload_file', id='I4', file_path='a.txt')"
    assert lines[8] == "session.scrape()"
    assert len(lines) == 9
    compile(made.python_script, "script", "exec")
    assert made.python_script.startswith("import json\nimport os\n")


def test_3_2_the_visit_as_json_are_actions_that_can_be_executed() -> None:
    made = wire_workflow.script(VISIT, whole=False)
    actions = msgspec.to_builtins(made.json_actions)
    taken = [wire_actions.execute(each) for each in actions if each.get("value") != "***"]
    types = [each["type"] for each in made.json_actions]
    assert types == [
        *(
            "goto",
            "fill",
            "fill",
            "click",
            "form_fill",
            "form_fill",
            "check",
            "upload_file",
            "scrape",
        ),
    ]
    assert taken[1].action == Action(
        type="fill", id="I1", selector=Selector(css="#a", playwright="text=A"), value="x"
    )
    assert made.python_script.startswith("session.execute(")


def test_3_2_a_script_imports_what_it_needs() -> None:
    made = wire_workflow.script(VISIT[:6], whole=True)
    assert made.python_script.startswith("import os\n")
    made = wire_workflow.script(VISIT[:5], whole=True)
    assert made.python_script.startswith("from notte_sdk import")


def test_3_2_a_script_of_nothing_runs_too() -> None:
    compile(wire_workflow.script((), whole=True).python_script, "script", "exec")
    assert wire_workflow.script((), whole=False).python_script == ""
