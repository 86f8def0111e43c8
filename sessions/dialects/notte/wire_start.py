"""What today's `POST /sessions/start` asks for (contract notte.md, section 3.3)."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from sessions.browser_answers import Opening
from sessions.dialects import fastapi
from sessions.dialects.fastapi import Check, Field, Path, Wrong
from sessions.domain import commands
from sessions.domain.policy import MINUTE_S
from sessions.failure import FieldError
from sessions.runtimes.browser.port import UpstreamProxy

IDLE_MINUTES: Final = 3
IDLE_MINUTES_MAX: Final = 30
DURATION_MINUTES: Final = 15
DURATION_MINUTES_MAX: Final = 1440
SIDE_MIN: Final = 500
SIDE_MAX: Final = 4096
"""Of a viewport, in pixels: what it shows is memory of the service."""
ASPECT_RATIOS: Final = {"5:4": (1280, 1024), "16:9": (1280, 720)}
BROWSER_TYPES: Final = ("chromium", "chrome", "chrome-nightly", "chrome-turbo")
SCREENSHOT_TYPES: Final = ("raw", "full", "last_action")
AUTH_IDS_MAX: Final = 10
USER_AGENT_CHARS_MAX: Final = 1000
HEADERS_MAX: Final = 64
HEADER_CHARS_MAX: Final = 8 << 10
PROXY_SCHEMES: Final = ("http", "https", "socks5")
PROXY_CHARS_MAX: Final = 1000


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is wanted, with the defaults of the contract."""

    idle_timeout_minutes: int
    max_duration_minutes: int
    opening: Opening
    spec: dict[str, Any]


def start(body: Any) -> Start:
    """What is asked for; raises one Failure 422 that names all that is wrong with it."""
    wrong: Wrong = []
    values = fastapi.object_of(_FIELDS, closed=True)({} if body is None else body, _BODY, wrong)
    if wrong:
        raise fastapi.refusal(wrong)
    idle, longest = _minutes(values, wrong)
    viewport = _viewport(values, wrong)
    if wrong:
        raise fastapi.refusal(wrong)
    proxy: UpstreamProxy | None = values.get("proxies")
    opening = Opening(
        viewport=viewport,
        user_agent=values.get("user_agent"),
        headers=values.get("extra_http_headers") or {},
        proxy=proxy,
    )
    asked = {name: values[name] for name in _KEPT if values.get(name) is not None}
    return Start(
        idle_timeout_minutes=idle,
        max_duration_minutes=longest,
        opening=opening,
        spec={**asked, "proxies": proxy is not None},
    )


def to_command(asked: Start, owner: str) -> commands.CreateSession:
    """The session that `asked` makes."""
    return commands.CreateSession(
        kind="browser",
        dialect="notte",
        owner=owner,
        status="queued",
        spec=asked.spec,
        idle_timeout_s=asked.idle_timeout_minutes * MINUTE_S,
        max_duration_s=asked.max_duration_minutes * MINUTE_S,
    )


def _minutes(values: dict[str, Any], wrong: Wrong) -> tuple[int, int]:
    """Both clocks; the idle one is not above the other, and by default never is."""
    longest = values.get("max_duration_minutes", DURATION_MINUTES)
    given = next((name for name in _IDLE_NAMES if name in values), None)
    if given is None:
        return min(IDLE_MINUTES, longest), longest
    idle = values[given]
    if idle > longest:
        message = f"{given} is at most max_duration_minutes, which is {longest}"
        wrong.append(FieldError((*_BODY, given), message))
    return idle, longest


def _viewport(values: dict[str, Any], wrong: Wrong) -> tuple[int, int] | None:
    width, height = (values.get(name) for name in _SIDES)
    if (width is None) != (height is None):
        absent = _SIDES[0] if width is None else _SIDES[1]
        message = "viewport_width and viewport_height go together"
        wrong.append(FieldError((*_BODY, absent), message))
    ratio = values.get("aspect_ratio")
    if ratio is None:
        return None if width is None or height is None else (width, height)
    if width is not None or height is not None:
        message = "an aspect ratio and a viewport exclude one another"
        wrong.append(FieldError((*_BODY, "aspect_ratio"), message))
    return ASPECT_RATIOS[ratio]


def unavailable(path: Path, what: str, wrong: Wrong) -> None:
    """Note that something of Notte's cloud is asked for that a service of one's own has not."""
    wrong.append(FieldError(path, f"not available here: {what}", "not_available"))


def _absent(what: str) -> Check:
    """Nothing: null, or an empty list."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if value not in (None, []):
            unavailable(path, what, wrong)

    return check


def _false(what: str) -> Check:
    """False, for the other value asks for what is not there."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if fastapi.boolean(value, path, wrong) is True:
            unavailable(path, what, wrong)
        return value

    return check


