"""What a worker asks of the service, in one line each."""

from __future__ import annotations

from typing import Any

from tests.support.service import API, ask, refused

WORK = f"{API}/work"
CLAIMS = f"{WORK}/claims"


async def claim(client: Any, kind: str = "agent", worker: str = "w", **asked: Any) -> Any:
    """The session that the worker gets; None for none."""
    return await ask_or_nothing(client, CLAIMS, {"kind": kind, "worker": worker, **asked})


async def ask_or_nothing(client: Any, path: str, body: Any) -> Any:
    """The JSON of a 200, or None of a 204."""
    async with client.post(path, json=body) as answer:
        assert answer.status in (200, 204), await answer.text()
        return await answer.json() if answer.status == 200 else None


def at(claimed: Any, operation: str) -> str:
    """Where an operation of the holder of a session is."""
    return f"{WORK}/{claimed['session_id']}/{operation}"


async def poll(client: Any, claimed: Any, **asked: Any) -> Any:
    """What is new for the worker."""
    body = {"generation": claimed["generation"], "after": claimed["after"], **asked}
    return await ask(client, "POST", at(claimed, "poll"), json=body)


def telling(claimed: Any, sequence: int, *reports: Any) -> dict[str, Any]:
    """The body of a report."""
    return {"generation": claimed["generation"], "sequence": sequence, "reports": list(reports)}


async def tell(client: Any, claimed: Any, sequence: int, *reports: Any) -> Any:
    """The answer to a report; a word stands for one that is nothing but its type."""
    told = [{"type": each} if isinstance(each, str) else each for each in reports]
    body = telling(claimed, sequence, *told)
    return await ask(client, "POST", at(claimed, "reports"), json=body)


async def not_told(
    client: Any, claimed: Any, status: int, code: str, *reports: Any, sequence: int = 99
) -> Any:
    """The problem that refuses a report."""
    body = telling(claimed, sequence, *reports)
    return await refused(client, "POST", at(claimed, "reports"), status, code, json=body)


async def release(client: Any, claimed: Any, why: str = "drained", detail: str = "") -> Any:
    """The answer to a session that is given back."""
    body = {"generation": claimed["generation"], "why": why, "detail": detail}
    return await ask(client, "POST", at(claimed, "release"), json=body)


def said(content: str) -> dict[str, Any]:
    """A message."""
    return {"type": "message", "content": content}


def finished(exit_code: int = 0, **more: Any) -> dict[str, Any]:
    """The end of the work."""
    return {"type": "finished", "exit_code": exit_code, **more}
