"""Control groups for machines, where this process may make them: cpu time and number of tasks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

_MOUNT: Final = Path("/sys/fs/cgroup")
_PREFIX: Final = "sessiond-"
_CONTROLLERS: Final = ("cpu", "pids")
_ENABLED: Final = "cgroup.subtree_control"
_WANTED: Final = "+cpu +pids"
_TASKS_MAX: Final = 192
_TRIES: Final = 3
_PERIOD_US: Final = 100_000
_LEAVE_S: Final = 2.0
_POLL_S: Final = 0.01
# Of 1024 (version 1) and 100 (version 2), which is what the service has.
_SHARES: Final = {False: 512, True: 32}
_WEIGHTS: Final = {False: 50, True: 3}


class ControlGroups:
    """One group per machine and controller; where there are none every call does nothing."""

    def __init__(self, parents: dict[str, Path], version: int) -> None:
        self._parents = parents
        self._version = version

    @property
    def in_force(self) -> list[str]:
        """What is limited, in words."""
        if not self._parents:
            return []
        return [f"control groups (version {self._version}): {', '.join(sorted(self._parents))}"]

    def enter(self, slot: int, pid: int, vcpu_count: int) -> None:
        """The process may use that many processors and a bounded number of tasks."""
        quota = (vcpu_count + 1) * _PERIOD_US
        for controller, parent in self._parents.items():
            for _ in range(_TRIES):
                try:
                    self._enter(controller, parent / str(slot), pid, quota)
                except FileNotFoundError:  # another service took it for one without an owner
                    continue
                except OSError:
                    pass
                break

    def weigh(self, slot: int, *, background: bool) -> None:
        """How much of the processors it gets where all want them."""
        parent = self._parents.get("cpu")
        if parent is None:
            return
        with contextlib.suppress(OSError):
            if self._version == 1:
                (parent / str(slot) / "cpu.shares").write_text(str(_SHARES[background]))
            else:
                (parent / str(slot) / "cpu.weight").write_text(str(_WEIGHTS[background]))

    async def leave(self, slot: int) -> None:
        """Remove the groups of a machine whose process is gone."""
        for parent in set(self._parents.values()):
            await _remove(parent / str(slot))

    async def remove(self) -> None:
        """Remove the groups of this service, when no machine is left; never raises.

        Those of services that were killed go too: a group with anything in it cannot be removed.
        """
        for parent in set(self._parents.values()):
            for group in _groups_in(parent):
                await _remove(group)
            await _remove(parent)
            for other in _groups_in(parent.parent):
                if other.name.startswith(_PREFIX):
                    await asyncio.to_thread(_remove_if_empty, other)

    def _enter(self, controller: str, group: Path, pid: int, quota: int) -> None:
        parent = group.parent
        parent.mkdir(exist_ok=True)
        if self._version == 2:
            (parent / _ENABLED).write_text(_WANTED)
        group.mkdir(exist_ok=True)
        if controller == "pids":
            (group / "pids.max").write_text(str(_TASKS_MAX))
        elif self._version == 1:
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
        (group / "cgroup.procs").write_text(str(pid))


def find_control_groups(tag: str) -> ControlGroups:
    """The groups that can be made here, version 2 before 1; none is made yet."""
    name = _PREFIX + tag
    for version, parents in ((2, _version_2(name)), (1, _version_1(name))):
        if parents:
            return ControlGroups(parents, version)
    return ControlGroups({}, 0)


def _version_2(name: str) -> dict[str, Path]:
    own = _own_paths().get("")
    if own is None or not (_MOUNT / "cgroup.controllers").exists():
        return {}
    place = _MOUNT / own.lstrip("/")
    with contextlib.suppress(OSError):
        (place / _ENABLED).write_text(_WANTED)
    parent = place / name
    try:
        parent.mkdir(exist_ok=True)
        (parent / _ENABLED).write_text(_WANTED)
        enabled = (parent / _ENABLED).read_text().split()
    except OSError:
        enabled = []
    with contextlib.suppress(OSError):
        parent.rmdir()
    return {controller: parent for controller in _CONTROLLERS if controller in enabled}


def _version_1(name: str) -> dict[str, Path]:
    own = _own_paths()
    places = {each: _MOUNT / each / own[each].lstrip("/") for each in _CONTROLLERS if each in own}
    return {each: place / name for each, place in places.items() if os.access(place, os.W_OK)}


def _own_paths() -> dict[str, str]:
    """Where this process stands, by controller; under "" for version 2."""
    paths = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _groups_in(parent: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [each for each in parent.iterdir() if each.is_dir()]
    return []


def _remove_if_empty(parent: Path) -> None:
    for group in (*_groups_in(parent), parent):
        with contextlib.suppress(OSError):
            group.rmdir()


async def _remove(group: Path) -> None:
    for _ in range(int(_LEAVE_S / _POLL_S)):
        try:
            await asyncio.to_thread(group.rmdir)
        except FileNotFoundError:
            return
        except OSError:  # the kernel takes a moment to see that it is empty
            await asyncio.sleep(_POLL_S)
        else:
            return
