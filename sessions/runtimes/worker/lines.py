"""The line protocol: what a command prints becomes reports, what users say becomes its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

TEXT_BYTES_MAX: Final = 64 << 10
"""What a line of text may be long; a longer one becomes several messages."""
STATEMENT_BYTES_MAX: Final = 512 << 10
"""What a line that begins like JSON may be long."""
MESSAGE_CHARS_MAX: Final = 256 << 10
"""What the service takes as one message."""
DETAIL_CHARS_MAX: Final = 1_000

_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_CONTINUES: Final = 0x80

Report = dict[str, Any]


class Line(NamedTuple):
    """A line without its end; only one that is `whole` can be a statement."""

    text: str
    whole: bool = True


class PullRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the work is to be merged."""

    url: str
    state: str | None = None


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command can say about its session besides plain messages."""

    message: str | UnsetType = UNSET
    data: dict[str, Any] = {}
    structured_output: Any = UNSET
    pull_request: PullRequest | str | UnsetType = UNSET
    acus: Annotated[float, msgspec.Meta(ge=0)] | UnsetType = UNSET
    status: Literal["running", "blocked"] | UnsetType = UNSET
    detail: str = ""


class _Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sessiond: Statement | Literal["running", "blocked"]


_decoder: Final = msgspec.json.Decoder(_Stated)


class Lines:
    """Cuts what comes into lines; it never keeps more than one line of the longest kind."""

    def __init__(self) -> None:
        self._rest = b""
        self._within = False

    def feed(self, data: bytes) -> list[Line]:
        """The lines that are complete now."""
        *ended, rest = (self._rest + data).split(b"\n")
        found: list[Line] = []
        for line in ended:
            found += self._ended(line)
        while len(rest) > _limit(rest, within=self._within):
            piece, rest = _cut(rest)
            found.append(Line(_text(piece), whole=False))
            self._within = True
        self._rest = rest
        return found

    def end(self) -> list[Line]:
        """What came after the last end of a line."""
        rest, self._rest = self._rest, b""
        return self._ended(rest) if rest else []

    def _ended(self, line: bytes) -> list[Line]:
        whole, self._within = not self._within, False
        if whole and len(line) <= _limit(line, within=False):
            return [Line(_text(line.removesuffix(b"\r")))]
        found = []
        while len(line) > TEXT_BYTES_MAX:
            piece, line = _cut(line)
            found.append(Line(_text(piece), whole=False))
        return [*found, Line(_text(line.removesuffix(b"\r")), whole=False)]


def reports_of(line: Line) -> Iterator[Report]:
    """What a line of the output says: nothing, if it is blank."""
    if line.whole and line.text.startswith("{"):
        try:
            said = _decoder.decode(line.text).sessiond
        except (msgspec.DecodeError, RecursionError):
            pass  # it only looks like a statement: nothing that a command prints is lost
        else:
            yield from _stated(Statement(status=said) if isinstance(said, str) else said)
            return
    if line.text.strip():
        yield from (message(piece) for piece in _pieces(line.text, TEXT_BYTES_MAX))


def _stated(said: Statement) -> Iterator[Report]:
    if said.message is not UNSET:
        data = {"data": said.data} if said.data else {}
        yield from (message(piece) | data for piece in _pieces(said.message, MESSAGE_CHARS_MAX))
    if said.structured_output is not UNSET:
        yield {"type": "output", "structured_output": said.structured_output}
    if said.pull_request is not UNSET:
        there = said.pull_request
        asked = PullRequest(there) if isinstance(there, str) else there
        yield {"type": "pull_request", **msgspec.to_builtins(asked)}
    if said.acus is not UNSET:
        yield {"type": "acus", "used": said.acus}
    if said.status is not UNSET:
        detail = {"detail": said.detail[:DETAIL_CHARS_MAX]} if said.detail else {}
        yield {"type": "status", "status": said.status, **detail}


def message(content: str) -> Report:
    """The report that the agent says something."""
    return {"type": "message", "content": content}


def finished(exit_code: int, signal: int | None, last_words: str) -> Report:
    """The report that the command has ended; `last_words` count where it failed."""
    report: Report = {"type": "finished", "exit_code": exit_code}
    if signal is not None:
        report["signal"] = signal
    if (exit_code or signal) and last_words:
        report["detail"] = last_words[-DETAIL_CHARS_MAX:]
    return report


def whole_input(prompt: str, messages: Sequence[str]) -> bytes:
    """The prompt, then what users said since, with an empty line between; ends with a newline."""
    text = "\n\n".join(part.removesuffix("\n") for part in (prompt, *messages))
    return f"{text}\n".encode(errors="replace")


def claim_line(whole: Mapping[str, Any]) -> bytes:
    """All that the service tells of a session, as one line of JSON."""
    return msgspec.json.encode(whole) + b"\n"


def input_line(content: str) -> bytes:
    """One line for one message: as it is, or as JSON where it could be taken for something else.

    A message that has several lines, or begins with a brace, is `{"message": "..."}`.
    """
    if content.startswith("{") or len(content.splitlines()) > 1 or content.endswith(("\n", "\r")):
        return msgspec.json.encode({"message": content}) + b"\n"
    return f"{content}\n".encode(errors="replace")


def _limit(line: bytes, *, within: bool) -> int:
    return STATEMENT_BYTES_MAX if line.startswith(b"{") and not within else TEXT_BYTES_MAX


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """The first TEXT_BYTES_MAX bytes and the rest, never in the midst of a character."""
    end = TEXT_BYTES_MAX
    while end > TEXT_BYTES_MAX - 4 and data[end] & 0xC0 == _CONTINUES:
        end -= 1
    return data[:end], data[end:]


def _text(data: bytes) -> str:
    # The service takes no NUL: a database of another kind might end the text there.
    return data.decode(errors="replace").replace("\0", _REPLACED)


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
