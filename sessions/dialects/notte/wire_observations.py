"""Shapes of `page/observe` and `page/screenshot` (contract notte.md section 3.6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field
from sessions.dialects.instants import instant
from sessions.dialects.notte.wire_actions import TIMEOUT_MS, URL_CHARS_MAX
from sessions.dialects.notte.wire_categories import known
from sessions.failure import FieldError
from sessions.runtimes.browser import port

ACTIONS: Final = 100
ACTIONS_MAX: Final = 10_000
NO_MODEL: Final = (
    "not available here: choosing actions by instructions needs a language model; "
    "observe without them and choose"
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the page is wanted, and of which page; without a `url` of the current one."""

    actions_max: int = ACTIONS
    url: str = ""


class Viewport(msgspec.Struct, frozen=True, kw_only=True):
    """What of the page can be seen."""

    scroll_x: int
    scroll_y: int
    viewport_width: int
    viewport_height: int
    total_width: int
    total_height: int


class Tab(msgspec.Struct, frozen=True):
    """A tab."""

    tab_id: int
    title: str
    url: str


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Where the browser is."""

    title: str
    url: str
    viewport: Viewport
    tabs: list[Tab]
    timestamp: datetime


class Screenshot(msgspec.Struct, frozen=True):
    """A JPEG, which goes out as base64."""

    raw: bytes
    bboxes: tuple[()] = ()


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Where an element is; a client may send it back as it is."""

    css_selector: str
    xpath_selector: str
    in_iframe: bool
    in_shadow_root: bool
    iframe_parent_css_selectors: list[str]
    notte_selector: str | None
    playwright_selector: str
    python_selector: str | None = None


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """What an action takes."""

    name: str
    type: str
    default: str | None
    values: tuple[str, ...]


class InteractionAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that can be done; the client's classes need a value where there is one to fill."""

    type: str
    id: str
    category: str
    description: str
    selector: Selector
    text_label: str
    param: Param | None = None
    timeout: int = TIMEOUT_MS
    value: str | bool | msgspec.UnsetType = msgspec.UNSET
    file_path: str | msgspec.UnsetType = msgspec.UNSET


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be done."""

    description: str
    interaction_actions: list[InteractionAction]
    category: str | None


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The page as it was seen."""

    metadata: Metadata
    screenshot: Screenshot
    space: Space
    started_at: datetime
    ended_at: datetime


def observe(body: Any) -> Asked:
    """What is wanted; a body is not needed. Raises Failure 422."""
    wrong: fastapi.Wrong = []
    asked = fastapi.object_of(_OBSERVE)({} if body is None else body, ("body",), wrong)
    if not wrong and asked.get("instructions"):
        wrong.append(FieldError(("body", "instructions"), NO_MODEL))
    if wrong:
        raise fastapi.refusal(wrong)
    # Of the two numbers the client says that the larger one counts only where the other is missing.
    wanted = asked.get("min_nb_actions") or asked.get("max_nb_actions") or ACTIONS
    return Asked(actions_max=wanted, url=asked.get("url") or "")


def observation(seen: port.Observation, started_at: int, ended_at: int) -> Observation:
    """The page as the client takes it; the instants are microseconds."""
    return Observation(
        metadata=metadata(seen.place, ended_at),
        screenshot=Screenshot(seen.screenshot),
        space=Space(
            description=seen.description,
            interaction_actions=[_action(each) for each in seen.actions],
            category=known(seen.category),
        ),
        started_at=instant(started_at),
        ended_at=instant(max(started_at, ended_at)),
    )


def metadata(place: port.Place, at_us: int) -> Metadata:
    """Where the browser is."""
    seen = place.viewport
    return Metadata(
        title=place.title,
        url=place.url,
        viewport=Viewport(
            scroll_x=seen.scroll_x,
            scroll_y=seen.scroll_y,
            viewport_width=seen.width,
            viewport_height=seen.height,
            total_width=seen.total_width,
            total_height=seen.total_height,
        ),
        tabs=[Tab(tab.id, tab.title, tab.url) for tab in place.tabs],
        timestamp=instant(at_us),
    )


def selector(found: port.Selector) -> Selector:
    """A selector in all the spellings that it has; the client looks patterns up in Playwright's."""
    xpath = f"xpath={found.xpath}" if found.xpath else ""
    return Selector(
        css_selector=found.css,
        xpath_selector=found.xpath,
        in_iframe=bool(found.frames),
        in_shadow_root=found.in_shadow_root,
        iframe_parent_css_selectors=list(found.frames),
        notte_selector=None,
        playwright_selector=found.playwright or found.css or xpath,
    )


def _action(found: port.PageAction) -> InteractionAction:
    param = found.param
    default = "" if param is None or param.default is None else param.default
    value: str | bool | msgspec.UnsetType = msgspec.UNSET
    if found.type == "check":
        value = default != "false"
    elif found.type in ("fill", "select_dropdown_option"):
        value = default
    return InteractionAction(
        type=found.type,
        id=found.id,
        category=found.category or "Interaction Actions",
        description=found.description or found.id,
        selector=selector(found.selector),
        text_label=found.label,
        param=None if param is None else _param(param),
        value=value,
        file_path="" if found.type == "upload_file" else msgspec.UNSET,
    )


def _param(param: port.Param) -> Param:
    return Param(name=param.name, type=param.type, default=param.default, values=param.values)


_OBSERVE: Final = (
    Field("max_nb_actions", fastapi.integer(1, ACTIONS_MAX)),
    Field("min_nb_actions", fastapi.integer(1, ACTIONS_MAX)),
    Field("perception_type", fastapi.word("fast", "deep")),
    Field("instructions", fastapi.string),
    Field("url", fastapi.text(0, URL_CHARS_MAX)),
)
