"""What must be true of a service and its folder after it was killed, whenever that was.

`Replay` says what the log holds, `Promises` what was acknowledged and `Observer` what was told;
the checks here hold them against each other and against the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from eventstore.commit import Commit, restore
from eventstore.heads import HeadFolder
from eventstore.sqlite.log import FILE_NAME
from sessions.caller import DEFAULT_TENANT
from sessions.observe.protocol import SHOWN
from sessions.service import Once
from tests.support.load import PATH, Asked, Load, Promises, check_promises
from tests.support.process import ADMIN_KEY, Service, eventually
from tests.support.replays import (
    DELETED,
    Replay,
    bodies_in,
    checkpoint_in,
    digest,
    opened_log,
    state_of_stream,
    tables_in,
)
from tests.support.trees import root_of_bodies

CAUGHT_UP_S_MAX: Final = 120.0
RETRIES: Final = 40
PAST: Final = 20


class Observer:
    """A websocket client that lives through every kill: it goes on after what it was told last."""

    def __init__(self) -> None:
        self.url = ""
        self.position = 0
        self.seen: list[tuple[int, bytes]] = []
        self.connections = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    await self._watch(client)
                except (aiohttp.ClientError, ConnectionError, ValueError):
                    await asyncio.sleep(0.01)

    async def _watch(self, client: aiohttp.ClientSession) -> None:
        asked = {"after": str(self.position), "api_key": ADMIN_KEY}
        async with client.ws_connect(f"{self.url}/api/v1/observe", params=asked) as socket:
            hello = msgspec.json.decode((await socket.receive()).data or b"null")
            if hello is None:
                return
            assert hello["type"] == "hello"
            assert hello["after"] == self.position
            self.connections += 1
            async for message in socket:
                self._take(message.data.encode())

    def _take(self, frame: bytes) -> None:
        told = msgspec.json.decode(frame)
        assert told["type"] in ("event", "caught_up", "ping")
        if told["type"] == "event":
            assert told["position"] > self.position
            self.seen.append((told["position"], digest(frame)))
        assert told["position"] >= self.position
        self.position = told["position"]


def expected_frames(replayed: Replay) -> list[tuple[int, bytes]]:
    """What an observer must have seen of this log."""
    frames = []
    for position, body in enumerate(replayed.bodies, 1):
        if msgspec.json.decode(body)["stream"].startswith(SHOWN):
            frames.append((position, digest(b'{"type":"event",' + body[1:])))
    return frames


async def check_image(folder: Path, image: Path, replayed: Replay) -> None:
    """The files as the kill left them: whole, and the same log as before with more at its end."""
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for suffix in ("", "-wal"):
        source = folder / (FILE_NAME + suffix)
        if source.exists():
            shutil.copy(source, image)
    async with opened_log(image) as log:
        head = log.head()
        bodies = bodies_in(image)
    assert bodies[: len(replayed.bodies)] == replayed.bodies
    replayed.extend(bodies[len(replayed.bodies) :])
    assert (head.size, head.root) == (len(bodies), root_of_bodies(bodies))


async def check_whole(folder: Path, copy: Path, promises: Promises) -> Replay:
    """The log that a stopped service left holds what was promised; the views are its fold."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock", "ballast"))
    replayed = Replay()
    replayed.extend(bodies_in(copy))
    async with opened_log(copy) as log:
        head = log.head()
    assert (head.size, head.root) == (len(replayed.bodies), root_of_bodies(replayed.bodies))
    check_promises(promises, replayed)
    assert checkpoint_in(copy) == len(replayed.bodies)
    assert tables_in(copy) == replayed.tables()
    return replayed


