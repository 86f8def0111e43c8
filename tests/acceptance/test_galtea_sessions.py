"""Galtea: changing, finishing and deleting sessions. Sections are those of the Galtea contract."""

import asyncio
import uuid
from typing import Any

import pytest

from sessions.domain.policy import DETAIL_CHARS_MAX
from tests.support.galtea import ERROR, URL, a_test_case, post, product
from tests.support.service import (
    SESSIONS,
    ask,
    client_of_a_tenant,
    nothing_written,
    refused,
)

END = [("completed", "COMPLETED"), *((end, "FAILED") for end in ("failed", "stopped"))]


@pytest.fixture
async def version(client):
    return await post(client, "versions", productId=(await product(client, uuid.uuid4().hex))["id"])


@pytest.fixture
async def session(client, version):
    return await post(client, "sessions", versionId=version["id"])


async def patch(client, session, status=200, /, **body: Any):
    return await ask(client, "PATCH", f"{URL}/{session['id']}", status, json=body)


async def finish(client, session, status=200, /, **body: Any):
    return await ask(client, "PATCH", f"{URL}/{session['id']}/finish", status, json=body)


async def read(client, session, status=200):
    return await ask(client, "GET", f"{URL}/{session['id']}", status)


def native(session):
    number = int(session["id"].removeprefix("session_"), 36)
    return f"{SESSIONS}/{uuid.UUID(int=number)}"


GIVEN: dict[str, list[Any]] = {
    "customId": ["a/b +%é", "x" * 1024],
    "stoppingReason": ["GOAL_ACHIEVED", "x" * 65_536, "é\n"],
    "error": ["boom", " "],
    "metadata": [{"a": [None, True, 1]}, {"b": {}}],
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("path", ["/sessions", "/galtea/sessions"])
async def test_a_field_is_set_kept_and_cleared(client, session, name, path):
    """Sections 5 and 8.5: absent keeps, null clears, an object is replaced as a whole."""
    for value in GIVEN[name]:
        changed = await ask(client, "PATCH", f"{path}/{session['id']}", json={name: value})
        assert changed == {**session, name: value}
        assert await patch(client, session) == await read(client, session) == changed
    assert await patch(client, session, **{name: None}) == session


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("text", {"value": "text"}),
        ("", {"value": ""}),
        ({"a": 1}, {"a": 1}),
        ({}, {}),
        (None, None),
    ],
)
async def test_a_context_is_wrapped_again(client, version, sent, shown):
    """Sections 4 and 5."""
    session = await post(client, "sessions", versionId=version["id"], context="before")
    assert (await patch(client, session, context=sent))["context"] == shown
    assert (await read(client, session))["context"] == shown


async def test_what_never_changes_and_what_is_unknown_is_ignored(client, version, session):
    """Section 5: older clients send the whole object."""
    other = await post(client, "versions", productId=version["productId"])
    case = await a_test_case(client, version["productId"])
    changed = await patch(
        client,
        session,
        **{**session, "versionId": other["id"], "testCaseId": case["id"], "isProduction": False},
        surprise=[1],
    )
    assert changed == session


async def test_a_change_that_changes_nothing_writes_nothing(client, session):
    """Section 5, and design section 3."""
    before = await ask(client, "GET", native(session))
    for body in ({}, {"customId": None}, {"metadata": None}, {"status": "PENDING"}, session):
        await patch(client, session, **body)
    assert (await ask(client, "GET", native(session)))["position"] == before["position"]


async def test_an_error_alone_leaves_the_session_open(client, session):
    """Section 5."""
    changed = await patch(client, session, error="odd")
    assert (changed["status"], changed["error"]) == ("PENDING", "odd")
    failed = await patch(client, session, status="FAILED")
    assert (failed["status"], failed["error"]) == ("FAILED", "odd")
    assert (await ask(client, "GET", native(session)))["detail"] == "odd"


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED"])
@pytest.mark.parametrize("other", ["COMPLETED", "FAILED"])
async def test_an_end_can_be_another_and_can_be_taken_back(client, session, end, other):
    """Sections 5, 6 and 7: the simulator opens a session that it plays again."""
    assert (await patch(client, session, status=end))["status"] == end
    text = {"error": "e", "stoppingReason": "s"}
    changed = await patch(client, session, status=other, **text)
    assert {name: changed[name] for name in text} == text
    assert changed["status"] == other
    opened = await patch(client, session, status="PENDING")
    assert opened == session
    there = await ask(client, "GET", native(session))
    assert (there["status"], there["reason"]) == ("running", "reopened")
    said = await patch(client, session, status="COMPLETED", error=None)
    assert (said["status"], said["error"], said["stoppingReason"]) == ("COMPLETED", None, None)


async def test_null_takes_back_what_an_end_says(client, session):
    """Section 5: also what the session itself would tell."""
    body = {"to": "failed", "reason": "runtime_failed", "detail": "no disk"}
    await ask(client, "POST", f"{native(session)}/transitions", json=body)
    assert (await read(client, session))["error"] == "no disk"
    assert (await patch(client, session, error=None))["error"] is None
    assert (await patch(client, session, stoppingReason="x"))["stoppingReason"] == "x"
    assert (await read(client, session))["status"] == "FAILED"


