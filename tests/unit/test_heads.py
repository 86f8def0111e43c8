"""The folder of heads and the signing key: nothing is lost, overwritten or half there."""

import errno
import os
import re
import stat
from itertools import pairwise
from pathlib import Path

import pytest

from eventstore import heads
from eventstore.checkpoint import Signer
from eventstore.errors import BadCheckpoint, LogContradicted, SigningKeyError
from eventstore.heads import HeadFolder, load_or_make_signer

NAME = "sessiond/one"
SIGNER = Signer.from_seed(NAME, b"1" * 32)
ANOTHER = Signer.from_seed(NAME, b"2" * 32)


def note(size, signer=SIGNER, root=None):
    return signer.sign(size, bytes([size % 256]) * 32 if root is None else root)


@pytest.fixture
def folder(tmp_path):
    return HeadFolder(tmp_path / "deep" / "heads")


@pytest.fixture
def key(tmp_path):
    return tmp_path / "signing.key"


def sizes(folder):
    return [int(file.stem) for file, _ in folder.notes()]


def test_a_folder_that_is_not_there_has_no_heads(folder):
    assert list(folder.notes()) == []
    assert (folder.latest(), folder.vkey(), folder.verifier()) == (None, None, None)
    assert folder.newest(SIGNER.verifier) is None
    assert not folder.path.exists()


def test_heads_come_back_oldest_first_however_they_were_written(folder):
    for size in (12, 3, 10**18, 100, 0):
        folder.write(note(size), size)
    assert sizes(folder) == [0, 3, 12, 100, 10**18]
    assert [text for _, text in folder.notes()] == [note(size) for size in sizes(folder)]
    file, checkpoint = folder.newest(SIGNER.verifier)
    assert (file, checkpoint.size) == (folder.path / "01000000000000000000.checkpoint", 10**18)


def test_other_files_are_no_heads(folder):
    folder.write(note(5), 5)
    folder.write_vkey(SIGNER.verifier.vkey)
    for name in ("readme", "7.checkpoint", f"{8:020d}.checkpoint.bak", f"x{9:020d}.checkpoint"):
        (folder.path / name).write_text("not ours")
    assert sizes(folder) == [5]
    assert folder.vkey() == SIGNER.verifier.vkey == folder.verifier().vkey


def test_a_head_is_never_written_over(folder):
    folder.write(note(5), 5)
    file, first = folder.latest()
    folder.write(note(5, ANOTHER), 5)
    assert file.read_text() == first
    with pytest.raises(LogContradicted, match="5 commits"):
        folder.write(note(5, root=bytes(32)), 5)
    assert file.read_text() == first


@pytest.mark.parametrize("step", ["open", "fsync", "rename"])
def test_a_write_that_fails_leaves_the_folder_as_it_was(folder, monkeypatch, step):
    folder.write(note(5), 5)
    before = {file.name for file in folder.path.iterdir()}

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    target = Path if step == "rename" else os
    monkeypatch.setattr(target, step, refuse)
    with pytest.raises(OSError, match="full"):
        folder.write(note(6), 6)
    monkeypatch.undo()
    assert {file.name for file in folder.path.iterdir()} == before
    folder.write(note(6), 6)
    assert sizes(folder) == [5, 6]


def test_what_a_crash_left_half_written_is_no_head_and_does_not_stay(folder):
    folder.write(note(5), 5)
    (folder.path / ".new.checkpoint").write_text(note(6)[:20])
    assert sizes(folder) == [5]
    folder.write(note(7), 7)
    assert sorted(file.name for file in folder.path.iterdir()) == [
        f"{size:020d}.checkpoint" for size in (5, 7)
    ]


def test_a_head_reaches_the_disk_before_its_name_and_its_name_before_the_answer(
    folder, monkeypatch
):
    done = []

    def noting(name, original):
        def noted(*given):
            done.append(name)
            return original(*given)

        return noted

    monkeypatch.setattr(os, "fsync", noting("fsync", os.fsync))
    monkeypatch.setattr(Path, "rename", noting("rename", Path.rename))
    folder.write(note(5), 5)
    assert done == ["fsync", "rename", "fsync"]


