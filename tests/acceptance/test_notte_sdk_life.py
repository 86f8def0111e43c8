"""Notte's client 1.10.0, unmodified: beginning, ending and files (notte.md, section 3).

The browsers follow a script, for what is held here is not on any page.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support.notte_sdk import Client
from tests.support.scripted_browsers import ScriptedBrowsers
from tests.support.service import ADMIN, start

DRIVER = Path(__file__).parents[1] / "support" / "notte_life_driver.py"


@pytest.mark.slow(reason="a client that takes seconds to be imported")
@pytest.mark.parametrize("name", ["life", "choices", "storage"])
async def test_3_the_client_lives_with_the_service(
    aiohttp_client: Any, tmp_path: Path, name: str
) -> None:
    client = await start(aiohttp_client, tmp_path, browsers=ScriptedBrowsers())
    url = str(client.make_url("/notte"))
    await Client(url, ADMIN, tmp_path, driver=DRIVER).scenario(name)
