"""Nothing is left: what machines of a service could leave on its host, in its log and in itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from projections.events.status import ENDED
from projections.folds.vm import VM_ENDED
from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.sweep import machine_name, orphans

SETTLE_S: Final = 180.0
POLL_S: Final = 0.05
LIVING: Final = frozenset({"requested", "starting", "running"})
RESTING: Final = frozenset(
    {("pending", "none"), ("paused", "none"), ("running", "running"), ("queued", "waiting")}
    | {("resuming", "waiting")}
)
"""Where a session may stay that has not ended, and how its machine is then."""
AT_REST: Final = Counter(
    {
        "socket:": 5,  # two to listen, two to wake the loop, and the one that we ask by
        f"{tempfile.gettempdir()}/ (deleted)": 2,  # what it prints
        "anon_inode:[eventpoll]": 1,
        "/memfd:template (deleted)": 2,
    }
)
"""What a service has open that has no machine any more, besides its own files."""

_CGROUPS: Final = Path("/sys/fs/cgroup")


class Asked(Protocol):
    """The service as it is asked."""

    @property
    def traces(self) -> Traces:
        """What it leaves on the host."""

    async def ask(self, method: str, path: str, status: int | None = 200, **request: Any) -> Any:
        """The JSON of an answer."""

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a native list."""


class Traces:
    """What the machines of one data folder take on the host, and the service for them.

    A namespace of theirs has no name: it ends with its last process and its last descriptor.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self._folder = folder / "machines"
        self._tag = tag_of(folder)
        self._pid = pid

    def machines(self) -> dict[str, int]:
        """Every process of a machine, by the name of the machine."""
        found = {}
        prefix = machine_name(self._tag, "")
        for pid in orphans(self._tag):
            with contextlib.suppress(OSError, ValueError):
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                found[words[words.index("-name") + 1].removeprefix(prefix)] = pid
        return found

    def kept(self) -> set[str]:
        """The names of what is kept on the disk, unfinished ones too."""
        place = self._folder / "kept"
        return {path.name for path in place.iterdir()} if place.exists() else set()

    def files(self) -> list[Path]:
        """Files of machines that run, which have no names."""
        run = self._folder / "run"
        return list(run.rglob("*")) if run.exists() else []

    def groups(self) -> list[Path]:
        """The control groups of machines."""
        return [path for parent in self.parents_of_groups() for path in groups_in(parent)]

    def parents_of_groups(self) -> list[Path]:
        """The control groups that hold those of machines."""
        return groups_named(machine_name(self._tag, "").rstrip("-"))

    def children(self) -> dict[int, str]:
        """The processes that the service has started, by their states; Z: not waited for."""
        found = {}
        for task in Path(f"/proc/{self._pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for word in (task / "children").read_text().split():
                    stat = Path(f"/proc/{word}/stat").read_text()
                    found[int(word)] = stat.rpartition(")")[2].split()[0]
        return found

    def descriptors(self) -> Counter[str]:
        """How many descriptors of each kind the service has open, but for its own files."""
        return Counter(self._kinds())

    def gone(self) -> list[str]:
        """What is left of machines after the service has ended; nothing, it should be."""
        left = [f"process {name}" for name in self.machines()]
        return left + [str(path) for path in (*self.parents_of_groups(), *self.files())]

    def _kinds(self) -> Iterator[str]:
        for link in Path(f"/proc/{self._pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                own = target.startswith(("/dev/", str(self._folder.parent)))
                if not own or target.endswith("(deleted)"):
                    # Sockets, pipes and files without a name are told apart by numbers.
                    yield re.sub(r"\[?#?\d+\]?|-mem\w*|-state", "", target)


def groups_named(name: str) -> list[Path]:
    """All control groups of that name; others come and go while we look."""
    return [Path(place, name) for place, below, _ in os.walk(_CGROUPS) if name in below]


def groups_in(parent: Path) -> list[Path]:
    """The control groups below another one, which may be gone by now."""
    with contextlib.suppress(OSError):
        return [path for path in parent.iterdir() if path.is_dir()]
    return []


async def settle(asked: Asked, *, empty: bool = False) -> None:
    """Return when nothing is out of place, and with `empty` nothing there; fails after a while."""
    give_up = time.monotonic() + SETTLE_S
    while wrong := await _wrong(asked, empty=empty):
        assert time.monotonic() < give_up, wrong
        await asyncio.sleep(POLL_S)


async def _wrong(asked: Asked, *, empty: bool) -> list[str]:
    """What is not as it must be once everything has come to its end."""
    vms = await asked.all("/api/v1/vms")
    sessions = await asked.all("/api/v1/sessions")
    snapshots = await asked.ask("GET", "/instavm/v1/snapshots")
    traces = asked.traces
    wrong = [*_of_log(sessions, vms), *_of_host(traces, vms, snapshots)]
    if empty:
        wrong += [f"{vm['id']} is {vm['status']}" for vm in vms if vm["status"] not in VM_ENDED]
        wrong += [f"{each['id']} is {each['status']}" for each in sessions if not _over(each)]
        wrong += [f"{each['snapshot_id']} is there" for each in snapshots]
        grown = traces.descriptors() - AT_REST
        wrong += [f"{count} descriptors {kind} too many" for kind, count in grown.items()]
    return wrong


def _of_log(sessions: list[dict[str, Any]], vms: list[dict[str, Any]]) -> Iterator[str]:
    """Machines and sessions that are on the way to somewhere, and get nowhere."""
    open_ = {session["id"] for session in sessions if not _over(session)}
    for vm in vms:
        if vm["executing"]:
            yield f"{vm['id']} executes {vm['executing']} programs"
        if vm["status"] not in VM_ENDED and vm["session"] not in open_:
            yield f"{vm['id']} is {vm['status']}, its session is over"
    living = {vm["session"]: vm for vm in vms if vm["status"] in LIVING}
    for session in sessions:
        own = living.get(session["id"])
        where = "none" if own is None else own["status"]
        if own is not None and own["queue_position"] is not None:
            where = "waiting"
        if (session["status"], where) not in RESTING and not (_over(session) and own is None):
            yield f"{session['id']} is {session['status']}, its machine {where}"


def _of_host(
    traces: Traces, vms: list[dict[str, Any]], snapshots: list[dict[str, Any]]
) -> Iterator[str]:
    """Processes without a machine that runs, machines without a process, and what they take."""
    machines = traces.machines()
    running = {vm["id"] for vm in vms if vm["status"] == "running"}
    for name in machines.keys() ^ running:
        yield f"{name} is a {'process' if name in machines else 'machine in the log'} alone"
    needed = {vm["id"] for vm in vms if vm["status"] == "suspended"}
    needed |= {each["snapshot_id"] for each in snapshots if each["status"] == "ready"}
    for name in traces.kept() ^ needed:
        yield f"{name}: {'needed, but not' if name in needed else 'not needed, but'} kept"
    for pid, state in traces.children().items():
        if state == "Z" or pid not in machines.values():
            yield f"a process {pid} in state {state}"
    yield from (f"there is {path}" for path in traces.files())
    groups = {path.name for path in traces.groups()}
    if len(groups) not in (0, len(machines)):
        yield f"control groups {groups} of {len(machines)} machines"


def _over(session: dict[str, Any]) -> bool:
    return session["status"] in ENDED
