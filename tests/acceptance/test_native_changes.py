"""Changing sessions through the native API: patch, transitions, extend, messages, history."""

from collections import deque
from typing import Any

import pytest

from projections.events.status import ENDED, REASONS, STATUSES
from sessions.domain import policy
from tests.support.service import SESSIONS, ask, create, move, refused


def path_of(session, what=""):
    return f"{SESSIONS}/{session['id']}{what}"


def revision(session):
    return {"If-Match": f'"{session["position"]}"'}


async def patch(client, session, headers=None, **fields):
    return await ask(client, "PATCH", path_of(session), json=fields, headers=headers)


async def history(client, session):
    return (await ask(client, "GET", path_of(session, "/events?limit=200")))["items"]


async def test_a_patch_replaces_what_it_names_and_nothing_else(client):
    session = await create(
        client, title="t", labels=["a"], metadata={"a": 1}, spec={"x": 1, "y": 2}
    )
    patched = await patch(client, session, revision(session), metadata={"b": 2})
    assert patched["metadata"] == {"b": 2}
    assert (patched["title"], patched["labels"], patched["spec"]) == ("t", ["a"], {"x": 1, "y": 2})
    patched = await patch(client, patched, title="", labels=["b", "b"], spec={"y": 3, "z": None})
    assert (patched["title"], patched["labels"]) == ("", ["b"])
    assert patched["spec"] == {"x": 1, "y": 3, "z": None}
    assert await ask(client, "GET", path_of(session)) == patched


async def test_a_patch_at_a_stale_revision_is_refused_and_changes_nothing(client):
    session = await create(client, title="first")
    newer = await patch(client, session, revision(session), title="second")
    problem = await refused(
        client,
        "PATCH",
        path_of(session),
        412,
        "revision_mismatch",
        json={"title": "third"},
        headers=revision(session),
    )
    assert str(newer["position"]) in problem["detail"]
    assert await ask(client, "GET", path_of(session)) == newer
    assert (await patch(client, session, {"If-Match": "*"}, title="any"))["title"] == "any"


@pytest.mark.parametrize(
    "same", [{}, {"title": "t"}, {"labels": ["a"]}, {"metadata": {"k": 1}}, {"spec": {"s": 1}}]
)
async def test_a_patch_that_changes_nothing_appends_nothing(client, same):
    session = await create(
        client, title="t", labels=["a"], metadata={"k": 1}, spec={"s": 1, "r": 2}
    )
    assert await patch(client, session, revision(session), **same) == session
    assert len(await history(client, session)) == 1


async def test_one_and_true_are_not_the_same(client):
    session = await create(client, metadata={"k": 1})
    patched = await patch(client, session, metadata={"k": True})
    assert patched["metadata"]["k"] is True
    assert patched["position"] > session["position"]


async def test_the_spec_is_fixed_once_the_session_left_pending(client):
    session = await move(client, await create(client, spec={"a": 1}), "queued")
    body = {"json": {"spec": {"a": 2}, "title": "no"}}
    await refused(client, "PATCH", path_of(session), 409, "not_configurable", **body)
    assert await ask(client, "GET", path_of(session)) == session
    assert (await patch(client, session, title="yes"))["title"] == "yes"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": "x" * (policy.TITLE_CHARS_MAX + 1)}, "title"),
        ({"labels": ["", "a"]}, "labels"),
        ({"metadata": {str(n): n for n in range(policy.METADATA_KEYS_MAX + 1)}}, "metadata"),
    ],
)
async def test_a_patch_out_of_range_is_refused(client, fields, field):
    session = await create(client)
    problem = await refused(client, "PATCH", path_of(session), 422, "invalid_value", json=fields)
    assert problem["errors"][0]["pointer"] == f"/{field}"


def ways():
    """A way from `pending` to each status, as the table has it."""
    found: dict[Any, tuple[Any, ...]] = {"pending": ()}
    queue: deque[Any] = deque(["pending"])
    while queue:
        here = queue.popleft()
        for onward in sorted(policy.TRANSITIONS[here] - found.keys()):
            found[onward] = (*found[here], onward)
            queue.append(onward)
    return found


