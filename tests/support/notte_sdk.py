"""Notte's own client of today, unmodified, in an environment of its own that is made once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from tests.support.client_environment import environment

NEWEST: Final = "1.10.0"
OLDER: Final = "1.9.7"
RUN_S_MAX: Final = 400
DRIVER: Final = Path(__file__).with_name("notte_sdk_driver.py")
# It asks the package index for news, and others how it is used; there is nobody to ask.
_NOBODY: Final = "http://127.0.0.1:9"


class Client:
    """The client of a version against the service at `url`, with `key`, in `home`."""

    def __init__(
        self, url: str, key: str, home: Path, version: str = NEWEST, driver: Path = DRIVER
    ) -> None:
        wanted = [f"notte-sdk=={version}", f"notte-core=={version}"]
        self._bin = environment(f"notte-sdk-{version}", wanted) / "bin"
        self._url = url
        self._key = key
        self._home = home
        self._driver = driver

    async def scenario(self, name: str, *more: str) -> None:
        """Play a scenario of the driver; fails as it fails."""
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        process = await asyncio.create_subprocess_exec(
            *(
                str(self._bin / "python"),
                "-P",
                str(self._driver),
                name,
                self._url,
                self._key,
                *more,
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env={
                **inherited,
                "HOME": str(self._home),
                "DISABLE_TELEMETRY": "true",
                "HTTPS_PROXY": _NOBODY,
                "NO_PROXY": "127.0.0.1",
            },
        )
        try:
            async with asyncio.timeout(RUN_S_MAX):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        said = f"{name}:\n{out.decode()[-5000:]}\n{err.decode()[-5000:]}"
        assert process.returncode == 0, said
