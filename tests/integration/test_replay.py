"""replay.py on real data folders: the story, its choices, why, and what has no answer."""

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing

import msgspec
import pytest

from eventstore.sqlite.log import FILE_NAME
from projections.events.session import MessageAdded
from sessions.dialects.devin.ids import devin_id
from sessions.dialects.galtea.wire import SESSION
from sessions.dialects.uuids import public_id
from tests.support.process import serving
from tests.support.scripts import command, files_in, run_script
from tests.support.service import SESSIONS, ask, create, move
from tests.support.stories import HOSTILE, SECOND_US, STORY, A, B, objects, run, told, write


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "data"
    asyncio.run(write(folder, STORY))
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "data")


def positions(capsys, *arguments):
    return [line["position"] for line in objects(capsys, *arguments)]


def test_the_whole_log_is_told_a_line_for_each_event(folder):
    done = run_script("replay", "--data", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        (
            f"1  2026-01-01T00:00:00.000000Z                 key:ci            session/{A}  "
            "created as an agent session, running; at most 1 h, idle time-out 300 s"
        ),
        (
            f"2  2026-01-01T00:00:03.250000Z         +3.2 s  runtime           {'vm/m-1':44}  "
            f"machine requested for session {A}: 2 CPU, 512 MB, at most 60 s"
        ),
        (
            f"3  2026-01-01T00:00:03.250000Z           +0 s  key:bob (lab)     session/{B}  "
            "created as a browser session, running; at most 1 h"
        ),
        (
            f"4  2026-01-01T00:00:03.590000Z        +340 ms  runtime           {'vm/m-1':44}  "
            "machine ready after 340 ms"
        ),
        (
            f"5  2026-01-01T02:10:03.590000Z    +2 h 10 min  key:ci            session/{A}  "
            'said (user): "\\x1b[2J\\x9b31m\\u202e\\nforged"'
        ),
        (
            f"5  2026-01-01T02:10:03.590000Z           +0 s  key:ci            session/{A}  "
            "idle time-out changed from 300 s to 600 s"
        ),
        (
            "6  2026-01-01T02:10:04.590000Z         +1.0 s  \\x1b[2J\\x9b31m\\u202e\\nforged  "
            f"session/{A}  went from running to failed: client_error, "
            '"\\x1b[2J\\x9b31m\\u202e\\nforged"'
        ),
    ]


def test_a_session_is_told_with_its_machines_and_the_time_between(folder, capsys):
    lines = told(capsys, "--data", folder, "--session", A)
    assert [line.split()[0] for line in lines] == ["1", "2", "4", "5", "5", "6"]
    assert lines[1].endswith(
        f"+3.2 s  runtime           vm/m-1: machine requested for session {A}: "
        "2 CPU, 512 MB, at most 60 s"
    )
    assert lines[3].endswith('key:ci            said (user): "\\x1b[2J\\x9b31m\\u202e\\nforged"')


@pytest.mark.parametrize(
    "form", [str, "session/{}".format, devin_id, lambda id: public_id(SESSION, id)]
)
def test_a_session_may_be_named_as_any_dialect_shows_it(folder, capsys, form):
    assert positions(capsys, "--data", folder, "--session", form(A)) == [1, 2, 4, 5, 5, 6]


def test_each_line_is_an_object_for_machines(folder, capsys):
    lines = objects(capsys, "--data", folder)
    assert lines[4] == {
        "position": 5,
        "at": "2026-01-01T02:10:03.590000Z",
        "since_us": 7_800 * SECOND_US,
        "actor": "key:ci",
        "tenant": "default",
        "stream": f"session/{A}",
        "session": A,
        "kind": "agent",
        "type": "message.added",
        "v": 1,
        "data": {"id": "1", "role": "user", "content": HOSTILE},
        "words": 'said (user): "\\x1b[2J\\x9b31m\\u202e\\nforged"',
        "reason": "",
        "correlation_id": "",
        "causation": 0,
        "traceparent": "",
    }
    assert lines[0]["since_us"] is None
    assert (lines[1]["session"], lines[1]["kind"]) == (A, "vm")
    assert lines[6]["reason"] == "client_error"


def test_choices_narrow_what_is_told(folder, capsys):
    data = ("--data", folder)
    assert positions(capsys, *data, "--kind", "vm") == [2, 4]
    assert positions(capsys, *data, "--kind", "browser") == [3]
    assert positions(capsys, *data, "--vm", "m-1") == [2, 4]
    assert positions(capsys, *data, "--from", 3, "--to", 4) == [3, 4]
    assert positions(capsys, *data, "--from", "2026-01-01T00:00:03.25Z", "--to", 4) == [2, 3, 4]
    assert positions(capsys, *data, "--to", "2026-01-01T00:00:03.25Z") == [1, 2, 3]
    assert positions(capsys, *data, "--from", "2027-01-01T00:00:00Z") == []
    assert positions(capsys, *data, "--session", A, "--from", 5) == [5, 5, 6]
    assert positions(capsys, "--data", folder / FILE_NAME, "--to", 1) == [1]
    [first, *_] = objects(capsys, *data, "--from", 4)
    assert first["since_us"] == 340_000
    changed = objects(capsys, *data, "--session", A, "--from", 5)[1]
    assert changed["words"] == "idle time-out changed from 300 s to 600 s"


def test_nothing_that_a_terminal_obeys_comes_out(folder, capsys):
    for more in ([], ["--json"], ["--session", A, "--why"], ["--session", A, "--why", "--json"]):
        assert all(line.isprintable() for line in told(capsys, "--data", folder, *more)), more


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path):
    said = MessageAdded(id="1", role="user", content="x" * 100)
    long = [(f"session/{A}", "key:ci", "default", (), 1, [said] * 100) for _ in range(40)]
    asyncio.run(write(tmp_path, long, views=False))
    asked = command("replay", "--data", tmp_path, "--json")
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"position":1,')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(200) == 0


