"""How a prompt or a message names files: one line for each (contract devin.md, section 3); pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

URL_CHARS_MAX: Final = 2_048
_LINE: Final = re.compile(r'^[ \t]*ATTACHMENT:"([^"\r\n]+)"[ \t]*\r?$', re.MULTILINE)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def line_of(url: str) -> str:
    """The line by which a prompt names the file at `url`."""
    return f'ATTACHMENT:"{url}"'


def unfit(url: str) -> bool:
    """True for what such a line cannot hold."""
    plain = url.isprintable() and not re.search(r'["\s]', url)
    return not (plain and 0 < len(url) <= URL_CHARS_MAX)


def addresses_in(text: str) -> list[str]:
    """The addresses of the files that the text names, in order."""
    return _LINE.findall(text)


def attachment_id(url: str) -> str | None:
    """The id in the address of an attachment of this service, None for any other address."""
    try:
        steps = urlsplit(url).path.split("/")
    except ValueError:
        return None
    found = steps[-2] if len(steps) > 2 and steps[-3] == "attachments" else ""
    return found if _UUID.fullmatch(found) else None