async def test_only_the_steps_of_the_table_can_be_taken(client, subtests):
    for was in STATUSES:
        with subtests.test(was=was):
            await take_every_step_from(client, was)


async def take_every_step_from(client, was):
    way = ways()[was]
    standing = await move(client, await create(client), *way)
    assert standing["status"] == was
    for to in STATUSES:
        body = {"to": to, "reason": "client_error", "detail": f"to {to}"}
        if to == was:
            assert (
                await ask(client, "POST", path_of(standing, "/transitions"), json=body) == standing
            )
        elif to in policy.TRANSITIONS[was]:
            session = await move(client, await create(client), *way)
            moved = await ask(client, "POST", path_of(session, "/transitions"), json=body)
            assert (moved["status"], moved["reason"], moved["detail"]) == tuple(body.values())
            assert moved["status_position"] == moved["position"] > session["position"]
            assert (moved["ended_at"] is not None) == (to in ENDED)
        else:
            code = "session_ended" if was in ENDED else "transition_not_allowed"
            await refused(client, "POST", path_of(standing, "/transitions"), 409, code, json=body)
    assert await ask(client, "GET", path_of(standing)) == standing


async def test_a_transition_tells_who_why_and_from_where(client):
    session = await create(client)
    for reason, status in zip(REASONS, ["running", "paused"] * len(REASONS), strict=False):
        body = {"to": status, "reason": reason}
        session = await ask(client, "POST", path_of(session, "/transitions"), json=body)
        assert (session["reason"], session["actor"]) == (reason, "key:admin")
    commits = await history(client, session)
    steps = [commit["events"][0]["data"] for commit in commits[1:]]
    assert [step["reason"] for step in steps] == list(REASONS)
    assert [step["was"] for step in steps[1:]] == [step["to"] for step in steps[:-1]]


async def test_a_detail_has_a_greatest_length(client):
    session = await create(client)
    body = {"to": "failed", "detail": "x" * policy.DETAIL_CHARS_MAX}
    ended = await ask(client, "POST", path_of(session, "/transitions"), json=body)
    assert ended["detail"] == body["detail"]
    body["detail"] += "x"
    other = await create(client)
    await refused(client, "POST", path_of(other, "/transitions"), 422, "invalid_value", json=body)


async def test_a_transition_at_a_stale_revision_is_refused(client):
    session = await create(client)
    await patch(client, session, title="newer")
    await refused(
        client,
        "POST",
        path_of(session, "/transitions"),
        412,
        "revision_mismatch",
        json={"to": "running"},
        headers=revision(session),
    )


async def extend(client, session, **fields):
    return await ask(client, "POST", path_of(session, "/extend"), json=fields)


async def test_the_clocks_can_be_given_new_lengths(client):
    session = await create(client, idle_timeout_s=10, max_duration_s=100)
    longer = await extend(client, session, idle_timeout_s=20, max_duration_s=200)
    assert (longer["idle_timeout_s"], longer["max_duration_s"]) == (20, 200)
    assert longer["max_deadline"] > session["max_deadline"]
    assert longer["idle_deadline"] > session["idle_deadline"]
    without = await extend(client, longer, idle_timeout_s=None)
    assert (without["idle_timeout_s"], without["idle_deadline"]) == (None, None)
    assert await extend(client, without) == without
    assert await extend(client, without, max_duration_s=200) == without
    assert len(await history(client, session)) == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"max_duration_s": 0}, "max_duration_s"),
        ({"max_duration_s": policy.DURATION_S_MAX + 1}, "max_duration_s"),
        ({"max_duration_s": 5}, "idle_timeout_s"),
        ({"idle_timeout_s": 101}, "idle_timeout_s"),
    ],
)
async def test_clocks_out_of_range_are_refused(client, fields, field):
    session = await create(client, idle_timeout_s=10, max_duration_s=100)
    path = path_of(session, "/extend")
    problem = await refused(client, "POST", path, 422, "invalid_value", json=fields)
    assert problem["errors"][0]["pointer"] == f"/{field}"


