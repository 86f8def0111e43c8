"""The guest image: found only if it is whole, built once, and the same whoever builds it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from sessions.runtimes.vm import image
from sessions.runtimes.vm.acceleration import why_it_does_not_run
from sessions.runtimes.vm.image import (
    build_image,
    default_cache,
    find_image,
    load_image,
    seems_there,
)
from sessions.runtimes.vm.manifest import (
    FILES,
    Manifest,
    builder_version,
    describe_file,
    guest_digests,
)
from sessions.runtimes.vm.packages import Package
from sessions.runtimes.vm.port import RuntimeUnavailable
from sessions.runtimes.vm.programs import QEMU, TO_BUILD, TO_DOWNLOAD, missing, path_of

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
LACKING = missing({**TO_BUILD, **TO_DOWNLOAD})
builds = pytest.mark.skipif(bool(LACKING), reason=f"an image is built with {', '.join(LACKING)}")


def put_image(cache, version="1", **changes):
    """A small image that is whole; its key."""
    room = cache / "images" / "new"
    room.mkdir(parents=True)
    for name in FILES:
        (room / name).write_bytes(name.encode() * 100 + version.encode())
    given = {
        "builder": builder_version(),
        "guest": guest_digests(),
        "packages": [Package("bash", version, "aa" * 32)],
        "kernel": "6.1.0",
        "files": {name: describe_file(room / name) for name in FILES},
    }
    manifest = Manifest(**{**given, **changes})
    (room / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    room.rename(room.with_name(manifest.key))
    return manifest.key


def test_an_empty_cache_holds_no_image(tmp_path):
    assert find_image(tmp_path / "nowhere") is None


def test_a_whole_image_is_found_with_all_its_files(tmp_path):
    key = put_image(tmp_path)
    found = find_image(tmp_path)
    assert found is not None
    assert found.key == key
    parts = ("vmlinuz", "initrd", "root", "scratch", "stub_vmlinuz", "empty_initrd")
    assert {getattr(found, part).name for part in parts} == set(FILES)
    assert all(getattr(found, part).is_file() for part in parts)


def test_the_newest_image_with_our_own_files_is_in_use(tmp_path):
    old = put_image(tmp_path, "1")
    new = put_image(tmp_path, "2")
    foreign = put_image(tmp_path, "3", guest={"agent.py": "00" * 32})
    for age, key in enumerate((foreign, new, old)):
        then = time.time() - 1000 * age
        os.utime(tmp_path / "images" / key / "manifest.json", (then, then))
    found = find_image(tmp_path)
    assert found is not None
    assert found.key == new
    # One that is asked for by its key is there, and does not take the place of the newest.
    assert load_image(tmp_path, old)
    assert load_image(tmp_path, foreign)
    assert find_image(tmp_path) == found


def cut(path):
    os.truncate(path, path.stat().st_size - 1)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_damage_to_any_file_is_seen(tmp_path, name, damage):
    key = put_image(tmp_path)
    assert seems_there(tmp_path)
    damage(tmp_path / "images" / key / name)
    assert load_image(tmp_path, key) is None
    assert find_image(tmp_path) is None
    # A look sees what is gone or cut off, which is all that it can see.
    assert seems_there(tmp_path) == (damage is flip and name in FILES)


def test_an_image_under_another_name_is_not_found(tmp_path):
    key = put_image(tmp_path)
    (tmp_path / "images" / key).rename(tmp_path / "images" / ("0" * 32))
    assert find_image(tmp_path) is None
    assert load_image(tmp_path, "0" * 32) is None


async def test_without_programs_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.runtimes.vm.image.missing", lambda _: ["mkfs.erofs", "mke2fs"])
    with pytest.raises(RuntimeUnavailable, match="apt-get install erofs-utils e2fsprogs"):
        await build_image(tmp_path, print)


async def test_where_nothing_can_be_written_it_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeUnavailable, match="cannot be built"):
        await build_image(tmp_path / "file", print)


@builds
async def test_packages_that_make_no_guest_are_named_and_nothing_is_left(tmp_path):
    (tmp_path / "packages").mkdir()
    cache = tmp_path / "cache"
    with pytest.raises(RuntimeUnavailable, match="a guest needs the package bash"):
        await build_image(cache, print, packages=tmp_path / "packages")
    assert [path.name for path in (cache / "images").iterdir()] == [".lock"]


@pytest.fixture(scope="module")
def packages():
    """The packages of the image that all tests use, where anybody may read them."""
    asyncio.run(build_image(default_cache(), print, renew=True))
    folder = Path(tempfile.mkdtemp(prefix="sessiond-test-packages-"))
    folder.chmod(0o755)
    for file in (default_cache() / "packages").iterdir():
        shutil.copy(file, folder)
    yield folder
    shutil.rmtree(folder)


def sha256_of(found):
    """What sha256sum says of every file of an image."""
    done = subprocess.run(["sha256sum", *FILES], cwd=found, capture_output=True, check=True)
    return done.stdout.decode()


AS_NOBODY = """
import bz2, ctypes.util, lzma, os, sys, tarfile, zlib
from sessions.runtimes.vm import builder
os.setgroups([]), os.setgid(65534), os.setuid(65534)
os.umask(0o077)
sys.exit(builder.main())
"""


def build_as_nobody(room, packages):
    """Build in another place, as another user with another umask and time zone; the manifest."""
    for name in ("target", "work", "kept"):
        (room / name).mkdir(parents=True)
        os.chown(room / name, NOBODY, NOBODY)
    places = [str(room / name) for name in ("target", "work", "kept")]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *places, "--packages", str(packages)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Manifest)


@builds
@pytest.mark.slow(reason="builds twice, which takes ten seconds or more each")
async def test_an_image_is_built_once_and_is_the_same_for_everybody(packages, tmp_path):
    cache = tmp_path / "cache"
    said: list[str] = []
    both = await asyncio.gather(
        build_image(cache, said.append, packages=packages), build_image(cache, said.append)
    )
    assert both[0] == both[1]
    assert sum("took" in text for text in said) == 1, said
    assert any("waiting for another service" in text for text in said)
    first = both[0]
    assert first.stub_vmlinuz.read_bytes() == first.vmlinuz.read_bytes()[: 64 << 10]
    assert first.empty_initrd.read_bytes() == b""
    assert first.scratch.stat().st_size == 2 << 30
    assert first.scratch.stat().st_blocks * 512 < 1 << 20
    assert json.loads((first.folder / "manifest.json").read_bytes())["kernel"]

    assert await build_image(cache, said.append, packages=packages) == first
    assert said[-1] == "the guest image is of today's packages"
    if os.geteuid() == 0:
        room = Path(tempfile.mkdtemp(prefix="sessiond-test-build-"))
        room.chmod(0o755)
        try:
            again = await asyncio.to_thread(build_as_nobody, room, packages)
            assert again == first.manifest
            assert sha256_of(room / "target") == sha256_of(first.folder)
        finally:
            shutil.rmtree(room)


@builds
@pytest.mark.slow(reason="builds, and boots a machine")
async def test_a_damaged_image_is_built_again_and_its_guest_runs(packages, tmp_path):
    cache = tmp_path / "cache"
    first = await build_image(cache, print, packages=packages)
    flip(first.root)
    (cache / "images" / ".building-left-over").mkdir()
    again = await build_image(cache, print, packages=packages)
    assert again == first
    assert find_image(cache) == first
    assert not list((cache / "images").glob(".building-*"))
    if path_of(QEMU) is None:
        pytest.skip(f"no machine is booted: there is no {QEMU}")
    assert await why_it_does_not_run(first, "tcg", 120) is None


def builders_of(cache):
    """The processes that build in a cache."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(cache).encode() in place.read_bytes():
                found.append(int(place.parent.name))
    return found


