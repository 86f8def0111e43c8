"""Markdown of the small HTML that a page was written down in.

A page can make its scripts say anything, and patterns that look back and forth would hold the
whole service over a hostile text: what comes is cut down to what our own script writes first.
"""

from __future__ import annotations

import re
from typing import Any, Final

import markdownify

HTML_MAX: Final = 450_000
NUMBERED_MAX: Final = 500
CUT: Final = "\n\n(The page is longer than this.)"
_NOT_OURS: Final = re.compile(r'<(?!/?[a-z0-9]{1,10}(?: (?:href|src|alt)="[^"<>]*")*>)')
_NO_ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|quot);)")
_NOTHING: Final = re.compile(r"[ \t\r\n]{50,}")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_TAG: Final = re.compile(r"<[^<>]*>")
_LINK: Final = re.compile(r"(?<!!)\[([^\[\]]*)\]\(<?([^()\s<>]+(?:\([^()\s]*\)[^()\s]*)*)>?\)")
_OPTIONS: Final[dict[str, Any]] = {
    "heading_style": "ATX",
    "bullets": "-",
    "escape_misc": False,
    "escape_underscores": False,
    "escape_asterisks": False,
    "strip_pre": None,
}


class _Writer(markdownify.MarkdownConverter):
    """The library's, but for long lists: to number those takes the square of their length."""

    def convert_li(self, el: Any, text: str, parent_tags: set[str]) -> str:
        """An item of a list."""
        above = el.parent
        if above is not None and above.name == "ol" and len(above.contents) > NUMBERED_MAX:
            above.name = "ul"
        # The library's types leave out what it documents for subclasses.
        item: str = super().convert_li(el, text, parent_tags)  # type: ignore[misc]
        return item


def markdown_of(html: str, *, cut: bool = False) -> str:
    """The HTML as markdown, without lines of nothing; it says where the page was cut off."""
    simple = _NOT_OURS.sub("&lt;", _NO_ENTITY.sub("&amp;", html[:HTML_MAX]))
    simple = _NOTHING.sub("\n", simple)
    try:
        text = str(_Writer(**_OPTIONS).convert(simple))
    except RecursionError:
        text = _TAG.sub(" ", simple)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    text = _BLANK_LINES.sub("\n\n", text).strip()
    return text + CUT if cut else text


def numbered(markdown: str) -> tuple[str, dict[str, str]]:
    """The text with each link's address replaced by a short name, and what the names mean."""
    names: dict[str, str] = {}

    def name(link: re.Match[str]) -> str:
        told = names.setdefault(link[2], f"link{len(names) + 1}")
        return f"[{link[1]}]({told})"

    text = _LINK.sub(name, markdown)
    return text, {told: url for url, told in names.items()}
