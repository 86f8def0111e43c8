"""Forms in parts (RFC 7578), taken apart as they come; one that is cut off is never taken whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

BOUNDARY_CHARS_MAX: Final = 70
HEAD_BYTES_MAX: Final = 8 << 10
PARTS_MAX: Final = 32
_BLANKS: Final = b" \t"


def _parameter(name: bytes) -> re.Pattern[bytes]:
    return re.compile(
        rb"\r\ncontent-disposition:[ \t]*form-data\b[^\r\n]*?;[ \t]*"
        + name
        + rb"=(?:\"([^\"\r\n]*)\"|([^\s;\"]+))",
        re.IGNORECASE,
    )


_NAME: Final = _parameter(b"name")
_FILENAME: Final = _parameter(b"filename")
_MEDIA_TYPE: Final = re.compile(rb"\r\ncontent-type:[ \t]*([^\r\n]*)", re.IGNORECASE)
# A name cannot hold these as they are (WHATWG HTML, multipart/form-data encoding algorithm).
_ESCAPED: Final = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))
_State = Literal["preamble", "delimiter", "head", "data", "end"]


class BadForm(Exception):
    """The bytes are not a form."""


class PartBegins(NamedTuple):
    """A part of this name begins; that of a file says its own name and, perhaps, its type."""

    name: str
    filename: str = ""
    media_type: str = ""


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
                begun = self._head()
                if begun is not None:
                    yield begun
                more = begun is not None
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

    def _head(self) -> PartBegins | None:
        at = self._rest.find(b"\r\n\r\n")
        if at > HEAD_BYTES_MAX or (at < 0 and len(self._rest) > HEAD_BYTES_MAX):
            raise BadForm("the head of a part is too long")
        if at < 0:
            return None
        head = self._rest[: at + 2]
        name = _NAME.search(head)
        self._parts += 1
        if name is None or self._parts > PARTS_MAX:
            raise BadForm("a part has no name, or there are too many")
        self._past(at + 4, "data")
        filename, media_type = _FILENAME.search(head), _MEDIA_TYPE.search(head)
        return PartBegins(
            _text(name),
            "" if filename is None else _text(filename, escaped=True),
            "" if media_type is None else media_type[1].decode(errors="replace").strip(),
        )

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


def _text(found: re.Match[bytes], *, escaped: bool = False) -> str:
    raw = found[1] or found[2] or b""
    for written, meant in _ESCAPED if escaped else ():
        raw = raw.replace(written, meant)
    return raw.decode(errors="replace")
