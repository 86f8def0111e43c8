"""Pictures of a real browser, and the film that it makes of them: what every player opens."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Error, Page, Route

from sessions.runtimes.browser import screencast
from sessions.runtimes.browser.argv import Launch
from sessions.runtimes.browser.availability import find_chromium
from sessions.runtimes.browser.driver import Driver
from sessions.runtimes.browser.film import film
from sessions.runtimes.browser.host import Host, Patience, raise_host
from sessions.runtimes.browser.port import BrowserFailed, Ending, Frame, Picture
from sessions.runtimes.browser.screencast import INTERVAL_S, Screencast
from tests.support.browsers import browsing, needs_chromium, wanted
from tests.support.process import eventually

PATIENCE_S = 60.0
LONG_S = 10 * PATIENCE_S
"""So long that whoever waited for it would not be done in time."""
COLOURS = ("#ff0000", "#00ff00", "#0000ff")

# Each test starts a Chromium.
pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    found = find_chromium()
    run = tmp_path / "run"
    run.mkdir()
    driver = Driver(run, PATIENCE_S, lambda: None)
    how = Launch(program=found.program, sandbox=found.sandbox, shared_memory=False)
    # The paths of sockets have to be short.
    with tempfile.TemporaryDirectory() as short:
        folders = (run / "profile", Path(short) / "scratch")
        host = await raise_host(driver, how, folders, Patience(), lambda _: None)
        yield host
        host.end(Ending(reason="requested", detail="the test is over"))
        await host.gone()
        await driver.close()


async def paint(page: Page, colour: str) -> None:
    await page.evaluate("colour => { document.body.style.background = colour }", colour)


async def pictures(host: Host, folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    """A JPEG of each colour, in these sizes."""
    found = []
    page = await host.browser.new_page()
    for number, (colour, (width, height)) in enumerate(zip(COLOURS, sizes, strict=True)):
        await page.set_viewport_size({"width": width, "height": height})
        await paint(page, colour)
        path = folder / f"{number}.jpg"
        path.write_bytes(await page.screenshot(type="jpeg"))
        found.append(path)
    await page.context.close()
    return found


async def played(host: Host, movie: Path, *seconds: float) -> tuple[dict[str, Any], list[str]]:
    """What a player says of the movie, and the colour that it shows at these times."""
    context = await host.browser.new_context()

    async def answer(route: Route) -> None:
        if route.request.url.endswith(".mp4"):
            await route.fulfill(path=movie, content_type="video/mp4")
        else:
            await route.fulfill(body="<video muted>", content_type="text/html")

    await context.route("**/*", answer)
    page = await context.new_page()
    await page.goto("https://player.invalid/")
    facts = await page.evaluate("""async () => {
      const video = document.querySelector("video");
      const movie = await (await fetch("/movie.mp4")).blob();
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(new Error(video.error.message));
        video.src = URL.createObjectURL(movie);
      });
      return { duration: video.duration, size: [video.videoWidth, video.videoHeight] };
    }""")
    colours = [await page.evaluate(_COLOUR_AT, at) for at in seconds]
    await context.close()
    return facts, colours


_COLOUR_AT = """async (at) => {
  const video = document.querySelector("video");
  await new Promise((resolve) => { video.onseeked = resolve; video.currentTime = at; });
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const drawing = canvas.getContext("2d");
  drawing.drawImage(video, 0, 0);
  const [x, y] = [video.videoWidth / 2, video.videoHeight / 2];
  const [red, green, blue] = drawing.getImageData(x, y, 1, 1).data;
  return ["red", "green", "blue"][[red, green, blue].indexOf(Math.max(red, green, blue))];
}"""


async def test_a_film_plays_its_pictures_at_their_time(host: Host, tmp_path: Path) -> None:
    paths = await pictures(host, tmp_path, [(641, 481), (641, 481), (300, 900)])
    shown = [
        Picture(path=path, shown_ms=shown_ms)
        for path, shown_ms in zip(paths, (1000, 250, 4000), strict=True)
    ]
    movie = tmp_path / "movie.mp4"
    before = host.browser.contexts
    await film(host.browser, shown, movie)
    assert host.browser.contexts == before
    facts, colours = await played(host, movie, 0.1, 0.9, 1.1, 1.4, 5.1)
    assert colours == ["red", "red", "green", "blue", "blue"]
    # H.264 has even sides only; the film is as large as its first picture.
    assert facts == {"duration": 5.25, "size": [640, 480]}


async def test_what_cannot_be_read_is_left_out_and_nothing_is_no_film(
    host: Host, tmp_path: Path
) -> None:
    (good, *_) = await pictures(host, tmp_path, [(640, 480)] * 3)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(good.read_bytes()[:100])
    unreadable = [
        Picture(path=broken, shown_ms=1000),
        Picture(path=tmp_path / "gone.jpg", shown_ms=1000),
    ]
    movie = tmp_path / "movie.mp4"
    before = host.browser.contexts
    for given in ([], unreadable):
        with pytest.raises(BrowserFailed, match="no picture can be read"):
            await film(host.browser, given, movie)
        assert not movie.exists()
    await film(host.browser, [*unreadable, Picture(path=good, shown_ms=500)], movie)
    facts, colours = await played(host, movie, 0.1)
    assert (facts["duration"], colours) == (2.5, ["red"])
    with pytest.raises(BrowserFailed, match="cannot be written"):
        await film(host.browser, [Picture(path=good, shown_ms=500)], movie)
    assert host.browser.contexts == before


async def test_a_browser_that_is_killed_makes_no_film_and_hangs_nobody(
    host: Host, tmp_path: Path
) -> None:
    paths = await pictures(host, tmp_path, [(640, 480)] * 3)
    movie = tmp_path / "movie.mp4"
    shown = [Picture(path=path, shown_ms=100) for path in paths] * 200
    before = host.browser.contexts
    making = asyncio.create_task(film(host.browser, shown, movie))
    await eventually(lambda: host.browser.contexts != before, PATIENCE_S, "its beginning")
    host._process.kill()
    with pytest.raises(BrowserFailed):
        await asyncio.wait_for(making, PATIENCE_S)
    assert not movie.exists()


async def test_without_a_driver_a_film_fails_at_once(tmp_path: Path) -> None:
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        picture = tmp_path / "picture.jpg"
        picture.write_bytes(await browser.screenshot())
        movie = tmp_path / "movie.mp4"
        shown = [Picture(path=picture, shown_ms=100)] * 600
        (host,) = browsers._hosts
        before = host.browser.contexts
        making = asyncio.create_task(browsers.film(shown, movie))
        await eventually(lambda: host.browser.contexts != before, PATIENCE_S, "its beginning")
        os.kill(browsers._driver.pid, signal.SIGKILL)
        with pytest.raises(BrowserFailed):
            await asyncio.wait_for(making, PATIENCE_S)
        assert not movie.exists()


class Reader:
    """Takes pictures in."""

    def __init__(self, cast: Screencast) -> None:
        self.taken: list[Frame] = []
        self.over = False
        self._task = asyncio.create_task(self._read(cast))

    async def _read(self, cast: Screencast) -> None:
        async for frame in cast.frames():
            self.taken.append(frame)
        self.over = True

    async def next(self) -> Frame:
        """The next picture."""
        before = len(self.taken)
        await eventually(lambda: len(self.taken) > before, PATIENCE_S, "a picture")
        return self.taken[-1]

    async def rest(self) -> None:
        """Return when no picture has come for a while."""
        while True:
            before = len(self.taken)
            await asyncio.sleep(2 * INTERVAL_S)
            if before and len(self.taken) == before:
                return

    async def end(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.wait({self._task})


def clock() -> int:
    return 1


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Width and height, as the head of its only frame says."""
    at = jpeg.index(b"\xff\xc0") + 5
    return int.from_bytes(jpeg[at + 2 : at + 4]), int.from_bytes(jpeg[at : at + 2])


