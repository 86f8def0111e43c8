"""Shapes of `page/scrape` (contract notte.md section 3.6)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError
from sessions.runtimes.browser.port import Scraped, ScrapeWanted

SELECTOR_CHARS_MAX: Final = 16_384
TAGS_MAX: Final = 100
NO_MODEL: Final = (
    "Taking structured data out of a page is not available here: it needs a language model. "
    "The markdown holds what the page says."
)
_TAG: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,63}")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to read, and whether data in a structure was asked for."""

    wanted: ScrapeWanted
    structured: bool = False


class Image(msgspec.Struct, frozen=True):
    """An image; clients before 1.10 read them."""

    url: str
    description: str | None


class Structured(msgspec.Struct, frozen=True):
    """What came of taking structured data out of a page."""

    success: bool
    error: str
    data: None = None


class DataSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What the page says."""

    markdown: str
    images: list[Image] | None = None
    structured: Structured | None = None
    placeholders: dict[str, str] = {}


def scrape(body: Any) -> Asked:
    """What to read; a body is not needed. Raises Failure 422."""
    wrong: Wrong = []
    asked = fastapi.object_of(_SCRAPE)({} if body is None else body, ("body",), wrong)
    if wrong:
        raise fastapi.refusal(wrong)
    asked = {name: value for name, value in asked.items() if value is not None}
    wanted = ScrapeWanted(
        links=asked.get("scrape_links", True),
        images=asked.get("scrape_images", False) or asked.get("only_images", False),
        only_main_content=asked.get("only_main_content", False),
        link_placeholders=asked.get("use_link_placeholders", False),
        selector=asked.get("selector", ""),
        ignored_tags=tuple(asked.get("ignored_tags", ())),
    )
    return Asked(wanted=wanted, structured="instructions" in asked or "response_format" in asked)


def data_space(scraped: Scraped, asked: Asked) -> DataSpace:
    """What was read, as the client takes it."""
    images = [Image(image.url, image.description or None) for image in scraped.images]
    return DataSpace(
        markdown=scraped.markdown,
        images=images if asked.wanted.images else None,
        structured=Structured(False, NO_MODEL) if asked.structured else None,
        placeholders=scraped.placeholders,
    )


def _tag(value: Any, path: Path, wrong: Wrong) -> Any:
    if not (isinstance(value, str) and _TAG.fullmatch(value)):
        wrong.append(FieldError(path, "Input should be the name of an HTML element"))
    return value


_SCRAPE: Final = (
    Field("scrape_links", fastapi.boolean),
    Field("scrape_images", fastapi.boolean),
    Field("only_main_content", fastapi.boolean),
    Field("only_images", fastapi.boolean),
    Field("use_link_placeholders", fastapi.boolean),
    Field("selector", fastapi.text(0, SELECTOR_CHARS_MAX)),
    Field("ignored_tags", fastapi.list_of(_tag, TAGS_MAX)),
    Field("instructions", fastapi.string),
    Field("response_format", fastapi.mapping),
    Field("model", fastapi.string),
)
