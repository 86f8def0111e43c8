"""The file tree of a guest, of packages and our own files; the same, whoever makes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Final

from sessions.runtimes.vm.packages import PackagesError, Unpackable
from sessions.runtimes.vm.programs import path_of, run_tool

GUEST_FILES: Final = Path(__file__).with_name("guest")
OWN: Final = "usr/lib/sessiond"

_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_UNWANTED: Final = re.compile(
    r"usr/share/(doc|man|info|locale|lintian|bug|menu|pixmaps|applications|doc-base|bash-completion)/"
    r"|usr/share/(python3/runtime\.d|gcc|zoneinfo/(right|posix))/"
    r"|usr/lib/python3\.\d+/(test|idlelib|lib2to3|ensurepip|turtledemo)/"
    r"|(usr/)?lib/(systemd|udev|tmpfiles\.d)/"
    r"|etc/(apparmor\.d|init\.d|default|update-motd\.d|dpkg)/"
)
_FOLDERS: Final = (
    "dev",
    "etc",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "var/tmp",
    "usr/local/bin",
    "workspace",
)
# A shell's init and what would only pretend to install something.
_NOT_LINKED: Final = frozenset(
    {"busybox", "dpkg", "dpkg-deb", "init", "linuxrc", "rpm", "rpm2cpio"}
)
_TEXTS: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
    "user:x:1000:1000:user:/workspace:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n",
    "etc/hostname": "sessiond\n",
    "etc/hosts": "127.0.0.1 localhost sessiond\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_COMPILE: Final = """
import compileall, py_compile, sys
root, *folders = sys.argv[1:]
unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
for folder in folders:
    compileall.compile_dir(
        folder, quiet=2, stripdir=root, invalidation_mode=unchecked, maxlevels=20
    )
"""


def make_tree(packages: Iterable[Unpackable], guest_files: Path, root: Path) -> None:
    """Fill `root` with the whole file system of a guest; raises PackagesError."""
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for each in packages:
        if not each.package.is_kernel:
            unpack(each.file, root)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in _TEXTS.items():
        _replace(root / name, text.encode())
    _link_applets(root)
    _link(root / "usr/bin/python", "python3")
    own = root / OWN
    own.mkdir()
    for source in sorted(guest_files.glob("*.py")):
        _replace(own / source.name, source.read_bytes())
    _replace(own / "init", (guest_files / "init.sh").read_bytes(), executable=True)
    _compile(root)


def python_of(root: Path) -> str:
    """The name of the guest's Python, such as python3.11."""
    target = (root / "usr/bin/python3").readlink().name
    if not re.fullmatch(r"python3\.\d+", target):
        raise PackagesError(f"python3 of the packages is {target}, which is not understood")
    return target


def unpack(deb: Path, root: Path) -> None:
    """Put what a guest needs of a package below `root`, and nothing anywhere else.

    Raises PackagesError.
    """
    program = path_of("dpkg-deb")
    if program is None:
        raise PackagesError("there is no dpkg-deb")
    with subprocess.Popen(
        [program, "--fsys-tarfile", str(deb)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as unpacking:
        assert unpacking.stdout is not None
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as members:
                for member in members:
                    _place(member, members, root)
        except (tarfile.TarError, OSError) as error:
            unpacking.kill()
            raise PackagesError(f"{deb.name} cannot be unpacked: {error}") from None
    if unpacking.returncode:
        raise PackagesError(f"{deb.name} cannot be unpacked")


def _place(member: tarfile.TarInfo, members: tarfile.TarFile, root: Path) -> None:
    name = _inside(member.name)
    if name is None or _UNWANTED.match(f"{name}/" if member.isdir() else name):
        return
    path = root / name
    if member.issym() and path.is_dir() and not path.is_symlink():
        # Newer releases bring /bin as a link to usr/bin, which is where it leads here anyway.
        return
    if not path.parent.resolve().is_relative_to(root):
        raise PackagesError(f"a package holds {member.name} behind a link that leads out")
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        _link(path, member.linkname)
    elif member.islnk():
        source = _inside(member.linkname)
        if source is not None:
            _replace(path, (root / source).read_bytes(), executable=bool(member.mode & 0o111))
    elif member.isfile():
        content = members.extractfile(member)
        if content is not None:
            _replace(path, content, executable=bool(member.mode & 0o111))


def _inside(name: str) -> str | None:
    """A name of a package below the root, with /bin and its like where they are linked to."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise PackagesError(f"a package holds the name {name}")
    if parts and parts[0] in _MERGED:
        parts.insert(0, "usr")
    return "/".join(parts) or None


def _replace(path: Path, content: bytes | IO[bytes], *, executable: bool = False) -> None:
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            shutil.copyfileobj(content, file, 1 << 20)
    path.chmod(0o755 if executable else 0o644)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _link_applets(root: Path) -> None:
    """A link to busybox for each of its programs that no package has brought."""
    folder = root / "usr/bin"
    for applet in run_tool([str(folder / "busybox"), "--list"], PackagesError).split():
        path = folder / applet
        if applet not in _NOT_LINKED and not path.is_symlink() and not path.exists():
            path.symlink_to("busybox")


def _compile(root: Path) -> None:
    """Compile the guest's modules with the guest's Python, in one fixed order."""
    python = python_of(root)
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    loader = f"{libraries}/ld-linux-x86-64.so.2"
    run_tool(
        [
            *(loader, "--library-path", libraries, f"{root}/usr/bin/{python}"),
            # What it imports meanwhile it must not write: such files hold their path.
            *("-B", "-S", "-c", _COMPILE, str(root)),
            *(f"{root}/usr/lib/{python}", f"{root}/usr/lib/python3", f"{root}/{OWN}"),
        ],
        PackagesError,
        environment={"PYTHONHOME": f"{root}/usr", "PYTHONHASHSEED": "0"},
    )
