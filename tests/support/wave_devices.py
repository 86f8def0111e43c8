"""Devices of the WAVE API: registering, listening and speaking, in one line each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from sessions.web.appkeys import CHANNELS
from tests.support.wave import CHROME

DEVICES = "/api/devices"


async def register(client: Any, agent: str = CHROME) -> str:
    """The token of a new device."""
    answer = await client.post(DEVICES, headers={"User-Agent": agent})
    assert answer.status == 200, await answer.text()
    token: str = (await answer.json())["token"]
    return token


async def tokens(client: Any) -> list[str]:
    """Which devices are there."""
    answer = await client.get(DEVICES)
    assert answer.status == 200
    return [device["token"] for device in await answer.json()]


async def poll(client: Any, channel: str, **params: Any) -> Any:
    """The events that a poll of a channel answers; None where the answer is empty."""
    answer = await client.get(f"{DEVICES}/{channel}", params=params)
    body = await answer.read()
    assert answer.status == 200, body
    return await answer.json() if body else None


async def say(client: Any, channel: str, **options: Any) -> None:
    """Post an event to a channel."""
    answer = await client.post(f"{DEVICES}/{channel}", **options)
    assert (answer.status, await answer.read()) == (200, b"")


async def keep(client: Any, token: str) -> None:
    """Refresh a device by an event that is none."""
    await say(client, "events", params={"device_token": token})


@contextlib.asynccontextmanager
async def listening(client: Any, channel: str, **params: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """A poll that waits already."""
    channels = client.server.app[CHANNELS]
    before = channels.waiting
    task = asyncio.create_task(poll(client, channel, **params))
    for _ in range(10_000):
        if channels.waiting > before or task.done():
            break
        await asyncio.sleep(0.001)
    yield task
    await task