@pytest.mark.parametrize(
    ("body", "status", "reason", "error"),
    [
        ({"stoppingReason": "FINISHED"}, "COMPLETED", "FINISHED", None),
        ({"stoppingReason": " GOAL "}, "COMPLETED", "GOAL", None),
        ({"error": "boom"}, "FAILED", None, "boom"),
        ({"stoppingReason": "s", "error": "e"}, "FAILED", "s", "e"),
        ({"stoppingReason": "s", "error": " "}, "COMPLETED", "s", None),
        ({"stoppingReason": None, "error": "e"}, "FAILED", None, "e"),
    ],
)
async def test_finish(client, session, body, status, reason, error):
    """Section 5."""
    done = await finish(client, session, **body)
    wanted = {"status": status, "stoppingReason": reason, "error": error}
    assert done == {**session, **wanted}
    assert await read(client, session) == done
    there = await ask(client, "GET", native(session))
    assert there["ended_at"] is not None
    assert there["detail"] == (error or reason)
    assert (await finish(client, session, stoppingReason="again"))["status"] == "COMPLETED"


@pytest.mark.parametrize("body", [{}, {"stoppingReason": ""}, {"error": " \n"}, {"status": "x"}])
async def test_a_finish_that_says_nothing_is_400(client, session, body):
    """Section 5: neither, or blank."""
    assert set(await finish(client, session, 400, **body)) == ERROR
    assert await read(client, session) == session


async def test_a_long_reason_is_kept_whole(client, session):
    """Section 5, and design section 4: what every API shows of it has an end."""
    reason = "x" * (DETAIL_CHARS_MAX + 1)
    assert (await finish(client, session, stoppingReason=reason))["stoppingReason"] == reason
    there = await ask(client, "GET", native(session))
    assert there["detail"] == reason[:DETAIL_CHARS_MAX]


WRONG: dict[str, list[Any]] = {
    "customId": ["", " \n", "x" * 1025, 1, True, [], {}],
    "status": ["pending", "RUNNING", "", 1, True, [], {}],
    "metadata": ["x", 1, True, [], [["a", 1]], {str(n): n for n in range(300)}],
    "context": [1, 1.5, True, [], ["a"]],
    "stoppingReason": [1, True, [], {}, "x" * 65_537],
    "error": [1, True, [], {}, "x" * 65_537],
}


async def test_a_wrong_value_is_400_and_names_the_field(client, session):
    """Sections 2, 4 and 5; nothing of the body is applied."""
    async with nothing_written(client):
        for name, values in WRONG.items():
            for value in values:
                body = {"error": "e", "metadata": {"a": 1}, name: value}
                answer = await patch(client, session, 400, **body)
                assert set(answer) == ERROR
                assert name in answer["message"]
        for value in WRONG["error"][:-1]:
            assert set(await finish(client, session, 400, stoppingReason="s", error=value)) == ERROR
        for raw in (b"", b"{", b"null", b"[]", b'"x"', b"\xff", b'{"error":"\\u0000"}'):
            for path in ("", "/finish"):
                url = f"{URL}/{session['id']}{path}"
                assert set(await ask(client, "PATCH", url, 400, data=raw)) == ERROR
    assert await read(client, session) == session


@pytest.mark.parametrize("end", ["timed_out", "lost"])
async def test_what_a_clock_or_a_fault_ended_stays_ended(client, session, end):
    """Design section 4: and it says so, with the statuses of section 2."""
    await ask(client, "POST", f"{native(session)}/transitions", json={"to": end})
    for answer in (
        await patch(client, session, 400, status="PENDING"),
        await patch(client, session, 400, status="COMPLETED"),
        await finish(client, session, 400, stoppingReason="x"),
    ):
        assert set(answer) == ERROR
        assert end in answer["message"]
    changed = await patch(client, session, status="FAILED", metadata={"a": 1})
    assert (changed["status"], changed["metadata"]) == ("FAILED", {"a": 1})


@pytest.mark.parametrize(("end", "word"), END)
async def test_the_native_api_can_do_what_galtea_can(client, session, end, word):
    """Law 6 of the design."""
    moves = f"{native(session)}/transitions"
    await ask(client, "POST", moves, json={"to": end})
    assert (await read(client, session))["status"] == word
    await refused(client, "POST", moves, 409, "session_ended", json={"to": "running"})
    why = await ask(client, "GET", f"{native(session)}/why")
    assert why["transitions"] == ["running"]
    assert "It has ended, and can be opened again." in why["words"]
    again = await ask(client, "POST", moves, json={"to": "running", "reason": "reopened"})
    assert again["ended_at"] is None
    assert (await read(client, session))["status"] == "PENDING"


