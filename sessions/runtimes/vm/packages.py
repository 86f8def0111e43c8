"""The Debian packages that a guest is made of: from apt, or from a folder that holds them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from sessions.runtimes.vm.programs import run_tool

KERNEL_OF_THE_RELEASE: Final = "linux-image-cloud-amd64"
# What people write for other machines counts on GNU's tools; busybox has what they leave out.
WITH_WHAT_THEY_NEED: Final = (
    *("python3", "bash", "busybox-static"),
    *("coreutils", "diffutils", "findutils", "grep", "gzip", "procps", "sed", "tar"),
    # Else apt would choose the package that merges /usr, with all of Perl.
    "usr-is-merged",
)
ALONE: Final = ("base-files", "libc-bin", "ncurses-base", "tzdata")
# What others depend on only to be installed; nothing is installed in a guest, it is unpacked.
LEFT_OUT: Final = frozenset({"debianutils", "dpkg", "init-system-helpers", "mawk", "usr-is-merged"})
_NEEDED: Final = ("bash", "busybox-static", "libc6", "python3-minimal")
_KERNEL: Final = re.compile(r"linux-image-\d\S*")
_URI: Final = re.compile(r"'[^']+' (?P<file>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})")


class PackagesError(Exception):
    """The packages of a guest are not to be had; the text says why."""


@dataclass(frozen=True, order=True)
class Package:
    """One package, down to its bytes."""

    name: str
    version: str
    sha256: str

    @property
    def is_kernel(self) -> bool:
        """True for the package with the kernel and its modules."""
        return _KERNEL.fullmatch(self.name) is not None


@dataclass(frozen=True)
class Unpackable:
    """A package and the file that holds it."""

    package: Package
    file: Path


class Apt:
    """The packages as apt knows them on this host; it needs no privilege and changes nothing.

    Where the lists of the host are absent or out of date, it makes its own in `work`.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._lists = work / "apt-lists"
        self._cache = work / "apt-cache"
        self._own_lists = False

    def resolve(self) -> list[Package]:
        """The packages of a guest in the versions that apt would install now."""
        try:
            return self._resolve()
        except PackagesError:
            self._make_own_lists()
            return self._resolve()

    def fetch(self, packages: Sequence[Package], folder: Path) -> list[Unpackable]:
        """The files of the packages; `folder` keeps them whole, and of other packages none."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {package: folder / f"{package.sha256}.deb" for package in packages}
        absent = [package for package, file in files.items() if not _is_whole(file)]
        if absent:
            self._download(absent, folder)
        # Not before all are there: without a network the old ones still make a guest.
        for file in set(folder.iterdir()) - set(files.values()):
            file.unlink()
        return [Unpackable(package, files[package]) for package in sorted(packages)]

    def _download(self, packages: Sequence[Package], folder: Path) -> None:
        wanted = [f"{package.name}={package.version}" for package in packages]
        arriving = self._work / "arriving"
        arriving.mkdir(parents=True)
        try:
            self._run(["apt-get", "download", *wanted], arriving)
        except PackagesError:
            if self._own_lists:
                raise
            self._make_own_lists()
            self._run(["apt-get", "download", *wanted], arriving)
        arrived = {_sha256(file): file for file in arriving.iterdir()}
        for package in packages:
            if package.sha256 not in arrived:
                raise PackagesError(f"apt-get downloaded another {package.name} than it had named")
            arrived[package.sha256].replace(folder / f"{package.sha256}.deb")

    def _resolve(self) -> list[Package]:
        described = self._run(["apt-cache", "depends", KERNEL_OF_THE_RELEASE])
        kernel = _KERNEL.search(described)
        if kernel is None:
            raise PackagesError(f"apt knows no {KERNEL_OF_THE_RELEASE}")
        # With no list of installed packages apt names all that is needed, not what the host lacks.
        nothing_installed = ["-o", "Dir::State::status=/dev/null"]
        sha256 = ["-o", "Acquire::ForceHash=SHA256"]
        install = ["apt-get", *nothing_installed, *sha256, "-qq", "-y", "--print-uris"]
        needed = self._run([*install, "--no-install-recommends", "install", *WITH_WHAT_THEY_NEED])
        alone = ["apt-get", *sha256, "-qq", "--print-uris", "download", *ALONE, kernel.group()]
        return parse_uris(needed + self._run(alone))

    def _make_own_lists(self) -> None:
        (self._lists / "partial").mkdir(parents=True, exist_ok=True)
        self._own_lists = True
        self._run(["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update"])

    def _run(self, command: list[str], folder: Path | None = None) -> str:
        # apt names no package that it has downloaded before, so it is shown an empty cache.
        (self._cache / "archives/partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", "Acquire::Languages=none", "-o", f"Dir::Cache={self._cache}"]
        if os.geteuid() == 0:
            # apt's own user could not write where only the owner may.
            options += ["-o", "APT::Sandbox::User=root"]
        if self._own_lists:
            options += ["-o", f"Dir::State::lists={self._lists}"]
        return run_tool([command[0], *options, *command[1:]], PackagesError, folder)


def parse_uris(printed: str) -> list[Package]:
    """The packages that `apt-get --print-uris` names, sorted, without those a guest does not need.

    Raises PackagesError where there is none, or a line is not understood.
    """
    found = set()
    for line in printed.splitlines():
        match = _URI.match(line)
        if match is None:
            raise PackagesError(f"apt-get said what is not understood: {line}")
        name, version, _architecture = match["file"].removesuffix(".deb").split("_")
        if name not in LEFT_OUT:
            found.add(Package(name, unquote(version), match["sha256"]))
    _check_whole(found)
    return sorted(found)


def from_folder(folder: Path) -> list[Unpackable]:
    """The packages in a folder, sorted; raises PackagesError if they make no guest."""
    held = [Unpackable(_described(file), file) for file in sorted(folder.glob("*.deb"))]
    _check_whole({each.package for each in held})
    return sorted(held, key=lambda each: each.package)


def _described(file: Path) -> Package:
    asked = ["dpkg-deb", "--showformat=${Package} ${Version}", "--show", str(file)]
    words = run_tool(asked, PackagesError).split()
    if len(words) != 2:
        raise PackagesError(f"{file} is no package: it has no name and version")
    return Package(words[0], words[1], _sha256(file))


def _is_whole(file: Path) -> bool:
    """True if the file is what its name says it is."""
    return file.exists() and _sha256(file) == file.stem


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_whole(packages: set[Package]) -> None:
    names = {package.name for package in packages}
    absent = [name for name in _NEEDED if name not in names]
    kernels = [package.name for package in packages if package.is_kernel]
    if absent:
        raise PackagesError(f"a guest needs the package {absent[0]}, which is not there")
    if len(kernels) != 1:
        raise PackagesError(f"a guest needs one kernel package, and there are {len(kernels)}")
    if len(names) != len(packages):
        raise PackagesError("a package is there in two versions")
