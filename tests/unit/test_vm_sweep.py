"""What a killed service left is found by its tag, and nothing else is touched."""

import subprocess

import pytest

from sessions.runtimes.leftovers import empty, tag_of
from sessions.runtimes.vm.sweep import end_orphans, machine_name, orphans

QEMU = "qemu-system-x86_64"


@pytest.fixture
def pretend():
    """Processes that look like machines, by their arguments."""
    running = []

    def start(*arguments):
        # It waits by itself: a child would have the same arguments until it becomes a program.
        waiting = ["sh", "-c", "echo; read -r _", *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(waiting, stdin=pipe, stdout=pipe)
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()  # from then on it has its arguments
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_only_machines_of_this_folder_are_orphans(tmp_path, pretend):
    tag, other = tag_of(tmp_path), tag_of(tmp_path / "other")
    ours = [
        pretend("/usr/bin/" + QEMU, "-name", machine_name(tag, "vmid-1")),
        pretend("setpriv", QEMU, "-name", machine_name(tag, "warm-2")),
    ]
    others = [
        pretend(QEMU, "-name", machine_name(other, "vmid-1")),
        pretend("vi", "-name", machine_name(tag, "vmid-1")),
        pretend(QEMU, machine_name(tag, "vmid-1")),
        pretend(QEMU, "-name"),
    ]
    assert orphans(tag) == sorted(process.pid for process in ours)
    assert end_orphans(tag) == 2
    assert [process.wait(60) for process in ours] == [-9, -9]
    assert all(process.poll() is None for process in others)
    assert end_orphans(tag) == 0


def test_a_folder_has_one_tag_however_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data").mkdir()
    names = ["data", "./data", "link", tmp_path / "data"]
    assert len({tag_of(tmp_path / name) for name in names}) == 1


def test_a_folder_is_emptied(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "deep" / "file").write_bytes(b"x")
    empty(tmp_path / "run")
    empty(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
