"""Devin v3: what its clients do not show: status words, archives, organisations (section 4)."""

import uuid
from typing import Any

import pytest
from yarl import URL

from tests.support.devin import moved, native, the_file
from tests.support.devin_v3 import PREFIX, Org, at, org_of
from tests.support.service import ask, bearer, client_of, create, new_key
from tests.support.work_protocol import claim, not_told, poll, said, tell

FIELDS = {
    "session_id",
    "url",
    "org_id",
    "title",
    "status",
    "status_detail",
    "tags",
    "pull_requests",
    "structured_output",
    "acus_consumed",
    "created_at",
    "updated_at",
    "is_archived",
    "is_advanced",
    "playbook_id",
    "user_id",
    "service_user_id",
    "parent_session_id",
    "child_session_ids",
}

Client = Any


@pytest.fixture
async def org(aiohttp_client: Any, shared: Any) -> Org:
    """An organisation where there is nothing yet."""
    return await org_of(aiohttp_client, shared, uuid.uuid4().hex)


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ([], ("new", None)),
        (["starting"], ("claimed", None)),
        (["running"], ("running", "working")),
        (["running", "blocked"], ("running", "waiting_for_user")),
        (["running", "paused"], ("suspended", "user_request")),
        (["running", "paused", "resuming"], ("resuming", None)),
        (["completed"], ("exit", "finished")),
        (["stopped"], ("exit", "user_request")),
        (["timed_out"], ("exit", "inactivity")),
        (["failed"], ("error", "error")),
        (["lost"], ("error", "error")),
    ],
)
async def test_4_status_and_its_detail(
    org: Org, statuses: list[str], shown: tuple[str, str | None]
) -> None:
    session = await org.made()
    assert session.keys() == FIELDS
    await moved(org.client, session, *statuses)
    found = await org.ask("GET", at(session))
    assert (found["status"], found["status_detail"]) == shown
    assert found.keys() == FIELDS


async def test_4_a_session_is_worked_on_from_its_prompt_to_its_end(org: Org) -> None:
    schema = {"type": "object", "required": ["ok"]}
    session = await org.made(structured_output_schema=schema, max_acu_limit=9)
    held = await claim(org.client)
    assert (held["prompt"], held["spec"]["max_acu_limit"]) == ("Review the pull request", 9)
    blocked = {"type": "status", "status": "blocked"}
    await tell(org.client, held, 1, "started", said("Which?"), said("Tell me."), blocked)
    assert (await org.ask("GET", at(session)))["status_detail"] == "waiting_for_user"
    await org.ask("POST", at(session, "/messages"), json={"message": "main"})
    heard = await poll(org.client, held, wait_s=0)
    assert [one["content"] for one in heard["messages"]] == ["main"]
    pulls = [
        {"type": "pull_request", "url": "https://git.test/1", "state": "merged"},
        {"type": "pull_request", "url": "https://git.test/2"},
    ]
    output = {"type": "output", "structured_output": {"ok": True}}
    used = {"type": "acus", "used": 2.5}
    finished = {"type": "finished", "exit_code": 0}
    await tell(org.client, held, 2, *pulls, output, used, finished)
    shown = await org.ask("GET", at(session))
    assert shown["pull_requests"] == [
        {"pr_url": "https://git.test/1", "pr_state": "merged"},
        {"pr_url": "https://git.test/2", "pr_state": None},
    ]
    assert (shown["structured_output"], shown["acus_consumed"]) == ({"ok": True}, 2.5)
    # Two messages of one commit are on pages of their own.
    words, cursor = [], None
    while True:
        query = {"first": "1"} if cursor is None else {"first": "1", "after": cursor}
        page = await org.ask("GET", at(session, "/messages"), params=query)
        words += [(one["source"], one["message"]) for one in page["items"]]
        cursor = page["end_cursor"]
        if cursor is None:
            break
    assert words == [
        ("user", "Review the pull request"),
        ("devin", "Which?"),
        ("devin", "Tell me."),
        ("user", "main"),
    ]


async def test_4_an_output_that_is_no_object_becomes_a_member_of_one(org: Org) -> None:
    session = await org.made()
    held = await claim(org.client)
    await tell(org.client, held, 1, "started", {"type": "output", "structured_output": [1, 2]})
    assert (await org.ask("GET", at(session)))["structured_output"] == {"value": [1, 2]}


async def test_4_a_budget_that_is_used_up_is_told(org: Org) -> None:
    session = await org.made(max_acu_limit=2)
    held = await claim(org.client)
    await tell(org.client, held, 1, "started", {"type": "acus", "used": 2})
    shown = await org.ask("GET", at(session))
    assert (shown["status"], shown["status_detail"]) == ("error", "usage_limit_exceeded")


