"""The absolute URLs that a device is sent to: a test, or the page of a state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from sessions.dialects.wave.selection import query_of
from sessions.dialects.wave.wire import TYPE, SessionType, WaveStatus

WEB_ROOT: Final = "/_wave/"
# What may stand for itself in a path, and in a query where clients have escaped the rest.
_PATH_SAFE: Final = "/!$'()*+,;=:@~&"
_QUERY_SAFE: Final = _PATH_SAFE + "%"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_HOST_UNSAID: Final = "localhost"

_PAGES: Final[dict[WaveStatus, str]] = {
    "pending": "newsession.html",
    "paused": "pause.html",
    "running": "finish.html",
    "completed": "finish.html",
    "aborted": "finish.html",
}
# Of these pages sessions of that type have their own, in a folder of its name.
_OWN_PAGES: Final[dict[SessionType, tuple[str, ...]]] = {"dpctf": ("pause.html", "finish.html")}


class Origin(msgspec.Struct, frozen=True):
    """Where the service is as a device sees it; without TLS there is no `https_port`."""

    host: str
    http_port: int
    https_port: int | None = None

    @classmethod
    def of(cls, host: str, http_port: int, https_port: int | None = None) -> Origin:
        """The origin by the host that a request names; what is no host becomes localhost."""
        known = _HOST.fullmatch(host) is not None
        return cls(host if known else _HOST_UNSAID, http_port, https_port)

    def url(self, *, secure: bool) -> str:
        """Scheme, host and port; plain http where there is no TLS."""
        if secure and self.https_port is not None:
            return f"https://{self.host}:{self.https_port}"
        return f"http://{self.host}:{self.http_port}"


def test_url(
    origin: Origin, path: str, token: str, timeout_ms: int | float, include: Sequence[str]
) -> str:
    """The URL of a test in a session, with the queries of its include entries (section 3.2).

    The query of a variant comes first, as tests look for it there. Whatever the path and the
    entries hold, the URL stays at `origin` and is one line of ASCII.
    """
    file, _, variant = path.partition("?")
    parts = (
        *([_query(variant.partition("?")[0])] if variant else []),
        f"token={_escaped(token, '')}",
        f"timeout={timeout_ms}",
        f"https_port={origin.https_port or ''}",
        f"web_root={WEB_ROOT}",
        _query(query_of(path, include)),
    )
    where = origin.url(secure="https" in path)
    return f"{where}/{_escaped(file.lstrip('/'), _PATH_SAFE)}?{'&'.join(parts)}"


def page_url(origin: Origin, status: WaveStatus, token: str, kind: SessionType = TYPE) -> str:
    """The page of a session that has no test to hand out (section 3.6)."""
    name = _PAGES[status]
    if name in _OWN_PAGES.get(kind, ()):
        name = f"{kind}/{name}"
    return f"{origin.url(secure=False)}{WEB_ROOT}{name}?token={_escaped(token, '')}"


def _query(text: str) -> str:
    return _escaped(_STRAY_PERCENT.sub("%25", text), _QUERY_SAFE)


def _escaped(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")
