"""A real browser as a device under test, and what is asked of the service meanwhile."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.service import ask
from tests.support.wave_tests import page, put

WALK_MS_MAX: Final = 120_000
FINISH: Final = "**/_wave/finish.html?token=*"
GATE: Final = "/apiOne/b-gate.html"
"""It ends when it is told to, and never by itself."""
_GATE: Final = (
    "setup({explicit_timeout: true});\n"
    'async_test(function (t) { window.release = t.step_func_done(); }, "released");'
)
_PASSES: Final = 'test(function () {}, "passes");'
_FAILS: Final = 'test(function () { assert_equals(1, 2); }, "fails");'
_BY_BROWSER: Final = (
    'test(function () { assert_false(/Other/.test(navigator.userAgent)); }, "is no other");'
)
GATED: Final = {
    "/apiOne/a.html": (_PASSES, ("OK", {"passes": "PASS"})),
    GATE: (_GATE, ("OK", {"released": "PASS"})),
    "/apiOne/c.html": (_FAILS, ("OK", {"fails": "FAIL"})),
    "/apiTwo/d.html": (
        f"{_PASSES}\n{_BY_BROWSER}",
        ("OK", {"passes": "PASS", "is no other": "PASS"}),
    ),
}
ENDS: Final = {path: outcome for path, (_, outcome) in GATED.items()}
"""How each of the tests ends."""


def write_gated(folder: Path, harness: Path) -> Path:
    """A folder of four tests, run in this order, the second of which waits to be told to end."""
    for path, (script, _) in GATED.items():
        put(folder, path, page(script))
    put(folder, "/resources/testharness.js", harness.read_text(encoding="utf-8"))
    return folder


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """A headless Chromium; skips the test where there is none."""
    api = pytest.importorskip("playwright.async_api", reason="playwright drives the browser")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium here")
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        browser.on("context", _is_patient)
        yield browser
        await browser.close()


def _is_patient(context: Any) -> None:
    """How long anything takes tells nothing, and another browser may have the processors."""
    context.set_default_timeout(WALK_MS_MAX)


async def started(client: Any, **body: Any) -> str:
    """The token of a session that runs."""
    token = await pending(client, **body)
    await ask(client, "POST", f"/api/sessions/{token}/start")
    return token


async def pending(client: Any, **body: Any) -> str:
    """The token of a session that nobody has started."""
    headers = {"User-Agent": "Chrome/1"}
    token: str = (await ask(client, "POST", "/api/sessions", json=body, headers=headers))["token"]
    return token


async def next_of(client: Any, token: str) -> str:
    """The address that a device is sent to."""
    url: str = (await ask(client, "GET", f"/api/tests/{token}/next"))["next_test"]
    return url


async def status_of(client: Any, token: str) -> str:
    """The status of the session in one word."""
    status: str = (await ask(client, "GET", f"/api/sessions/{token}/status"))["status"]
    return status


async def results_of(client: Any, token: str) -> dict[str, Any]:
    """How each test ended: its status, and that of each subtest by name; no test twice."""
    found = await ask(client, "GET", f"/api/results/{token}")
    ended = [result for results in found.values() for result in results]
    by_test = {
        result["test"]: (
            result["status"],
            {each.get("name"): each["status"] for each in result["subtests"]},
        )
        for result in ended
    }
    assert len(by_test) == len(ended)
    return by_test


async def completed_of(client: Any, token: str) -> list[str]:
    """The tests that the session's events say were completed, in that order."""
    events = await ask(client, "GET", f"/api/sessions/{token}/events?last_event=-1")
    return [event["data"] for event in events if event["type"] == "test_completed"]


async def at_gate(device: Any) -> None:
    """Return when the device runs the test that waits."""
    await device.wait_for_url(f"**{GATE}?**", timeout=WALK_MS_MAX)
    await device.wait_for_function("'release' in window")


async def release(device: Any) -> None:
    """End the test that waits; the device goes on by itself."""
    await device.evaluate("setTimeout(release, 0)")
