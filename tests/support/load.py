"""Concurrent clients of a real service that remember what it promised them.

An answer is remembered as a whole: the session as it stood at one position. A request with an
`Idempotency-Key` is remembered too, so that it can be made again after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from projections.events.status import STATUSES
from tests.support.replays import DELETED, Replay, digest

PATH: Final = "/api/v1/sessions"
REFUSED: Final = frozenset({404, 409, 410, 412, 422})
# The disk failed: the commit may be in the log all the same.
DOUBTFUL: Final = frozenset({503, 507})
KINDS: Final = ("test_run", "browser", "evaluation", "agent", "vm")
KNOWN_MAX: Final = 200
_decode: Final = msgspec.json.Decoder().decode


class Asked(NamedTuple):
    """A request that must be carried out once."""

    method: str
    path: str
    body: dict[str, Any]
    key: str


class Promises:
    """Everything that the service ever acknowledged."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, int], bytes] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.revoked: set[str] = set()
        self.once: dict[str, tuple[Asked, str | None]] = {}
        """By idempotency key: the request and the session that the answer showed, if one came."""
        self.never: list[Asked] = []
        """Requests with such a key that were refused."""

    def session(self, answer: bytes) -> str:
        """Remember an answer that shows a session; its id."""
        shown = _decode(answer)
        where = shown["id"], shown["position"]
        # Two answers that show the same revision must be the same.
        assert self.shown.setdefault(where, digest(answer)) == digest(answer)
        session_id: str = shown["id"]
        return session_id


