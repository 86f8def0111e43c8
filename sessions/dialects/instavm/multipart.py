"""Forms in parts (RFC 7578), taken apart as they come; one that is cut off is never taken whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

BOUNDARY_CHARS_MAX: Final = 70
HEAD_BYTES_MAX: Final = 8 << 10
PARTS_MAX: Final = 32
_BLANKS: Final = b" \t"
_NAME: Final = re.compile(
    rb"\r\ncontent-disposition:[ \t]*form-data\b[^\r\n]*?;[ \t]*name="
    rb"(?:\"([^\"\r\n]*)\"|([^\s;\"]+))",
    re.IGNORECASE,
)
_State = Literal["preamble", "delimiter", "head", "data", "end"]


class BadForm(Exception):
    """The bytes are not a form."""


class PartBegins(NamedTuple):
    """A part of this name begins."""

    name: str


class PartData(NamedTuple):
    """More bytes of the part."""

    data: bytes


class PartEnds(NamedTuple):
    """The part has come whole."""


Event = PartBegins | PartData | PartEnds


class FormParser:
    """Takes a form apart; holds no more of it than a head and a delimiter."""

    def __init__(self, boundary: str) -> None:
        if not 0 < len(boundary) <= BOUNDARY_CHARS_MAX or not boundary.isascii():
            raise BadForm("the boundary is missing, or is not one")
        self._delimiter = b"\r\n--" + boundary.encode()
        # The first delimiter has no line before it.
        self._rest = b"\r\n"
        self._state: _State = "preamble"
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """What these bytes tell; raises BadForm. It is to be read to its end."""
        self._rest += data
        while self._state != "end":
            if self._state == "data":
                found, ends = self._data()
                if found:
                    yield PartData(found)
                if ends:
                    yield PartEnds()
                more = ends
            elif self._state == "head":
                name = self._head()
                if name is not None:
                    yield PartBegins(name)
                more = name is not None
            else:
                more = self._preamble() if self._state == "preamble" else self._after_delimiter()
            if not more:
                return
        self._rest = b""

    def finish(self) -> None:
        """Raises BadForm unless the form has come whole."""
        if self._state != "end":
            raise BadForm("the form is cut off")

    def _preamble(self) -> bool:
        at = self._rest.find(self._delimiter)
        if at < 0:
            if len(self._rest) > HEAD_BYTES_MAX:
                raise BadForm("the form does not begin")
            return False
        self._past(at + len(self._delimiter), "delimiter")
        return True

    def _after_delimiter(self) -> bool:
        rest = self._rest.lstrip(_BLANKS)
        if len(self._rest) > HEAD_BYTES_MAX and not rest:
            raise BadForm("a delimiter does not end")
        if len(rest) < 2:
            return False
        if rest.startswith(b"--"):
            self._past(0, "end")
        elif rest.startswith(b"\r\n"):
            self._past(len(self._rest) - len(rest), "head")
        else:
            raise BadForm("a delimiter does not end")
        return True

    def _head(self) -> str | None:
        at = self._rest.find(b"\r\n\r\n")
        if at > HEAD_BYTES_MAX or (at < 0 and len(self._rest) > HEAD_BYTES_MAX):
            raise BadForm("the head of a part is too long")
        if at < 0:
            return None
        found = _NAME.search(self._rest[: at + 2])
        self._parts += 1
        if found is None or self._parts > PARTS_MAX:
            raise BadForm("a part has no name, or there are too many")
        self._past(at + 4, "data")
        return (found[1] or found[2] or b"").decode(errors="replace")

    def _data(self) -> tuple[bytes, bool]:
        """More bytes of the part, and whether it ends with them."""
        at = self._rest.find(self._delimiter)
        if at >= 0:
            found = self._rest[:at]
            self._past(at + len(self._delimiter), "delimiter")
            return found, True
        whole = max(0, len(self._rest) - len(self._delimiter) + 1)
        found, self._rest = self._rest[:whole], self._rest[whole:]
        return found, False

    def _past(self, count: int, state: _State) -> None:
        self._rest = self._rest[count:]
        self._state = state
