"""The command that shuts a machine in, as strong as the host allows."""

import os
import subprocess

import pytest

from sessions.runtimes.vm import control_groups, isolation
from sessions.runtimes.vm.control_groups import ControlGroups
from sessions.runtimes.vm.isolation import MACHINES_MAX, Isolation, find_isolation
from sessions.runtimes.vm.programs import path_of

ALL = ("prlimit", "setpriv", "namespaces", "user")
NONE = ControlGroups({}, 0)


def words(steps, tag="tag"):
    cell = Isolation(tag, steps, NONE).cell()
    assert cell is not None
    return " ".join(cell.prefix(1))


def test_each_step_adds_its_part():
    everything = words(ALL)
    for part in ("--core=0", "--nofile=", "--fsize=", "--as=", "--net", "--ipc", "--mount"):
        assert part in everything
    for part in ("--no-new-privs", "--pdeathsig KILL", "--reuid=", "--clear-groups"):
        assert part in everything
    assert everything.index("unshare") < everything.index("setpriv")
    assert everything.endswith(f'test "$PPID" = "$0" && exec "$@" {os.getpid()}')
    assert words(()) == ""
    assert "--reuid" not in words(("prlimit", "setpriv"))
    assert "unshare" not in words(("prlimit", "setpriv"))


@pytest.mark.skipif(path_of("setpriv") is None, reason="no setpriv here")
@pytest.mark.parametrize(
    ("service", "said"), [(os.getpid(), "on\n"), (1, "")], ids=["alive", "gone"]
)
def test_nothing_starts_for_a_service_that_is_gone(service, said):
    cell = Isolation("tag", ("setpriv",), NONE).cell()
    assert cell is not None
    *prefix, _ = cell.prefix(1)
    command = [*prefix, str(service), "echo", "on"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == said


def test_each_machine_has_a_user_of_its_own_and_so_has_each_service():
    users = set()
    for tag in ("one", "two"):
        service = Isolation(tag, ALL, NONE)
        for _ in range(MACHINES_MAX):
            cell = service.cell()
            assert cell is not None
            users.add(next(w for w in cell.prefix(1) if w.startswith("--reuid=")))
        assert service.cell() is None
    assert len(users) == 2 * MACHINES_MAX


async def test_a_place_that_is_given_back_is_taken_again():
    service = Isolation("tag", ALL, NONE)
    cells = [service.cell() for _ in range(MACHINES_MAX)]
    assert service.cell() is None
    assert cells[7] is not None
    await cells[7].leave()
    again = service.cell()
    assert again is not None
    assert again.slot == cells[7].slot


@pytest.mark.parametrize(
    ("works", "steps"),
    [
        (lambda steps: True, 4 if os.geteuid() == 0 else 2),
        (lambda steps: "namespaces" not in steps, 3 if os.geteuid() == 0 else 2),
        (lambda steps: not {"namespaces", "user"} & set(steps), 2),
        (lambda steps: not steps, 0),
    ],
)
async def test_what_does_not_work_here_is_left_out_and_not_claimed(works, steps, monkeypatch):
    monkeypatch.setattr(isolation, "_works", works)
    monkeypatch.setattr(isolation, "find_control_groups", lambda tag: NONE)
    found = await find_isolation("tag")
    assert len(found.in_force) == 1 + steps


@pytest.fixture
def hierarchy(tmp_path, monkeypatch):
    """Control groups of version 1, as plain folders."""
    for controller in ("cpu", "pids"):
        (tmp_path / controller / "ours").mkdir(parents=True)
    monkeypatch.setattr(control_groups, "_MOUNT", tmp_path)
    own = {"cpu": "/ours", "pids": "/ours", "memory": "/ours"}
    monkeypatch.setattr(control_groups, "_own_paths", lambda: own)
    return tmp_path


def test_a_machine_gets_its_groups_and_its_share(hierarchy):
    groups = control_groups.find_control_groups("tag")
    assert groups.in_force == ["control groups (version 1): cpu, pids"]
    assert not list(hierarchy.glob("*/ours/*"))
    groups.enter(3, 4711, 2)
    groups.weigh(3, background=True)
    cpu, pids = (hierarchy / each / "ours" / "sessiond-tag" / "3" for each in ("cpu", "pids"))
    assert (cpu / "cpu.cfs_quota_us").read_text() == "300000"
    assert (cpu / "cgroup.procs").read_text() == (pids / "cgroup.procs").read_text() == "4711"
    assert int((pids / "pids.max").read_text()) > 64
    low = int((cpu / "cpu.shares").read_text())
    groups.weigh(3, background=False)
    assert int((cpu / "cpu.shares").read_text()) > low


def test_groups_that_cannot_be_made_are_not_claimed(hierarchy, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    groups = control_groups.find_control_groups("tag")
    assert groups.in_force == []
    groups.enter(3, 4711, 2)
    groups.weigh(3, background=True)
    assert not list(hierarchy.glob("*/ours/*"))


async def test_removed_groups_are_gone_and_so_are_those_of_the_dead(hierarchy):
    groups = control_groups.find_control_groups("tag")
    for name in ("sessiond-tag/3", "sessiond-dead/1", "sessiond-dead/2", "other/1"):
        (hierarchy / "cpu" / "ours" / name).mkdir(parents=True)
    await groups.leave(3)
    await groups.leave(4)
    await groups.remove()
    assert [path.name for path in (hierarchy / "cpu" / "ours").iterdir()] == ["other"]
