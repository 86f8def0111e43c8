"""Makes the files of a guest image in a folder, as a process of its own.

It prints one line for each step, and the last one is the manifest.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.vm import cpio
from sessions.runtimes.vm.guest_tree import GUEST_FILES, make_tree
from sessions.runtimes.vm.kernel_modules import modules
from sessions.runtimes.vm.manifest import (
    FILES,
    Manifest,
    builder_version,
    data_pieces,
    describe_file,
    guest_digests,
)
from sessions.runtimes.vm.packages import Apt, PackagesError, Unpackable, from_folder
from sessions.runtimes.vm.programs import run_tool

SCRATCH_BYTES: Final = 2 << 30
STUB_BYTES: Final = 64 << 10
# The names of file systems would otherwise be chance, and no two images alike.
_ROOT_UUID: Final = "6f0a1d52-5b57-4c39-9a52-3d1f3c5b7a01"
_SCRATCH_UUID: Final = "6f0a1d52-5b57-4c39-9a52-3d1f3c5b7a02"
_BLOCK: Final = 4096
_NICENESS: Final = 10
_PR_SET_PDEATHSIG: Final = 1


class BuildError(Exception):
    """A step of the build failed; the text is one sentence."""


def build(
    target: Path, work: Path, kept: Path, source: Path | None, current: Manifest | None
) -> Manifest:
    """Make all files of an image in `target`; `work` is room for what lies in between.

    The packages are those in `source` if that is given, else today's of apt, which `kept` keeps.
    Nothing is made if they are those of `current`, an image of the same guest files.
    """
    # Before they are copied: a file that changes meanwhile makes an image that is not in use.
    guest = guest_digests()
    held = _packages(work, source, kept)
    if current is not None and current.packages == [each.package for each in held]:
        return current
    _say("unpacking")
    root, kernel = work / "root", work / "kernel"
    make_tree(held, GUEST_FILES, root)
    for each in held:
        if each.package.is_kernel:
            run_tool(["dpkg-deb", "--extract", str(each.file), str(kernel)], BuildError)
    vmlinuz = next(iter((kernel / "boot").glob("vmlinuz-*")), None)
    if vmlinuz is None:
        raise BuildError("the kernel package holds no kernel")
    release = vmlinuz.name.removeprefix("vmlinuz-")
    _say("making the disks")
    shutil.copyfile(vmlinuz, target / "vmlinuz")
    with vmlinuz.open("rb") as whole:
        (target / "stub.vmlinuz").write_bytes(whole.read(STUB_BYTES))
    busybox = (root / "usr/bin/busybox").read_bytes()
    folder = _modules_folder(kernel, release)
    (target / "initrd").write_bytes(gzip(cpio.archive(initrd(busybox, folder))))
    (target / "empty.initrd").write_bytes(b"")
    _root_disk(root, target / "root.erofs")
    _scratch_disk(work / "scratch.ext4")
    copy_data(work / "scratch.ext4", target / "scratch.ext4")
    for name in FILES:
        (target / name).chmod(0o644)
    return Manifest(
        builder=builder_version(),
        guest=guest,
        packages=[each.package for each in held],
        kernel=release,
        files={name: describe_file(target / name) for name in FILES},
    )


def initrd(busybox: bytes, modules_folder: Path) -> Iterator[cpio.Entry]:
    """The first file system of the guest: busybox, the modules in their order, and our script."""
    for name in ("bin", "dev", "modules", "proc", "sys"):
        yield cpio.folder(name)
    yield cpio.file("bin/busybox", busybox, 0o755)
    for applet in _APPLETS:
        yield cpio.link(f"bin/{applet}", "busybox")
    yield cpio.character_device("dev/console", 5, 1, 0o600)
    yield cpio.character_device("dev/null", 1, 3, 0o666)
    yield cpio.file("init", (GUEST_FILES / "initrd.sh").read_bytes(), 0o755)
    found = modules(modules_folder)
    for module in found:
        yield cpio.file(f"modules/{module.name}", module.data)
    order = "".join(f"{module.name}\n" for module in found)
    yield cpio.file("modules/order", order.encode())


_APPLETS: Final = ("insmod", "mkdir", "mount", "reboot", "sh", "switch_root")


def gzip(data: bytes) -> bytes:
    """Compressed as the kernel understands it, without a time or a name in it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def copy_data(source: Path, target: Path) -> None:
    """Copy a file and leave holes where it is zero."""
    with source.open("rb", buffering=0) as old, target.open("xb") as new:
        for position, piece in data_pieces(old, _BLOCK):
            new.seek(position)
            new.write(piece)
        new.truncate(source.stat().st_size)


def _packages(work: Path, source: Path | None, kept: Path) -> list[Unpackable]:
    if source is not None:
        _say(f"taking the packages in {source}")
        return from_folder(source)
    apt = Apt(work)
    _say("asking apt for the packages")
    try:
        packages = apt.resolve()
        _say(f"getting {len(packages)} packages")
        return apt.fetch(packages, kept)
    except PackagesError as error:
        with contextlib.suppress(PackagesError):
            held = from_folder(kept)
            _say(f"taking the packages of the last time: {error}")
            return held
        raise


def _modules_folder(kernel: Path, release: str) -> Path:
    for above in ("lib", "usr/lib"):
        folder = kernel / above / "modules" / release
        if folder.is_dir():
            return folder
    raise BuildError("the kernel package holds no modules")


def _root_disk(root: Path, path: Path) -> None:
    for folder, _, names in os.walk(root):
        Path(folder).chmod(0o755)
        for name in names:
            file = Path(folder) / name
            mode = file.lstat().st_mode
            if not stat.S_ISLNK(mode):
                file.chmod(0o755 if mode & 0o111 else 0o644)
    options = ["--quiet", "-T0", "--all-root", "-x-1", f"-U{_ROOT_UUID}", "-zlz4hc"]
    run_tool(["mkfs.erofs", *options, str(path), str(root)], BuildError)


def _scratch_disk(path: Path) -> None:
    """A disk whose file takes next to no room until somebody writes to it.

    It has no journal: nobody mounts it again after the machine has lost its memory.
    """
    with path.open("xb") as file:
        file.truncate(SCRATCH_BYTES)
    fixed = {"E2FSPROGS_FAKE_TIME": "1", "MKE2FS_CONFIG": os.devnull}
    extended = f"hash_seed={_SCRATCH_UUID},root_owner=1000:1000,lazy_itable_init=0,nodiscard"
    features = "^has_journal,^resize_inode,extent,64bit,flex_bg,sparse_super,filetype,dir_index"
    options = ["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-N", "65536", "-m", "0"]
    identity = ["-U", _SCRATCH_UUID, "-L", "workspace", "-E", extended, "-O", features]
    run_tool(["mke2fs", *options, *identity, str(path)], BuildError, environment=fixed)
    run_tool(["debugfs", "-w", "-R", "rmdir lost+found", str(path)], BuildError, environment=fixed)


def _say(step: str) -> None:
    print(step, flush=True)


def main() -> int:
    """Build what the arguments ask for; 1 with one sentence on stderr where that fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("kept", type=Path)
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--current", type=Path)
    chosen = parser.parse_args()
    # Nobody waits for the image of a service that is gone.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)
    os.nice(_NICENESS)
    try:
        target, work, kept = (path.resolve() for path in (chosen.target, chosen.work, chosen.kept))
        current = chosen.current and msgspec.json.decode(chosen.current.read_bytes(), type=Manifest)
        manifest = build(target, work, kept, chosen.packages, current)
    except (BuildError, PackagesError, OSError, msgspec.DecodeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(msgspec.json.encode(manifest).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
