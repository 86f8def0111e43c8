"""Ends everything that a program has started."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Final

_ROUNDS: Final = 5


def end(leader: int) -> None:
    """Kill the first process of a session, and all that it has started and not let go of.

    Its group is stopped in one step that no fork escapes, so that nobody loses their parent while
    the rest is looked for: other groups of the session, and sessions that were begun from it.
    """
    with suppress(OSError):
        os.killpg(leader, signal.SIGSTOP)
    found = {leader}
    for _ in range(_ROUNDS):
        new = _family(found, leader) - found
        if not new:
            break
        for pid in new:
            with suppress(OSError):
                os.kill(pid, signal.SIGSTOP)
        found |= new
    with suppress(OSError):
        os.killpg(leader, signal.SIGKILL)
    # Also the leader by itself: one that was just forked leads nothing yet.
    for pid in found:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def end_all_of(uid: int) -> None:
    """Kill every process of a user, in one step that no fork escapes."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            # From now on the kernel lets this one end nothing else.
            os.setgid(uid)
            os.setuid(uid)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    with suppress(OSError):
        # Else its turn comes after those of hundreds of others, each of which starts more.
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def _family(known: set[int], session: int) -> set[int]:
    """The processes of a session, and the children of those that are known, and their children."""
    children: dict[int, list[int]] = {}
    found = set(known)
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # A name may hold anything, also parentheses: what counts comes after the last.
                _, parent, _, its_session = file.read().rpartition(b")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        children.setdefault(int(parent), []).append(int(name))
        if int(its_session) == session:
            found.add(int(name))
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found
