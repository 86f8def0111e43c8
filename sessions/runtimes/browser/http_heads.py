"""Heads of HTTP/1 as a forward proxy reads and rewrites them (RFC 9110, RFC 9112)."""

from __future__ import annotations

import html
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sessions.runtimes.browser.addresses import authority

HTTP_PORT: Final = 80
CHUNKED: Final = -1
"""The length of a body that says itself where it ends."""

PROXY_STATUS: Final = "Proxy-Status"
ANSWERED_HERE: Final = "sessiond"
"""What an answer carries that comes from the guard itself (RFC 9209)."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
# What concerns one connection only and never goes on to the next.
_OF_ONE_HOP: Final = frozenset(
    {"connection", "proxy-connection", "keep-alive", "proxy-authorization", "upgrade", "te"}
)
_PAGE: Final = (
    "<!doctype html><meta charset=utf-8><title>{title}</title>"
    "<h1>{title}</h1><p>{reason}</p><p>This is said by the service that runs the browser.</p>\n"
)
_TITLES: Final = {
    400: "Bad Request",
    403: "Forbidden",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

Fields = tuple[tuple[str, str], ...]


class BadHead(ValueError):
    """The bytes are no head of HTTP/1, or one that a proxy must not pass on."""


class Asked(NamedTuple):
    """A request to a proxy: a tunnel, or one exchange with `path` of the origin."""

    method: str
    host: str
    port: int
    path: str
    fields: Fields
    body: int

    @property
    def tunnel(self) -> bool:
        """True where bytes are to be passed both ways."""
        return self.method == "CONNECT"

    @property
    def url(self) -> str:
        """The whole address, as another proxy wants to hear it."""
        return f"http://{host_and_port(self.host, self.port)}{self.path}"


class Answered(NamedTuple):
    """The head of an answer; `interim` ones are followed by another."""

    status: int
    line: str
    fields: Fields

    @property
    def interim(self) -> bool:
        """True for an answer that only comes before the real one."""
        return 100 <= self.status < 200 and self.status != 101


def asked(raw: bytes) -> Asked:
    """What a client wants of the proxy; raises BadHead."""
    line, fields = _split(raw)
    method, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if not _TOKEN.fullmatch(method) or not version.startswith("HTTP/1."):
        raise BadHead("This is not a request of HTTP/1.")
    try:
        if method == "CONNECT":
            host, port = authority(target)
            return Asked(method, host, port, "", fields, 0)
        parts = urlsplit(target)
        if parts.scheme.lower() != "http" or not parts.netloc:
            raise BadHead("A proxy takes whole addresses that begin with http://.")
        host, port = authority(parts.netloc.rpartition("@")[2], HTTP_PORT)
    except ValueError as error:
        raise error if isinstance(error, BadHead) else BadHead(f"{error}.") from None
    path = target[target.index(parts.netloc) + len(parts.netloc) :].partition("#")[0]
    path = path if path.startswith("/") else f"/{path}"
    return Asked(method, host, port, path, fields, _body(fields))


def to_origin(asked: Asked, *, target: str = "", credentials: str = "") -> bytes:
    """The head for the origin, or with `target` for another proxy; one exchange, then the end."""
    host = asked.host if ":" not in asked.host else f"[{asked.host}]"
    port = "" if asked.port == HTTP_PORT else f":{asked.port}"
    lines = [f"{asked.method} {target or asked.path} HTTP/1.1", f"Host: {host}{port}"]
    lines += [f"{name}: {value}" for name, value in _passed_on(asked.fields) if name != "Host"]
    if credentials:
        lines.append(f"Proxy-Authorization: {credentials}")
    lines.append("Connection: close")
    return _joined(lines)


def answered(raw: bytes) -> Answered:
    """The head of an answer, without the lines that are no fields; raises BadHead."""
    line, fields = _split(raw, lenient=True)
    version, _, rest = line.partition(" ")
    digits = rest[:3]
    if not version.startswith("HTTP/1.") or not (digits.isascii() and digits.isdigit()):
        raise BadHead("The answer is not one of HTTP/1.")
    return Answered(int(digits), line, fields)


def to_client(head: Answered) -> bytes:
    """The head for the client, who must not ask again on the same connection."""
    if head.interim:
        return _joined([head.line, *(f"{name}: {value}" for name, value in head.fields)])
    lines = [head.line, *(f"{name}: {value}" for name, value in _passed_on(head.fields))]
    return _joined([*lines, "Connection: close"])


def answer(status: int, reason: str) -> bytes:
    """A whole answer of the proxy itself: a small page that says why."""
    title = _TITLES[status]
    page = _PAGE.format(title=title, reason=html.escape(reason)).encode()
    lines = [
        f"HTTP/1.1 {status} {title}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(page)}",
        "Cache-Control: no-store",
        f"{PROXY_STATUS}: {ANSWERED_HERE}",
        "Connection: close",
    ]
    return _joined(lines) + page


def connect_to(host: str, port: int, credentials: str = "") -> bytes:
    """A request for a tunnel through another proxy."""
    place = host_and_port(host, port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if credentials:
        lines.append(f"Proxy-Authorization: {credentials}")
    return _joined(lines)


def host_and_port(host: str, port: int) -> str:
    """As they stand together in an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(raw: bytes, *, lenient: bool = False) -> tuple[str, Fields]:
    first, *rest = raw.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    fields = []
    for each in rest:
        name, colon, value = each.partition(":")
        if colon and _TOKEN.fullmatch(name) and "\r" not in value and "\0" not in value:
            fields.append((name, value.strip(" \t")))
        elif not lenient:
            raise BadHead("A header field cannot be read.")
    if "\r" in first or "\0" in first:
        raise BadHead("The first line cannot be read.")
    return first, tuple(fields)


def _body(fields: Fields) -> int:
    """How long the body is. What two readers may understand in two ways is refused."""
    lengths = {value for name, value in fields if name.lower() == "content-length"}
    codings = [value for name, value in fields if name.lower() == "transfer-encoding"]
    if codings:
        if lengths or len(codings) > 1 or codings[0].lower() != "chunked":
            raise BadHead("The length of the body is not clear.")
        return CHUNKED
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length):
        raise BadHead("The length of the body is not clear.")
    return int(length)


def _passed_on(fields: Fields) -> Fields:
    named = {
        each.strip().lower()
        for name, value in fields
        if name.lower() == "connection"
        for each in value.split(",")
    }
    # A connection that names what frames the message would change what the message is.
    gone = (named | _OF_ONE_HOP) - {"content-length", "transfer-encoding", "host"}
    return tuple(
        ("Host" if name.lower() == "host" else name, value)
        for name, value in fields
        if name.lower() not in gone
    )


def _joined(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
