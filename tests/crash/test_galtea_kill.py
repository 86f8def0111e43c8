"""kill -9 while turns and spans are recorded: what was answered is there, and nothing is twice."""

import asyncio
import contextlib
import random
from typing import Any

import aiohttp
import pytest

from tests.support.galtea import post, product
from tests.support.process import ANSWER_S_MAX, eventually, serving
from tests.support.service import ask

KILLS = 3
LIFE_S_MAX = 0.6
WRITERS = 6
BARE = ("--vm", "off", "--browsers", "off")
GONE = (aiohttp.ClientError, TimeoutError, ConnectionError)


class Kept:
    """What the service has answered, by id."""

    def __init__(self) -> None:
        self.turns: dict[str, Any] = {}
        self.spans: dict[str, Any] = {}


async def writes(client: Any, session: str, kept: Kept, name: str) -> None:
    """Record turns, answer them and record their spans, until the service is gone."""
    with contextlib.suppress(*GONE):
        for n in range(10_000):
            said = f"{name}/{n}"
            turn = await post(
                client, "inferenceResults", sessionId=session, input=said, status="PENDING"
            )
            path = f"/galtea/inferenceResults/{turn['id']}"
            kept.turns[turn["id"]] = None  # from here on it may be answered or not
            kept.turns[turn["id"]] = await ask(client, "PATCH", path, json={"actualOutput": said})
            wanted = [{"inferenceResultId": turn["id"], "name": f"{said}/{i}"} for i in range(3)]
            for span in await post(client, "traces/batch", traces=wanted):
                kept.spans[span["id"]] = span


async def check(client: Any, session: str, kept: Kept) -> None:
    """What is there is what was answered, and perhaps what was on its way."""
    query = f"sessionIds={session}&sort=createdAt&sort=asc"
    found = await ask(client, "GET", f"/galtea/inferenceResults?{query}")
    assert [turn["index"] for turn in found] == list(range(len(found)))
    texts = [turn["input"]["user_message"] for turn in found]
    assert len(set(texts)) == len(texts)
    by_id = {turn["id"]: turn for turn in found}
    for turn_id, turn in kept.turns.items():
        assert turn_id in by_id
        assert turn is None or by_id[turn_id] == turn
    spans = await ask(client, "GET", f"/galtea/traces?sessionIds={session}")
    assert kept.spans.items() <= {span["id"]: span for span in spans}.items()


@pytest.mark.slow(reason="four services, each a process that is killed")
async def test_turns_that_were_answered_outlive_kill_9(tmp_path: Any) -> None:
    """Laws 5 and 7: no acknowledged turn is lost, none is there twice, and the session goes on."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    kept = Kept()
    session = ""
    for life in range(KILLS):
        async with serving(tmp_path, *BARE) as service, service.client() as client:
            if not session:
                made = await product(client)
                session = (await post(client, "sessions", productId=made["id"]))["id"]
            await check(client, session, kept)
            names = [f"{life}/{writer}" for writer in range(WRITERS)]
            writing = [asyncio.create_task(writes(client, session, kept, n)) for n in names]
            if not life:
                await eventually(lambda: bool(kept.spans), ANSWER_S_MAX, "a span")
            await asyncio.sleep(chance.random() * LIFE_S_MAX)
            service.kill()
            await asyncio.gather(*writing)
    async with serving(tmp_path, *BARE) as service, service.client() as client:
        await check(client, session, kept)
        assert kept.turns
        path = f"/galtea/sessions/{session}/finish"
        finished = await ask(client, "PATCH", path, json={"stoppingReason": "done"})
        assert finished["status"] == "COMPLETED"
