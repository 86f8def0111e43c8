"""Files going into a machine and out of it, with the real agent as a process."""

import asyncio
import os
import re
import stat

import pytest
import pytest_asyncio

from sessions.runtimes.vm.port import GuestRefused
from tests.support.guest import MIB, is_root, open_to_all, pieces, running
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one(tmp_path_factory):
    async with running(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def guest(one):
    """The agent of the whole module, with an empty home and nothing under way."""
    await one.channel.sync()
    one.clear()
    return one


async def read(guest, path, most=64 * MIB):
    return b"".join([data async for data in guest.channel.get(str(path), most)])


def left_behind(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".part-")]


async def test_files_go_both_ways_unchanged(guest):
    for size, piece in ((0, 1), (1, 1), (MIB, 100_000), (20 * MIB, 5 * MIB)):
        data = os.urandom(size)
        assert await guest.channel.put("a/b/file.bin", pieces(data, piece)) == size
        assert (guest.home / "a/b/file.bin").read_bytes() == data
        assert stat.S_IMODE((guest.home / "a/b/file.bin").stat().st_mode) == 0o644
        assert await read(guest, "a/b/file.bin") == data
        assert left_behind(guest.home) == []


async def test_paths_may_be_relative_absolute_or_from_home(guest):
    for path in ("one", f"{guest.home}/two", "~/three", "./four", "sub//five"):
        await guest.channel.put(path, pieces(path.encode()))
        assert await read(guest, path) == path.encode()
    assert sorted(path.name for path in guest.home.iterdir()) == [
        "four",
        "one",
        "sub",
        "three",
        "two",
    ]


UNREADABLE = {
    "missing": "missing: there is no such file",
    "folder": "folder: it is a folder",
    "folder/../file": "'..' is not taken in a path",
    "/../etc/passwd": "'..' is not taken in a path",
    "file/under": "a part of the path is not a folder",
    "circle": "symbolic links lead in a circle",
    "pipe": "it is not a file",
    "/dev/zero": "it is not a file",
    "": "not empty",
    "nul\0": "no zero byte",
    "x" * 300: "its name is too long",
    "x" * 5000: "the path has more than 4096 bytes",
    "\ud800": "the path is not valid text",
}
UNWRITABLE = {
    "folder": "it is a folder",
    "new/": "it names a folder",
    "/": "it names a folder",
    "~": "it is a folder",
    ".": "it is a folder",
    "../up": "'..' is not taken in a path",
    "file/under": "file/under: ",
    "circle": "symbolic links lead in a circle",
    "pipe": "it is not a file",
    "/dev/null": "it is not a file",
    "/proc/new": "/proc/new: ",
    "": "not empty",
    "x" * 300: "its name is too long",
}


async def test_what_cannot_be_read_says_why(guest):
    fill(guest.home)
    for path, why in UNREADABLE.items():
        with pytest.raises(GuestRefused, match=re.escape(why)):
            await read(guest, path)


async def test_what_cannot_be_written_says_why_and_leaves_nothing(guest):
    fill(guest.home)
    before = sorted(guest.home.rglob("*"))
    for path, why in UNWRITABLE.items():
        with pytest.raises(GuestRefused, match=re.escape(why)):
            await guest.channel.put(path, pieces(b"data"))
    assert sorted(guest.home.rglob("*")) == before
    await guest.channel.ping()


def fill(home):
    (home / "file").write_text("x")
    (home / "folder").mkdir()
    (home / "circle").symlink_to("circle")
    os.mkfifo(home / "pipe")


async def test_a_link_stays_a_link_and_its_target_is_written(guest):
    (guest.home / "real").mkdir()
    (guest.home / "link").symlink_to("real/new")
    await guest.channel.put("link", pieces(b"data"))
    assert (guest.home / "real/new").read_bytes() == b"data"
    assert (guest.home / "link").is_symlink()


async def test_a_file_that_is_replaced_keeps_its_mode(guest):
    (guest.home / "run.sh").write_text("echo old")
    (guest.home / "run.sh").chmod(0o755)
    await guest.channel.put("run.sh", pieces(b"echo new"))
    assert (await guest.bash("./run.sh")).stdout == b"new\n"


