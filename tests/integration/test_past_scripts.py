"""state_at.py and diff.py: they say what the law says, on a folder that they leave as it was."""

import asyncio
import contextlib
import shutil
import sqlite3

import msgspec
import pytest

from eventstore.commit import Position
from eventstore.sqlite.log import SqliteLog
from projections.follower import Follower
from projections.snapshots import Snapshots
from projections.snapshotting import Snapshotting
from projections.views.store import Views
from scripts.audit import diff, state_at
from sessions.dialects.native.wire import session_view
from sessions.dialects.native.wire_vms import vm_view
from tests.support.logs import Clock
from tests.support.pasts import folded, grown
from tests.support.scripts import run_script

COMMITS = 200
STREAMS = 40
EVERY = 60
BEGAN = "2023-11-14T22:13:20"


class Ticking(Clock):
    """A clock that a second has passed on at each look."""

    def __call__(self):
        self.now_us += 1_000_000
        return self.now_us


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a service that has stopped, and the commits of its log."""
    folder = tmp_path_factory.mktemp("made")
    return folder, asyncio.run(make(folder))


async def make(folder):
    """A log, its views and its snapshots."""
    log = await SqliteLog.open(folder, clock_us=Ticking())
    views = await Views.open(folder, log.epoch)
    snapshots = Snapshots(folder, log.epoch)
    try:
        for seed in range(COMMITS // 50):
            await grown(log, 30 + seed, 50, STREAMS)
        await Follower(log, views).catch_up()
        await snapshots.open(log.size)
        await Snapshotting(log, snapshots, print, every=EVERY, rest=0).catch_up()
        return await log.commits(Position(0), COMMITS)
    finally:
        await snapshots.close()
        await views.close()
        await log.close()


@pytest.fixture
def ask(made, capsys):
    """Runs a script in this process: its exit code, and each line of its JSON."""
    folder, _ = made

    def run(script, *arguments):
        before = traces(folder)
        code = script.main(["--data", str(folder), "--json", *map(str, arguments)])
        out = capsys.readouterr().out
        assert traces(folder) == before
        return code, [msgspec.json.decode(line) for line in out.splitlines()]

    return run


def traces(folder):
    """All that a reader could leave behind."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()}


def shown(state):
    """A state as the native API shows it."""
    is_vm = hasattr(state, "session")
    return msgspec.json.decode(msgspec.json.encode((vm_view if is_vm else session_view)(state)))


@pytest.mark.parametrize("more", [(), ("--from-zero",)])
@pytest.mark.parametrize("position", [1, 59, 60, 61, 150, COMMITS])
def test_the_list_is_that_of_the_fold(made, ask, position, more):
    _, commits = made
    code, lines = ask(state_at, "--at", position, "--list", *more)
    states = [one for name, one in folded(commits, position).items() if "session/" in name]
    alive = sorted((one for one in states if not one.deleted), key=lambda one: -one.created)
    assert code == 0
    assert [line["session"] for line in lines] == [shown(state) for state in alive]
    assert {line["as_of"] for line in lines} <= {position}


def test_the_list_takes_filters(made, ask):
    _, commits = made
    states = [one for name, one in folded(commits, 180).items() if "session/" in name]
    states = [one for one in states if not one.deleted]
    filters = {
        "kind": lambda one: one.kind,
        "status": lambda one: one.status,
        "tenant": lambda one: one.tenant,
        "owner": lambda one: one.owner,
    }
    for name, of in filters.items():
        for value in {of(one) for one in states}:
            _, lines = ask(state_at, "--at", 180, f"--{name}", value)
            found = {line["session"]["id"] for line in lines}
            assert found == {one.id for one in states if of(one) == value}
    _, lines = ask(state_at, "--at", 180, "--label", "red", "--label", "big")
    both = {one.id for one in states if {"red", "big"} <= set(one.labels)}
    assert {line["session"]["id"] for line in lines} == both != set()


@pytest.mark.parametrize("more", [(), ("--from-zero",)])
def test_one_session_or_machine_is_that_of_the_fold_also_when_deleted(made, ask, more):
    _, commits = made
    law = folded(commits, 150)
    deleted = 0
    for name, state in law.items():
        kind, _, id_ = name.partition("/")
        if kind not in ("session", "vm"):
            continue
        code, [line] = ask(state_at, "--at", 150, f"--{kind}", id_, *more)
        assert (code, line["as_of"], line[kind]) == (0, 150, shown(state))
        deleted += line.get("deleted", False)
    assert deleted > 2


def test_a_time_means_the_last_commit_up_to_it(made, ask):
    assert ask(state_at, "--at", COMMITS) != ask(state_at, "--at", 10) != (0, [])
    for time, position in [
        (f"{BEGAN[:-2]}21Z", 1),
        (f"{BEGAN[:-2]}29.9Z", 9),
        (f"{BEGAN[:-2]}30", 10),
        ("2200-01-01", COMMITS),
    ]:
        _, timed = ask(state_at, "--at", time)
        _, placed = ask(state_at, "--at", position)
        assert timed == placed


def test_what_changed_is_the_difference_of_two_folds(made, ask):
    _, commits = made
    for a, b in ((0, 40), (39, 40), (70, 170), (0, COMMITS)):
        code, lines = ask(diff, "--a", a, "--b", b)
        was, became = folded(commits, a), folded(commits, b)
        differ = {name for name, state in became.items() if was.get(name) != state}
        assert code == (1 if differ else 0)
        assert {line["stream"] for line in lines} == differ
        for line in lines:
            check_changes(line, was.get(line["stream"]), became[line["stream"]], commits[a:b])


