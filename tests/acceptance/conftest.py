"""Clients of the service that a module shares."""

from typing import Any

import pytest

from tests.support.service import client_of, client_of_a_tenant


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Any:
    """An admin's client."""
    return await client_of(aiohttp_client, shared)


@pytest.fixture
async def lone(aiohttp_client: Any, shared: Any) -> Any:
    """A client that reads and writes where there is nothing yet."""
    return await client_of_a_tenant(aiohttp_client, shared)
