"""What is kept of a machine is whole or it is not there."""

import os
import shutil

import pytest

from sessions.runtimes.vm.argv import Shape
from sessions.runtimes.vm.kept import KeptMachines, KeptManifest
from sessions.runtimes.vm.port import MachineFailed

SHAPE = Shape(acceleration="tcg", vcpu_count=2)
MANIFEST = KeptManifest(key="k", image="i", shape=SHAPE, memory_mb=512)


@pytest.fixture
def place(tmp_path):
    """A root disk, a scratch disk and room for what runs."""
    (tmp_path / "root").write_bytes(b"root")
    with (tmp_path / "scratch").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(300_000)
        file.write(b"scratch")
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def kept(place):
    """The kept machines of a service."""
    return KeptMachines(place / "kept")


def keep(kept, place, name="one", state=b"state" * 1000):
    keeping = kept.begin(name, place / "root")
    os.write(keeping.state, state)
    with (place / "scratch").open("rb") as scratch:
        size = keeping.finish(MANIFEST, keeping.copy_scratch(scratch.fileno()))
    keeping.discard()
    return size


def test_what_was_kept_is_found_again_with_a_disk_of_its_own(kept, place):
    assert keep(kept, place) >= 5000
    assert (kept.keeps("one"), kept.keeps("two"), kept.names()) == (True, False, ("one",))
    shutil.rmtree(place / "scratch", ignore_errors=True)
    (place / "root").unlink()
    for _ in range(2):
        found = kept.open("one", place / "run")
        assert found.manifest.shape == SHAPE
        assert found.manifest.memory_mb == 512
        assert found.root.read_bytes() == b"root"
        assert os.read(found.state, 5) == b"state"
        assert os.pread(found.scratch, 7, 300_000) == b"scratch"
        os.pwrite(found.scratch, b"altered", 300_000)
        found.close()
    assert list((place / "run").iterdir()) == []


def test_it_is_kept_anew_under_the_same_name(kept, place):
    keep(kept, place, state=b"old")
    keep(kept, place, state=b"new")
    found = kept.open("one", place / "run")
    assert os.read(found.state, 9) == b"new"
    found.close()


def test_what_is_given_up_leaves_nothing(kept, place):
    keeping = kept.begin("one", place / "root")
    os.write(keeping.state, b"half")
    keeping.discard()
    keeping.discard()
    assert not kept.keeps("one")
    assert list((place / "kept").iterdir()) == []


def test_what_a_crash_left_unfinished_is_swept_and_the_whole_stays(kept, place):
    keep(kept, place)
    unfinished = kept.begin("two", place / "root")
    os.close(unfinished.state)
    kept.sweep()
    assert [path.name for path in (place / "kept").iterdir()] == ["one"]
    assert kept.names() == ("one",)


def test_what_is_forgotten_is_gone(kept, place):
    keep(kept, place)
    kept.forget("one")
    kept.forget("one")
    assert list((place / "kept").iterdir()) == []
    with pytest.raises(MachineFailed, match="no machine is kept as one"):
        kept.open("one", place / "run")


@pytest.mark.parametrize("part", ["state", "scratch", "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "gone"])
def test_damage_is_told(kept, place, part, damage):
    keep(kept, place)
    path = place / "kept" / "one" / part
    content = bytearray(path.read_bytes())
    path.unlink()
    content[len(content) // 2] ^= 64
    changed = {"flipped": content, "cut": content[: len(content) // 2], "longer": content + b"x"}
    if damage in changed:
        path.write_bytes(changed[damage])
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the listing itself is a descriptor
    with pytest.raises(MachineFailed, match=r"damaged|no machine is kept"):
        kept.open("one", place / "run")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("name", ["", ".", "..", "../one", "a/b", ".hidden", "-x", "x" * 129, "é"])
def test_a_name_is_no_path(kept, place, name):
    keep(kept, place)
    with pytest.raises(MachineFailed, match="named"):
        kept.begin(name, place / "root")
    assert not kept.keeps(name)
    kept.forget(name)
    assert kept.names() == ("one",)
    assert (place / "root").exists()