async def test_a_custom_id_stays_unique_in_its_version(client, version):
    """Section 5: a change claims it as a create does, and sets the old one free."""
    one, two = [
        await post(client, "sessions", versionId=version["id"], customId=name) for name in "ab"
    ]
    taken = await patch(client, two, 400, customId="a", metadata={"x": 1})
    assert taken["message"].startswith("A Session with the same ")
    assert await read(client, two) == two
    assert (await patch(client, one, customId="c"))["customId"] == "c"
    assert (await patch(client, two, customId="a"))["customId"] == "a"
    assert (await patch(client, two, customId="a", error="e"))["error"] == "e"
    await patch(client, one, 400, customId="a")
    await patch(client, one, customId=None)
    await post(client, "sessions", versionId=version["id"], customId="c")
    other = await post(client, "versions", productId=version["productId"])
    await post(client, "sessions", versionId=other["id"], customId="a")


async def test_of_many_changes_and_creates_one_gets_the_custom_id(client, version):
    """Section 5, also under concurrency."""
    made = [await post(client, "sessions", versionId=version["id"]) for _ in range(4)]

    async def change(session):
        body = {"customId": "race"}
        async with client.patch(f"{URL}/{session['id']}", json=body) as answer:
            return answer.status

    async def create():
        body = {"versionId": version["id"], "customId": "race"}
        async with client.post(URL, json=body) as answer:
            return answer.status

    attempts = [change(one) for one in made for _ in range(2)] + [create() for _ in range(4)]
    won = [status for status in await asyncio.gather(*attempts) if status != 400]
    # The same session may win with both of its changes, the second of which changes nothing.
    assert won in ([200], [200, 200], [201])
    sessions = await ask(client, "GET", URL, params={"customIds[]": "race"})
    assert len([one for one in sessions if one["versionId"] == version["id"]]) == 1


async def test_many_changes_of_one_session_at_once_all_succeed(client, session):
    """Section 5: the client does not send again what was refused."""
    bodies = [{"metadata": {"n": n}} for n in range(40)] + [{"customId": str(n)} for n in range(40)]

    async def change(body):
        async with client.patch(f"{URL}/{session['id']}", json=body) as answer:
            return answer.status

    assert await asyncio.gather(*map(change, bodies)) == [200] * len(bodies)
    shown = await read(client, session)
    assert {"metadata": shown["metadata"]} in bodies
    assert {"customId": shown["customId"]} in bodies


async def test_a_deleted_session_is_gone_and_its_history_stays(client, version):
    """Section 5: GET is 404 afterwards, and so is every other thing."""
    session = await post(client, "sessions", versionId=version["id"], customId="gone")
    async with client.delete(f"{URL}/{session['id']}") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    for method, path, body in [
        *(
            ("GET", "", None),
            ("DELETE", "", None),
            ("PATCH", "", {}),
            ("PATCH", "", {"error": "x"}),
        ),
        ("PATCH", "/finish", {"stoppingReason": "x"}),
    ]:
        found = await ask(client, method, f"{URL}/{session['id']}{path}", 404, json=body)
        assert set(found) == ERROR
    listed = await ask(client, "GET", URL, params={"versionIds[]": version["id"]})
    assert listed == []
    history = await ask(client, "GET", f"{native(session)}/events")
    assert [event["type"] for item in history["items"] for event in item["events"]] == [
        *("session.created", "session.status_changed", "session.deleted"),
    ]
    await post(client, "sessions", versionId=version["id"], customId="gone")


async def test_a_batch_is_deleted_or_none_of_it(client, version):
    """Section 5: `batch` is no id of a session."""
    made = [await post(client, "sessions", versionId=version["id"]) for _ in range(5)]
    ids = [one["id"] for one in made]
    for unknown in ("session_x", version["id"], "batch"):
        await ask(client, "DELETE", f"{URL}/batch", 404, json={"ids": [*ids, unknown]})
    for session in made:
        assert await read(client, session) == session
    body = {"ids": [*ids[:3], ids[0]]}
    assert await ask(client, "DELETE", f"{URL}/batch", 204, json=body) is None
    listed = await ask(client, "GET", URL, params={"versionIds": version["id"]})
    assert [one["id"] for one in listed] == [ids[4], ids[3]]
    await ask(client, "DELETE", f"{URL}/batch", 404, json={"ids": ids})


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": None}, {"ids": "x"}, {"ids": [1]}, {"ids": ["x"] * 1001}, []]
)
async def test_a_wrong_batch_is_400(client, body):
    """Section 2."""
    assert set(await ask(client, "DELETE", f"{URL}/batch", 400, json=body)) == ERROR


async def test_nothing_of_another_tenant_is_changed(aiohttp_client, client, shared, session):
    """Section 5: unknown and foreign are the same 404."""
    rival = await client_of_a_tenant(aiohttp_client, shared)
    await patch(rival, session, 404, error="x")
    await finish(rival, session, 404, stoppingReason="x")
    await ask(rival, "DELETE", f"{URL}/{session['id']}", 404)
    await ask(rival, "DELETE", f"{URL}/batch", 404, json={"ids": [session["id"]]})
    assert await ask(rival, "GET", URL, 404, params={"ids": session["id"]})
    assert await ask(rival, "GET", URL, params={"versionIds": session["versionId"]}) == []
    assert await read(client, session) == session
