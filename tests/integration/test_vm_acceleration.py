"""KVM only where a machine has run with it: what a look says, and what a boot says."""

import os
import stat
from pathlib import Path

import pytest

from sessions.runtimes.vm import acceleration
from sessions.runtimes.vm.acceleration import (
    find_acceleration,
    known_acceleration,
    qemu_version,
    why_it_does_not_run,
    why_no_kvm,
)
from sessions.runtimes.vm.image import Image
from sessions.runtimes.vm.manifest import FILES, File, Manifest
from sessions.runtimes.vm.port import RuntimeUnavailable

QEMU = """#!/bin/sh
case "$1" in --version) cat {here}/version; exit ;; esac
echo $$ "$@" >>{here}/boots
{does}
"""
RUNS = "echo 'sessiond: the guest runs 42'"
DIES = "echo 'KVM internal error. Suberror: 1'; exit 1"
HANGS = "echo 'sessiond: the guest runs 42'; exec sleep 600"
POWERS_OFF_AT_ONCE = "exit 0"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with a QEMU of ours and a /dev/kvm that looks well."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(acceleration, "why_no_kvm", lambda: None)
    (tmp_path / "version").write_text("QEMU emulator version 7.2.22\nCopyright\n")
    qemu(tmp_path, RUNS)
    return tmp_path


def qemu(host, does):
    """From now on QEMU does this when it boots."""
    program = host / "bin" / "qemu-system-x86_64"
    program.write_text(QEMU.format(here=host, does=does))
    program.chmod(0o755)


def boots(host):
    """The command lines of the boots there were."""
    path = host / "boots"
    return path.read_text().splitlines() if path.exists() else []


def an_image(kernel="aa"):
    files = {name: File(1, kernel * 32) for name in FILES}
    manifest = Manifest(builder="1", guest={}, packages=[], kernel="6.1", files=files)
    return Image(Path("/images/one, or two"), manifest.key, manifest)


async def found(host, image=None, **how):
    return await find_acceleration(host / "cache", image or an_image(), lambda _: None, **how)


async def test_kvm_is_used_where_a_machine_ran_with_it(host):
    answer = await found(host)
    assert (answer.name, answer.why) == ("kvm", "a machine ran programs with it")
    assert "-accel kvm -cpu host" in boots(host)[0]
    assert "/images/one,, or two/root.erofs" in boots(host)[0]


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (DIES, "with KVM the machine that was tried ended with 1 and said: KVM internal error"),
        pytest.param(
            HANGS,
            "with KVM no machine ran a program within 5 s",
            marks=pytest.mark.slow(reason="waits until a machine that hangs is given up"),
        ),
        (POWERS_OFF_AT_ONCE, "ended with 0 and said: nothing"),
    ],
)
async def test_tcg_is_used_where_none_did(host, monkeypatch, does, why):
    # Long enough for a busy machine to begin; only who hangs is waited for.
    seconds = 5.0 if does == HANGS else 120.0
    monkeypatch.setattr(acceleration.why_it_does_not_run, "__defaults__", (seconds,))
    qemu(host, does)
    answer = await found(host)
    assert answer.name == "tcg"
    assert why in answer.why
    pid = int(boots(host)[0].split()[0])
    assert not Path(f"/proc/{pid}").exists()


async def test_a_boot_is_tried_once(host):
    first = await found(host)
    qemu(host, DIES)
    assert await found(host) == first
    assert len(boots(host)) == 1
    assert (await found(host, again=True)).name == "tcg"
    assert (await found(host)).name == "tcg"
    assert len(boots(host)) == 2


async def test_another_kernel_qemu_or_boot_of_the_host_is_tried_anew(host, monkeypatch):
    await found(host)
    await found(host, an_image("bb"))
    assert len(boots(host)) == 2
    (host / "version").write_text("QEMU emulator version 8.0\n")
    await found(host, an_image("bb"))
    assert len(boots(host)) == 3
    (host / "boot-id").write_text("another\n")
    monkeypatch.setattr(acceleration, "BOOT_ID", host / "boot-id")
    await found(host, an_image("bb"))
    assert len(boots(host)) == 4
    await found(host, an_image("bb"))
    assert len(boots(host)) == 4


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"answer": 1}', b"\xff\xfe"])
async def test_a_damaged_memory_is_no_memory(host, damage):
    await found(host)
    (host / "cache" / "acceleration.json").write_bytes(damage)
    assert known_acceleration(host / "cache", an_image(), qemu_version()) is None
    assert (await found(host)).name == "kvm"
    assert len(boots(host)) == 2


async def test_a_cache_that_cannot_be_written_only_costs_a_boot(host):
    (host / "cache").touch()
    assert (await found(host)).name == "kvm"
    assert (await found(host)).name == "kvm"
    assert len(boots(host)) == 2


async def test_what_a_look_rules_out_is_not_tried(host, monkeypatch):
    monkeypatch.setattr(acceleration, "why_no_kvm", lambda: "/dev/kvm: no such file or directory")
    answer = await found(host)
    assert (answer.name, answer.why) == ("tcg", "/dev/kvm: no such file or directory")
    assert boots(host) == []


async def test_without_qemu_there_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeUnavailable, match="there is no qemu-system-x86_64"):
        await found(tmp_path)


async def test_a_machine_that_floods_its_console_is_bounded(host):
    qemu(host, f"head -c 20000000 /dev/zero; {RUNS}")
    assert await why_it_does_not_run(an_image(), "tcg", 60) is None


def test_a_device_that_is_not_there_or_is_not_kvm_is_seen_by_a_look(tmp_path, monkeypatch):
    monkeypatch.setattr(acceleration, "KVM_DEVICE", tmp_path / "kvm")
    assert "no such file" in (why_no_kvm() or "")
    (tmp_path / "kvm").touch()
    assert stat.S_ISREG((tmp_path / "kvm").stat().st_mode)
    assert "makes no machine" in (why_no_kvm() or "")
