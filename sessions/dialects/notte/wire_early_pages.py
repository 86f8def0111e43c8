"""What the early API answers about pages (contract notte.md, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sessions.dialects.notte.wire import SessionResponse
from sessions.dialects.notte.wire_categories import known
from sessions.dialects.notte.wire_observations import Metadata, metadata
from sessions.runtimes.browser import port

BROWSER_ACTIONS: Final = "Special Browser Actions"
# The client takes no action without one.
_NO_CATEGORY: Final = "Other"


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """What an action takes."""

    name: str
    type: str = "string"
    default: str | None = None
    values: tuple[str, ...] = ()


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be done; one whose id begins with I has exactly one parameter."""

    id: str
    description: str
    category: str
    params: tuple[Param, ...] = ()
    status: str = "valid"


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be done; `markdown` says the same as a text."""

    description: str
    actions: tuple[Action, ...]
    special_actions: tuple[Action, ...]
    browser_actions: tuple[()]
    """What client 1.3.0 needs to be there; it gives other meanings to the special ids."""
    category: str
    markdown: str


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image of a page."""

    id: str
    url: str
    description: str


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says."""

    markdown: str
    images: tuple[Image, ...] | None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation found out; `problem` says what of it failed."""

    place: port.Place
    at: int
    observation: port.Observation | None = None
    scraped: port.Scraped | None = None
    screenshot: bytes = b""
    problem: str = ""


class PageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the three operations; the documentation has some of it at the top level.

    A member `status` or `detail` there would make the client take it for an error.
    """

    session: SessionResponse
    metadata: Metadata
    screenshot: bytes | None
    data: Data | None
    space: Space | None
    progress: None
    success: bool
    message: str
    session_id: str
    title: str
    url: str


def page_answer(session: SessionResponse, seen: Seen, images: bool = False) -> PageAnswer:
    """What was seen in `session`, as the client takes it; a failure stands where it is read."""
    place = seen.place
    if seen.problem:
        session = msgspec.structs.replace(session, error=seen.problem)
    return PageAnswer(
        session=session,
        metadata=metadata(place, seen.at),
        screenshot=seen.screenshot or None,
        data=None if seen.scraped is None else _data(seen.scraped, images),
        space=None if seen.observation is None else _space(seen.observation, seen.problem),
        progress=None,
        success=not seen.problem,
        message=seen.problem,
        session_id=session.session_id,
        title=place.title,
        url=place.url,
    )


def _space(seen: port.Observation, problem: str) -> Space:
    actions = tuple(map(_action, seen.actions))
    # The client hands on nothing else in which it could be said.
    description = f"{problem} {seen.description}" if problem else seen.description
    return Space(
        description=description,
        actions=actions,
        special_actions=SPECIAL_ACTIONS,
        browser_actions=(),
        category=known(seen.category),
        markdown=_markdown((*actions, *SPECIAL_ACTIONS)),
    )


def _action(found: port.PageAction) -> Action:
    params: tuple[Param, ...] = ()
    if found.role == "input":
        param = found.param
        params = (
            Param(name="value")
            if param is None
            else Param(name=param.name, default=param.default, values=param.values),
        )
    return Action(
        id=found.id,
        description=found.description or found.label or found.id,
        category=found.category or _NO_CATEGORY,
        params=params,
    )


def _data(scraped: port.Scraped, images: bool) -> Data:
    found = tuple(
        Image(id=f"F{number}", url=image.url, description=image.description)
        for number, image in enumerate(scraped.images, 1)
    )
    return Data(markdown=scraped.markdown, images=found if images else None)


def _markdown(actions: Iterable[Action]) -> str:
    by_category: dict[str, list[str]] = {}
    for action in actions:
        taken = "".join(f" ({_param(param)})" for param in action.params)
        line = f"* {action.id}: {action.description}{taken}"
        by_category.setdefault(action.category, []).append(line)
    return "\n\n".join(f"# {name}\n" + "\n".join(lines) for name, lines in by_category.items())


def _param(param: Param) -> str:
    values = f" = [{', '.join(param.values)}]" if param.values else ""
    return f"{param.name}: {param.type}{values}"


def _specials(described: Sequence[tuple[str, str]]) -> tuple[Action, ...]:
    taken = {"S1": (Param(name="url"),), "S7": (Param(name="seconds"),)}
    return tuple(
        Action(id=id_, description=text, category=BROWSER_ACTIONS, params=taken.get(id_, ()))
        for id_, text in described
    )


SPECIAL_ACTIONS: Final = _specials(
    (
        ("S1", "Opens an address"),
        ("S2", "Reads what the page says"),
        ("S3", "Takes a picture of the page"),
        ("S4", "Goes back to the page before"),
        ("S5", "Goes forward to the page after"),
        ("S6", "Loads the page again"),
        ("S7", "Waits for some seconds"),
        ("S8", "Ends the session"),
    )
)
