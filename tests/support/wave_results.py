"""Test runs with results, made in the log itself, and the zips that the results API gives."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from projections.events.session import SessionStatusChanged
from projections.events.test_run import (
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestsSelected,
    TestStarted,
    TestTimedOut,
)
from projections.folds.run import api_of
from sessions.caller import SERVICE
from sessions.web.appkeys import SESSIONS
from tests.support.wave import CHROME, make

EMPTY_SHA256 = "0" * 64
NOTHING: list[Any] = []
PASS = {"name": "a", "status": "PASS", "message": None}
FAIL = {"name": "b", "status": "FAIL", "message": "2 is not 3"}
GONE = {"name": "c", "status": "TIMEOUT", "message": None}
SKIPPED = {"name": "d", "status": "NOTRUN", "message": None}
ZIP = "application/x-compressed"


def done(path: str, *subtests: Mapping[str, Any], status: Any = "OK", **extra: Any) -> Any:
    """A device told of a test."""
    told = tuple(map(dict, subtests))
    return TestCompleted(path=path, status=status, subtests=told, extra=extra)


RESULTS = [
    done("/css/a.html", PASS, FAIL, GONE, SKIPPED, seen="é"),
    done("/html/sub/a.html", PASS),
    done("/css/sub/b.html"),
    TestCompleted(path="/html/b.html", status="ERROR", message="</script><b>"),
    TestTimedOut(path="/html/sub/c.html"),
]


async def ran(
    client: Any, results: Iterable[Any] = RESULTS, *, to: Any = "completed", **body: Any
) -> str:
    """The token of a session that ran these tests, and is `to` now."""
    token = await make(client, body, headers={"User-Agent": CHROME})
    results = tuple(results)
    totals: dict[str, int] = {}
    for result in results:
        totals[api_of(result.path)] = totals.get(api_of(result.path), 0) + 1
    facts: list[Any] = [
        TestsSelected(sha256=EMPTY_SHA256, count=len(results), totals=totals),
        SessionStatusChanged(was="pending", to="running", reason="requested"),
    ]
    for result in results:
        facts += [TestStarted(path=result.path, timeout_ms=1), result]
    facts.append(TestsMarkedMalfunctioning(paths=("/css/a.html",)))
    if to != "running":
        facts.append(SessionStatusChanged(was="running", to=to, reason="finished"))
    await append(client, token, *facts)
    return token


async def append(client: Any, token: str, *facts: Any) -> None:
    """Add facts to a session as if the service had."""
    await client.server.app[SESSIONS].change(token, lambda _, __: facts, SERVICE)


async def fetched(client: Any, path: str) -> Any:
    """The JSON of an answer that is 200."""
    answer = await client.get(f"/api/results/{path}")
    assert answer.status == 200, (path, answer.status, await answer.read())
    return await answer.json(content_type=None)


async def unzipped(client: Any, path: str) -> tuple[str, dict[str, bytes]]:
    """The name and the files of a zip that the API answers."""
    answer = await client.get(f"/api/results/{path}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, ZIP), path
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment;filename=")
    return disposition.partition("=")[2], files_in(await answer.read())


def files_in(content: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Mapping[str, Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files, each bytes or what becomes JSON."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            archive.writestr(name, raw)
    return made.getvalue()