async def casting(
    host: Host, size: tuple[int, int] = (640, 480)
) -> tuple[BrowserContext, Page, Screencast]:
    width, height = size
    context = await host.browser.new_context(viewport={"width": width, "height": height})
    cast = Screencast(context, clock)
    return context, await context.new_page(), cast


async def test_every_reader_sees_the_page_change(host: Host) -> None:
    _, page, cast = await casting(host)
    first = Reader(cast)
    await first.rest()
    before = len(first.taken)
    second = Reader(cast)
    await second.next()
    # Of what came before it has the last one alone.
    assert second.taken == first.taken[-len(second.taken) :]
    assert len(second.taken) <= 1 + len(first.taken) - before
    for colour in COLOURS:
        await asyncio.gather(first.next(), second.next(), paint(page, colour))
        await first.rest()
        await second.rest()
        assert first.taken[-1] == second.taken[-1]
    await first.end()
    await asyncio.gather(second.next(), paint(page, "#ffffff"))
    await cast.close(1.0)
    await eventually(lambda: second.over, PATIENCE_S, "the end")
    late = Reader(cast)
    await asyncio.sleep(0)
    assert (late.over, late.taken) == (True, [])


async def test_it_follows_tabs_to_the_front_and_past_one_that_crashed(host: Host) -> None:
    context, page, cast = await casting(host)
    reader = Reader(cast)
    await reader.rest()
    other = await context.new_page()
    await asyncio.gather(reader.next(), paint(other, COLOURS[0]))
    await other.close()
    await asyncio.gather(reader.next(), paint(page, COLOURS[1]))
    await reader.rest()
    third = await context.new_page()
    await reader.rest()
    cast.show(page)
    await asyncio.gather(reader.next(), paint(page, COLOURS[2]))
    with pytest.raises(Error):
        await page.goto("chrome://crash", timeout=PATIENCE_S * 1000)
    cast.show(third)
    await asyncio.gather(reader.next(), paint(third, COLOURS[0]))
    await cast.close(1.0)