def test_why_is_told_now_and_in_the_past(folder, capsys):
    data = ("--data", folder, "--session", A, "--why")
    lines = told(capsys, *data)
    assert lines[0].startswith("It is failed: \\x1b[2J\\x9b31m\\u202e\\nforged declared it failed")
    assert told(capsys, *data, "--to", 2)[0].startswith("It is running since it was created")
    [answer] = objects(capsys, *data, "--to", 5)
    lengths = {clock["name"]: clock["length_s"] for clock in answer["clocks"]}
    assert (answer["status"], lengths) == ("running", {"idle_timeout": 600, "max_duration": 3600})


BAD = [
    (["--session", "x"], "there is no session x in this log"),
    (["--session", "devin-" + "0" * 32], f"there is no session devin-{'0' * 32} in this log"),
    (["--session", "a\x1b[31m"], "there is no session a\\x1b[31m in this log"),
    (["--vm", "x"], "there is no machine x in this log"),
    (["--to", "7"], "position 7 is beyond the end of the log, 6"),
    (["--from", "7"], "position 7 is beyond the end of the log, 6"),
    (["--to", "2025-12-31"], "2025-12-31 is before the first event (2026-01-01T00:00:00.000000Z)"),
    (["--from", "2001-01-01T00:00Z"], "2001-01-01T00:00Z is before the first event"),
    (["--to", "noon"], "noon is neither a position nor a time like 2026-01-31T12:00Z"),
    (["--from", "5", "--to", "2"], "--from 5 comes after --to 2"),
    (["--check", "--session", A], "--check takes the whole log"),
    (["--check", "--why"], "--check takes the whole log"),
    (["--why"], "--why needs --session"),
    (["--why", "--session", B, "--to", "2"], "there was no such session yet at position 2"),
    (["--session", A, "--vm", "m-1"], "not allowed with argument"),
    (["--kind", "toaster"], "invalid choice: 'toaster'"),
]


@pytest.mark.parametrize(("arguments", "complaint"), BAD)
def test_a_question_that_has_no_answer_is_one_clear_line(folder, capsys, arguments, complaint):
    before = files_in(folder)
    code, out, err = run(capsys, "--data", folder, *arguments)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert complaint in last
    assert last.isprintable()
    assert "usage:" in err or err == last + "\n"
    assert files_in(folder) == before


def test_machines_are_told_why_not_as_well(folder, capsys):
    code, out, _ = run(capsys, "--data", folder, "--json", "--to", 7)
    assert code == 2
    assert msgspec.json.decode(out) == {"error": "position 7 is beyond the end of the log, 6"}


@pytest.mark.parametrize("more", [[], ["--check"]])
@pytest.mark.parametrize(
    "what", ["empty folder", "no folder", "not sqlite", "not ours", "format 2"]
)
def test_what_is_no_log_is_one_clear_line(folder, tmp_path, capsys, what, more):
    file = folder / FILE_NAME
    if what == "empty folder":
        file.unlink()
    elif what == "no folder":
        shutil.rmtree(folder)
    elif what == "not sqlite":
        file.write_bytes(b"a page of a diary " * 1000)
    else:
        pragma = "application_id = 7" if what == "not ours" else "user_version = 2"
        with closing(sqlite3.connect(file)) as log:
            log.execute(f"PRAGMA {pragma}")
    before = files_in(tmp_path)
    code, out, err = run(capsys, "--data", folder, *more)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(folder) in err
    assert files_in(tmp_path) == before


def test_a_commit_that_is_none_is_one_clear_line(folder, capsys):
    with closing(sqlite3.connect(folder / FILE_NAME)) as log, log:
        log.execute("DROP TRIGGER commits_are_not_updated")
        log.execute("UPDATE commits SET body = CAST('{' AS BLOB) WHERE position = 4")
    for more in ([], ["--session", A], ["--check"]):
        code, _, err = run(capsys, "--data", folder, *more)
        assert code == 2
        assert "the log holds what is no commit" in err
        assert err.count("\n") == 1


@pytest.mark.slow(reason="starts the service and several scripts")
async def test_beside_a_running_service_and_on_a_copy(tmp_path):
    folder = tmp_path / "data"
    async with serving(folder) as service:
        async with service.client() as client:
            session = await move(client, await create(client, "agent", title="Fix it"), "running")
            body = {"prompt": "Find out."}
            devin = (await ask(client, "POST", "/v1/sessions", json=body))["session_id"]
            asked = [["--session", session["id"]], ["--session", session["id"], "--why", "--json"]]
            asked += [["--check"], ["--session", devin]]
            runs = [
                asyncio.to_thread(run_script, "replay", "--data", folder, *one) for one in asked
            ]
            story, why, checked, other = await asyncio.gather(*runs)
            answer = await ask(client, "GET", f"{SESSIONS}/{session['id']}/why")
        await service.stop()
    assert (story.code, len(story.out.splitlines())) == (0, 2)
    assert 'created as an agent session "Fix it", pending' in story.out
    assert "went from pending to running: requested" in story.out
    assert why.answer == answer
    assert (checked.code, checked.out[:6]) == (0, "holds:")
    assert "through devin" in other.out
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(folder / FILE_NAME, copy / FILE_NAME)
    again = run_script("replay", "--data", copy, "--session", session["id"])
    assert again.out == story.out
    assert files_in(copy) == {FILE_NAME}