async def test_4_an_archived_session_is_put_to_sleep_and_stays_so(org: Org) -> None:
    session = await org.made(tags=["a"])
    held = await claim(org.client)
    await tell(org.client, held, 1, "started")
    asleep = await org.ask("POST", at(session, "/archive"))
    assert (asleep["status"], asleep["is_archived"]) == ("suspended", True)
    # Who was at work on it is so no more, and nobody else comes to be.
    await not_told(org.client, held, 409, "fenced", said("too late"))
    assert await claim(org.client) is None
    for method, path, body in (
        ("POST", "/messages", {"message": "hello"}),
        ("POST", "/tags", {"tags": ["b"]}),
        ("PUT", "/tags", {"tags": []}),
    ):
        told = await org.refused(method, at(session, path), 400, json=body)
        assert told == "Devin session is archived"
    v1 = f"/v1/sessions/{session['session_id']}"
    await ask(org.client, "POST", f"{v1}/message", 400, json={"message": "hello"})
    assert await org.ask("POST", at(session, "/archive")) == asleep
    assert await org.ask("GET", at(session)) == asleep
    ended = await org.ask("DELETE", at(session))
    assert (ended["status"], ended["is_archived"]) == ("exit", True)


async def test_4_what_is_archived_before_it_has_begun_never_begins(org: Org) -> None:
    session = await org.made()
    shown = await org.ask("POST", at(session, "/archive"))
    assert (shown["status"], shown["is_archived"]) == ("exit", True)
    assert await claim(org.client) is None
    state = await native(org.client, session)
    assert (state["status"], state["detail"]) == ("stopped", "archived before its work began")


@pytest.mark.parametrize("value", ["true", "1", "false"])
async def test_4_a_session_may_be_archived_as_it_is_terminated(org: Org, value: str) -> None:
    session = await org.made()
    shown = await org.ask("DELETE", at(session), params={"archive": value})
    assert (shown["status"], shown["is_archived"]) == ("exit", value != "false")
    await org.refused("DELETE", at(session), 400)
    assert (await org.ask("POST", at(session, "/archive")))["is_archived"]


async def test_4_a_client_may_post_to_terminate_and_call_the_page_size_limit(org: Org) -> None:
    sessions = [await org.made() for _ in range(3)]
    shown = await org.ask("POST", at(sessions[0], "/terminate"))
    assert shown["status"] == "exit"
    page = await org.ask("GET", "/sessions", params={"limit": "2"})
    assert [one["session_id"] for one in page["items"]] == [
        sessions[2]["session_id"],
        sessions[1]["session_id"],
    ]
    assert (page["has_next_page"], page["total"]) == (True, None)
    rest = await org.ask("GET", "/sessions", params={"limit": "2", "after": page["end_cursor"]})
    assert [one["session_id"] for one in rest["items"]] == [sessions[0]["session_id"]]
    assert (rest["has_next_page"], rest["end_cursor"]) == (False, None)


async def test_4_lists_take_commas_and_repeated_keys(org: Org) -> None:
    one, two, three = [(await org.made(tags=[tag]))["session_id"] for tag in ("a", "b", "c")]
    assert await org.listed([("tags", "a,b")]) == [two, one]
    assert await org.listed([("tags", "a"), ("tags", "c")]) == [three, one]
    assert await org.listed([("tags", "a,,c"), ("tags", "b")]) == [three, two, one]
    assert await org.listed([("session_ids", f"{one},{three}")]) == [three, one]
    assert await org.listed([("session_ids", one.removeprefix("devin-"))]) == [one]
    assert await org.listed([("session_ids", "nonsense")]) == []
    nothing = [("tags", ""), ("session_ids", ""), ("after", ""), ("created_after", "")]
    assert await org.listed(nothing) == [three, two, one]


async def test_4_self_says_whose_key_it_is(org: Org) -> None:
    for path in (f"{PREFIX}/self", "/v3/self"):
        assert await ask(org.client, "GET", path) == {
            "principal_type": "service_user",
            "service_user_id": f"key:of {org.tenant}",
            "service_user_name": f"of {org.tenant}",
            "org_id": org.id,
        }


async def test_4_an_organisation_has_two_names_and_no_other_may_see_it(
    aiohttp_client: Any, shared: Any, org: Org
) -> None:
    session = await org.made()
    bare = f"{PREFIX}/organizations/{org.tenant}"
    assert await ask(org.client, "GET", f"{bare}{at(session)}") == session
    others = await org_of(aiohttp_client, shared, uuid.uuid4().hex)
    await ask(others.client, "GET", f"{org.path}{at(session)}", 404)
    await others.refused("GET", at(session), 404)
    assert await others.listed() == []


