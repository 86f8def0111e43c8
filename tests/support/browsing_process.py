"""A service's browsers in a process of their own: `browsing_process.py DATA`; it can be killed.

With `bare` after it, root gives them no sandbox, which would take every page with it at its end.
Prints "ready" when a browser answers, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sessions import logging
from sessions.runtimes.browser import runtime
from sessions.runtimes.browser.port import BrowserError
from tests.support.browsers import chromium, wanted


async def main(data: Path) -> None:
    """One browser, until the end of the input."""
    browsers = chromium(data)
    await browsers.open()
    try:
        await browsers.start(wanted(data))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    except BrowserError as error:
        print(error, flush=True)
    finally:
        await browsers.close()


if __name__ == "__main__":
    logging.configure("error", "console")
    bare = mock.patch.object(runtime, "cover", return_value=())
    with bare if sys.argv[2:] == ["bare"] else contextlib.nullcontext():
        asyncio.run(main(Path(sys.argv[1])))
