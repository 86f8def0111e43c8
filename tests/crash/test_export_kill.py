"""Export, import and backup on a disk that is full, and killed at work: whole or not there."""

import asyncio
import os
import shutil
import signal
import subprocess
import time

import pytest

from eventstore.sqlite.archive import Archive
from eventstore.sqlite.log import SqliteLog
from scripts.bench.events import build_log
from tests.support.logs import filled
from tests.support.scripts import command, files_in, run_script
from tests.support.small_disk import small_disk

COMMITS = 40_000
WAIT_S_MAX = 120.0
# What each script is told, where it writes, and the part that it writes first.
EXPORT = ("export", ("--data", "{data}", "--to", "{to}"), "out", ".out.part")
CSV = ("export", ("--data", "{data}", "--to", "{to}", "--format", "csv"), "out", ".out.part")
PARQUET = (
    "export",
    ("--data", "{data}", "--to", "{to}", "--format", "parquet"),
    "out",
    ".out.part",
)
IMPORT = ("import_", ("--from", "{source}", "--to", "{to}"), "out", "out/.log.db.part")
BACKUP = ("backup", ("--data", "{data}", "--to", "{to}"), "out", ".out.part")
ALL = [
    pytest.param(case, id=name)
    for name, case in (
        ("jsonl", EXPORT),
        ("csv", CSV),
        ("parquet", PARQUET),
        ("import", IMPORT),
        ("backup", BACKUP),
    )
]

pytestmark = pytest.mark.slow(reason="works on a log of 40,000 commits, again and again")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder and its export."""
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(build_log(folder / "data", 7, COMMITS // 10, COMMITS))
    done = run_script("export", "--data", folder / "data", "--to", folder / "source.jsonl")
    assert done.code == 0, done.err
    return folder


def arguments(case, made, folder):
    _, given, target, _ = case
    places = {"data": made / "data", "source": made / "source.jsonl", "to": folder / target}
    return [one.format(**places) for one in given]


def started(case, made, folder):
    """The script at work: its part is there and grows; and the input that it waits for."""
    given, pipe = arguments(case, made, folder), subprocess.PIPE
    if case is IMPORT:
        # It writes all at the end, and quickly. So it has read half of its input, and waits.
        given[1] = "-"
        process = subprocess.Popen(command(case[0], *given), stdin=pipe, stderr=pipe, text=True)
        source = (made / "source.jsonl").read_text()
        assert process.stdin is not None
        process.stdin.write(source[: len(source) // 2])
        process.stdin.flush()
        assert (folder / case[3]).exists()
        return process, source[len(source) // 2 :]
    process = subprocess.Popen(command(case[0], *given), stderr=pipe, text=True)
    part, give_up = folder / case[3], time.monotonic() + WAIT_S_MAX
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.001)
    return process, None


def check_result(case, made, folder):
    """Run to its end, it makes what it should, whatever a run before has left."""
    done = run_script(case[0], *arguments(case, made, folder))
    assert done.code == 0, done.err
    assert not [name for name in files_in(folder) if ".part" in name or ".restored" in name]
    target = folder / case[2]
    if case in (IMPORT, BACKUP):
        with Archive(target) as archive, Archive(made / "data") as log:
            assert archive.head() == log.head()
    elif case is EXPORT:
        assert target.read_bytes() == (made / "source.jsonl").read_bytes()
    else:
        assert target.stat().st_size


@pytest.mark.parametrize("case", ALL)
def test_kill_9_leaves_nothing_under_the_name_and_the_next_run_works(case, made, tmp_path):
    process, _ = started(case, made, tmp_path)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    target = tmp_path / case[2]
    assert not (target / "log.db" if case is IMPORT else target).exists()
    check_result(case, made, tmp_path)


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_leaves_nothing_at_all(case, number, made, tmp_path):
    process, _ = started(case, made, tmp_path)
    process.send_signal(number)
    _, err = process.communicate()
    assert (process.returncode, err) == (2, f"{case[0]}.py: stopped\n")
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("case", ALL)
def test_a_second_one_to_the_same_place_is_refused(case, made, tmp_path):
    process, rest = started(case, made, tmp_path)
    try:
        process.send_signal(signal.SIGSTOP)
        done = run_script(case[0], *arguments(case, made, tmp_path))
        assert done.code == 2
        [line] = done.err.splitlines()
        assert "another process" in line.lower()
    finally:
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(rest)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("case", ALL)
def test_a_full_disk_is_one_line_and_nothing_is_left(case, made, tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        done = run_script(case[0], *arguments(case, made, disk.folder), wrapper=disk.wrapper)
        assert done.code == 2
        [line] = done.err.splitlines()
        assert "No space left" in line or "No room is left" in line
        assert list(disk.outside.iterdir()) == []
        assert done.out == ""


@pytest.mark.parametrize("case", ALL)
def test_a_disk_that_refuses_is_one_line_and_nothing_is_left(case, made, tmp_path):
    blocks = str(1 << 10)  # of 512 bytes: that is where a write fails
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"]
    done = run_script(case[0], *arguments(case, made, tmp_path), wrapper=limited)
    assert done.code == 2
    [line] = done.err.splitlines()
    assert "Traceback" not in line
    assert files_in(tmp_path) == set()


async def test_a_reader_of_an_export_that_stands_still_holds_up_no_checkpoint(made, tmp_path):
    shutil.copytree(made / "data", tmp_path / "data")
    wal = tmp_path / "data" / "log.db-wal"
    log = await SqliteLog.open(tmp_path / "data")
    await filled(log, ["a"] * 10)
    read, write = os.pipe()
    process = subprocess.Popen(
        command("export", "--data", tmp_path / "data", "--to", "-"),
        stdout=write,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        assert os.read(read, 1)
        await filled(log, ["a"] * 10)
        assert wal.stat().st_size
        await log.close()
        assert wal.stat().st_size == 0
        assert process.poll() is None
    finally:
        os.close(read)
        process.wait(WAIT_S_MAX)
