"""Turns in memory are a cache of the log: bounded, and the same whoever reads or writes when."""

import asyncio
import random
import uuid

import pytest

from sessions import turns
from sessions.web.appkeys import CONVERSATIONS
from tests.support.galtea import post, product
from tests.support.service import ask, client_of, start

TURNS = "/galtea/inferenceResults"


async def some_sessions(client, count):
    made = await product(client, uuid.uuid4().hex)
    return [await post(client, "sessions", productId=made["id"]) for _ in range(count)]


async def record(client, session, text, status=201):
    return await post(client, "inferenceResults", status, sessionId=session["id"], input=text)


async def change(client, turn, status=200, /, **fields):
    return await ask(client, "PATCH", f"{TURNS}/{turn['id']}", status, json=fields)


async def listed(client, session):
    query = f"sessionIds={session['id']}&sort=createdAt&sort=asc"
    return await ask(client, "GET", f"{TURNS}?{query}")


async def test_the_turns_of_few_sessions_are_in_memory(aiohttp_client, shared, monkeypatch):
    """What was forgotten is read again, by number of sessions and by bytes."""
    client = await client_of(aiohttp_client, shared)
    conversations = shared.app[CONVERSATIONS]
    monkeypatch.setattr(turns, "HOT_MAX", 2)
    sessions = await some_sessions(client, 6)
    known = [[await record(client, s, f"{n} of {s['id']}") for n in range(3)] for s in sessions]
    assert conversations.in_memory == 2
    for _ in range(2):
        for session, mine in zip(sessions, known, strict=True):
            assert await listed(client, session) == mine
            assert conversations.in_memory <= 2
    monkeypatch.setattr(turns, "HOT_BYTES_MAX", 1)
    for session, mine in zip(sessions, known, strict=True):
        assert await listed(client, session) == mine
        assert conversations.in_memory == 1


async def test_a_session_holds_so_many_bytes_of_turns(aiohttp_client, shared, monkeypatch):
    """They are counted as they stand, whatever became of them before; what is full can shrink."""
    client = await client_of(aiohttp_client, shared)
    monkeypatch.setattr(turns, "SESSION_BYTES_MAX", 3_000)
    [session] = await some_sessions(client, 1)
    first, second = [await record(client, session, "x" * 1_000) for _ in range(2)]
    for _ in range(5):
        await change(client, first, input="y" * 500)
        await change(client, first, input="z" * 500)
    refused = await record(client, session, "x" * 2_000, 400)
    assert "at most 3000 bytes" in refused["message"]
    await change(client, second, 400, actualOutput="x" * 2_000)
    assert len(await listed(client, session)) == 2
    assert (await client.delete(f"{TURNS}/{second['id']}")).status == 204
    await record(client, session, "x" * 2_000)


@pytest.mark.slow(reason="two services, and more than a hundred requests")
async def test_any_mixture_of_writers_and_readers_equals_some_order(
    aiohttp_client, tmp_path, monkeypatch
):
    """Laws 4 and 5: each change is there once, whatever is forgotten meanwhile, and stays."""
    client = await start(aiohttp_client, tmp_path)
    monkeypatch.setattr(turns, "HOT_MAX", 2)
    chance = random.Random(7)
    sessions = await some_sessions(client, 3)
    first = [await record(client, session, "first") for session in sessions]
    wishes = [record(client, s, str(n)) for n in range(15) for s in sessions]
    wishes += [change(client, turn, tokens=n) for n in range(15) for turn in first]
    wishes += [listed(client, session) for _ in range(15) for session in sessions]
    chance.shuffle(wishes)
    await asyncio.gather(*wishes)
    before = [await listed(client, session) for session in sessions]
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    for session, opening, found in zip(sessions, first, before, strict=True):
        assert await listed(client, session) == found
        assert [turn["index"] for turn in found] == list(range(16))
        texts = {turn["input"]["user_message"] for turn in found[1:]}
        assert texts == {str(n) for n in range(15)}
        assert found[0] == {**opening, "tokens": found[0]["tokens"]}
        assert found[0]["tokens"] in range(15)
