"""Workers that sleep through their leases, come back and write all at once: the log stays sound."""

import asyncio
import random
import time
from typing import Any

import pytest

from projections.events import CODEC
from projections.events.session import MessageAdded, SessionStatusChanged
from projections.events.status import ENDED
from projections.events.work import WorkClaimed, WorkReleased
from sessions.web.appkeys import LOG
from sessions.web.appkeys import WORK as KEY
from tests.support.service import SESSIONS, ask, create, start
from tests.support.work_protocol import at, claim, finished, said, telling

SESSIONS_MADE = 16
WORKERS = 5
STEPS = 40
DEADLINE_S = 240
LEASE_S = 1000


class Ageing:
    """The clock of the leases, which jumps now and then."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


async def post(client, path, body):
    """An answer or a refusal that a worker must be ready for; nothing else."""
    async with client.post(path, json=body) as answer:
        text = await answer.text()
        assert answer.status in (200, 409), (path, body, text)


async def worker(client, name, chance, clock):
    """Claims, tells, forgets, gives back; also with claims that it should have forgotten."""
    had: list[Any] = []
    sequence = 0
    for _ in range(STEPS):
        if chance.random() < 0.4 or not had:
            claimed = await claim(client, worker=name)
            had += [claimed] if claimed else []
        if not had:
            continue
        one = chance.choice(had[-3:])
        sequence += 1
        words = said(str(one["generation"]))
        body = {"generation": one["generation"]}
        match chance.choice(["say", "say", "say", "end", "release", "poll", "age"]):
            case "say":
                await post(client, at(one, "reports"), telling(one, sequence, words, words))
            case "end":
                await post(client, at(one, "reports"), telling(one, sequence, words, finished()))
            case "release":
                why = chance.choice(["drained", "refused"])
                await post(client, at(one, "release"), {**body, "why": why})
            case "poll":
                await post(client, at(one, "poll"), body)
            case _:
                clock.ahead += LEASE_S * 0.6
                await asyncio.sleep(0.02)


@pytest.mark.slow(reason="hundreds of requests of workers that come and go, and the log read back")
@pytest.mark.parametrize("seed", [1, 2])
async def test_each_generation_writes_only_while_it_holds_the_session(
    aiohttp_client, tmp_path, seed
):
    client = await start(aiohttp_client, tmp_path, work_lease_s=LEASE_S)
    clock = client.app[KEY].leases.clock = Ageing()
    chance = random.Random(seed)
    terms = [{"attempts_max": 100}, {"attempts_max": 2}, {"on_loss": "end"}]
    made = [await create(client, "agent", work=terms[n % 3]) for n in range(SESSIONS_MADE)]
    workers = [
        worker(client, f"w{n}", random.Random(chance.random()), clock) for n in range(WORKERS)
    ]
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*workers)
        await drain(client)
    lapses = 0
    for session in made:
        lapses += await check(client, session)
    assert lapses
    assert len(client.app[KEY].leases) == 0


async def drain(client):
    """Whatever is left comes to its end: held sessions lapse, waiting ones are done."""
    clock = client.app[KEY].leases.clock
    while True:
        clock.ahead += LEASE_S * 2
        one = await claim(client, worker="last", wait_s=1)
        if one is not None:
            await post(client, at(one, "reports"), telling(one, 1, finished()))
        elif not (await ask(client, "GET", "/api/v1/work"))["items"]:
            return


async def check(client, session):
    """The history of one session, fact by fact; how often a worker was given up."""
    held, generation, lapses, status = None, 0, 0, "pending"
    stream = f"session/{session['id']}"
    for recorded in await client.app[LOG].read_stream(stream, 0, 10_000):
        for event in recorded.commit.events:
            fact = CODEC.decode(event)
            match fact:
                case WorkClaimed():
                    assert (held, fact.generation) == (None, generation + 1)
                    held = generation = fact.generation
                case WorkReleased():
                    assert fact.generation == held
                    lapses += fact.why == "lapsed"
                    held = None
                case MessageAdded():
                    assert int(fact.content) == held
                case SessionStatusChanged():
                    assert fact.was == status
                    assert status not in ENDED
                    status = fact.to
                case _:
                    pass
    assert status in ENDED
    shown = await ask(client, "GET", f"{SESSIONS}/{session['id']}")
    assert shown["status"] == status
    return lapses