def check_changes(line, was, became, commits):
    """Every field that differs is told once, with commits of the stream between the points."""
    assert line["a"] == (was.position if was is not None else None)
    assert line["b"] == became.position
    own = [one.position for one in commits if one.stream == line["stream"]]
    fields = {change["field"].partition(".")[0] for change in line["changes"]}
    if was is not None:
        names = became.__struct_fields__
        assert fields == {name for name in names if getattr(was, name) != getattr(became, name)}
        [moved] = [change for change in line["changes"] if change["field"] == "position"]
        assert (moved["before"], moved["after"]) == (was.position, became.position)
        assert moved["commits"] == own[-20:]
        assert moved["count"] == len(own)
    for change in line["changes"]:
        assert set(change["commits"]) <= set(own)
        assert change["before"] != change["after"]


def test_two_points_between_which_nothing_happened_are_equal(made, ask):
    assert ask(diff, "--a", 50, "--b", 50) == (0, [])
    name = next(one.stream for one in made[1] if "session/" in one.stream)
    assert ask(diff, "--a", 0, "--b", 0, "--session", name) == (0, [])


def test_one_stream_is_compared_alone(made, ask):
    _, commits = made
    stream = next(one.stream for one in commits if one.previous and "session/" in one.stream)
    code, [line] = ask(diff, "--a", 0, "--b", COMMITS, "--session", stream)
    assert (code, line["stream"], line["a"]) == (1, stream, None)


def test_a_rebuild_agrees_until_a_row_is_changed(made, tmp_path, capsys):
    folder, _ = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    arguments = ["--data", str(tmp_path), "--rebuild", "--json"]
    assert diff.main(arguments) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["holds"]
    with contextlib.closing(sqlite3.connect(tmp_path / "views.db")) as views:
        [(created,)] = views.execute("SELECT max(created) FROM sessions").fetchall()
        views.execute("UPDATE sessions SET owner = 'x' WHERE created = ?", (created,))
        views.commit()
    assert diff.main(arguments) == 1
    told = msgspec.json.decode(capsys.readouterr().out)
    assert (told["difference"]["created"], told["difference"]["column"]) == (created, "owner")
    assert told["difference"]["split"] == told["events"][0]["position"]


CANNOT = [
    (state_at, ["--at", "1", "--session", "none"], "there is no session none"),
    (state_at, ["--at", "1", "--session", "\udcff"], "there is no session"),
    (state_at, ["--at", "1", "--vm", "none"], "there is no machine none"),
    (state_at, ["--at", "0", "--session", "FIRST"], "did not exist yet"),
    (state_at, ["--at", "201"], "beyond the end"),
    (state_at, ["--at", "9" * 30], "beyond the end"),
    (state_at, ["--at", f"{BEGAN}Z"], "before the first event"),
    (state_at, ["--at", "soon"], "neither a position nor a time"),
    (state_at, ["--at", "1", "--session", "FIRST", "--kind", "vm"], "for the list"),
    (diff, ["--a", "9", "--b", "8"], "comes after"),
    (diff, ["--a", "9"], "--a and --b"),
    (diff, [], "--a and --b"),
    (diff, ["--rebuild", "--a", "1"], "--rebuild alone"),
    (diff, ["--a", "1", "--b", "201"], "beyond the end"),
    (diff, ["--a", "1", "--b", "2", "--session", "none"], "there is no session none"),
]


@pytest.mark.parametrize(("script", "arguments", "words"), CANNOT)
def test_a_question_without_an_answer_is_one_line_and_exit_code_2(
    made, capsys, script, arguments, words
):
    folder, commits = made
    first = next(one.stream for one in commits if "session/" in one.stream)
    arguments = [first if one == "FIRST" else one for one in arguments]
    before = traces(folder)
    assert script.main(["--data", str(folder), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert traces(folder) == before


@pytest.mark.parametrize("script", ["state_at", "diff"])
@pytest.mark.parametrize("body", [b"no commit", b'{"position": 1}', b"\xff\xfe"])
def test_a_log_that_cannot_be_read_is_one_line_and_exit_code_2(
    made, tmp_path, capsys, script, body
):
    folder, _ = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as log:
        log.execute("DROP TRIGGER commits_are_not_updated")
        log.execute("UPDATE commits SET body = ? WHERE position = 150", (body,))
        log.commit()
    asked = {"state_at": (state_at, ["--at", "160"]), "diff": (diff, ["--a", "140", "--b", "160"])}
    main, arguments = asked[script]
    assert main.main(["--data", str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_snapshots_that_break_are_said_and_done_without(made, tmp_path, capsys):
    folder, _ = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "snapshots.db")) as file:
        file.execute("DROP TABLE states")
        file.commit()
    arguments = ["--data", str(tmp_path), "--at", "70"]
    assert state_at.main(arguments) == 2
    assert "--from-zero" in capsys.readouterr().err
    assert state_at.main([*arguments, "--from-zero"]) == 0
    (tmp_path / "snapshots.db").write_bytes(b"text, not a database\n" * 500)
    assert state_at.main(arguments) == 0


def test_both_are_there_for_people(made):
    folder, commits = made
    stream = next(one.stream for one in commits if one.previous and "session/" in one.stream)
    one = run_script("state_at", "--data", folder, "--at", COMMITS, "--session", stream)
    assert (one.code, one.err) == (0, "")
    assert one.out.startswith(f"{stream} as of position {COMMITS} (2023-11-14T22:")
    changed = run_script("diff", "--data", folder, "--a", 0, "--b", COMMITS, "--session", stream)
    assert changed.code == 1
    assert f"{stream}: nothing -> " in changed.out
    assert "1 stream differs between positions 0 and 200" in changed.out
