"""The command lines of QEMU: one shape of machine, for a template, its clones and kept machines."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

Accelerator = Literal["tcg", "kvm"]

QEMU: Final = "qemu-system-x86_64"
BASE_MB: Final = 128
MEMORY_MB_MAX: Final = 8192
BLOCK_MB: Final = 2
MEMORY_DEVICE: Final = "/machine/peripheral/vm0"
AGENT_PORT: Final = "agent.0"

# Below 32 MiB the translations of one Python run no longer fit, and it takes twice as long.
_TRANSLATIONS_MB: Final = 64
_PLUGGABLE_MB: Final = MEMORY_MB_MAX - BASE_MB
# Without `noforce` the room for 8 GiB lets the kernel take 64 MiB of bounce buffers out of 128.
_KERNEL_LINE: Final = "console=ttyS0 panic=-1 quiet swiotlb=noforce random.trust_cpu=on"
_DENIED: Final = "obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What two machines must have in common for one to go on from the memory of the other."""

    acceleration: Accelerator
    vcpu_count: int


class Descriptors(msgspec.Struct, frozen=True, kw_only=True):
    """The open files that a machine is given: it opens nothing by a path of ours."""

    kernel: int
    initrd: int
    root: int
    scratch: int
    control: int
    agent: int


def shared_memory(fd: int) -> str:
    """Base memory that is the file behind `fd`: a template is made in it."""
    return _memory_file(fd, "on")


def private_memory(fd: int) -> str:
    """Base memory that begins as the file behind `fd` and is the machine's own from there."""
    return _memory_file(fd, "off")


def own_memory() -> str:
    """Base memory that begins empty: the state of a kept machine holds all of it."""
    return f"memory-backend-ram,id=ram0,size={BASE_MB}M"


def command(
    shape: Shape, name: str, memory: str, files: Descriptors, *, incoming: bool, console: bool
) -> list[str]:
    """QEMU with these arguments; `console` shows the guest's console on its standard output."""
    return [
        QEMU,
        *("-nodefaults", "-no-user-config", "-no-reboot", "-name", name),
        *_processor(shape),
        *_memory(memory),
        *("-kernel", _path(files.kernel), "-initrd", _path(files.initrd), "-append", _KERNEL_LINE),
        *("-display", "none", "-vga", "none", "-monitor", "none", "-nic", "none"),
        *("-chardev", "stdio,id=console,signal=off" if console else "null,id=console"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=control,fd={files.control}"),
        *("-mon", "chardev=control,mode=control"),
        *("-device", "virtio-serial-pci,id=ports,max_ports=2"),
        *("-chardev", f"socket,id=agent,fd={files.agent}"),
        *("-device", f"virtserialport,bus=ports.0,chardev=agent,name={AGENT_PORT}"),
        *("-device", "virtio-rng-pci"),
        *_disk("root", files.root, 1, "read-only=on"),
        *_disk("scratch", files.scratch, 2, "discard=unmap"),
        *("-sandbox", f"on,{_DENIED}"),
        *(("-incoming", "defer") if incoming else ()),
    ]


def shape_key(shape: Shape, qemu_version: str, image_key: str) -> str:
    """Names everything that a saved state depends on; the same for the same machine only."""
    files = Descriptors(kernel=0, initrd=0, root=0, scratch=0, control=0, agent=0)
    line = command(shape, "", shared_memory(0), files, incoming=False, console=False)
    parts = "\0".join([qemu_version, image_key, *line])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def pluggable(memory_mb: int) -> int:
    """How many bytes to plug in besides the base memory, in whole blocks."""
    wanted = max(0, min(memory_mb, MEMORY_MB_MAX) - BASE_MB)
    return -(-wanted // BLOCK_MB) * BLOCK_MB << 20


def address_space(vcpu_count: int) -> int:
    """How many bytes of address space a machine needs at most: memory, code, threads."""
    return (MEMORY_MB_MAX + BASE_MB + 2048 + 160 * vcpu_count) << 20


def _processor(shape: Shape) -> list[str]:
    machine = "q35,usb=off,smbus=off,sata=off,vmport=off,hpet=off,graphics=off,memory-backend=ram0"
    kinds = {
        "tcg": ("-accel", f"tcg,thread=multi,tb-size={_TRANSLATIONS_MB}", "-cpu", "max"),
        "kvm": ("-accel", "kvm", "-cpu", "host"),
    }
    return ["-machine", machine, *kinds[shape.acceleration], "-smp", str(shape.vcpu_count)]


def _memory(backend: str) -> list[str]:
    return [
        *("-m", f"{BASE_MB}M,slots=1,maxmem={MEMORY_MB_MAX}M", "-object", backend),
        *("-object", f"memory-backend-ram,id=vmem0,size={_PLUGGABLE_MB}M,reserve=off"),
        "-device",
        f"virtio-mem-pci,id=vm0,memdev=vmem0,requested-size=0,block-size={BLOCK_MB}M",
    ]


def _disk(name: str, fd: int, number: int, how: str) -> list[str]:
    return [
        *("-add-fd", f"fd={fd},set={number}"),
        *("-blockdev", f"driver=file,filename=/dev/fdset/{number},node-name={name},{how}"),
        *("-device", f"virtio-blk-pci,drive={name}"),
    ]


def _memory_file(fd: int, share: str) -> str:
    return f"memory-backend-file,id=ram0,size={BASE_MB}M,mem-path={_path(fd)},share={share}"


def _path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"
