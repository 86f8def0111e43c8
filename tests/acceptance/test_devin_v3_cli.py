"""devin-cli 1.3.6, unmodified, against the API v3 (devin.md sections 1, 4 and 5)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.devin_cli import DevinCli
from tests.support.devin_v3 import Org, at, org_of
from tests.support.service import new_key

pytestmark = pytest.mark.slow(reason="a command line of Python starts in most of a second")


@pytest.fixture
async def org(aiohttp_client: Any, shared: Any) -> Org:
    return await org_of(aiohttp_client, shared, Path(__file__).stem)


async def test_4_sessions_from_the_command_line(
    aiohttp_client: Any, shared: Any, org: Org, tmp_path: Path
) -> None:
    admin = (await org_of(aiohttp_client, shared, org.tenant, "admin")).client
    key = (await new_key(admin, org.tenant, prefix="cog_"))["key"]
    url = str(org.client.make_url("/devin"))
    cli = DevinCli(url, key, tmp_path, "v3", DEVIN_ORG_ID=org.id)
    words = ("--title", "Fix it", "--tag", "a", "--max-acu", "7", "--repo", "acme/shop", "--force")
    session = await cli.told("sessions", "create", "Fix the build", *words)
    shown = await org.ask("GET", at(session))
    assert (shown["title"], shown["tags"], shown["status"]) == ("Fix it", ["a"], "new")
    others = [await org.made(f"Task {number}") for number in range(2)]
    found = await cli.told("sessions", "list", "--limit", "2", "--all")
    assert [one["session_id"] for one in found["items"]] == [
        *(one["session_id"] for one in reversed(others)),
        session["session_id"],
    ]
    one = session["session_id"]
    assert (await cli.said("sessions", "message", "and hurry")).startswith("Message sent")
    told = await cli.told("sessions", "messages", one)
    assert [each["message"] for each in told["items"]] == ["Fix the build", "and hurry"]
    await cli.said("sessions", "archive", others[0]["session_id"], stdin=b"y\n")
    assert (await org.ask("GET", at(others[0])))["is_archived"]
    await cli.said("sessions", "terminate", one, stdin=b"y\n")
    assert (await org.ask("GET", at(session)))["status"] == "exit"
    assert "already exited" in await cli.refused("sessions", "terminate", one, stdin=b"y\n")
