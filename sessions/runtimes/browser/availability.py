"""What can be said about the browsers of this host without starting one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.browser.argv import version_of
from sessions.runtimes.browser.port import RuntimeUnavailable
from sessions.runtimes.browser.process import SETPRIV
from sessions.runtimes.browser.sandboxing import cover
from sessions.runtimes.browser.sweep import BROWSERS_FOLDER, orphans

PACKAGE: Final = "chromium"
# Debian's wrapper only sets switches that this service sets itself, or must not have set.
PROGRAMS: Final = ("/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome")
# Chromium's test shells refuse to make a second context.
_SHELLS: Final = ("chromium-shell", "content_shell")
_VERSION_S: Final = 20.0
_SANDBOX_HELPER: Final = Path("/usr/lib/chromium/chrome-sandbox")
_NAMESPACES: Final = (
    Path("/proc/sys/kernel/unprivileged_userns_clone"),
    Path("/proc/sys/user/max_user_namespaces"),
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The browser that is used here."""

    program: str
    version: str
    sandbox: bool
    """False where the service is root: Chromium has none then, unless it is covered."""


class BrowserAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether browsers can be had, what is missing otherwise, and what is there."""

    name: str = "browser"
    available: bool
    why: str
    install: str = ""
    program: str = ""
    version: str = ""
    sandbox: str = ""
    folder: str = ""
    orphans: list[int] = []


def find_chromium(program: str = "") -> Found:
    """The program, which runs and says its version; raises RuntimeUnavailable. Blocks."""
    obstacle = obstacle_to(program)
    if obstacle is not None:
        why, install = obstacle
        raise RuntimeUnavailable(f"{why}: {install}" if install else why)
    path = _path_of(program) or ""
    return Found(program=path, version=_version(path), sandbox=os.geteuid() != 0)


def obstacle_to(program: str = "") -> tuple[str, str] | None:
    """Why no browser can be had, and what to install; None if a look finds no reason. Cheap."""
    if importlib.util.find_spec("playwright") is None:
        return "there is no Python package playwright", "pip install playwright"
    if _path_of(program) is None:
        if program:
            return f"there is no program {program}, which browser_program names", ""
        return "there is no Chromium", f"apt-get install {PACKAGE}"
    if (_path_of(program) or "").endswith(_SHELLS):
        return f"{program} cannot keep sessions apart", f"apt-get install {PACKAGE}"
    if shutil.which(SETPRIV) is None:
        # Without it, browsers would outlive a service that is killed.
        return f"there is no {SETPRIV}", "apt-get install util-linux"
    return None


def describe_browsers(data: Path, program: str, *, running: bool) -> BrowserAvailability:
    """How things stand; it starts no browser and changes nothing. Blocks.

    Browsers of a service that is `running` in `data` have an owner; without one they are orphans.
    """
    left = [] if running else orphans(data)
    folder = str(data / BROWSERS_FOLDER)
    try:
        found = find_chromium(program)
    except RuntimeUnavailable as error:
        why, install = obstacle_to(program) or (str(error), "")
        return BrowserAvailability(
            available=False, why=why, install=install, folder=folder, orphans=left
        )
    return BrowserAvailability(
        available=True,
        why="all that is needed is there",
        program=found.program,
        version=found.version,
        sandbox=_sandbox(found),
        folder=folder,
        orphans=left,
    )


def _sandbox(found: Found) -> str:
    if not found.sandbox:
        if cover(Path("/tmp")):
            return "on: Chromium runs as an ordinary user, in a user namespace"
        return "OFF, because the service runs as root: run it as another user to have it on"
    if _SANDBOX_HELPER.exists():
        return f"on, by {_SANDBOX_HELPER}"
    if any(path.exists() and path.read_text().strip() == "0" for path in _NAMESPACES):
        return "none is possible: apt-get install chromium-sandbox, or allow user namespaces"
    return "on, by user namespaces"


def _path_of(program: str) -> str | None:
    for name in (program,) if program else PROGRAMS:
        path = shutil.which(name)
        if path is not None:
            return path
    return None


def _version(path: str) -> str:
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=quiet,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeUnavailable(f"{path} does not run: {error}") from None
    version = version_of(done.stdout)
    if done.returncode or not version:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RuntimeUnavailable(f"{path} does not tell its version: {' '.join(said)}")
    return version
