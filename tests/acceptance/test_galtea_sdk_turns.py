"""Galtea's Python client 5.12.0, unmodified: turns, spans, runs (galtea.md sections 6 and 7)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.client_environment import environment, play
from tests.support.galtea_sdk import DRIVER, RUN_S_MAX, WANTED
from tests.support.service import client_of, new_key

TURNS_DRIVER = DRIVER.with_name("galtea_turns_driver.py")


@pytest.mark.slow(reason="makes the environment of the client, which takes long to start")
async def test_the_client_records_turns(aiohttp_client: Any, shared: Any, tmp_path: Path) -> None:
    admin = await client_of(aiohttp_client, shared)
    url = str(admin.make_url("/galtea"))
    key = (await new_key(admin, "turns", prefix="gsk_"))["key"]
    words = "turns,closed,generated,spans,simulated,runs", url, key
    await play(environment("galtea", [WANTED]), TURNS_DRIVER, words, tmp_path, RUN_S_MAX)