def gone(cache):
    """Wait until nobody builds there any more; the test fails by hanging if that is never."""
    while builders_of(cache):
        time.sleep(0.01)


@builds
@pytest.mark.slow(reason="starts builds and cuts them off")
async def test_a_build_that_is_cancelled_leaves_nothing(packages, tmp_path):
    cache = tmp_path / "cache"
    unpacking = asyncio.Event()

    def progress(text):
        if text == "unpacking":
            unpacking.set()

    building = asyncio.create_task(build_image(cache, progress, packages=packages))
    await unpacking.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    gone(cache)
    assert [path.name for path in (cache / "images").iterdir()] == [".lock"]


SERVICE = """
import asyncio, sys
from pathlib import Path
from sessions.runtimes.vm.image import build_image
say = lambda text: print(text, flush=True)
asyncio.run(build_image(Path(sys.argv[1]), say, packages=Path(sys.argv[2])))
"""


@builds
@pytest.mark.slow(reason="starts a build and kills who asked for it")
async def test_a_build_ends_with_the_service_that_wanted_it(packages, tmp_path):
    cache = tmp_path / "cache"
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, str(cache), str(packages)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert service.stdout is not None
    while (await service.stdout.readline()).strip() != b"unpacking":
        assert service.returncode is None
    assert len(builders_of(cache)) > 1
    service.send_signal(signal.SIGKILL)
    await service.wait()
    gone(cache)
    assert list((cache / "images").glob(".building-*"))
    image._tidy(cache)
    assert [path.name for path in (cache / "images").iterdir()] == [".lock"]


@builds
@pytest.mark.slow(reason="builds, with an apt that finds nobody")
async def test_without_a_network_the_packages_of_the_last_time_make_an_image(
    packages, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    shutil.copytree(packages, cache / "packages")
    first = put_image(cache, builder="another")
    (tmp_path / "apt.conf").write_text(
        f'Dir::State::lists "{tmp_path}/nothing";\nDir::Etc::sourceparts "{tmp_path}/nothing";\n'
        f'Dir::Etc::sourcelist "{tmp_path}/nothing";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    said: list[str] = []
    found = await build_image(cache, said.append)
    assert any(text.startswith("taking the packages of the last time: apt") for text in said)
    assert find_image(cache) == found
    assert found.key != first
    assert {path.name for path in (cache / "packages").iterdir()} == {
        path.name for path in packages.iterdir()
    }
