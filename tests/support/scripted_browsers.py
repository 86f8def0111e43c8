"""Browsers that do as a script says: what a runtime may do wrong, at each step, without Chromium.

Every page looks the same: two links, a button and two fields, of which one is for secrets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from sessions.runtimes.browser.port import (
    Action,
    BrowserFailed,
    Done,
    Ending,
    Exchange,
    Frame,
    Image,
    Observation,
    PageAction,
    PageRefused,
    Param,
    Picture,
    Place,
    RuntimeUnavailable,
    Scraped,
    ScrapeWanted,
    Selector,
    Tab,
    Viewport,
    Wanted,
)
from tests.support.script import Act, Died
from tests.support.script import Script as Plot

STEPS: Final = (
    "check",
    "start",
    "place",
    "observe",
    "act",
    "scrape",
    "screenshot",
    "cookies",
    "set_cookies",
    "film",
    "close",
)
JPEG: Final = b"\xff\xd8\xff\xe0scripted %d\xff\xd9"
FILM: Final = b"a film of %d pictures"
ACTIONS: Final = (
    PageAction(
        id="L1",
        role="link",
        type="click",
        description="Opens the first page",
        category="Navigation",
        label="First",
        selector=Selector(css="a#first", xpath="//a[1]", playwright="text=First"),
    ),
    PageAction(
        id="L2",
        role="link",
        type="click",
        description="Opens the second page",
        category="Navigation",
        label="Second",
        selector=Selector(css="a#second", xpath="//a[2]", playwright="text=Second"),
    ),
    PageAction(
        id="B1",
        role="button",
        type="click",
        description="Sends the form",
        category="Form",
        label="Send",
        selector=Selector(css="button", xpath="//button", playwright="text=Send"),
    ),
    PageAction(
        id="I1",
        role="input",
        type="fill",
        description="Enters a name",
        category="Form",
        label="Name",
        selector=Selector(css="input#name", xpath="//input[1]"),
        param=Param(name="name"),
    ),
    PageAction(
        id="I2",
        role="input",
        type="fill",
        description="Enters a password",
        category="Form",
        label="Password",
        selector=Selector(css="input#password", xpath="//input[2]"),
        param=Param(name="password"),
    ),
)
SECRET: Final = "I2"


class Script(Plot):
    """What browsers do wrong at which time of which step."""

    def __init__(self, **acts: Act) -> None:
        missing = RuntimeUnavailable("there is no Chromium: apt-get install chromium")
        super().__init__(BrowserFailed, missing, acts)

    async def at(self, step: str, browser: ScriptedBrowser | None = None) -> None:
        """Do what the script says of this step."""
        try:
            await self.perform(step)
        except Died:
            if browser is not None:
                browser.end(Ending(reason="runtime_failed", detail="the browser crashed"))
            raise BrowserFailed(f"the browser died at {step}") from None


class ScriptedBrowser:
    """A browser with an address, fields and cookies and nothing else.

    `goto` an address with `/download` in it writes a file, one with `/refused` fails, and on one
    with `/blank` the page gives nothing.
    """

    def __init__(self, owner: ScriptedBrowsers, wanted: Wanted) -> None:
        self.id = wanted.id
        self.version = "156.0.scripted"
        self.user_agent = wanted.user_agent or "Scripted/156"
        self.viewport = wanted.viewport or (1280, 720)
        self.wanted = wanted
        self.url = "about:blank"
        self.fields: dict[str, str] = {}
        self.actions: list[Action] = []
        self.jar: list[dict[str, Any]] = []
        self.sent: list[Exchange] = []
        self.acting = 0
        """How many act at this moment, of which there may be one."""
        self._past: list[str] = []
        self._owner = owner
        self._script = owner.script
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        """True until it ends."""
        return not self._ending.done()

    @property
    def traffic(self) -> tuple[int, int]:
        """Ten bytes are sent and a hundred received for each page."""
        return 10 * len(self.sent), 100 * len(self.sent)

    @property
    def debugger(self) -> tuple[str, str]:
        """There is nothing behind it."""
        return "ws://127.0.0.1:9/devtools/browser/none", f"context-{self.id}"

    def end(self, ending: Ending) -> None:
        """It is gone."""
        if self.alive:
            self._ending.set_result(ending)
            self._owner.running.pop(self.id, None)

    async def ended(self) -> Ending:
        """Wait for the end."""
        return await asyncio.shield(self._ending)

    async def close(self) -> None:
        """End."""
        self.end(Ending(reason="requested", detail="closed"))
        await self._script.at("close")

    def _place(self) -> Place:
        width, height = self.viewport
        title = f"Title of {self.url}"
        view = Viewport(
            scroll_x=0,
            scroll_y=0,
            width=width,
            height=height,
            total_width=width,
            total_height=3 * height,
        )
        tabs = (Tab(id=1, title=title, url=self.url),)
        return Place(url=self.url, title=title, tabs=tabs, viewport=view)

    async def _at(self, step: str) -> None:
        if not self.alive:
            raise BrowserFailed("the browser is gone")
        self.acting += 1
        try:
            assert self.acting == 1 or step in ("place", "cookies"), "one caller at a time"
            await self._script.at(step, self)
        finally:
            self.acting -= 1
        if "/blank" in self.url and step in ("observe", "scrape", "screenshot"):
            raise PageRefused("the page gives nothing")

    async def place(self) -> Place:
        """Where it is."""
        await self._at("place")
        return self._place()

    async def observe(self, *, actions_max: int, screenshot: bool, markdown: bool) -> Observation:
        """The same on each page."""
        await self._at("observe")
        return Observation(
            place=self._place(),
            description=f"The page {self.url}",
            category="form",
            actions=ACTIONS[:actions_max],
            screenshot=self._jpeg() if screenshot else b"",
            markdown=f"# {self.url}" if markdown else "",
        )

    def _jpeg(self) -> bytes:
        return JPEG % len(self._past)

    async def act(self, action: Action) -> Done:
        """Go, fill and click; the rest is done without an effect."""
        await self._at("act")
        self.actions.append(action)
        match action.type:
            case "goto" | "goto_new_tab":
                done = self._goto(action)
            case "go_back" if self._past:
                self.url = self._past.pop()
                done = Done(success=True, message="Went back")
            case "click" | "fill" | "check" | "select_dropdown_option" | "upload_file":
                done = self._element(action)
            case "evaluate_js":
                done = Done(success=True, message="Evaluated", text=f"ran {action.code}")
            case "download_file":
                path = self._download("file.txt")
                done = Done(success=True, message="Downloaded", file=path)
            case _:
                done = Done(success=True, message=f"Did {action.type}")
        return replace(done, place=self._place())

    def _goto(self, action: Action) -> Done:
        if "/refused" in action.url:
            detail = f"The address is refused: {action.url}"
            return Done(success=False, message=detail, error_type="InvalidURLError")
        self._past.append(self.url)
        self.url = action.url
        self.sent.append(
            Exchange(
                at_us=1_700_000_000_000_000,
                method="GET",
                url=action.url,
                resource="document",
                status=200,
                error="",
                request_bytes=10,
                response_bytes=100,
                duration_ms=3,
            )
        )
        if "/download" in action.url:
            self._download(action.url.rsplit("/", 1)[-1])
        return Done(success=True, message=f"Navigated to {action.url}")

    def _element(self, action: Action) -> Done:
        found = next((one for one in ACTIONS if one.id == action.id), None)
        if found is None and action.selector is None:
            detail = f"There is no element {action.id} on the page"
            return Done(success=False, message=detail, error_type="InvalidActionError")
        if action.type == "fill":
            self.fields[action.id] = str(action.value)
        if action.id == "L1":
            self._past.append(self.url)
            self.url = "https://first.test/"
        return Done(
            success=True,
            message=f"Did {action.type}",
            selector=action.selector if found is None else found.selector,
            label="" if found is None else found.label,
            secret=action.id == SECRET,
        )

    def _download(self, name: str) -> Any:
        folder = self.wanted.folder / "downloads"
        if not folder.is_dir():
            raise BrowserFailed("the browser is gone, and so is its folder")
        path = folder / name
        path.write_bytes(b"downloaded " + name.encode())
        return path

    async def scrape(self, wanted: ScrapeWanted) -> Scraped:
        """A heading, and an image where images are wanted."""
        await self._at("scrape")
        images = (Image(url="https://images.test/1.png", description="one"),)
        return Scraped(
            place=self._place(),
            markdown=f"# {self.url}\n\n[First](https://first.test/)",
            images=images if wanted.images else (),
            placeholders={"link1": "https://first.test/"} if wanted.link_placeholders else {},
        )

    async def screenshot(self, *, full_page: bool = False) -> bytes:
        """Another one after each step."""
        await self._at("screenshot")
        return self._jpeg() + (b"full" if full_page else b"")

    async def cookies(self) -> list[dict[str, Any]]:
        """Those that were set."""
        await self._at("cookies")
        return list(self.jar)

    async def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        """Keep them."""
        await self._at("set_cookies")
        if any(not cookie.get("name") for cookie in cookies):
            raise PageRefused("a cookie needs a name")
        self.jar += cookies

    async def frames(self) -> AsyncIterator[Frame]:
        """One, and then nothing until the end."""
        yield Frame(at_us=1_700_000_000_000_000, jpeg=self._jpeg())
        await self.ended()

    def exchanges(self, after: int = 0) -> tuple[Exchange, ...]:
        """One for each page."""
        return tuple(self.sent[after:])


class ScriptedBrowsers:
    """Browsers of one service."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = Script() if script is None else script
        self.running: dict[str, ScriptedBrowser] = {}
        self.made: list[ScriptedBrowser] = []
        self.warm_count = 0

    async def check(self) -> None:
        """Look."""
        await self.script.at("check")

    async def open(self) -> None:
        """There is nothing to sweep."""

    async def start(self, wanted: Wanted) -> ScriptedBrowser:
        """Make one."""
        browser = ScriptedBrowser(self, wanted)
        self.running[browser.id] = browser
        self.made.append(browser)
        try:
            await self.script.at("start", browser)
        except BaseException:
            browser.end(Ending(reason="runtime_failed", detail="it did not start"))
            raise
        return browser

    async def film(self, pictures: Sequence[Picture], into: Path) -> None:
        """A file that says of how many pictures."""
        await self.script.at("film")
        into.write_bytes(FILM % len(pictures))

    async def close(self) -> None:
        """End all."""
        for browser in list(self.running.values()):
            browser.end(Ending(reason="service_restart", detail="closed"))
