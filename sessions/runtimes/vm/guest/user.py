"""For whom the agent works: what they run and touch is theirs, with their rights and no more."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO, Final

from . import processes

PATH: Final = "/workspace/.local/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

_EXPOSED: Final = b"500"
_ENV_BYTES_MAX: Final = 1024 * 1024
_ROOM_EVERY_S: Final = 0.05
_ROOM_CHECKS: Final = 40


class Refused(Exception):
    """What was asked cannot be done; the text says why, to the one who asked."""


class User:
    """Who owns programs and files here; `uid` None: whoever runs the agent."""

    def __init__(self, uid: int | None, home: str) -> None:
        self.crowded: Callable[[], bool] = lambda: False
        """True where there is no room for another process: all of the user are ended then."""
        self.uid = uid
        self.home = home
        self.env = {
            "PATH": PATH,
            "HOME": home,
            "LANG": "C.UTF-8",
            "USER": "user",
            "LOGNAME": "user",
            "SHELL": "/bin/bash",
        }
        if uid is not None:
            os.setgroups([])

    def __enter__(self) -> None:
        """What happens inside is done with the rights of the user."""
        if self.uid is not None:
            os.setegid(self.uid)
            os.seteuid(self.uid)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.uid is not None:
            os.seteuid(0)
            os.setegid(0)

    def setenv(self, payload: bytes) -> dict[str, str]:
        """Add to the environment of what runs from now on; what was added."""
        try:
            added = json.loads(payload)
        except (ValueError, RecursionError):
            raise Refused("the environment is not JSON") from None
        if not isinstance(added, dict):
            raise Refused("the environment is a JSON object")
        for name, value in added.items():
            if not isinstance(value, str):
                raise Refused("the values of the environment are text")
            if not name or "=" in name or "\0" in name or "\0" in value:
                raise Refused("a name of the environment is empty, or holds '=' or a zero byte")
        env = {**self.env, **added}
        if sum(len(name) + len(value) for name, value in env.items()) > _ENV_BYTES_MAX:
            raise Refused("the environment is too large")
        self.env = env
        return added

    def folder(self) -> str:
        """Where programs start: home, where it can be entered."""
        return self.home if os.path.isdir(self.home) else "/"

    def check_room(self) -> None:
        """Have room for another process; raises Refused where it does not come soon.

        A fork bomb whose program has ended has nobody who could end it: what is started could not
        start anything itself.
        """
        if self.uid is None or not self.crowded():
            return
        processes.end_all_of(self.uid)
        for _ in range(_ROOM_CHECKS):
            time.sleep(_ROOM_EVERY_S)
            if not self.crowded():
                return
        raise Refused("there are as many processes as may be; all of them are being ended")

    def spawn(
        self,
        argv: list[str],
        stdin: int | IO[bytes],
        stdout: int,
        stderr: int,
        keep: tuple[int, ...] = (),
    ) -> int:
        """Start a program as the head of a session of its own; its pid. Raises Refused."""
        self.check_room()
        try:
            child = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=keep,
                cwd=self.folder(),
                env=self.env,
                umask=0o022,
                start_new_session=True,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
            )
        except (OSError, ValueError, UnicodeError) as error:
            raise Refused(f"the program cannot be started: {why(error)}") from None
        # The reactor waits for all children; this one must not be waited for twice.
        child.returncode = 0
        if self.uid is not None:
            expose(str(child.pid))
        return child.pid


def expose(process: str) -> None:
    """Make a process, by its number or `self`, the first to go where memory runs out.

    It has the agent's immunity from its birth on, and no user may take it up again after this. To
    give it away before the birth would leave the agent without for that time.
    """
    with suppress(OSError):
        fd = os.open(f"/proc/{process}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, _EXPOSED)
        finally:
            os.close(fd)


def why(error: Exception) -> str:
    """The reason of an error of the system, in its own words."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).lower()
