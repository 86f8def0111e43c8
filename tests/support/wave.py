"""What the tests of the WAVE API ask of it in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yarl import URL

KEYS = [
    *("token", "tests", "types", "timeouts", "reference_tokens", "user_agent", "browser"),
    *("is_public", "date_created", "labels"),
]
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/81.0.4044.138 Safari/537.36"
)
_CORS = ("Origin", "Headers", "Methods")


_PAGE = """<!doctype html>
<script src="/resources/testharness.js"></script>
<script src="/resources/testharnessreport.js"></script>
<script>test(function () {}, "passes");</script>
"""


def few_tests(tmp_path: Path) -> str:
    """A folder of three test pages in two APIs, as text for the setting."""
    return pages_at(tmp_path, "apiOne/a.html", "apiOne/b.html", "apiTwo/c.html")


def pages_at(tmp_path: Path, *paths: str) -> str:
    """A folder of test pages at these paths, as text for the setting."""
    folder = tmp_path / "few_tests"
    for path in paths:
        page = folder / path.lstrip("/")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_PAGE)
    return str(folder)


async def started(client: Any, body: Any = None) -> str:
    """The token of a new session that was started."""
    token = await make(client, body)
    await order(client, token, "start")
    return token


async def order(client: Any, token: str, command: str) -> None:
    """Start, pause or stop a session."""
    answer = await client.post(f"/api/sessions/{token}/{command}")
    assert (answer.status, await answer.read()) == (200, b"")


async def next_url(client: Any, token: str) -> URL:
    """Where a device goes next."""
    answer = await client.get(f"/api/tests/{token}/next")
    body = await answer.json()
    assert (answer.status, list(body)) == (200, ["next_test"])
    return URL(body["next_test"])


async def report(client: Any, token: str, test: str, status: Any = "OK", **more: Any) -> None:
    """Send the result of a test, which is answered the same whether it is taken or not."""
    body = {"test": test, "status": status, **more}
    answer = await client.post(f"/api/results/{token}", json=body)
    assert (answer.status, await answer.read()) == (200, b"")
    assert has_cors(answer)


async def lists_of(client: Any, token: str) -> Any:
    """The paths that are pending, running and completed."""
    answer = await client.get(f"/api/tests/{token}")
    assert answer.status == 200
    found = await answer.json()
    assert list(found) == ["token", "pending_tests", "running_tests", "completed_tests"]
    assert found["token"] == token
    return [[path for paths in by_api.values() for path in paths] for by_api in _groups(found)]


def _groups(found: Any) -> list[dict[str, list[str]]]:
    groups = [found[f"{name}_tests"] for name in ("pending", "running", "completed")]
    for by_api in groups:
        assert all(path.startswith(f"/{api}/") for api in by_api for path in by_api[api])
    return groups


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