class Load:
    """A few clients at once; each makes random requests until the service is gone."""

    def __init__(
        self,
        promises: Promises,
        chance: random.Random,
        name: str,
        refused: frozenset[int] = REFUSED,
    ) -> None:
        self.known: list[str] = []
        self.answers = 0
        self.statuses: Counter[int] = Counter()
        self._refused = refused
        self._promises = promises
        self._chance = chance
        self._name = name
        self._number = 0
        self._stopping = False

    def stop(self) -> None:
        """Let `run` return once the requests under way are answered."""
        self._stopping = True

    async def run(self, client: aiohttp.ClientSession, clients: int = 16) -> None:
        """Make requests until stopped or the service is gone."""
        await asyncio.gather(*(self._worker(client) for _ in range(clients)))

    async def _worker(self, client: aiohttp.ClientSession) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            while not self._stopping:
                await self._step(client)

    async def _step(self, client: aiohttp.ClientSession) -> None:
        steps = (self._create, self._transition, self._message, self._patch, self._rare)
        step = self._chance.choices(steps, weights=(8, 6, 6, 4, 1))[0]
        if not self.known:
            step = self._create
        await step(client)

    async def _create(self, client: aiohttp.ClientSession) -> None:
        body = {
            "kind": self._chance.choice(KINDS),
            "status": self._chance.choice(["pending", "queued", "running"]),
            "title": self._word(),
            "labels": self._labels(),
            "metadata": {"name": self._fresh()},
            "spec": {"text": self._word(), "n": self._chance.random()},
        }
        await self._ask(client, "POST", PATH, body)

    async def _transition(self, client: aiohttp.ClientSession) -> None:
        body = {"to": self._chance.choice(STATUSES), "detail": self._word()}
        await self._ask(client, "POST", f"{self._some()}/transitions", body)

    async def _message(self, client: aiohttp.ClientSession) -> None:
        body = {"content": self._fresh() + self._word(), "data": {"k": [1, None, "ü"]}}
        await self._ask(client, "POST", f"{self._some()}/messages", body)

    async def _patch(self, client: aiohttp.ClientSession) -> None:
        whole = {"title": self._word(), "labels": self._labels(), "metadata": {"a": self._word()}}
        body = {name: value for name, value in whole.items() if self._chance.random() < 0.6}
        await self._ask(client, "PATCH", self._some(), body)

    async def _rare(self, client: aiohttp.ClientSession) -> None:
        await self._chance.choice([self._delete, self._extend, self._issue, self._revoke])(client)

    async def _extend(self, client: aiohttp.ClientSession) -> None:
        body = {"max_duration_s": self._chance.randrange(10**6, 2 * 10**6)}
        await self._ask(client, "POST", f"{self._some()}/extend", body)

    async def _delete(self, client: aiohttp.ClientSession) -> None:
        path = self._some()
        async with client.delete(path) as answer:
            self._check(answer, await answer.read())
            if answer.status == 204:
                position = int(answer.headers["Session-Position"])
                self._promises.shown[path.rpartition("/")[2], position] = DELETED

    async def _issue(self, client: aiohttp.ClientSession) -> None:
        async with client.post("/api/v1/keys", json={"name": self._fresh()}) as answer:
            raw = await answer.read()
        self._check(answer, raw)
        if not answer.ok:
            return
        key = _decode(raw)
        del key["key"]
        self._promises.keys[key["id"]] = key

    async def _revoke(self, client: aiohttp.ClientSession) -> None:
        if not self._promises.keys:
            return
        key_id = self._chance.choice(list(self._promises.keys))
        async with client.delete(f"/api/v1/keys/{key_id}") as answer:
            self._check(answer, await answer.read())
        if answer.ok:
            self._promises.revoked.add(key_id)

    async def _ask(
        self, client: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any]
    ) -> None:
        if method == "POST" and self._chance.random() < 0.3:
            await self.once(client, Asked(method, path, body, self._fresh()))
            return
        await self._answer(client, method, path, body, {})

    async def once(self, client: aiohttp.ClientSession, asked: Asked) -> None:
        """Ask with the idempotency key; an answer that came before must come again."""
        once = self._promises.once
        _, earlier = once.setdefault(asked.key, (asked, None))
        headers = {"Idempotency-Key": asked.key}
        status, answered = await self._answer(client, asked.method, asked.path, asked.body, headers)
        if status in DOUBTFUL:
            return
        if answered is None:
            assert earlier is None, f"{asked} was answered with {earlier}, now it is refused"
            del once[asked.key]
            self._promises.never.append(asked)
            return
        assert earlier in (None, answered)
        once[asked.key] = asked, answered

    async def _answer(
        self,
        client: aiohttp.ClientSession,
        method: str,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str],
    ) -> tuple[int, str | None]:
        async with client.request(method, path, json=body, headers=headers) as answer:
            raw = await answer.read()
        self._check(answer, raw)
        if not answer.ok:
            return answer.status, None
        session_id = self._promises.session(raw)
        assert answer.headers["ETag"] == f'"{_decode(raw)["position"]}"'
        if path == PATH and session_id not in self.known:
            self.known.append(session_id)
            del self.known[:-KNOWN_MAX]
        return answer.status, session_id

    def _check(self, answer: aiohttp.ClientResponse, raw: bytes) -> None:
        self.answers += 1
        self.statuses[answer.status] += 1
        assert answer.ok or answer.status in self._refused, (answer.status, answer.url, raw)

    def _some(self) -> str:
        return f"{PATH}/{self._chance.choice(self.known)}"

    def _fresh(self) -> str:
        self._number += 1
        return f"{self._name}-{self._number}"

    def _word(self) -> str:
        return self._chance.choice("abc√") * self._chance.choice([0, 1, 10, 300])

    def _labels(self) -> list[str]:
        return [self._chance.choice("abcdef") for _ in range(self._chance.randrange(4))]


def check_promises(promises: Promises, replayed: Replay) -> None:
    """Every acknowledged change is in the log, at its position, with just that outcome."""
    there = {where: replayed.shown.get(where) for where in promises.shown}
    assert there == promises.shown
    for key_id, promised in promises.keys.items():
        key = replayed.states[f"key/{key_id}"]
        assert (key.name, key.tenant) == (promised["name"], promised["tenant"])
        assert key.revoked_at is not None or key_id not in promises.revoked
