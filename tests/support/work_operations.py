"""The operations for workers, for real, each answer held against the document."""

from __future__ import annotations

from tests.support.contract import Checked
from tests.support.service import API, SESSIONS, create, move
from tests.support.work_protocol import CLAIMS, WORK, at, claim, finished, said, telling

LATE = {"session_id": "none", "generation": 1}


async def sessions_work(api: Checked) -> None:
    """An evaluation is offered, and what cannot be is refused."""
    session = await create(api.client, "evaluation", status="running")
    path = f"{SESSIONS}/{session['id']}/work"
    offered = await api.ask("POST", path, json={"requires": ["gpu"], "on_loss": "end"})
    assert offered["status"] == "queued"
    assert offered["work"]["requires"] == ["gpu"]
    assert await claim(api.client, "evaluation", labels=["gpu", "fast"])
    await api.ask("POST", path, 409, "not_configurable", json={})
    await api.ask("POST", path, 422, "invalid_value", json={"attempts_max": 0})
    paused = await move(api.client, await create(api.client, "evaluation"), "running", "paused")
    path = f"{SESSIONS}/{paused['id']}/work"
    await api.ask("POST", path, 409, "transition_not_allowed", json={})
    await move(api.client, paused, "stopped")
    await api.ask("POST", path, 409, "session_ended", json={})


async def work_list(api: Checked) -> None:
    """Who waits, and who has what."""
    waiting = await create(api.client, "agent")
    held = await create(api.client, "test_run", work={})
    await claim(api.client, "test_run", "lab-1")
    first, second = (await api.ask("GET", WORK))["items"]
    assert (first["session_id"], first["worker"]) == (waiting["id"], None)
    assert (second["session_id"], second["worker"]) == (held["id"], "lab-1")
    page = await api.ask("GET", WORK, params={"limit": "1"})
    assert page["items"] == [first]
    page = await api.ask("GET", WORK, params={"cursor": page["next"], "state": "held"})
    assert [item["session_id"] for item in page["items"]] == [held["id"]]
    assert page["next"] is None
    query = {"kind": "agent", "state": "held"}
    assert (await api.ask("GET", WORK, params=query))["items"] == []
    await api.ask("GET", WORK, 400, "invalid_query", params={"state": "lost"})
    await api.ask("GET", WORK, 400, "bad_cursor", params={"cursor": "x"})


async def work_claim(api: Checked) -> None:
    """A session with a secret, and none."""
    asked = {"kind": "agent", "worker": "w"}
    await api.ask("POST", CLAIMS, 204, json=asked)
    await create(api.client, "agent", secrets={"KEY": "s3cret"}, spec={"prompt": "p"})
    claimed = await api.ask("POST", CLAIMS, json=asked)
    assert (claimed["secrets"], claimed["prompt"]) == ({"KEY": "s3cret"}, "p")
    for wrong in ({"wait_s": 31}, {"worker": ""}, {"labels": [""]}):
        await api.ask("POST", CLAIMS, 422, "invalid_value", json={**asked, **wrong})
    await api.ask("POST", CLAIMS, 422, "invalid_body", json={"kind": "agent"})


async def work_poll(api: Checked) -> None:
    """What a user said, and who is too late."""
    session = await create(api.client, "agent")
    claimed = await claim(api.client)
    path = f"{API}/sessions/{session['id']}/messages"
    await api.ask("POST", path, 201, json={"content": "hello"})
    body = {"generation": 1, "after": claimed["after"]}
    heard = await api.ask("POST", at(claimed, "poll"), json=body)
    assert [message["content"] for message in heard["messages"]] == ["hello"]
    await api.ask("POST", at(claimed, "poll"), 409, "fenced", json={"generation": 2})
    await api.ask("POST", at(LATE, "poll"), 404, "not_found", json={"generation": 1})
    before = {"generation": 1, "after": -1}
    await api.ask("POST", at(claimed, "poll"), 422, "invalid_value", json=before)


async def work_report(api: Checked) -> None:
    """Every sort of report, a repeat, and the refusals."""
    await create(api.client, "agent")
    claimed = await claim(api.client)
    path = at(claimed, "reports")
    told = telling(
        claimed,
        1,
        {"type": "started"},
        said("hi"),
        {"type": "status", "status": "blocked", "detail": "which one?"},
        {"type": "status", "status": "running"},
        {"type": "output", "structured_output": {"n": 1}},
        {"type": "pull_request", "url": "https://git.example/pr/1", "state": "open"},
        {"type": "acus", "used": 0.5},
    )
    first = await api.ask("POST", path, json=told)
    assert await api.ask("POST", path, json=told) == first
    other = telling(claimed, 1, said("other"))
    await api.ask("POST", path, 422, "idempotency_key_reused", json=other)
    await api.ask("POST", path, 422, "invalid_value", json=telling(claimed, 2))
    late = {**telling(claimed, 2, said("late")), "generation": 7}
    await api.ask("POST", path, 409, "fenced", json=late)
    end = telling(claimed, 2, finished(3, detail="no idea"))
    assert (await api.ask("POST", path, json=end))["status"] == "failed"
    await api.ask("POST", path, 409, "session_ended", json=telling(claimed, 3, said("more")))
    await api.ask("POST", at(LATE, "reports"), 404, "not_found", json=end)
    shown = await api.ask("GET", f"{SESSIONS}/{claimed['session_id']}")
    assert shown["agent"]["structured_output"] == {"n": 1}


async def work_release(api: Checked) -> None:
    """A session goes to the next worker."""
    await create(api.client, "agent")
    claimed = await claim(api.client)
    body = {"generation": 1, "why": "refused", "detail": "no such model here"}
    assert await api.ask("POST", at(claimed, "release"), json=body) == {"status": "queued"}
    await api.ask("POST", at(claimed, "release"), 409, "fenced", json=body)
    await api.ask("POST", at(claimed, "release"), 422, "invalid_body", json={"why": "lapsed"})
    await api.ask("POST", at(LATE, "release"), 404, "not_found", json=body)
    again = await claim(api.client)
    assert (again["session_id"], again["generation"]) == (claimed["session_id"], 2)
    await move(api.client, {"id": again["session_id"]}, "stopped")
    body["generation"] = 2
    await api.ask("POST", at(again, "release"), 409, "session_ended", json=body)
