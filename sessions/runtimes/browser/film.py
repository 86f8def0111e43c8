"""A film of pictures, encoded by the browser itself in a context that reaches nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

from playwright.async_api import Browser, BrowserContext, Error, Page, Route

from sessions.runtimes.browser.mp4 import Sample, movie
from sessions.runtimes.browser.new_context import new_context
from sessions.runtimes.browser.port import BrowserFailed, Picture
from sessions.runtimes.in_thread import to_its_end

# Encoders are for secure pages only; this one is answered right here.
_ADDRESS: Final = "https://film.invalid/"
_SCRIPT: Final = Path(__file__).with_name("film.js").read_text("utf-8")
_PAGE: Final = f"<!doctype html><title>A film</title><script>{_SCRIPT}</script>"
_BATCH_BYTES: Final = 256 << 10
_STEP_S: Final = 60.0
_CLOSE_S: Final = 5.0

T = TypeVar("T")
_Pictures = list[tuple[int, str]]
_Chunk = tuple[float, bool, str]


async def film(browser: Browser, pictures: Sequence[Picture], into: Path) -> None:
    """Write an MP4 of the pictures to a new file.

    A picture that cannot be read is left out. Raises BrowserFailed, and leaves no file then.
    """
    context: BrowserContext | None = None
    try:
        context = await _bounded(new_context(browser))
        chunks, end = await _encoded(context, pictures)
    except Error as error:
        raise BrowserFailed(f"The film could not be made: {error.message}") from None
    except TimeoutError:
        raise BrowserFailed("The film could not be made: the browser takes too long.") from None
    finally:
        if context is not None:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await context.close()
    if end is None:
        raise BrowserFailed("The film could not be made: no picture can be read.")
    length = sum(picture.shown_ms for picture in pictures)
    await to_its_end(lambda: _write(end, [*chunks, *end["chunks"]], length, into))


async def _encoded(
    context: BrowserContext, pictures: Sequence[Picture]
) -> tuple[list[_Chunk], dict[str, Any] | None]:
    page = await _bounded(_opened(context))
    chunks: list[_Chunk] = []
    batches = _batches(pictures)
    while batch := await to_its_end(lambda: next(batches, None)):
        chunks += await _bounded(page.evaluate("batch => addPictures(batch)", batch))
    return chunks, await _bounded(page.evaluate("() => endFilm()"))


async def _opened(context: BrowserContext) -> Page:
    async def answer(route: Route) -> None:
        await route.fulfill(body=_PAGE, content_type="text/html")

    await context.route("**/*", answer)
    page = await context.new_page()
    await page.goto(_ADDRESS)
    return page


async def _bounded(step: Awaitable[T]) -> T:
    async with asyncio.timeout(_STEP_S):
        return await step


def _batches(pictures: Sequence[Picture]) -> Iterator[_Pictures]:
    """The pictures that can be read, each with when it is shown, a few at once."""
    batch: _Pictures = []
    size = at_ms = 0
    for picture in pictures:
        with contextlib.suppress(OSError):
            text = base64.b64encode(picture.path.read_bytes()).decode("ascii")
            batch.append((at_ms, text))
            size += len(text)
        at_ms += picture.shown_ms
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write(end: dict[str, Any], chunks: Sequence[_Chunk], length_ms: int, into: Path) -> None:
    """The movie, from the first picture that there is to the end of the last."""
    starts = [0, *(round(at_ms) for at_ms, _, _ in chunks[1:]), length_ms]
    samples = [
        Sample(base64.b64decode(text), max(1, until - start), key)
        for (_, key, text), (start, until) in zip(chunks, pairwise(starts), strict=True)
    ]
    config = base64.b64decode(end["config"])
    if not samples:
        raise BrowserFailed("The film could not be made: the encoder gave nothing.")
    try:
        with into.open("xb") as file:
            file.writelines(movie(end["width"], end["height"], config, samples))
    except OSError as error:
        into.unlink(missing_ok=True)
        raise BrowserFailed(f"The film cannot be written: {error.strerror}") from None
