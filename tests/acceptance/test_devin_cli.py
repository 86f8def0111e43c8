"""devin-cli 1.3.6, unmodified, against the API v1 (devin.md sections 1, 3 and 5)."""

from pathlib import Path
from typing import Any

import pytest

from projections.events.session import MessageAdded
from projections.events.work import AgentReported, PullRequest
from sessions import ids
from sessions.caller import SERVICE
from sessions.web import appkeys
from tests.support.devin import SECRET, made, moved, native, native_id, read
from tests.support.devin_cli import DevinCli
from tests.support.service import ADMIN, ask, new_key, start

pytestmark = pytest.mark.slow(reason="a command line of Python starts in most of a second")

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Path) -> Client:
    return await start(aiohttp_client, tmp_path)


@pytest.fixture
def cli(client: Client, tmp_path: Path) -> DevinCli:
    return DevinCli(str(client.make_url("/devin")), ADMIN, tmp_path)


async def reported(client: Client, session: Any, *facts: Any) -> None:
    """Let an agent report."""
    await client.app[appkeys.SESSIONS].change(native_id(session), lambda _, __: facts, SERVICE)


async def test_5_a_session_from_its_prompt_to_its_end(client: Client, cli: DevinCli) -> None:
    words = ("--title", "Fix it", "--tag", "a", "--tag", "b", "--max-acu", "7", "--force")
    session = await cli.told("sessions", "create", "Fix the build", *words)
    state = await native(client, session)
    assert (state["title"], state["labels"]) == ("Fix it", ["a", "b"])
    assert state["spec"]["prompt"] == "Fix the build"
    assert state["spec"]["max_acu_limit"] == 7
    assert (await cli.said("sessions", "message", "and hurry")).startswith("Message sent")
    await moved(client, session, "running")
    agent = MessageAdded(id=ids.uuid7(), role="agent", content="Which branch?")
    output = AgentReported(
        structured_output={"ok": True},
        pull_requests=(PullRequest(url="https://git.test/1"),),
        acus=1.5,
    )
    await reported(client, session, agent, output)
    await moved(client, session, "blocked")
    found = await cli.told("sessions", "messages")
    assert [m["message"] for m in found["messages"]] == [
        "Fix the build",
        "and hurry",
        "Which branch?",
    ]
    assert "Which branch?" in await cli.said("messages")
    shown = await cli.told("sessions", "get")
    assert shown.pop("terminal_state") == "blocked"
    assert shown == await read(client, session)
    assert (shown["pull_request"], shown["acus_consumed"]) == ({"url": "https://git.test/1"}, 1.5)
    assert (await cli.told("sessions", "cost", session["session_id"]))["acus_consumed"] == 1.5
    await cli.said("update-tags", "--tag", "c")
    assert (await read(client, session))["tags"] == ["c"]
    ended = await cli.said("sessions", "terminate", stdin=b"y\n")
    assert f"Session {session['session_id']} terminated." in ended
    assert (await native(client, session))["status"] == "stopped"
    error = await cli.refused("sessions", "terminate", stdin=b"y\n")
    assert "Devin session already exited" in error
    assert "already exited" in await cli.refused("message", "too late")


async def test_5_sessions_are_listed_waited_for_and_watched(client: Client, cli: DevinCli) -> None:
    sessions = [await made(client, f"Task {n}") for n in range(3)]
    newest = [session["session_id"] for session in sessions[::-1]]
    found = await cli.told("sessions", "list", "--limit", "2")
    assert [item["session_id"] for item in found["items"]] == newest[:2]
    assert all(item["terminal_state"] == "running" for item in found["items"])
    table = await cli.said("list-sessions")
    assert all(session_id in table for session_id in newest)
    # Section 5: of one that failed it knows only that it goes on.
    for session, status, exit_code in zip(sessions, ("stopped", "failed"), (0, 1), strict=False):
        await moved(client, session, status)
        words = ("sessions", "wait", session["session_id"], "--timeout", "1s", "--interval", "1")
        ran = await cli.run(*words)
        assert ran.exit_code == exit_code, (status, ran)
    assert "Session finished!" in await cli.said("sessions", "watch", newest[-1])


async def test_5_the_account_keeps_knowledge_playbooks_and_secrets(
    client: Client, cli: DevinCli
) -> None:
    note = await cli.told("knowledge", "create", "Style", "Use tabs.")
    assert (note["name"], note["trigger_description"]) == ("Style", "")
    assert note["id"] in await cli.said("knowledge", "list")
    await cli.said("update-knowledge", note["id"], "--body", "Use spaces.", "--trigger", "code")
    changed = await cli.told("knowledge", "get", note["id"])
    assert changed == {**note, "body": "Use spaces.", "trigger_description": "code"}
    await cli.said("knowledge", "delete", note["id"], stdin=b"y\n")
    assert (await ask(client, "GET", "/v1/knowledge"))["knowledge"] == []
    playbook = await cli.told("playbooks", "create", "Deploy", "Push the button.")
    playbook_id = playbook["playbook_id"]
    assert playbook_id in await cli.said("playbooks", "list")
    words = ("Release", "--macro", "!release")
    changed = await cli.told("playbooks", "update", playbook_id, *words)
    assert (changed["title"], changed["body"], changed["macro"]) == (
        "Release",
        "Push the button.",
        "!release",
    )
    await cli.said("playbooks", "delete", playbook_id, stdin=b"y\n")
    assert "404" in await cli.refused("playbooks", "delete", playbook_id, stdin=b"y\n")
    # Section 3: what it sends itself is in no version of the API.
    assert "400" in await cli.refused("secrets", "create", "TOKEN", "x")
    secret = await ask(client, "POST", "/v1/secrets", json=SECRET)
    assert secret["id"] in await cli.said("secrets", "list")
    await cli.said("secrets", "delete", secret["id"], stdin=b"y\n")
    assert await ask(client, "GET", "/v1/secrets") == []


async def test_5_a_file_goes_up(client: Client, cli: DevinCli, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_bytes(b"# Notes\n")
    url = await cli.told("upload", "notes.md")
    assert url.endswith("/notes.md")
    async with client.get("/" + url.split("/", 3)[3]) as answer:
        assert await answer.read() == b"# Notes\n"


async def test_2_a_refusal_is_told_in_its_words(
    client: Client, cli: DevinCli, tmp_path: Path
) -> None:
    unknown = "devin-" + "0" * 32
    assert "There is no such session." in await cli.refused("sessions", "get", unknown)
    url = str(client.make_url("/"))
    assert "401" in await DevinCli(url, "wrong", tmp_path).refused("sessions", "list")
    reader = await new_key(client, "default", "sessions:read")
    limited = DevinCli(url, reader["key"], tmp_path)
    assert "403" in await limited.refused("sessions", "create", "x", "--force")
    assert await limited.said("sessions", "list")
