"""One service for the tests of a module, behind a client that notes which calls of WAVE it makes.

A test of the contract names its section and the call it is about in its docstring, and `claims_of`
sees that it really makes that call. Every answer is held to the rules of section 1.1 on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from sessions.app import make_app, wall_clock_us
from sessions.dialects.wave.routes import SURFACE
from sessions.settings import Settings
from sessions.web.appkeys import CHANNELS
from sessions.web.surface import Route
from tests.support.service import ADMIN, bearer
from tests.support.wave import has_cors, pages_at

NOTHING: Final = b""
_SECTIONS: Final = re.compile(r"[Ss]ections? ((?:\d(?:\.\d)?(?:, | and )?)+)")
_CALLED: Final = re.compile(r"`([A-Z]+ /[^`]*)`")
_PART: Final = re.compile(r"{(\w+)(?::[^}]*)?}")


def call_of(route: Route) -> str:
    """A route as docstrings name it: `GET /api/tests/{token}`."""
    path = route.path if route.root else SURFACE.prefix + route.path
    return f"{route.method} " + _PART.sub(r"{\1}", path)


def _pattern(call: str) -> re.Pattern[str]:
    pieces = _PART.split(call)
    fixed = [re.escape(piece) for piece in pieces[::2]]
    parts = [".*" if name == "page" else "[^/]+" for name in pieces[1::2]]
    return re.compile("".join(a + b for a, b in zip(fixed, [*parts, ""], strict=True)))


# Parts that begin so stand for empty segments, and for all that is no call.
_NO_CALL: Final = "{_"
CALLS: Final = {
    call: _pattern(call)
    for call in (call_of(route) for route in SURFACE.routes if _NO_CALL not in route.path)
}


def sections_in(text: str) -> set[str]:
    """The sections that a docstring names."""
    return {one for found in _SECTIONS.findall(text) for one in re.findall(r"\d(?:\.\d)?", found)}


def calls_in(text: str) -> set[str]:
    """The calls that a docstring names."""
    return set(_CALLED.findall(text))


def call_made(method: str, path: str) -> str:
    """Which call a request is, or nothing."""
    plain = re.sub("/+", "/", path.partition("?")[0])
    if "/api/" in plain + "/":
        plain = plain.removeprefix(SURFACE.prefix).rstrip("/")
    made = f"{method} {plain}"
    found = [call for call, pattern in CALLS.items() if pattern.fullmatch(made)]
    # `events` is that, and no token of that name.
    return min(found, key=lambda call: (call.count("{"), -len(call)), default="")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Wire:
    """A client without a key, as WAVE's are; `app` is the service it talks to."""

    def __init__(self, session: aiohttp.ClientSession, root: str, app: Any, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.root = root
        self._session = session
        self._made: set[str] = set()

    async def __call__(
        self, call: str, body: Any = NOTHING, *, status: int = 200, **headers: str
    ) -> Answer:
        """The answer to `METHOD /path`, sent as it is written; bytes go as they are."""
        method, _, path = call.partition(" ")
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = URL(self.root + path, encoded=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, url, data=sent or None, headers=named, allow_redirects=False
        ) as got:
            answer = Answer(got.status, got.headers, await got.read())
        self._made.add(call_made(method, path))
        assert answer.status == status, (call, sent[:200], answer)
        if re.search("/api/+(?!v1/)", path):
            _is_by_the_rules(answer)
        return answer

    async def json(self, call: str, body: Any = NOTHING, **more: Any) -> Any:
        """The JSON of an answer that is 200."""
        return (await self(call, body, **more)).json

    async def done(self, call: str, body: Any = NOTHING, **more: Any) -> None:
        """A command: it is answered 200, and without a body."""
        assert (await self(call, body, **more)).body == b"", call

    async def polling(self, path: str) -> asyncio.Task[Any]:
        """A long poll that waits already; its result is the JSON of the answer."""
        channels = self.app[CHANNELS]
        before = channels.waiting
        task = asyncio.create_task(self.json(f"GET {path}"))
        for _ in range(10_000):
            if channels.waiting > before or task.done():
                break
            await asyncio.sleep(0.001)
        return task

    @contextlib.contextmanager
    def claims_of(self, test: Callable[..., Any]) -> Iterator[Wire]:
        """Fails at the end if the docstring of the test names a call that was not made."""
        self._made.clear()
        yield self
        assert calls_in(test.__doc__ or "") <= self._made


ADMIN_KEY: Final = bearer(ADMIN)


@contextlib.asynccontextmanager
async def wave_service(
    tmp_path: Path,
    *paths: str,
    clock_us: Callable[[], int] = wall_clock_us,
    **settings: Any,
) -> AsyncIterator[Wire]:
    """A service with test pages at these paths, and what else lies in their folder."""
    folder = Path(pages_at(tmp_path, *paths))
    chosen = Settings(
        data=str(tmp_path / "data"), admin_key=ADMIN, wave_tests=str(folder), **settings
    )
    app = make_app(chosen, clock_us=clock_us)
    async with TestClient(TestServer(app)) as client:
        root = str(client.make_url("/")).rstrip("/")
        yield Wire(client.session, root, app, folder)


def _is_by_the_rules(answer: Answer) -> None:
    """Section 1.1: any origin may read it, JSON is four spaces deep, an error is empty or says."""
    assert answer.status < 500
    if "Content-Disposition" in answer.headers:
        return
    assert has_cors(answer)
    if answer.body:
        assert answer.headers["Content-Type"] == "application/json"
        again = json.dumps(answer.json, indent=4, ensure_ascii=False)
        assert answer.body.decode() == again
    if answer.status == 404:
        assert answer.body == b""
    elif answer.status >= 400:
        assert list(answer.json) == ["error"]