async def test_a_page_that_never_rests_is_taken_ever_more_seldom(host: Host) -> None:
    _, page, cast = await casting(host)
    reader = Reader(cast)
    await reader.rest()
    loop = asyncio.get_running_loop()
    before, began = len(reader.taken), loop.time()
    await page.evaluate("""() => {
      const paint = () => {
        document.body.style.background = `hsl(${performance.now() % 360}, 90%, 50%)`;
        requestAnimationFrame(paint);
      };
      paint();
    }""")
    for _ in range(10):
        await reader.next()
    # A few may have been under way when it began, and what goes on for long is taken more seldom.
    assert len(reader.taken) - before <= (loop.time() - began) / (1.5 * INTERVAL_S) + 4
    await cast.close(1.0)


@pytest.mark.parametrize(
    ("viewport", "picture"), [((640, 480), (640, 480)), ((1920, 1080), (1280, 720))]
)
async def test_a_visit_that_is_over_before_any_picture_came_has_one(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    viewport: tuple[int, int],
    picture: tuple[int, int],
) -> None:
    async def never(*_: Any) -> None:
        raise Error("Not attached to an active page")

    monkeypatch.setattr(screencast, "_send", never)
    _, page, cast = await casting(host, viewport)
    reader = Reader(cast)
    await page.set_content("<body style='height: 9000px'>a long page")
    await page.evaluate("scrollTo(0, 2000)")
    await cast.close(PATIENCE_S)
    await eventually(lambda: reader.over, PATIENCE_S, "the end")
    assert [size_of(frame.jpeg) for frame in reader.taken] == [picture]


async def test_a_film_ends_with_what_the_page_shows_last(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Soon after a picture the brake keeps the next one back: here until the end.
    for name in ("INTERVAL_S", "_STOP_S", "_NEWER_S"):
        monkeypatch.setattr(screencast, name, LONG_S)
    _, page, cast = await casting(host)
    reader = Reader(cast)
    await asyncio.gather(reader.next(), paint(page, COLOURS[0]))
    await paint(page, COLOURS[1])
    before = list(reader.taken)
    await cast.close(PATIENCE_S)
    await eventually(lambda: reader.over, PATIENCE_S, "the end")
    assert len(reader.taken) == len(before) + 1
    assert reader.taken[-1].jpeg != before[-1].jpeg


async def test_a_picture_that_somebody_else_took_is_the_last_one(host: Host) -> None:
    _, page, cast = await casting(host)
    reader = Reader(cast)
    cast.show(page)
    await asyncio.sleep(0)
    cast.seen(b"a picture")
    await cast.close(PATIENCE_S)
    await eventually(lambda: reader.over, PATIENCE_S, "the end")
    assert reader.taken[-1].jpeg == b"a picture"


async def test_a_page_that_refuses_at_first_is_asked_again_at_once(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, refusals = screencast._send, [Error("Not attached to an active page")] * 3

    async def refused(*given: Any) -> None:
        if refusals:
            raise refusals.pop()
        await send(*given)

    monkeypatch.setattr(screencast, "_send", refused)
    monkeypatch.setattr(screencast, "_ANSWER_S", LONG_S)
    _, _, cast = await casting(host)
    reader = Reader(cast)
    await reader.next()
    await cast.close(1.0)


async def ends_soon(cast: Screencast) -> None:
    reader = Reader(cast)
    await asyncio.sleep(0.1)
    async with asyncio.timeout(PATIENCE_S):
        await cast.close(0.5)
    await eventually(lambda: reader.over, PATIENCE_S, "the end")


async def test_a_page_that_hangs_holds_up_no_end(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screencast, "_ANSWER_S", LONG_S)
    _, page, cast = await casting(host)
    await page.evaluate("() => { setTimeout(() => { for (;;); }) }")
    await asyncio.sleep(0.1)
    await ends_soon(cast)


async def test_a_page_that_has_crashed_holds_up_no_end(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screencast, "_ANSWER_S", LONG_S)
    _, page, cast = await casting(host)
    crashed = asyncio.Event()
    page.on("crash", lambda _: crashed.set())
    with pytest.raises(Error):
        await page.goto("chrome://crash", timeout=PATIENCE_S * 1000)
    await asyncio.wait_for(crashed.wait(), PATIENCE_S)
    await ends_soon(cast)
