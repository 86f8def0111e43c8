"""Devin's client devinai 0.1.0, unmodified and strict, against the service (devin.md section 4)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.devin_v3_sdk import Client
from tests.support.service import client_of, new_key

SCENARIOS = ["life", "tags", "lists", "files", "kept", "not_offered", "refusals", "concurrently"]


@pytest.mark.slow(reason="makes the environment of the client, which takes long to start")
@pytest.mark.parametrize("base", ["/devin", ""])
async def test_4_the_strict_client_works(
    aiohttp_client: Any, shared: Any, tmp_path: Path, base: str
) -> None:
    admin = await client_of(aiohttp_client, shared)
    tenant = f"v3{len(base)}"
    url = str(admin.make_url(base))
    key = (await new_key(admin, tenant, prefix="cog_"))["key"]
    theirs = (await new_key(admin, "theirs"))["key"]
    reader = (await new_key(admin, tenant, "sessions:read"))["key"]
    names = ",".join(SCENARIOS) if base else "life"
    await Client(url, key, tmp_path).scenario(names, f"org-{tenant}", theirs, reader)