def test_of_too_many_heads_the_older_are_thinned_to_even_distances(folder, monkeypatch):
    most, last = 40, 1000
    monkeypatch.setattr(heads, "HEADS_MAX", most)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for size in range(1, last + 1):
        folder.write(note(size), size)
        assert len(folder.files()) <= most
    left = sizes(folder)
    assert left[0] == 1
    assert left[-most // 2 :] == list(range(last - most // 2 + 1, last + 1))
    assert max(after - before for before, after in pairwise(left)) < 4 * last / (most / 2)
    HeadFolder(folder.path).write(note(last + 1), last + 1)
    assert sizes(folder)[-1] == last + 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n5\n", "\n6\n"),
        lambda text: text[:-10],
        lambda text: "",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: note(4),
        lambda text: note(5, ANOTHER),
    ],
)
def test_a_newest_head_that_was_changed_is_refused_by_its_name(folder, spoil):
    folder.write(note(4), 4)
    folder.write(note(5), 5)
    file, text = folder.latest()
    file.write_bytes(spoil(text).encode())
    with pytest.raises(BadCheckpoint, match=re.escape(str(file))):
        folder.newest(SIGNER.verifier)


def test_the_first_start_makes_a_key_for_its_owner_alone_and_the_next_finds_it(folder, key):
    made = load_or_make_signer(key, NAME, folder)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert made.verifier.name == NAME
    assert load_or_make_signer(key, NAME, folder).private_line() == made.private_line()
    assert [file.name for file in key.parent.iterdir()] == ["signing.key"]
    another = load_or_make_signer(key.with_name("another"), NAME, folder)
    assert another.verifier.vkey != made.verifier.vkey


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_key_that_others_may_use_is_refused(folder, key, mode):
    load_or_make_signer(key, NAME, folder)
    key.chmod(mode)
    with pytest.raises(SigningKeyError, match=f"others may use {key}: chmod 600"):
        load_or_make_signer(key, NAME, folder)
    key.chmod(0o400)
    load_or_make_signer(key, NAME, folder)


@pytest.mark.parametrize("content", [b"", b"PRIVATE", b"\xff" * 100, b"x" * 100_000])
def test_a_key_that_is_none_is_refused_and_stays(folder, key, content):
    key.touch(mode=0o600)
    key.write_bytes(content)
    with pytest.raises(SigningKeyError, match=re.escape(str(key))):
        load_or_make_signer(key, NAME, folder)
    assert key.read_bytes() == content


def test_a_key_or_heads_of_another_log_are_refused(folder, key):
    load_or_make_signer(key, NAME, folder)
    with pytest.raises(LogContradicted, match="sessiond/one, and the log is sessiond/two"):
        load_or_make_signer(key, "sessiond/two", folder)
    key.unlink()
    folder.write_vkey(SIGNER.verifier.vkey)
    with pytest.raises(LogContradicted, match="are of another log"):
        load_or_make_signer(key, "sessiond/two", folder)
    assert not key.exists()


@pytest.mark.parametrize("beside", ["vkey", "head"])
def test_a_lost_key_is_not_replaced_beside_what_it_signed(folder, key, beside):
    if beside == "vkey":
        folder.write_vkey(SIGNER.verifier.vkey)
    else:
        folder.write(note(5), 5)
    with pytest.raises(SigningKeyError, match="is gone"):
        load_or_make_signer(key, NAME, folder)
    assert not key.exists()


def test_a_key_that_did_not_sign_these_heads_is_refused(folder, key):
    load_or_make_signer(key, NAME, folder)
    folder.write_vkey(ANOTHER.verifier.vkey)
    with pytest.raises(SigningKeyError, match="another key"):
        load_or_make_signer(key, NAME, folder)


def test_a_public_key_that_is_none_is_refused_by_its_name(folder, key):
    folder.write_vkey("nonsense")
    with pytest.raises(BadCheckpoint, match=r"log\.vkey"):
        load_or_make_signer(key, NAME, folder)
