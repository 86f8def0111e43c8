"""Notte's client 1.2.0, unmodified, against the service (notte.md, section 2).

What it says and hears needs no browser; what it does on pages is slow, for they are real.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsers import needs_chromium
from tests.support.notte_early_client import scenario
from tests.support.process import ADMIN_KEY, Service, start
from tests.support.scripted_browsers import ScriptedBrowsers
from tests.support.service import ADMIN
from tests.support.service import start as start_in_process
from tests.support.sites import Sites, sharing


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with sharing() as served:
        yield served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, sites: Sites) -> Iterator[Service]:
    """A service with real browsers, which may visit the sites."""
    data = tmp_path_factory.mktemp("early") / "data"
    running = start(data, "--browser-allow", sites.host)
    try:
        asyncio.run(running.ready())
        yield running
    finally:
        running.close()


@pytest.mark.parametrize("prefix", ["", "/notte"])
async def test_2_3_life_without_a_browser(aiohttp_client: Any, tmp_path: Path, prefix: str) -> None:
    client = await start_in_process(aiohttp_client, tmp_path, browsers=ScriptedBrowsers())
    url = str(client.make_url(prefix or "/")).rstrip("/")
    await scenario("life", url, ADMIN, tmp_path, "http://site.test")


@pytest.mark.slow(reason="a real browser, driven by the client")
@needs_chromium
@pytest.mark.parametrize("name", ["life", "pages", "specials", "scraping", "one_shots"])
async def test_2_the_client_of_old_works(
    service: Service, sites: Sites, tmp_path: Path, name: str
) -> None:
    await scenario(name, service.url, ADMIN_KEY, tmp_path, sites.url)