async def check_views(service: Service, folder: Path, replayed: Replay) -> None:
    """The service that has just come back shows the fold of its log, row by row.

    It has itself told of the machines that ended with the one before, and of nothing else.
    """
    bodies, known = bodies_in(folder), len(replayed.bodies)
    assert bodies[:known] == replayed.bodies
    assert {name for body in bodies[known:] for name in names_in(body)} <= {"vm.lost"}
    replayed.extend(bodies[known:])
    assert checkpoint_in(folder) == len(replayed.bodies)
    assert tables_in(folder) == replayed.tables()
    async with service.client() as client, client.get("/readyz") as answer:
        ready = await answer.json()
    assert (answer.status, ready["head"], ready["lag"]) == (200, len(replayed.bodies), 0)


def names_in(body: bytes) -> list[str]:
    """The names of the facts of a commit."""
    return [event["type"] for event in msgspec.json.decode(body)["events"]]


def check_newest_head(folder: Path, replayed: Replay) -> int:
    """The newest signed head is one that the log has; its size, -1 if none was written yet."""
    heads = HeadFolder(folder / "heads")
    verifier = heads.verifier()
    newest = None if verifier is None else heads.newest(verifier)
    if newest is None:
        return -1
    size, root = newest[1].size, newest[1].root
    assert size <= len(replayed.bodies)
    assert root_of_bodies(replayed.bodies[:size]) == root
    return size


async def check_past(service: Service, replayed: Replay, chance: random.Random) -> None:
    """Some sessions as of some of their positions are what was shown then."""
    shown = [where for where, what in replayed.shown.items() if what != DELETED]
    async with service.client() as client:
        for session_id, position in chance.sample(shown, min(PAST, len(shown))):
            path = f"{PATH}/{session_id}?as_of={position}"
            async with client.get(path) as answer:
                assert answer.status == 200, await answer.text()
                assert digest(await answer.read()) == replayed.shown[session_id, position]


def check_replay(replayed: Replay) -> None:
    """Folded in one go, stream by stream, the states are those of the fold commit by commit."""
    streams: defaultdict[str, list[Commit]] = defaultdict(list)
    for body in replayed.bodies:
        commit = restore(body).commit
        streams[commit.stream].append(commit)
    states = {name: state_of_stream(name, commits) for name, commits in streams.items()}
    assert states == replayed.states


def check_once(promises: Promises, replayed: Replay) -> None:
    """Each request with an idempotency key was carried out once; a refused one not at all."""
    marks: Counter[str] = Counter()
    for _, kind, data in replayed.facts:
        if kind == "session.created":
            marks[data["metadata"].get("name", "")] += 1
        elif kind == "message.added":
            marks[data["content"].rstrip("abc√")] += 1
    for asked, answered in promises.once.values():
        mark = asked.body.get("metadata", {}).get("name") or asked.body.get("content")
        if mark is not None:
            # The request that was under way when the service died may be in the log or not.
            wanted = (1,) if answered else (0, 1)
            assert marks[mark.rstrip("abc√")] in wanted, asked
        assert carried_out(asked, replayed) or not answered
    assert not any(carried_out(asked, replayed) for asked in promises.never)


def carried_out(asked: Asked, replayed: Replay) -> bool:
    """True if the log holds the commit of this request; one that changes nothing has one too."""
    return Once(f"native {asked.key}", "").commit_id(DEFAULT_TENANT).hex() in replayed.ids


async def retry(service: Service, promises: Promises, load: Load, chance: random.Random) -> int:
    """Make the unanswered requests again, and some of the others; how many had no answer."""
    once = promises.once.values()
    unanswered = [asked for asked, answered in once if answered is None]
    answered = [asked for asked, answered in once if answered]
    again = unanswered + chance.sample(answered, min(RETRIES, len(answered)))
    chance.shuffle(again)
    async with service.client() as client:
        await asyncio.gather(*(load.once(client, asked) for asked in again))
    assert all(answered for _, answered in promises.once.values())
    return len(unanswered)


async def seen_to_the_end(observer: Observer, watching: asyncio.Task[None], head: int) -> None:
    """Wait until the observer was told all; whatever went wrong in it comes out here."""
    await eventually(
        lambda: observer.position >= head or watching.done(), CAUGHT_UP_S_MAX, "the observer"
    )
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