async def test_an_ended_session_is_neither_extended_nor_spoken_in(client):
    session = await move(client, await create(client), "failed")
    path = path_of(session, "/extend")
    await refused(client, "POST", path, 409, "session_ended", json={"max_duration_s": 9})
    path = path_of(session, "/messages")
    await refused(client, "POST", path, 409, "session_ended", json={"content": "x"})


async def say(client, session, content, **fields):
    body = {"content": content, **fields}
    return await ask(client, "POST", path_of(session, "/messages"), 201, json=body)


async def test_messages_come_back_in_order_with_all_they_carry(client):
    session = await create(client)
    said = [
        {"role": "user", "content": "", "data": {}},
        {"role": "agent", "content": "zwei\n\tlines ✓", "data": {"deep": [{"a": None}]}},
        {"role": "system", "content": "x" * policy.CONTENT_CHARS_MAX, "data": {"n": 1.0}},
    ]
    for number, message in enumerate(said, 1):
        after = await say(client, session, **message)
        assert after["messages"] == number
    listed = await ask(client, "GET", path_of(session, "/messages"))
    assert listed["next"] is None
    assert [{k: m[k] for k in ("role", "content", "data")} for m in listed["items"]] == said
    assert len({message["id"] for message in listed["items"]}) == 3
    assert {message["actor"] for message in listed["items"]} == {"key:admin"}
    path = path_of(session, "/messages")
    body = {"content": "x" * (policy.CONTENT_CHARS_MAX + 1)}
    await refused(client, "POST", path, 422, "invalid_value", json=body)


async def pages(client, path, limit):
    """All the items of a history, in pages of `limit`."""
    items, after = [], 0
    while after is not None:
        page = await ask(client, "GET", path, params={"limit": limit, "after": after})
        assert len(page["items"]) <= limit
        items += page["items"]
        after = page["next"]
    return items


async def test_pages_of_messages_and_of_a_history_leave_nothing_out(client, subtests):
    session = await create(client)
    other = await create(client)
    for number in range(5):
        await say(client, session, f"{number}")
        await say(client, other, "not this one")
        if number in (1, 2):
            await patch(client, session, title=f"{number}")
    for limit in range(1, 9):
        with subtests.test(limit=limit):
            said = await pages(client, path_of(session, "/messages"), limit)
            assert [message["content"] for message in said] == list("01234")
            commits = await pages(client, path_of(session, "/events"), limit)
            assert len(commits) == 8
            assert [c["previous"] for c in commits] == [0, *(c["position"] for c in commits[:-1])]


async def test_pages_of_nothing_but_messages_leave_nothing_out(client, subtests):
    session = await create(client)
    for count in range(7):
        for limit in range(1, 8):
            with subtests.test(count=count, limit=limit):
                said = await pages(client, path_of(session, "/messages"), limit)
                assert [message["content"] for message in said] == [f"{n}" for n in range(count)]
        await say(client, session, f"{count}")


async def test_a_history_tells_each_fact_with_its_actor_and_request(client):
    headers = {"X-Request-Id": "req-42"}
    session = await create(client, headers=headers, title="t")
    (commit,) = await history(client, session)
    assert (commit["position"], commit["previous"]) == (session["position"], 0)
    assert (commit["actor"], commit["correlation_id"]) == ("key:admin", "req-42")
    assert commit["at"] == session["created_at"]
    assert commit["events"][0]["type"] == "session.created"
    assert commit["events"][0]["data"]["title"] == "t"
    both = await patch(client, session, title="u", labels=["l"])
    commit = (await history(client, both))[-1]
    assert [event["type"] for event in commit["events"]] == [
        "session.configured",
        "session.labelled",
    ]


BAD_PAGES = [
    ("after=-1", "bad_position"),
    ("after=x", "bad_position"),
    ("after=9223372036854775808", "bad_position"),
    ("limit=0", "invalid_query"),
    ("limit=201", "invalid_query"),
    ("limit=1.5", "invalid_query"),
    ("cursor=p1", "invalid_query"),
]


async def test_a_bad_page_is_refused(client, subtests):
    session = await create(client)
    for what in ("/messages", "/events"):
        for query, code in BAD_PAGES:
            with subtests.test(what=what, query=query):
                await refused(client, "GET", path_of(session, f"{what}?{query}"), 400, code)
