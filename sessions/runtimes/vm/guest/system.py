"""What a machine must be told, and can tell: chance, time, disks, memory."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import time
from contextlib import suppress
from typing import Final

from .user import Refused, User, why

PORT_NAME: Final = "agent.0"

_PORTS: Final = "/sys/class/virtio-ports"
_ADD_ENTROPY: Final = 0x40085203
_RESEED: Final = 0x5207
_NOSUID_NODEV: Final = 2 | 4
_LOCK_ALL_AS_USED: Final = 1 | 2 | 4
_REMOUNT: Final = 32
_BYTES_PER_FILE: Final = 8192
_LAYER: Final = "/run/layers/upper"
_PROCESSES_MIN: Final = 64
_PROCESSES_MAX: Final = 512
_BYTES_PER_PROCESS: Final = 1 << 20
_SPARE: Final = 8
_FILES_MAX: Final = 4096


def port() -> int:
    """The port of this machine that leads to the host, as soon as it is there."""
    while True:
        with suppress(OSError):
            for name in os.listdir(_PORTS):
                if _read(f"{_PORTS}/{name}/name").strip() == PORT_NAME:
                    return os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        time.sleep(0.01)


def take_precedence() -> None:
    """The agent answers whatever users do; their limits do not hold it, as root."""
    ctypes.CDLL(None).mlockall(_LOCK_ALL_AS_USED)
    with suppress(OSError):
        # What it starts does not get its priority.
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES_MAX, _FILES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processes(total: int) -> None:
    """Let a user have as many processes as so many bytes of memory have room for.

    Programs that are started later have this limit; root has none.
    """
    count = min(_PROCESSES_MAX, max(_PROCESSES_MIN, total // _BYTES_PER_PROCESS))
    resource.setrlimit(resource.RLIMIT_NPROC, (count, _PROCESSES_MAX))


class Crowd:
    """Tells when a user has about as many processes and threads as may be."""

    def __init__(self) -> None:
        limit_processes(memory()["total"])
        self._of_the_machine = _tasks()

    def crowded(self) -> bool:
        """True where what is started now could hardly start anything itself."""
        most, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        return _tasks() - self._of_the_machine >= most - _SPARE


def _tasks() -> int:
    return int(_read("/proc/loadavg").split()[3].partition("/")[2])


def reseed(seed: bytes) -> None:
    """Make what is drawn from now on differ from every other machine of the same template."""
    if not 32 <= len(seed) <= 512:
        raise Refused("a seed has 32 to 512 bytes")
    head = (len(seed) * 8).to_bytes(4, "little") + len(seed).to_bytes(4, "little")
    try:
        fd = os.open("/dev/random", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _ADD_ENTROPY, head + seed)
            fcntl.ioctl(fd, _RESEED)
        finally:
            os.close(fd)
    except OSError as error:
        raise Refused(f"the seed is not taken: {why(error)}") from None


def set_clock(now_ns: int) -> None:
    """Make it this time."""
    try:
        time.clock_settime_ns(time.CLOCK_REALTIME, now_ns)
    except (OSError, OverflowError) as error:
        raise Refused(f"the time is not taken: {why(error)}") from None


def mount(device: str, path: str, user: User) -> bool:
    """Have the disk at `path`, for the user; False where it is there already."""
    try:
        if os.path.ismount(path):
            return False
        os.makedirs(path, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(os.fsencode(device), os.fsencode(path), b"ext4", _NOSUID_NODEV, None):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if user.uid is not None:
            os.chown(path, user.uid, user.uid)
        with suppress(OSError):
            # Nobody wants to see it in their home, and a file system check makes a new one.
            os.rmdir(f"{path}/lost+found")
    except (OSError, ValueError) as error:
        raise Refused(f"the disk cannot be mounted: {why(error)}") from None
    return True


def memory() -> dict[str, int]:
    """Bytes of memory: in all, and available."""
    sizes = {}
    for line in _read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) * 1024
    _make_room(sizes["MemTotal"])
    return {"total": sizes["MemTotal"], "available": sizes["MemAvailable"]}


def _make_room(total: int) -> None:
    """Files that are held in memory may take their share of what there is now, not at the start."""
    if not os.path.ismount(_LAYER):
        return
    libc = ctypes.CDLL(None)
    for path, flags, percent in ((_LAYER, 0, 50), ("/dev/shm", _NOSUID_NODEV, 25)):
        room = os.statvfs(path)
        if room.f_blocks * room.f_frsize < total * (percent - 1) // 100:
            options = f"size={percent}%,nr_inodes={total // _BYTES_PER_FILE}"
            libc.mount(None, os.fsencode(path), None, _REMOUNT | flags, options.encode())


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
