"""Devin: a conversation is read from the log once for each state, and what is sealed each time."""

from typing import Any

import pytest
from yarl import URL

from sessions.dialects.devin import sessions as v1
from sessions.dialects.devin.v3 import messages as v3
from sessions.dialects.rendered import CONVERSATION_BYTES_MAX
from sessions.web import appkeys
from tests.support.devin import made, moved, native_id, path_of
from tests.support.service import SESSIONS, ask, bearer, new_key, start

TENANT = "lab"

Client = Any


class Reader:
    """A client in a tenant, and how often the service read the log for it."""

    def __init__(self, admin: Client, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.admin = admin
        self.client = client
        self.sessions = admin.app[appkeys.SESSIONS]
        self.reads = 0
        self._commits = self.sessions.commits
        monkeypatch.setattr(self.sessions, "commits", self._counted)

    async def _counted(self, *what: Any) -> Any:
        self.reads += 1
        return await self._commits(*what)

    async def get(self, path: str, host: str | None = None) -> tuple[bytes, bool]:
        """The body, and whether it took the log."""
        before = self.reads
        headers = {} if host is None else {"Host": host}
        async with self.client.get(path, headers=headers) as answer:
            assert answer.status == 200
            return await answer.read(), self.reads > before

    async def say(self, session: Any, **message: Any) -> None:
        """A message by the native API."""
        path = f"{SESSIONS}/{native_id(session)}/messages"
        await ask(self.client, "POST", path, 201, json=message)


@pytest.fixture
async def reader(aiohttp_client: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """A tenant's client of a service of its own."""
    admin = await start(aiohttp_client, tmp_path)
    key = (await new_key(admin, TENANT))["key"]
    return Reader(admin, await aiohttp_client(admin.server, headers=bearer(key)), monkeypatch)


def paths(session: Any) -> tuple[str, str]:
    """Where both generations show the conversation."""
    v3 = f"/devin/v3/organizations/org-{TENANT}/sessions/{session['session_id']}/messages"
    return path_of(session), v3


async def test_it_is_read_once_for_each_state(reader: Reader) -> None:
    session = await made(reader.client)
    for path in paths(session):
        for words in ("one", "two"):
            words = f"{words} for {path}"
            await reader.say(session, content=words)
            body, read = await reader.get(path)
            assert read
            assert words.encode() in body
            assert await reader.get(path) == (body, False)
    path, _ = paths(session)
    body, _ = await reader.get(path)
    await moved(reader.client, session, "running", "blocked")
    changed, read = await reader.get(path)
    assert read
    assert b'"blocked"' in changed
    assert b'"blocked"' not in body


async def test_it_names_the_host_that_was_asked(reader: Reader) -> None:
    session = await made(reader.client)
    await reader.say(session, content="words")
    path, _ = paths(session)
    for host in ("one.test", "two.test", "one.test"):
        for _ in range(2):
            body, _ = await reader.get(path, host)
            assert body.count(b".test/") == 1
            assert f'"http://{host}/'.encode() in body


async def test_each_page_is_its_own(reader: Reader) -> None:
    session = await made(reader.client)
    for number in range(3):
        await reader.say(session, content=f"no {number}")
    _, path = paths(session)
    for first in (2, 1, 2):
        for _ in range(2):
            page = await ask(reader.client, "GET", f"{path}?first={first}")
            assert len(page["items"]) == first
    page = await ask(reader.client, "GET", f"{path}?first=1")
    after = await ask(reader.client, "GET", f"{path}?first=1&after={page['end_cursor']}")
    assert after["items"] != page["items"]


async def test_others_do_not_see_it(aiohttp_client: Any, reader: Reader) -> None:
    session = await made(reader.client)
    await reader.say(session, content="words")
    others = bearer((await new_key(reader.admin, "other"))["key"])
    stranger = await aiohttp_client(reader.admin.server)
    for path in paths(session):
        await reader.get(path)
        await ask(stranger, "GET", path, 401)
        await ask(stranger, "GET", path, 404, headers=others)
        theirs = URL(path.replace(f"org-{TENANT}", "org-other"))
        await ask(stranger, "GET", str(theirs), 404, headers=others)


@pytest.mark.parametrize("how", ["", "?erase=true"])
async def test_it_is_gone_with_its_session(reader: Reader, how: str) -> None:
    session = await made(reader.client)
    await reader.say(session, content="words")
    for path in paths(session):
        await reader.get(path)
    await ask(reader.client, "DELETE", f"{SESSIONS}/{native_id(session)}{how}", 204)
    for path in paths(session):
        await ask(reader.client, "GET", path, 404)


async def test_what_is_sealed_stays_nowhere(reader: Reader) -> None:
    session = await made(reader.client)
    await reader.say(session, content="open words")
    for path in paths(session):
        await reader.get(path)
    await reader.say(session, content="the word is xylophone", sensitive=True)
    for path in paths(session):
        for _ in range(2):
            body, read = await reader.get(path)
            assert read
            assert b"xylophone" in body
    for rendered in (v1._rendered, v3._rendered):
        assert not [kept for kept in rendered._answers.values() if b"xylophone" in kept.body]
    await ask(reader.client, "DELETE", f"{SESSIONS}/{native_id(session)}?erase=true", 204)
    for path in paths(session):
        await ask(reader.client, "GET", path, 404)


async def test_one_that_is_too_long_is_whole_and_is_read_each_time(reader: Reader) -> None:
    session = await made(reader.client)
    content = "x" * (CONVERSATION_BYTES_MAX // 5)
    for _ in range(5):
        await reader.say(session, content=content)
    for path in paths(session):
        for _ in range(2):
            body, read = await reader.get(path)
            assert read
            assert body.count(content.encode()) == 5
