"""What the tests of the WAVE API ask of it in one line."""

from __future__ import annotations

from typing import Any

KEYS = [
    *("token", "tests", "types", "timeouts", "reference_tokens", "user_agent", "browser"),
    *("is_public", "date_created", "labels"),
]
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/81.0.4044.138 Safari/537.36"
)
_CORS = ("Origin", "Headers", "Methods")


async def make(client: Any, body: Any = None, **options: Any) -> str:
    """The token of a new session."""
    answer = await client.post("/api/sessions", json={} if body is None else body, **options)
    assert answer.status == 200, await answer.text()
    token: str = (await answer.json())["token"]
    return token


async def read(client: Any, token: str, **options: Any) -> Any:
    """The configuration of a session."""
    answer = await client.get(f"/api/sessions/{token}", **options)
    assert answer.status == 200
    return await answer.json()


async def status_of(client: Any, token: str) -> Any:
    """The status of a session."""
    answer = await client.get(f"/api/sessions/{token}/status")
    assert answer.status == 200
    return await answer.json()


def has_cors(answer: Any) -> bool:
    """True if a page of any origin may read the answer."""
    return all(answer.headers.get(f"Access-Control-Allow-{name}") == "*" for name in _CORS)
