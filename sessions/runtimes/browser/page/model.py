"""What a page says of itself, made into actions: ids that last, descriptions, the category."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from sessions.runtimes.browser.port import (
    ActionType,
    PageAction,
    Param,
    Role,
    Selector,
    Viewport,
)

PREFIXES: Final[dict[Role, str]] = {"link": "L", "button": "B", "input": "I"}
IDS_MAX: Final = 50_000
_SEARCH_URL: Final = re.compile(r"[/?&](search|q|query|s)(=|/|\?|$)", re.IGNORECASE)
_CART_URL: Final = re.compile(r"/(checkout|payment|pay)\b", re.IGNORECASE)
_PATH: Final = re.compile(r"^[a-z]+://[^/]+/?(index\.\w+)?([?#]|$)", re.IGNORECASE)


class RawParam(msgspec.Struct, frozen=True):
    """What a script in the page says of the value of a field."""

    name: str
    type: str
    value: str
    values: tuple[str, ...] = ()


class RawElement(msgspec.Struct, frozen=True):
    """What a script in the page says of an element; `hosts` lead through its shadow roots."""

    key: int
    sign: str
    role: Role
    type: ActionType
    label: str
    kind: str
    where: str
    css: str
    xpath: str
    hosts: tuple[str, ...]
    to: str
    param: RawParam | None


class Features(msgspec.Struct, frozen=True):
    """What tells the category of a page."""

    passwords: int = 0
    cards: int = 0
    fields: int = 0
    searches: int = 0
    articles: int = 0
    captchas: int = 0
    headings: int = 0
    items: int = 0
    prices: int = 0
    cookies: bool = False
    price: bool = False
    buy: bool = False


class RawDocument(msgspec.Struct, frozen=True):
    """What a script in the page says of a whole document."""

    token: str
    title: str
    view: Viewport
    features: Features
    heading: str
    about: str
    total: int
    elements: tuple[RawElement, ...]


class RawPlace(msgspec.Struct, frozen=True):
    """Title and viewport of a document."""

    title: str
    view: Viewport


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """How an action is found again: by its key in its document, or else by what it was."""

    action: PageAction
    token: str
    key: int
    sign: str
    css: str
    hosts: tuple[str, ...]


class Numbering:
    """Ids of the elements of one page: an element keeps its id as long as the page is there."""

    def __init__(self) -> None:
        self._page = ""
        self._ids: dict[tuple[str, int, Role], str] = {}
        self._last: dict[Role, int] = {}

    def begin(self, page: str) -> None:
        """Ids start anew with another page."""
        if page != self._page or len(self._ids) > IDS_MAX:
            self._page = page
            self._ids.clear()
            self._last.clear()

    def id_of(self, document: str, element: RawElement) -> str:
        """The id of an element of a document."""
        place = (document, element.key, element.role)
        if place not in self._ids:
            number = self._last[element.role] = self._last.get(element.role, 0) + 1
            self._ids[place] = f"{PREFIXES[element.role]}{number}"
        return self._ids[place]


def known_of(numbering: Numbering, document: RawDocument, frames: tuple[str, ...]) -> list[Known]:
    """The elements of a document as actions, with what finds them again."""
    return [
        Known(
            action=_action(numbering.id_of(document.token, raw), raw, frames),
            token=document.token,
            key=raw.key,
            sign=raw.sign,
            css=raw.css,
            hosts=raw.hosts,
        )
        for raw in document.elements
    ]


def _action(id: str, raw: RawElement, frames: tuple[str, ...]) -> PageAction:
    selector = selector_of(raw.css, raw.xpath, raw.hosts, frames)
    param = None
    if raw.param is not None:
        given = raw.param
        param = Param(
            name=given.name, type=given.type, default=given.value or None, values=given.values
        )
    return PageAction(
        id=id,
        role=raw.role,
        type=raw.type,
        description=described(raw),
        category=raw.where,
        label=raw.label,
        selector=selector,
        param=param,
    )


def selector_of(css: str, xpath: str, hosts: Sequence[str], frames: tuple[str, ...]) -> Selector:
    """The selector of an element, through the shadow roots of its hosts."""
    return Selector(
        css=" ".join([*hosts, css]),
        xpath=xpath,
        playwright=" >> ".join(f"css={one}" for one in [*hosts, css]),
        frames=frames,
        in_shadow_root=bool(hosts),
    )


def described(raw: RawElement) -> str:
    """What an action does, in a few words."""
    name = f'"{raw.label}"' if raw.label else "without a name"
    match raw.type:
        case "click" if raw.role == "link":
            return f"Follows the link {name}" + (f" to {raw.to}" if raw.to else "")
        case "fill":
            kind = raw.kind if raw.kind not in {"", "text", "textarea"} else "text"
            return f"Fills the {kind} field {name}"
        case "check":
            return f"Checks or clears the {raw.kind or 'checkbox'} {name}"
        case "select_dropdown_option":
            return f"Selects an option of {name}"
        case "upload_file":
            return f"Uploads a file to {name}"
        case _:
            return f"Presses the button {name}"


def category_of(url: str, features: Features, actions: int) -> str:
    """One of the words for a page, by what is most telling on it."""
    search = _SEARCH_URL.search(url) is not None
    rules = (
        ("captcha", features.captchas > 0 and features.items < 5),
        ("manage-cookies", features.cookies),
        ("payment", features.cards > 0 or _CART_URL.search(url) is not None),
        ("auth", features.passwords > 0),
        ("search-results", search and features.items + features.articles > 0),
        ("item", features.buy or (features.price and features.prices <= 3 and actions < 40)),
        ("form", features.fields >= 3),
        ("homepage", _PATH.match(url) is not None and actions > 0),
        ("data-feed", features.articles >= 3 or features.items >= 10),
        ("item", features.articles in {1, 2} and features.headings == 1),
        ("form", features.fields > 0 and actions < 20),
    )
    return next((word for word, holds in rules if holds), "other")


def description_of(document: RawDocument, shown: Sequence[Known], total: int) -> str:
    """A page in one or two sentences."""
    counts = dict.fromkeys(PREFIXES, 0)
    for known in shown:
        counts[known.action.role] += 1
    parts = [
        f"{count} {role}{'' if count == 1 else 's'}" for role, count in counts.items() if count
    ]
    name = document.title or document.heading or "A page without a title"
    lines = [f"{name}: {', '.join(parts) if parts else 'nothing to act on'}."]
    if document.heading and document.heading != document.title:
        lines.append(f'Its heading is "{document.heading}".')
    if total > len(shown):
        lines.append(f"{total - len(shown)} more things can be done here.")
    if document.about:
        lines.append(document.about)
    return " ".join(lines)
