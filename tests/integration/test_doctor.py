"""`sessiond doctor` as people and programs run it: a process with an exit code."""

import functools
import json
import os
import socket
import subprocess
import sys
from collections import namedtuple

import pytest

from sessions.doctor_command import report
from sessions.runtimes.browser.availability import obstacle_to
from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.availability import Availability, Disk, GuestImage, obstacle
from sessions.runtimes.vm.programs import TO_BUILD, TO_DOWNLOAD, TO_RUN, missing
from sessions.runtimes.vm.sweep import machine_name
from tests.support.doctor import Doctor

Usage = namedtuple("Usage", "total used free")
LACKING = [*missing({**TO_RUN, **TO_BUILD, **TO_DOWNLOAD}), *(obstacle_to() or ())]
complete = pytest.mark.skipif(bool(LACKING), reason=f"it needs {', '.join(LACKING)}")


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    return Doctor(tmp_path, monkeypatch, capsys)


@pytest.fixture
def findings(doctor):
    """Code, what is found about machines, complaints."""
    return functools.partial(doctor.findings, "vm")


@complete
def test_a_host_that_has_all_is_well_before_anything_is_built(tmp_path, doctor, findings):
    code, found, err = findings()
    assert (code, found["available"], found["install"], err) == (0, True, "", "")
    assert found["name"] == "vm"
    assert found["qemu"].startswith("QEMU emulator version")
    assert found["image"]["state"] == "not built"
    assert (found["templates"], found["orphans"]) == ([], [])
    assert found["cache"]["folder"] == str(tmp_path / "cache" / "sessiond" / "vm")
    assert found["cache"]["free_bytes"] > 0
    assert found["machines"]["folder"] == str(tmp_path / "data" / "machines")
    assert found["isolation"]
    # To look is not to change: neither the cache nor the data folder is made.
    assert list(tmp_path.iterdir()) == []


def test_it_runs_as_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sessions", "doctor", "--json"],
        env={**os.environ, "PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    found = json.loads(done.stdout)["runtimes"]
    assert [each["name"] for each in found] == ["vm", "browser"]
    assert [each["available"] for each in found] == [False, False]
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_qemu_it_says_what_to_install(tmp_path, doctor, findings):
    (tmp_path / "bin").mkdir()
    code, found, err = findings(PATH=str(tmp_path / "bin"))
    assert (code, found["available"], err) == (1, False, "")
    assert "no qemu-system-x86_64" in found["why"]
    assert found["install"].startswith("apt-get install qemu-system-x86")
    assert found["acceleration"] is None
    code, out, _ = doctor(PATH=str(tmp_path / "bin"))
    assert code == 1
    assert out.startswith("vm: NOT available\n")
    assert "apt-get install qemu-system-x86" in out


def test_a_qemu_that_does_not_run_is_not_available(tmp_path, doctor, findings):
    program = tmp_path / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n")
    program.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    code, found, _ = findings(PATH=path)
    assert (code, found["available"]) == (1, False)
    assert "error while loading shared libraries" in found["why"]


def test_machines_that_are_switched_off_are_not_available(tmp_path, doctor, findings):
    code, found, _ = findings("--prepare", SESSIOND_VM="off")
    assert (code, found["available"]) == (1, False)
    assert "switched off" in found["why"]
    assert not (tmp_path / "cache").exists()


@complete
def test_a_cache_that_cannot_be_written_is_said(tmp_path, doctor, findings):
    (tmp_path / "file").touch()
    code, found, err = findings(
        "--prepare", "--packages", str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "file")
    )
    assert code == 1
    assert "file is no writable folder" in found["why"]
    assert "not prepared" in err


@complete
@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ("platform.machine", lambda: "aarch64", "machines need Linux on x86-64"),
        ("importlib.util.find_spec", lambda _: None, "there is no Python package qemu.qmp"),
        ("shutil.disk_usage", lambda _: Usage(10, 9, 1), "which is on a full disk"),
    ],
)
async def test_a_look_is_enough_to_see_what_is_missing(tmp_path, monkeypatch, place, value, why):
    assert await obstacle(tmp_path / "cache") is None
    monkeypatch.setattr(f"sessions.runtimes.vm.availability.{place}", value)
    # Nothing is run for it: every start of a service looks.
    monkeypatch.setattr("subprocess.run", None)
    found = await obstacle(tmp_path / "cache")
    assert found is not None
    assert why in found[0]


def test_an_unknown_option_is_a_mistake_of_the_caller(tmp_path, doctor, findings):
    code, out, err = doctor("--cure")
    assert (code, out) == (2, "")
    assert "--cure" in err


@pytest.fixture
def orphan(tmp_path):
    """A process that looks like a machine of the data folder whose service is gone."""
    program = tmp_path / "qemu-system-x86_64"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    name = machine_name(tag_of(tmp_path / "data"), "vmid-1")
    process = subprocess.Popen(["sh", program, "-name", name], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate(b"\n")


def test_machines_without_a_service_are_orphans(orphan, doctor, findings):
    _, found, _ = findings()
    assert found["orphans"] == [orphan]
    _, out, _ = doctor()
    assert f"processes {orphan}: the next start of the service ends them" in out


def test_machines_of_a_running_service_have_an_owner(tmp_path, orphan, findings):
    (tmp_path / "data").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "data" / "control.sock"))
        listening.listen()
        _, found, _ = findings()
    assert found["orphans"] == []


def test_the_report_for_people_says_what_is_missing_and_leaves_out_what_is_not_known():
    found = Availability(
        available=False,
        why="there is no qemu-system-x86_64",
        install="apt-get install qemu-system-x86",
        image=GuestImage("ready", "0123", "6.1.0", 45, 50 << 20),
        templates=[1, 2],
        cache=Disk("/var/cache/vm", 3 << 20, 5 << 30),
        machines=Disk("/srv/data/machines", 0, 5 << 30),
        isolation=["a user of its own", "limits"],
        orphans=[],
    )
    assert list(report(found)) == [
        "vm: NOT available",
        "  why           there is no qemu-system-x86_64",
        "  to install    apt-get install qemu-system-x86",
        "  image         0123, Linux 6.1.0, 45 packages, 50 MiB",
        "  templates     with 1, 2 vCPU",
        "  cache         /var/cache/vm: 3 MiB used, 5,120 MiB free",
        "  machines      /srv/data/machines: 0 MiB used, 5,120 MiB free",
        "  isolation     a user of its own; limits",
        "  orphans       none",
    ]


@complete
@pytest.mark.slow(
    reason="builds what is missing: an image takes ten seconds, each of five templates as many"
)
def test_it_prepares_all_that_machines_are_made_from(tmp_path):
    with_the_common_cache = [sys.executable, "-m", "sessions", "doctor", "--data", str(tmp_path)]
    done = subprocess.run(
        [*with_the_common_cache, "--prepare", "--json"], capture_output=True, text=True
    )
    found, _ = json.loads(done.stdout)["runtimes"]
    assert (done.returncode, found["available"]) == (0, True), done.stderr
    assert found["image"]["state"] == "ready"
    assert found["image"]["packages"] > 20
    assert found["acceleration"]["name"] in ("tcg", "kvm")
    assert found["templates"] == [1, 2, 4, 6, 8]
    assert found["orphans"] == []
    assert list(tmp_path.iterdir()) == []