async def test_4_an_admin_is_of_every_organisation_but_of_one_at_a_time(
    aiohttp_client: Any, shared: Any, org: Org
) -> None:
    admin = Org(await client_of(aiohttp_client, shared), org.tenant)
    session = await admin.made(tags=["made by an admin"])
    assert (session["org_id"], session["service_user_id"]) == (org.id, "key:admin")
    assert await org.listed() == [session["session_id"]]
    form = the_file(b"x")
    file = await admin.ask("POST", "/attachments", data=form)
    async with org.client.get(URL(file["url"]).relative()) as answer:
        assert await answer.read() == b"x"
    elsewhere = Org(admin.client, uuid.uuid4().hex)
    assert await elsewhere.listed() == []
    await elsewhere.refused("GET", at(session), 404)
    await elsewhere.refused("GET", "/attachments/" + file["attachment_id"], 404)


async def test_4_artifacts_of_the_work_are_attachments_of_devin(org: Org) -> None:
    session = await org.made()
    state = await native(org.client, session)
    path = f"/api/v1/sessions/{state['id']}/artifacts"
    headers = {"Content-Type": "text/x-log"}
    await ask(org.client, "POST", f"{path}?name=run.log", 201, data=b"done\n", headers=headers)
    (shown,) = await org.ask("GET", at(session, "/attachments"))
    assert (shown["name"], shown["source"], shown["content_type"]) == (
        "run.log",
        "devin",
        "text/x-log",
    )
    async with org.client.get(URL(shown["url"]).relative()) as answer:
        assert await answer.read() == b"done\n"


async def test_4_native_and_v1_sessions_are_sessions_of_v3_too(org: Org) -> None:
    native_one = await create(org.client, "agent", spec={"prompt": 5, "is_archived": "yes"})
    v1 = await ask(org.client, "POST", "/v1/sessions", json={"prompt": "x"})
    assert await org.listed() == [
        v1["session_id"],
        f"devin-{native_one['id'].replace('-', '')}",
    ]
    shown = await org.ask("GET", f"/sessions/{native_one['id'].replace('-', '')}")
    assert (shown["is_archived"], bool(shown["title"])) == (False, True)
    messages = await org.ask("GET", at(shown, "/messages"))
    assert messages["items"] == []
    await create(org.client, "browser")
    assert len(await org.listed()) == 2


async def test_4_sensitive_messages_are_read_until_the_session_is_erased(org: Org) -> None:
    session = await org.made()
    native_path = f"/api/v1/sessions/{(await native(org.client, session))['id']}"
    secret = {"content": "the word is 91c2", "sensitive": True}
    await ask(org.client, "POST", f"{native_path}/messages", 201, json=secret)
    path = at(session, "/messages")
    _, shown = (await org.ask("GET", path))["items"]
    assert (shown["message"], shown["source"]) == ("the word is 91c2", "user")
    await ask(org.client, "DELETE", f"{native_path}?erase=true", 204)
    await org.refused("GET", path, 404)


async def test_4_an_idempotent_create_does_not_find_what_is_archived(org: Org) -> None:
    asked = {"prompt": "once", "idempotent": True}
    first = await ask(org.client, "POST", "/v1/sessions", json=asked)
    await moved(org.client, first, "running")
    await org.ask("POST", at(first, "/archive"))
    again = await ask(org.client, "POST", "/v1/sessions", json=asked)
    assert again["is_new_session"]
    assert again["session_id"] != first["session_id"]


async def test_4_who_only_reads_changes_nothing(aiohttp_client: Any, shared: Any, org: Org) -> None:
    session = await org.made()
    admin = await client_of(aiohttp_client, shared)
    key = (await new_key(admin, org.tenant, "sessions:read"))["key"]
    reader = Org(await aiohttp_client(shared, headers=bearer(key)), org.tenant)
    assert await reader.ask("GET", at(session)) == session
    for method, path in (
        ("POST", "/sessions"),
        ("DELETE", at(session)),
        ("POST", at(session, "/terminate")),
        ("POST", at(session, "/archive")),
        ("POST", at(session, "/messages")),
        ("POST", at(session, "/tags")),
        ("PUT", at(session, "/tags")),
        ("POST", "/attachments"),
        ("POST", "/secrets"),
        ("POST", "/knowledge/notes"),
        ("DELETE", "/playbooks/x"),
    ):
        await reader.refused(method, path, 403)
