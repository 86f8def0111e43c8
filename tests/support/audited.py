"""The operations by which the log is audited, for real, each answer held against the document."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.browser_operations import sessions_browser  # noqa: F401 - found by the name
from tests.support.contract import Checked
from tests.support.machine_operations import (  # noqa: F401 - found by the names
    sessions_executions,
    sessions_executions_add,
    sessions_executions_get,
)
from tests.support.service import API, ask, create, move
from tests.support.work_operations import (  # noqa: F401 - found by the names
    sessions_work,
    work_claim,
    work_list,
    work_poll,
    work_release,
    work_report,
)

VERIFY = f"{API}/log/verify"
VERIFY_TRIES = 6000


async def log_head(api: Checked) -> None:
    """The head, as JSON and as its note."""
    await create(api.client)
    head = await api.ask("GET", f"{API}/log/head")
    note = await api.ask("GET", f"{API}/log/head", headers={"Accept": "text/plain"})
    assert note == head["checkpoint"]


async def log_consistency(api: Checked) -> None:
    """A proof to today and one between two sizes, and the refusals."""
    for _ in range(3):
        await create(api.client)
    path = f"{API}/log/consistency"
    assert (await api.ask("GET", path, params={"from": "2"}))["proof"]
    assert (await api.ask("GET", path, params={"from": "1", "to": "2"}))["to"] == 2
    await api.ask("GET", path, 400, "bad_position", params={"from": "4"})
    await api.ask("GET", path, 400, "invalid_query")


async def sessions_why(api: Checked) -> None:
    """The explanation of a session that runs, of its past, and of one that was deleted."""
    session = await move(api.client, await create(api.client, "agent"), "running", "blocked")
    path = f"{API}/sessions/{session['id']}/why"
    assert (await api.ask("GET", path))["waits_for"] == "person"
    assert (await api.ask("GET", path, params={"as_of": "1"}))["status"] == "pending"
    await ask(api.client, "DELETE", f"{API}/sessions/{session['id']}", 204)
    assert (await api.ask("GET", path))["deletion"]["reason"] == "deleted"
    await api.ask("GET", path, 400, "bad_position", params={"as_of": "99"})
    await api.ask("GET", path, 400, "bad_time", params={"as_of": "2001-01-01T00:00:00Z"})
    await api.ask("GET", path, 400, "invalid_query", params={"limit": "1"})
    await api.ask("GET", f"{API}/sessions/none/why", 404, "not_found")


async def log_verify(api: Checked) -> None:
    """A verification of a log that holds."""
    await create(api.client)
    assert (await api.ask("POST", VERIFY, 202))["status"] == "running"
    assert (await api.ask("POST", VERIFY, 202))["status"] == "running"


async def log_verification(api: Checked) -> None:
    """Its result, once there is one."""
    assert (await api.ask("GET", VERIFY))["status"] == "none"
    await create(api.client)
    await api.ask("POST", VERIFY, 202)
    found = await verification_ended(api.client)
    assert found["status"] == "holds", found


async def verification_ended(client: Any) -> Any:
    """What the verification found that runs."""
    for _ in range(VERIFY_TRIES):
        found = await ask(client, "GET", VERIFY)
        if found["status"] != "running":
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the verification did not end")


async def log_verification_stop(api: Checked) -> None:
    """A verification that is broken off, and none."""
    assert (await api.ask("DELETE", VERIFY))["status"] == "none"
    await api.ask("POST", VERIFY, 202)
    assert (await api.ask("DELETE", VERIFY))["status"] == "stopped"
