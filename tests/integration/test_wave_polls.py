"""A thousand devices that wait: little memory, and an answer for each at the end (section 4)."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.support.process import serving

POLLS = 1_000
BYTES_MAX = 60 << 20


def resident(pid: int) -> int:
    """How many bytes of memory the process holds."""
    fields = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    [line] = [field for field in fields if field.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


async def metrics(client):
    """What the service counts."""
    async with client.get("/metrics") as answer:
        return await answer.text()


@pytest.mark.slow  # a service of its own, and a thousand connections
async def test_a_thousand_idle_polls_are_cheap_and_are_answered_when_the_service_stops(tmp_path):
    # None may be over before the last one has come, however long that takes.
    async with serving(tmp_path / "data", "--wave-poll-s", "3600") as service:
        connector = aiohttp.TCPConnector(limit=0)
        async with service.client(connector=connector) as client:
            tokens = []
            for _ in range(POLLS):
                async with client.post("/api/sessions") as answer:
                    tokens.append((await answer.json())["token"])

            async def poll(token):
                path = f"/api/sessions/{token}/events"
                async with client.get(path, timeout=aiohttp.ClientTimeout()) as answer:
                    return answer.status, await answer.read()

            before = resident(service.pid)
            polls = [asyncio.create_task(poll(token)) for token in tokens]
            waiting = f"sessiond_wave_polls {POLLS}.0\n"
            while waiting not in await metrics(client):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)
            assert not any(task.done() for task in polls)
            assert resident(service.pid) - before < BYTES_MAX
            await service.stop()
            assert await asyncio.gather(*polls) == [(200, b"")] * POLLS
