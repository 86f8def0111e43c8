"""Galtea's Python client 5.12.0, unmodified, against the service (galtea.md sections 2 to 8)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.galtea_sdk import Client
from tests.support.service import client_of, new_key


@pytest.mark.slow(reason="makes the environment of the client, which takes long to start")
async def test_the_client_works(aiohttp_client: Any, shared: Any, tmp_path: Path) -> None:
    admin = await client_of(aiohttp_client, shared)
    url = str(admin.make_url("/galtea"))
    key, other = [
        (await new_key(admin, tenant, prefix="gsk_"))["key"] for tenant in ("sdk", "theirs")
    ]
    await Client(url, key, tmp_path).scenario("life,rules,lists,custom_ids,catalog,refusals", other)
