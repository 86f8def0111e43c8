"""Folders of sockets outside of data folders: whose they are, and when they go."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from sessions.runtimes.browser.scratch import Held, folder_outside, sweep_outside


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of temporary files, empty."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_only_a_folder_that_nobody_holds_is_removed(place):
    held, dead = folder_outside(Path("/held")), folder_outside(Path("/dead"))
    holders = [Held(), Held()]
    for holder in holders:
        holder.take(held)
    (dead / "deep").mkdir(parents=True)
    others = [place / name for name in ("sessiond-1", dead.name + "0", "sessiond-doctor-0a")]
    for other in others:
        other.mkdir()
    assert sweep_outside() == 1
    assert not dead.exists()
    assert all(each.exists() for each in (held, *others))
    holders[0].release()
    assert sweep_outside() == 0
    holders[1].release()
    assert sweep_outside() == 1
    assert not held.exists()


def test_one_that_a_browser_still_uses_stays():
    folder = folder_outside(Path("/dead"))
    (folder / "one").mkdir(parents=True)
    environment = {**os.environ, "TMPDIR": str(folder / "one")}
    pipe = subprocess.PIPE
    script = ["sh", "-c", "echo here; read -r _"]
    browser = subprocess.Popen(script, stdin=pipe, stdout=pipe, env=environment)
    try:
        assert browser.stdout is not None
        assert browser.stdout.read(4) == b"here"  # from then on its environment is its own
        assert sweep_outside() == 0
        assert folder.exists()
    finally:
        browser.kill()
        browser.communicate()
    assert sweep_outside() == 1


def test_nothing_is_followed_out_of_there(place, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"x")
    folder_outside(Path("/dead")).symlink_to(tmp_path / "mine")
    folder_outside(Path("/file")).write_bytes(b"x")
    assert sweep_outside() == 0
    assert (tmp_path / "mine" / "file").exists()


def test_one_that_was_removed_is_taken_again():
    folder, holder = folder_outside(Path("/held")), Held()
    holder.take(folder)
    folder.rmdir()
    holder.take(folder)
    assert sweep_outside() == 0
    assert folder.stat().st_mode & 0o777 == 0o700
    holder.release()
    holder.release()


def test_without_any_place_there_is_nothing_to_sweep(place):
    place.rmdir()
    assert sweep_outside() == 0
