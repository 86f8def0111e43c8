"""Workers as processes of their own, beside a service: what they run leaves traces in a folder."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.process import ADMIN_KEY, Service, dies_with_us, eventually, launched

SESSIONS: Final = "/api/v1/sessions"
ENDED: Final = frozenset({"completed", "failed", "timed_out", "stopped", "lost"})
PATIENCE_S: Final = 60.0


class Worker(Service):
    """One run of `python -m sessions work`."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        ended = self.stderr.rpartition("\n")[0]
        return [json.loads(line) for line in ended.splitlines() if line.startswith("{")]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Its lines about something."""
        return [line for line in self.lines if line["event"] == f"worker.{event}"]

    async def says(self, event: str) -> dict[str, Any]:
        """Its first line about something, once it is there."""
        await eventually(lambda: bool(self.logged(event)), PATIENCE_S, f"worker.{event}")
        return self.logged(event)[0]


def start_worker(
    url: str,
    *arguments: str,
    module: str = "sessions",
    environ: Mapping[str, str | None] | None = None,
) -> Worker:
    """A worker for agent sessions; `arguments` end with the command. The caller closes it."""
    command = [sys.executable, "-m", module, "work", "--url", url, "--kind", "agent", *arguments]
    given = {"SESSIOND_KEY": ADMIN_KEY, **(environ or {})}
    return Worker(*launched([*dies_with_us(), *command], given))


@contextlib.asynccontextmanager
async def working(url: str, *arguments: str, **how: Any) -> AsyncIterator[Worker]:
    """A worker; killed at the end if it still runs."""
    worker = start_worker(url, *arguments, **how)
    try:
        yield worker
    finally:
        worker.close()


class Traces:
    """Where commands of sessions leave a line when they begin and when they end.

    Where another one of the same session runs at that moment they leave a line `overlap`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "traces"
        self._file.touch()

    def command(self, script: str) -> list[str]:
        """A shell command that tells of its begin and its end around `script`."""
        told = 'echo "$1 $SESSIOND_SESSION $SESSIOND_GENERATION $$"'
        lines = [
            f"tell() {{ {told} >>{shlex.quote(str(self._file))}; }}",
            f'exec 9>{shlex.quote(str(self._file.parent))}/"$SESSIOND_SESSION"',
            # Held for as long as anything of the command runs, however it ends.
            "flock -n 9 || tell overlap",
            "tell begin",
            script,
            "tell end",
        ]
        return ["sh", "-c", "\n".join(lines)]

    def of(self, what: str) -> list[tuple[str, int, int]]:
        """The session, the generation and the process of each that began, or ended."""
        found = [line.split() for line in self._file.read_text().splitlines()]
        return [(line[1], int(line[2]), int(line[3])) for line in found if line[0] == what]

    async def begun(self, count: int = 1) -> None:
        """Return when so many have begun."""
        await eventually(lambda: len(self.of("begin")) >= count, PATIENCE_S, f"{count} commands")

    def running(self) -> list[int]:
        """The processes that began and are still there."""
        return [pid for _, _, pid in self.of("begin") if runs(pid)]

    async def none_left(self) -> None:
        """Nothing of what began runs any more."""
        await eventually(lambda: not self.running(), PATIENCE_S, "the end of all commands")


def runs(pid: int) -> bool:
    """True for a process that is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def waits_for(pid: int, number: signal.Signals) -> bool:
    """True while a signal that was sent to a process has not reached it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> number - 1 & 1 for mask in pending)


async def make(client: aiohttp.ClientSession, prompt: str = "do it", **more: Any) -> str:
    """An agent session that waits for a worker."""
    body = {"kind": "agent", "spec": {"prompt": prompt}, **more}
    async with client.post(SESSIONS, json=body) as answer:
        assert answer.status == 201, await answer.text()
        made: dict[str, Any] = await answer.json()
        return str(made["id"])


async def look(client: aiohttp.ClientSession, session: str, **how: Any) -> dict[str, Any]:
    """The session as it is."""
    async with client.get(f"{SESSIONS}/{session}", params=how) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def becomes(client: aiohttp.ClientSession, session: str, status: str) -> dict[str, Any]:
    """The session once it has a status, `ended` standing for every last one."""
    found = await look(client, session, wait=f"status:{status}", timeout=PATIENCE_S)
    wanted = ENDED if status == "ended" else {status}
    assert found["status"] in wanted, (found["status"], found["reason"], found["detail"])
    return found


async def messages(client: aiohttp.ClientSession, session: str, role: str = "agent") -> list[str]:
    """What was said in the session by one of the two."""
    found: list[str] = []
    params: dict[str, Any] = {"limit": 200}
    while True:
        async with client.get(f"{SESSIONS}/{session}/messages", params=params) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        found += [item["content"] for item in page["items"] if item["role"] == role]
        if page["next"] is None:
            return found
        params["after"] = page["next"]


async def events(client: aiohttp.ClientSession, session: str, type_: str) -> list[dict[str, Any]]:
    """The data of all facts of a type in the session's history."""
    async with client.get(f"{SESSIONS}/{session}/events", params={"limit": 200}) as answer:
        assert answer.status == 200, await answer.text()
        commits = (await answer.json())["items"]
    return [
        event["data"] for commit in commits for event in commit["events"] if event["type"] == type_
    ]


async def say(client: aiohttp.ClientSession, session: str, content: str) -> None:
    """A user says something."""
    async with client.post(f"{SESSIONS}/{session}/messages", json={"content": content}) as answer:
        assert answer.status == 201, await answer.text()


async def stop(client: aiohttp.ClientSession, session: str) -> None:
    """A user stops the session."""
    path = f"{SESSIONS}/{session}/transitions"
    async with client.post(path, json={"to": "stopped"}) as answer:
        assert answer.status == 200, await answer.text()