async def test_a_file_is_there_whole_or_not_at_all(guest):
    async def breaks():
        yield b"x" * MIB
        raise RuntimeError("the upload broke off")

    (guest.home / "file").write_text("old")
    with pytest.raises(RuntimeError):
        await guest.channel.put("file", breaks())
    await guest.channel.ping()
    assert (guest.home / "file").read_text() == "old"
    assert left_behind(guest.home) == []


async def test_an_upload_that_is_cancelled_leaves_nothing(guest):
    begun = asyncio.Event()

    async def stalls():
        yield b"x" * MIB
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(guest.channel.put("sub/file", stalls()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await guest.channel.ping()
    assert [path.name for path in guest.home.rglob("*")] == ["sub"]


async def test_leaving_before_a_file_is_open_leaves_nothing_open(guest):
    (guest.home / "file").write_bytes(b"x")
    await guest.channel.ping()
    before = guest.descriptors
    for asked in (
        lambda: guest.channel.put("new", pieces(b"x")),
        lambda: anext(guest.channel.get("file", MIB)),
    ):
        task = asyncio.create_task(asked())
        # Its request has gone out then, and the answer cannot have come.
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await guest.channel.ping()
    assert guest.descriptors == before
    assert [path.name for path in guest.home.iterdir()] == ["file"]


async def test_a_file_that_is_larger_than_wanted_is_refused(guest):
    (guest.home / "file").write_bytes(bytes(1000))
    assert await read(guest, "file", 1000) == bytes(1000)
    with pytest.raises(GuestRefused, match="it has 1000 bytes, more than 999"):
        await read(guest, "file", 999)
    with pytest.raises(GuestRefused, match="more than 10 bytes"):
        await read(guest, "/proc/meminfo", 10)


async def test_a_file_that_says_it_is_empty_is_read_to_its_end(guest):
    assert b"MemTotal" in await read(guest, "/proc/meminfo")


async def test_a_reader_that_stops_leaves_nothing_open(guest):
    (guest.home / "file").write_bytes(bytes(4 * MIB))
    await guest.channel.ping()
    before = guest.descriptors
    reading = guest.channel.get("file", 4 * MIB)
    assert await anext(reading)
    await reading.aclose()
    await guest.channel.ping()
    assert guest.descriptors == before


async def test_too_many_files_at_once_are_refused(guest):
    (guest.home / "file").write_bytes(bytes(MIB))
    readers = [guest.channel.get("file", MIB) for _ in range(65)]
    for reader in readers[:64]:
        await anext(reader)
    with pytest.raises(GuestRefused, match="too many files"):
        await anext(readers[64])
    for reader in readers:
        await reader.aclose()
    assert await read(guest, "file") == bytes(MIB)


async def test_a_full_disk_says_so_and_keeps_nothing_of_the_file(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        async with running(disk.folder, wrapper=disk.wrapper) as guest:
            with pytest.raises(GuestRefused, match="no space left on the disk of the machine"):
                await guest.channel.put("big", pieces(bytes(8 * MIB), MIB))
            await guest.channel.ping()
            assert list(disk.outside.iterdir()) == []
            assert await guest.channel.put("small", pieces(b"x")) == 1


@pytest.mark.skipif(not is_root(), reason="only root can work with the rights of somebody else")
async def test_files_are_written_and_read_with_the_rights_of_the_user():
    with open_to_all() as home:
        secret = home.parent / "secret"
        secret.write_text("of root")
        secret.chmod(0o600)
        async with running(home, uid=65534) as guest:
            await guest.channel.put("sub/mine", pieces(b"x"))
            found = (home / "sub/mine").stat()
            assert (found.st_uid, found.st_gid) == (65534, 65534)
            assert (home / "sub").stat().st_uid == 65534
            (home / "link").symlink_to(secret)
            for path in (str(secret), "link", "/etc/shadow"):
                with pytest.raises(GuestRefused, match="may not do that"):
                    await read(guest, path)
                with pytest.raises(GuestRefused, match="may not do that"):
                    await guest.channel.put(path, pieces(b"x"))
            with pytest.raises(GuestRefused, match="may not do that"):
                await guest.channel.put("/etc/new/file", pieces(b"x"))
        assert secret.read_text() == "of root"
