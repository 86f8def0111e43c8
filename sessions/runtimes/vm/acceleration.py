"""Whether the processor can run machines itself (KVM) or QEMU has to translate for it (TCG).

That /dev/kvm opens says little: some hosts offer one that runs no ordinary kernel, and QEMU's own
way back to TCG is not taken there. So KVM is used only after a machine has run a program with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import tempfile
from pathlib import Path
from typing import Final, Literal

import msgspec

from sessions.runtimes.vm.image import Image, Progress
from sessions.runtimes.vm.port import RuntimeUnavailable
from sessions.runtimes.vm.programs import QEMU, path_of, run_tool

Name = Literal["tcg", "kvm"]

KVM_DEVICE: Final = Path("/dev/kvm")
CPU_INFO: Final = Path("/proc/cpuinfo")
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
BOOT_S_MAX: Final = 20.0

_CACHE: Final = "acceleration.json"
_KVM_GET_API_VERSION: Final = 0xAE00
_KVM_CREATE_VM: Final = 0xAE01
_API: Final = 12
_READ: Final = 65_536
_RUNS: Final = b"sessiond: the guest runs"
_LINE: Final = "console=ttyS0 panic=-1 quiet swiotlb=noforce sessiond.probe"
_PROCESSOR: Final[dict[Name, tuple[str, ...]]] = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    "tcg": ("-accel", "tcg", "-cpu", "max"),
}


class Acceleration(msgspec.Struct, frozen=True):
    """How machines run here, and why so."""

    name: Name
    why: str


class _Remembered(msgspec.Struct, frozen=True, kw_only=True):
    boot_id: str
    qemu: str
    kernel: str
    answer: Acceleration


def qemu_version() -> str:
    """The first line of what QEMU says about itself; raises RuntimeUnavailable. Blocks."""
    return run_tool([QEMU, "--version"], RuntimeUnavailable).partition("\n")[0].strip()


async def find_acceleration(
    cache: Path, image: Image, progress: Progress, *, again: bool = False
) -> Acceleration:
    """How machines with this image run here; tried at most once per boot of the host.

    `again` tries even so. Raises RuntimeUnavailable where there is no QEMU.
    """
    version = await asyncio.to_thread(qemu_version)
    obstacle = await asyncio.to_thread(why_no_kvm)
    if obstacle is not None:
        return Acceleration("tcg", obstacle)
    known = None if again else known_acceleration(cache, image, version)
    if known is not None:
        return known
    progress("trying whether a machine runs with KVM")
    obstacle = await why_it_does_not_run(image, "kvm")
    if obstacle is None:
        answer = Acceleration("kvm", "a machine ran programs with it")
    else:
        answer = Acceleration("tcg", f"with KVM {obstacle}")
    remembered = _Remembered(boot_id=_boot_id(), qemu=version, kernel=_kernel(image), answer=answer)
    with contextlib.suppress(OSError):
        await asyncio.to_thread(_remember, cache / _CACHE, remembered)
    return answer


def known_acceleration(cache: Path, image: Image, version: str) -> Acceleration | None:
    """What was found before with this image and QEMU since the host was booted. Blocks."""
    try:
        remembered = msgspec.json.decode((cache / _CACHE).read_bytes(), type=_Remembered)
    except (OSError, msgspec.DecodeError):
        return None
    found_with = (remembered.boot_id, remembered.qemu, remembered.kernel)
    if found_with != (_boot_id(), version, _kernel(image)):
        return None
    return remembered.answer


def why_no_kvm() -> str | None:
    """What already a look says against KVM; None if it is worth a try. Blocks."""
    try:
        device = os.open(KVM_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"{KVM_DEVICE}: {(error.strerror or str(error)).lower()}"
    try:
        if fcntl.ioctl(device, _KVM_GET_API_VERSION, 0) != _API:
            return f"{KVM_DEVICE} speaks another version than QEMU"
        os.close(fcntl.ioctl(device, _KVM_CREATE_VM, 0))
    except OSError as error:
        return f"{KVM_DEVICE} makes no machine: {(error.strerror or str(error)).lower()}"
    finally:
        os.close(device)
    if not {"vmx", "svm"}.intersection(_processor_flags()):
        return f"{KVM_DEVICE} is there, but the processor offers no virtualisation"
    return None


async def why_it_does_not_run(image: Image, name: Name, seconds: float = BOOT_S_MAX) -> str | None:
    """Boot a machine that runs a program and powers itself off; None if it did, else what happened.

    Whatever happens, it is gone afterwards.
    """
    quiet = asyncio.subprocess.DEVNULL
    machine = await asyncio.create_subprocess_exec(
        *_command(image, name),
        stdin=quiet,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while machine.stdout is not None and (words := await machine.stdout.read(_READ)):
                said += words
                del said[:-_READ]
            code = await machine.wait()
    except TimeoutError:
        return f"no machine ran a program within {seconds:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(machine.pid, signal.SIGKILL)
        await asyncio.shield(machine.wait())
    if code == 0 and _RUNS in said:
        return None
    last = (said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
    return f"the machine that was tried ended with {code} and said: {last.strip()}"


def _command(image: Image, name: Name) -> list[str]:
    setpriv = [path_of("setpriv") or "setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"]
    disk = f"driver=file,filename={_escaped(image.root)},node-name=root,read-only=on"
    return [
        *setpriv,
        *(path_of(QEMU) or QEMU, "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-machine", "q35", *_PROCESSOR[name], "-m", "128M"),
        *("-kernel", str(image.vmlinuz), "-initrd", _escaped(image.initrd), "-append", _LINE),
        *("-blockdev", disk, "-device", "virtio-blk-pci,drive=root"),
        *("-display", "none", "-vga", "none", "-monitor", "none", "-nic", "none"),
        *("-serial", "stdio"),
    ]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")


def _processor_flags() -> set[str]:
    with contextlib.suppress(OSError), CPU_INFO.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("flags"):
                return set(line.partition(":")[2].split())
    return set()


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def _kernel(image: Image) -> str:
    return image.manifest.files["vmlinuz"].sha256


def _remember(path: Path, remembered: _Remembered) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".acceleration-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(remembered))
        Path(name).rename(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
