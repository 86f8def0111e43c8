"""What a page says: written down by a script in the page, made into markdown in a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from sessions.runtimes.browser.page.markdown import markdown_of, numbered
from sessions.runtimes.browser.page.outcomes import clean
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.port import Image, PageRefused, ScrapeWanted

READ_S: Final = 30.0
# Of their own, so that large pages hold up each other at most.
_THREADS: Final = ThreadPoolExecutor(2, thread_name_prefix="markdown")


class RawImage(msgspec.Struct, frozen=True):
    """An image as a script in the page tells it."""

    url: str
    description: str


class RawText(msgspec.Struct, frozen=True):
    """What a script in the page wrote down."""

    html: str = ""
    images: tuple[RawImage, ...] = ()
    cut: bool = False
    error: str = ""


class Read(msgspec.Struct, frozen=True):
    """What was read from a page."""

    markdown: str
    images: tuple[Image, ...]
    placeholders: dict[str, str]


async def read(tab: Tab, wanted: ScrapeWanted) -> Read:
    """The page of a tab as text; raises PageRefused."""
    given = {
        "selector": wanted.selector.removeprefix("css="),
        "only_main": wanted.only_main_content,
        "links": wanted.links,
        "with_images": wanted.images,
        "ignored": [tag.lower() for tag in wanted.ignored_tags],
    }
    answer = await tab.ask("scrape", given)
    try:
        raw = msgspec.json.decode(answer, type=RawText)
    except (msgspec.MsgspecError, TypeError):
        raise PageRefused("the page cannot be read") from None
    if raw.error:
        raise PageRefused(clean(raw.error, 200))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(READ_S):
            text, placeholders = await loop.run_in_executor(
                _THREADS, _written, raw, wanted.link_placeholders
            )
    except TimeoutError:
        raise PageRefused("it took too long to read the page") from None
    images = tuple(Image(url=one.url, description=one.description) for one in raw.images)
    return Read(text, images if wanted.images else (), placeholders)


def _written(raw: RawText, with_placeholders: bool) -> tuple[str, dict[str, str]]:
    text = markdown_of(raw.html, cut=raw.cut)
    return numbered(text) if with_placeholders else (text, {})
