"""What a user of Devin's Python client for v3 does; runs in the environment of that client.

python devin_v3_driver.py SCENARIO[,SCENARIO...] URL KEY ORG [MORE]

The client is strict: it raises for an answer that is not as its document says.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

# It is in the environment of the client, and not where this file is checked.
devin_sdk: Any = importlib.import_module("devin_sdk")
httpx: Any = importlib.import_module("httpx")

PROMPT = "Review the pull request"
ID = re.compile(r"devin-[0-9a-f]{32}")
# What the client makes of its nulls and lists is its own affair; it must be taken as it comes.
EVERYTHING: dict[str, Any] = {
    "advanced_mode": "analyze",
    "attachment_urls": ["https://example.org/attachments/a/plan.txt"],
    "bypass_approval": True,
    "child_playbook_id": "playbook-child",
    "create_as_user_id": "user-7",
    "knowledge_ids": [],
    "max_acu_limit": 5,
    "playbook_id": "playbook-1",
    "repos": ["acme/shop", "acme/api"],
    "secret_ids": None,
    "session_links": ["https://app.devin.ai/sessions/1"],
    "session_secrets": [{"key": "TOKEN", "value": "top-secret-3e1a"}],
    "structured_output_schema": {"type": "object"},
    "tags": ["nightly", "a b&c"],
    "title": "Nightly review",
}


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(status: int, call: Any, *args: Any, **named: Any) -> Any:
    """The `detail` of the refusal that the call ends in."""
    try:
        answer = call(*args, **named)
    except devin_sdk.APIStatusError as error:
        equal(error.status_code, status)
        equal(error.body.keys(), {"detail"})
        return error.body["detail"]
    raise AssertionError(f"not refused: {answer!r}")


class World:
    """A client, its organisation, and what it asks for most."""

    def __init__(self, url: str, key: str, org: str, *more: str) -> None:
        self.url = url
        self.client = devin_sdk.DevinSDK(
            base_url=url, api_key=key, _strict_response_validation=True, max_retries=0, timeout=120
        )
        self.org = org
        self.more = more
        self.of = self.client.organizations
        self.sessions = self.of.sessions

    def made(self, prompt: str = PROMPT, **fields: Any) -> Any:
        """A new session."""
        return self.sessions.create(self.org, prompt=prompt, **fields)

    def now(self, session: Any) -> Any:
        """The session as it is now."""
        return self.sessions.retrieve(session.session_id, org_id=self.org)

    def listed(self, **query: Any) -> list[str]:
        """The ids of all sessions of a list, page by page."""
        found: list[str] = []
        after = None
        while True:
            page = self.sessions.list(self.org, after=after, **query)
            found += [one.session_id for one in page.items]
            equal(page.has_next_page, page.end_cursor is not None)
            if not page.has_next_page:
                return found
            after = page.end_cursor

    def said(self, session: Any, **query: Any) -> Any:
        """A page of what was said."""
        return self.sessions.messages.list(session.session_id, org_id=self.org, **query)


def life(world: World) -> None:
    """From its creation to its archive."""
    began = int(time.time()) - 2
    session = world.made(**EVERYTHING)
    assert ID.fullmatch(session.session_id), session
    equal((session.org_id, session.status), (world.org, "new"))
    equal((session.title, session.tags), ("Nightly review", ["nightly", "a b&c"]))
    equal((session.playbook_id, session.user_id), ("playbook-1", "user-7"))
    equal((session.pull_requests, session.acus_consumed, session.is_archived), ([], 0, False))
    assert began <= session.created_at <= session.updated_at <= time.time() + 2
    assert session.url.endswith(f"/sessions/{session.session_id.removeprefix('devin-')}")
    assert "top-secret" not in session.to_json()
    equal(world.now(session), session)
    other = world.made()
    equal((other.title, other.tags, other.user_id), (PROMPT, [], None))

    said = world.sessions.messages.send(session.session_id, org_id=world.org, message="hurry")
    equal(said.session_id, session.session_id)
    world.sessions.messages.send(
        session.session_id, org_id=world.org, message="please", message_as_user_id="user-9"
    )
    everything = world.said(session)
    equal((everything.has_next_page, everything.end_cursor), (False, None))
    equal([one.source for one in everything.items], ["user"] * 3)
    assert everything.items[0].message.startswith(PROMPT)
    equal([one.message for one in everything.items[1:]], ["hurry", "please"])
    pages = [world.said(session, first=1)]
    while pages[-1].has_next_page:
        pages.append(world.said(session, first=1, after=pages[-1].end_cursor))
    equal([one for page in pages for one in page.items], everything.items)

    asleep = world.sessions.archive(other.session_id, org_id=world.org)
    equal((asleep.is_archived, asleep.status), (True, "exit"))
    equal(world.sessions.archive(other.session_id, org_id=world.org), asleep)
    ended = world.sessions.terminate(session.session_id, org_id=world.org, archive=True)
    equal((ended.status, ended.status_detail, ended.is_archived), ("exit", "user_request", True))
    equal(world.now(session), ended)
    equal(
        refused(400, world.sessions.terminate, session.session_id, org_id=world.org),
        "Devin session already exited",
    )


def tags(world: World) -> None:
    """Read, appended and replaced."""
    session = world.made(tags=["a"])
    tags = world.sessions.tags
    place = {"org_id": world.org}
    equal(tags.append(session.session_id, tags=["b", "a", "c", "b"], **place).tags, ["a", "b", "c"])
    equal(tags.retrieve(session.session_id, **place).tags, ["a", "b", "c"])
    equal(tags.replace(session.session_id, tags=["z"], **place).tags, ["z"])
    equal(world.now(session).tags, ["z"])
    too_many = [str(number) for number in range(50)]
    wrong = refused(422, tags.append, session.session_id, tags=too_many, **place)
    equal([one["loc"] for one in wrong], [["body", "tags"]])
    equal(tags.replace(session.session_id, tags=[], **place).tags, [])


def lists(world: World) -> None:
    """Every filter, and pages that a new session does not shift."""
    mark = uuid.uuid4().hex
    wanted: list[Any] = []
    for number in range(5):
        fields = {"playbook_id": mark} if number == 1 else {}
        fields |= {"create_as_user_id": mark} if number == 2 else {}
        wanted.append(world.made(tags=[mark, f"{mark}-{number}"], **fields))
    ids = [one.session_id for one in reversed(wanted)]
    equal(world.listed(tags=[mark]), ids)
    equal(world.listed(tags=[mark], first=2), ids)
    page = world.sessions.list(world.org, tags=[mark], first=3)
    world.made(tags=[mark])
    rest = world.sessions.list(world.org, tags=[mark], first=3, after=page.end_cursor)
    equal([one.session_id for one in (*page.items, *rest.items)], ids)
    equal(page.items[0], world.now(wanted[4]))
    # The client puts commas between the items of a list.
    equal(world.listed(tags=[f"{mark}-1", f"{mark}-3"]), [ids[1], ids[3]])
    equal(world.listed(session_ids=[ids[0], ids[2], "devin-" + "0" * 32]), [ids[0], ids[2]])
    equal(world.listed(session_ids=["devin-" + "0" * 32]), [])
    equal(world.listed(playbook_id=mark), [ids[3]])
    equal(world.listed(user_ids=[mark]), [ids[2]])
    equal(world.listed(tags=[mark], origins=["slack"]), [])
    equal(len(world.listed(tags=[mark], origins=["slack", "api"])), 6)
    equal(world.listed(schedule_id="any"), [])
    owner = wanted[0].service_user_id
    equal(len(world.listed(tags=[mark], service_user_ids=[owner])), 6)
    equal(world.listed(tags=[mark], service_user_ids=["nobody"]), [])
    first, last = wanted[0].created_at, int(time.time()) + 60
    equal(len(world.listed(tags=[mark], created_after=first, created_before=last)), 6)
    equal(world.listed(tags=[mark], created_before=first - 60), [])
    equal(len(world.listed(tags=[mark], updated_after=first, updated_before=last)), 6)
    equal(world.listed(tags=[mark], updated_after=last), [])


def files(world: World) -> None:
    """Uploaded, named in a prompt, listed and fetched."""
    data = b"two\nlines\n"
    kept = world.of.attachments.upload(world.org, file=("plan a.txt", data, "text/plain"))
    equal(
        (kept.name, kept.url.endswith(f"/attachments/{kept.attachment_id}/plan%20a.txt")),
        ("plan a.txt", True),
    )
    answer = world.of.attachments.with_raw_response.download(
        "plan a.txt", org_id=world.org, uuid=kept.attachment_id
    )
    equal((answer.read(), answer.headers["content-type"]), (data, "text/plain"))
    elsewhere = "https://example.org/attachments/none/x.txt"
    session = world.made(
        f'Follow the plan.\nATTACHMENT:"{kept.url}"', attachment_urls=[kept.url, elsewhere]
    )
    (first,) = world.said(session).items
    lines = ["Follow the plan.", f'ATTACHMENT:"{kept.url}"', f'ATTACHMENT:"{elsewhere}"']
    equal(first.message.splitlines(), lines)
    place = {"org_id": world.org}
    (shown,) = world.sessions.list_attachments(session.session_id, **place)
    equal((shown.attachment_id, shown.name, shown.source), (kept.attachment_id, kept.name, "user"))
    equal((shown.url, shown.content_type), (kept.url, "text/plain"))
    equal(world.sessions.list_attachments(world.made().session_id, **place), [])
    late = world.made()
    told = f'And this:\nATTACHMENT:"{kept.url}"\n'
    world.sessions.messages.send(late.session_id, message=told, **place)
    equal(len(world.sessions.list_attachments(late.session_id, **place)), 1)


def kept(world: World) -> None:
    """Notes, playbooks and secrets, from their making to their end."""
    place = {"org_id": world.org}
    notes, playbooks, secrets = world.of.knowledge.notes, world.of.playbooks, world.of.secrets

    style = {"name": "Style", "body": "Use tabs.", "trigger": "writing code"}
    note = notes.create(world.org, **style, pinned_repo="acme/shop")
    equal((note.name, note.body, note.trigger, note.pinned_repo), (*style.values(), "acme/shop"))
    equal((note.org_id, note.access_type, note.is_enabled), (world.org, "org", True))
    equal(notes.retrieve(note.note_id, **place), note)
    changed = notes.update(note.note_id, **{**style, "body": "Use spaces."}, **place)
    equal(
        (changed.note_id, changed.body, changed.pinned_repo),
        (note.note_id, "Use spaces.", "acme/shop"),
    )
    other = notes.create(world.org, name="Tests", body="Run them.", trigger="done")
    equal([one.note_id for one in notes.list(world.org).items], [other.note_id, note.note_id])
    first = notes.list(world.org, first=1)
    rest = notes.list(world.org, first=1, after=first.end_cursor)
    equal((first.has_next_page, rest.has_next_page, rest.items), (True, False, [changed]))
    equal(notes.list(world.org, search="SPACES").items, [changed])
    equal(notes.list(world.org, pinned_repo="acme/shop").items, [changed])
    equal(notes.list(world.org, folder_path="/none").items, [])
    folders = world.of.knowledge.get_folders(world.org)
    equal((folders.folders, folders.root_note_count), ([], 2))
    equal(notes.delete(note.note_id, **place), changed)
    refused(404, notes.retrieve, note.note_id, **place)

    playbook = playbooks.create(world.org, title="Deploy", body="Push.", macro="!deploy")
    equal((playbook.macro, playbook.org_id), ("!deploy", world.org))
    bolder = playbooks.update(playbook.playbook_id, title="Deploy", body="Push hard.", **place)
    equal(playbooks.retrieve(playbook.playbook_id, **place), bolder)
    equal((bolder.body, bolder.macro), ("Push hard.", "!deploy"))
    equal(playbooks.list(world.org).items, [bolder])
    refused(422, playbooks.create, world.org, title="x", body="y", macro="deploy")
    playbooks.delete(playbook.playbook_id, **place)
    equal(playbooks.list(world.org).items, [])

    value = "top-secret-77b0"
    wanted: dict[str, Any] = {"key": "TOKEN", "type": "key-value", "value": value}
    secret = secrets.create(world.org, **wanted)
    equal((secret.key, secret.secret_type, secret.is_sensitive), ("TOKEN", "key-value", True))
    assert value not in secret.to_json()
    equal(refused(409, secrets.create, world.org, **wanted), "Secret name is not unique")
    equal(secrets.list(world.org).items, [secret])
    equal(secrets.delete(secret.secret_id, **place), secret)
    equal(secrets.list(world.org).items, [])
    secrets.create(world.org, **wanted, is_sensitive=False, note="again")


def not_offered(world: World) -> None:
    """What is not here is refused at once, and said."""
    session = world.made()
    place = {"org_id": world.org}
    calls = [
        lambda: world.of.schedules.list(world.org),
        lambda: world.of.metrics.get_search_metrics(world.org, time_after=0, time_before=1),
        lambda: world.of.consumption.daily.get_session(session.session_id, **place),
        lambda: world.sessions.insights.list(world.org),
        lambda: world.sessions.insights.retrieve(session.session_id, **place),
        lambda: world.sessions.events.list(session.session_id, **place),
    ]
    for call in calls:
        assert "does not offer" in refused(404, call)


def refusals(world: World) -> None:
    """What the client is refused, and the errors that it makes of it."""
    theirs, reader = world.more
    stranger = world.client.with_options(api_key=theirs).organizations.sessions
    session = world.made()
    place = {"org_id": world.org}
    for call in (stranger.retrieve, stranger.archive, stranger.terminate, stranger.tags.retrieve):
        refused(404, call, session.session_id, **place)
    refused(404, stranger.list, world.org)
    refused(404, world.sessions.list, "org-of-nobody")
    refused(404, world.sessions.retrieve, "devin-" + "0" * 32, **place)
    nobody = world.client.with_options(api_key="wrong").organizations.sessions
    refused(401, nobody.list, world.org)
    reading = world.client.with_options(api_key=reader).organizations.sessions
    refused(403, reading.create, world.org, prompt=PROMPT)
    equal(reading.retrieve(session.session_id, **place), session)
    wrong = refused(422, world.made, prompt="", max_acu_limit=0, tags=["x"] * 51)
    equal(
        [one["loc"] for one in wrong],
        [["body", "prompt"], ["body", "max_acu_limit"], ["body", "tags"]],
    )
    for bad in (0, 201):
        (one,) = refused(422, world.sessions.list, world.org, first=bad)
        equal(one["loc"], ["query", "first"])
    refused(422, world.sessions.list, world.org, after="nonsense")
    secret = {"key": "K", "value": "v"}
    refused(409, world.made, session_secrets=[secret, secret])
    world.sessions.archive(session.session_id, **place)
    hello = {"message": "hello", **place}
    equal(
        refused(400, world.sessions.messages.send, session.session_id, **hello),
        "Devin session is archived",
    )
    gone = world.made()
    world.sessions.terminate(gone.session_id, **place)
    equal(
        refused(400, world.sessions.messages.send, gone.session_id, **hello),
        "Devin session already exited",
    )


def concurrently(world: World) -> None:
    """The other client of the package, with many requests at once."""

    async def play() -> None:
        client = devin_sdk.AsyncDevinSDK(
            base_url=world.url, api_key=world.client.api_key, _strict_response_validation=True
        )
        async with client:
            sessions = client.organizations.sessions
            mark = uuid.uuid4().hex
            made = await asyncio.gather(
                *(sessions.create(world.org, prompt=PROMPT, tags=[mark]) for _ in range(20))
            )
            equal(len({one.session_id for one in made}), 20)
            one = made[0].session_id
            tagged = (
                sessions.tags.append(one, org_id=world.org, tags=[str(number)])
                for number in range(10)
            )
            await asyncio.gather(*tagged)
            tags = (await sessions.tags.retrieve(one, org_id=world.org)).tags
            equal(set(tags), {mark, *map(str, range(10))})
            page = await sessions.list(world.org, tags=[mark])
            equal(len(page.items), 20)

    asyncio.run(play())


SCENARIOS: dict[str, Callable[[World], None]] = {
    each.__name__: each
    for each in (life, tags, lists, files, kept, not_offered, refusals, concurrently)
}


def main() -> None:
    """Play what the arguments name."""
    names, *rest = sys.argv[1:]
    for name in names.split(","):
        SCENARIOS[name](World(*rest))


if __name__ == "__main__":
    main()