def _auth_ids(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.list_of(fastapi.string, AUTH_IDS_MAX)(value, path, wrong)
    if isinstance(value, list) and value:
        unavailable(path, "managed logins", wrong)


def _browser_type(value: Any, path: Path, wrong: Wrong) -> Any:
    if value == "firefox":
        unavailable(path, "firefox; every session runs in Chromium", wrong)
        return value
    return fastapi.word(*BROWSER_TYPES)(value, path, wrong)


def _plain(chars_max: int) -> Check:
    """A text that can stand in a header."""
    length = fastapi.text(1, chars_max)

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        length(value, path, wrong)
        if isinstance(value, str) and value and not _FIELD_VALUE.fullmatch(value):
            message = "a header holds printable ASCII, without a blank at its ends"
            wrong.append(FieldError(path, message))
        return value

    return check


def _header_name(value: Any, path: Path, wrong: Wrong) -> Any:
    name = value.lower()
    if not _TOKEN.fullmatch(value):
        wrong.append(FieldError(path, "this is not the name of a header"))
    elif name in _OWN_HEADERS or name.startswith("proxy-"):
        wrong.append(FieldError(path, f"the browser itself sets {name}"))
    return value


def _header_value(value: Any, path: Path, wrong: Wrong) -> Any:
    return value if value == "" else _plain(HEADER_CHARS_MAX)(value, path, wrong)


def _proxies(value: Any, path: Path, wrong: Wrong) -> UpstreamProxy | None:
    """A proxy of the caller's own; true, which older clients send, means what is there: none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        unavailable(path, _CLOUD_PROXIES, wrong)
        return None
    if not isinstance(value, list):
        wrong.append(FieldError(path, "Input should be a boolean or a list", "list_type"))
        return None
    found = [_proxy(each, (*path, index), wrong) for index, each in enumerate(value[:2])]
    if len(value) > 1:
        unavailable(path, "more than one proxy", wrong)
    return found[0] if found else None


def _proxy(value: Any, path: Path, wrong: Wrong) -> UpstreamProxy | None:
    if isinstance(value, str) or not isinstance(value, dict):
        unavailable(path, _CLOUD_PROXIES, wrong)
        return None
    if value.get("type", "external") != "external":
        unavailable((*path, "type"), _CLOUD_PROXIES, wrong)
        return None
    before = len(wrong)
    read: dict[str, Any] = fastapi.object_of(_PROXY, closed=True)(value, path, wrong)
    if len(wrong) > before:
        return None
    return UpstreamProxy(
        server=read["server"],
        username=read.get("username") or "",
        password=read.get("password") or "",
    )


def _server(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.text(1, PROXY_CHARS_MAX)(value, path, wrong)
    if not isinstance(value, str) or not value:
        return value
    whole = value if "://" in value else f"http://{value}"
    if not _is_server(whole):
        named = ", ".join(PROXY_SCHEMES)
        message = f"a proxy is named as scheme://host:port, with one of {named}, and nothing else"
        wrong.append(FieldError(path, message))
    return whole


def _is_server(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port is not None and parts.port > 0
    except ValueError:
        return False
    rest = parts.path in ("", "/") and not parts.query and not parts.fragment
    return parts.scheme in PROXY_SCHEMES and named and rest and "@" not in parts.netloc


def no_session_id(_: Any, path: Path, wrong: Wrong) -> Any:
    """Nothing but null: an id is given to who starts a session, and not by them."""
    message = "a session that starts has no id yet; observe uses one that exists"
    wrong.append(FieldError(path, message))


_BODY: Final = ("body",)
_CLOUD_PROXIES: Final = (
    "Notte's own proxies and countries; a proxy of yours is {type: external, server: ...}"
)
# Of these names the first that is given counts: today's, and those of older clients.
_IDLE_NAMES: Final = ("idle_timeout_minutes", "timeout_minutes", "session_timeout_minutes")
_SIDES: Final = ("viewport_width", "viewport_height")
_KEPT: Final = (
    "browser_type",
    "user_agent",
    *_SIDES,
    "aspect_ratio",
    "solve_captchas",
    "block_ads",
    "keep_alive",
    "screenshot",
)
"""What the session still says that it was asked for; headers and proxies are sealed elsewhere."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_FIELD_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_side: Final = fastapi.integer(SIDE_MIN, SIDE_MAX)
_idle: Final = fastapi.integer(1, IDLE_MINUTES_MAX)
_PROXY: Final = (
    Field("type", fastapi.word("external"), nullable=False),
    Field("server", _server, required=True, nullable=False),
    Field("username", fastapi.text(0, PROXY_CHARS_MAX)),
    Field("password", fastapi.text(0, PROXY_CHARS_MAX)),
    Field("bypass", _absent("addresses that go past a proxy")),
)
_FIELDS: Final = (
    *(Field(name, _idle, nullable=False) for name in _IDLE_NAMES),
    Field("max_duration_minutes", fastapi.integer(1, DURATION_MINUTES_MAX), nullable=False),
    Field("solve_captchas", fastapi.boolean, nullable=False),
    Field("proxies", _proxies),
    Field("browser_type", _browser_type, nullable=False),
    Field("user_agent", _plain(USER_AGENT_CHARS_MAX)),
    Field("cdp_url", _absent("a browser of yours; sessions run in the browsers of this service")),
    Field("vault_id", _absent("vaults")),
    Field("chrome_args", _absent("arguments for Chromium")),
    *(Field(name, _side) for name in _SIDES),
    Field("aspect_ratio", fastapi.word(*ASPECT_RATIOS)),
    Field("profile", _absent("profiles")),
    Field("extra_http_headers", fastapi.mapping_of(_header_value, _header_name, HEADERS_MAX)),
    Field("web_bot_auth", _false("signing requests as a known bot")),
    Field("advanced_stealth", _false("hiding that a program drives the browser")),
    Field("demonstrate", _false("demonstrations")),
    Field("block_ads", fastapi.boolean, nullable=False),
    Field("auth_ids", _auth_ids),
    Field("wait_for_authentication", fastapi.boolean),
    Field("auth_retry", fastapi.integer(0, 2), nullable=False),
    Field("screenshot_type", fastapi.word(*SCREENSHOT_TYPES), nullable=False),
    # Sent by clients from 1.3 to 1.9, and without a meaning here.
    Field("headless", fastapi.boolean),
    Field("use_file_storage", fastapi.boolean),
    Field("keep_alive", fastapi.boolean),
    Field("screenshot", fastapi.boolean),
    Field("max_steps", fastapi.integer(1)),
    Field("session_id", no_session_id),
)
