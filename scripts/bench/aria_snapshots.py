"""One page without a service: how long Playwright takes for an accessibility snapshot of it.

aria_snapshots.py PROGRAM URL: says `ready`, then answers each line N with N times in seconds, as
JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import msgspec
from playwright.async_api import Page, async_playwright


async def main(program: str, url: str) -> None:
    """Answer until the end of the input."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, chromium_sandbox=os.geteuid() != 0
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(url)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            times = [await _snapshot(page) for _ in range(int(line))]
            print(msgspec.json.encode(times).decode(), flush=True)
        await browser.close()


async def _snapshot(page: Page) -> float:
    began = time.perf_counter()
    text = await page.locator("body").aria_snapshot()
    took = time.perf_counter() - began
    if "link" not in text:
        raise RuntimeError(f"the snapshot says {text[:100]!r}")
    return took


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
