"""Notte's client 1.10.0, unmodified, against the service with real browsers (notte.md section 3).

Version 1.9.7 sends other bodies and plays what it knows of the same scenarios.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browsers import needs_chromium
from tests.support.notte_sdk import NEWEST, OLDER, Client
from tests.support.process import ADMIN_KEY, Service, start
from tests.support.sites import Sites, sharing

pytestmark = [
    needs_chromium,
    pytest.mark.slow(reason="real pages in real browsers, by a client in a process of its own"),
]
SCENARIOS = (
    *("visit", "actions", "fetching", "frames", "failures", "reading", "cookies", "files"),
    *("pages", "afterwards", "debugging"),
)
OF_OLD = ("visit", "actions", "reading", "cookies", "afterwards")


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with sharing() as served:
        yield served


@pytest.fixture(scope="module")
def service(sites: Sites, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with real browsers, which may visit the sites."""
    running = start(tmp_path_factory.mktemp("notte") / "data", "--browser-allow", sites.host)
    try:
        asyncio.run(running.ready())
        yield running
    finally:
        running.close()


@pytest.mark.parametrize(
    ("version", "scenario"),
    [*((NEWEST, each) for each in SCENARIOS), *((OLDER, each) for each in OF_OLD)],
)
async def test_the_client_works_with_real_browsers(
    service: Service, sites: Sites, tmp_path: Path, version: str, scenario: str
) -> None:
    client = Client(f"{service.url}/notte", ADMIN_KEY, tmp_path, version)
    await client.scenario(scenario, sites.url)
    assert ADMIN_KEY not in service.stdout + service.stderr
