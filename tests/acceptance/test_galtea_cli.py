"""Galtea's command line 5.13.0, unmodified: it makes its commands of the OpenAPI document.

Sections are those of the Galtea contract.
"""

from pathlib import Path
from typing import Any

import pytest

from sessions.dialects.galtea.routes import SURFACE
from tests.support.galtea_cli import GalteaCli
from tests.support.service import client_of, new_key

REFUSED = 4
"""What it exits with for an answer in the four hundreds."""


@pytest.mark.slow(reason="makes the environment of the command line")
async def test_the_command_line_works(aiohttp_client: Any, shared: Any, tmp_path: Path) -> None:
    """Sections 2, 3 and 7: login, a session's life, turns, and refusals told as they are."""
    admin = await client_of(aiohttp_client, shared)
    url = str(admin.make_url("/galtea"))
    key = (await new_key(admin, "cli", prefix="gsk_"))["key"]
    cli = GalteaCli(key, tmp_path)
    wrong = await cli.run("login", "--host", url, GALTEA_API_KEY="gsk_nobodys-key-of-the-tests")
    assert wrong.exit_code == 1
    assert "401" in wrong.err
    entered = await cli.run("login", "--host", url)
    assert (entered.exit_code, "Logged in" in entered.out) == (0, True), entered
    await has_every_command(cli)
    product = await cli.told("products", "create", "name: cli, description: d")
    of = f"productId: {product['id']}"
    session = await cli.told(
        "sessions", "create", f'{of}, customId: "a/b c", context: known, metadata{{n: 1, t: true}}'
    )
    assert (session["customId"], session["context"]) == ("a/b c", {"value": "known"})
    assert session["metadata"] == {"n": 1, "t": True}
    other = await cli.told("sessions", "create", f"{of}, isProduction: false")
    await reads_lists(cli, session, other)
    await records_turns(cli, session)
    finished = await cli.told("sessions", "finish", session["id"], "stoppingReason: done")
    assert (finished["status"], finished["stoppingReason"]) == ("COMPLETED", "done")
    changed = await cli.told("sessions", "update", session["id"], "metadata: null")
    assert changed["metadata"] is None
    run = await cli.told("runs", "create", of)
    assert (await cli.told("runs", "close", run["id"]))["status"] == "COMPLETED"
    await cli.told("sessions", "delete", session["id"])
    for words in (("get", session["id"]), ("list", "--ids", session["id"])):
        gone = await cli.run("sessions", *words)
        assert (gone.exit_code, '"error": "Not Found"' in gone.out) == (REFUSED, True), gone
    bad = await cli.run("sessions", "create", "customId: none")
    assert (bad.exit_code, "versionId" in bad.out) == (REFUSED, True)


async def has_every_command(cli: GalteaCli) -> None:
    """Section 7: each thing has its commands, list, create and get under these very names."""
    resources = (await cli.run("--help")).out
    for tag in ("sessions", "products", "test-cases", "inference-results", "traces", "runs"):
        assert f"\n  {tag} " in resources
    verbs = (await cli.run("sessions", "--help")).out
    served = [route for route in SURFACE.routes if route.name.startswith("sessions.")]
    assert len(served) == 7
    for verb in ("list", "create", "get", "update", "finish", "delete", "delete-batch"):
        assert f"\n  {verb} " in verbs


async def reads_lists(cli: GalteaCli, session: Any, other: Any) -> None:
    """Section 3: plain names, repeated; it is never told what it asked a moment ago."""
    assert await cli.told("sessions", "get", session["id"]) == session
    assert await cli.told("sessions", "list") == [other, session]
    both = ("--version-ids", session["versionId"], "--version-ids", "version_x")
    assert await cli.told("sessions", "list", *both, "--limit", "1") == [other]
    ascending = ("--sort", "createdAt,asc", "--statuses", "PENDING,FAILED")
    assert await cli.told("sessions", "list", *ascending) == [session, other]
    assert await cli.told("sessions", "list", "--custom-ids", "a/b c") == [session]
    since = ("--from-created-at", session["createdAt"])
    assert await cli.told("sessions", "list", *since) == [other, session]


async def records_turns(cli: GalteaCli, session: Any) -> None:
    """Section 6."""
    turn = await cli.told(
        "inference-results", "create", f"sessionId: {session['id']}, input: hello, tokens: 3"
    )
    assert (turn["index"], turn["input"], turn["tokens"]) == (0, {"user_message": "hello"}, 3)
    turn = await cli.told("inference-results", "update", turn["id"], "actualOutput: hi")
    span = await cli.told("traces", "create", f"inferenceResultId: {turn['id']}, name: step")
    assert await cli.told("traces", "list", "--session-ids", session["id"]) == [span]
    found = await cli.told("inference-results", "list", "--session-ids", session["id"])
    assert found == [turn]
