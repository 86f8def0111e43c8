"""What the browser's errors mean for the one who asked: a sentence, and the client's class."""

from __future__ import annotations

import re
from typing import Final

from sessions.runtimes.browser.page.destinations import told

INVALID: Final = "InvalidActionError"
FAILED: Final = "ActionExecutionError"
TIMEOUT: Final = "NotteTimeoutError"
TOO_LARGE: Final = "EvaluateJsResultLimitError"

HUNG: Final = "the page does not answer: it may be busy in a script; go elsewhere or close its tab"
CRASHED: Final = "the page has crashed: reload it or go elsewhere"
TAB_CLOSED: Final = "the tab was closed"
MESSAGE_MAX: Final = 600

_NET: Final = {
    "ERR_TOO_MANY_REDIRECTS": "the site redirects without an end",
    "ERR_NAME_NOT_RESOLVED": "the name of the site is not known",
    "ERR_CONNECTION_REFUSED": "the site refuses the connection",
    "ERR_CONNECTION_RESET": "the site broke off the connection",
    "ERR_CONNECTION_CLOSED": "the site broke off the connection",
    "ERR_EMPTY_RESPONSE": "the site closed the connection without an answer",
    "ERR_INTERNET_DISCONNECTED": "there is no connection to the internet",
    "ERR_TUNNEL_CONNECTION_FAILED": "the proxy does not connect to the site",
    "ERR_PROXY_CONNECTION_FAILED": "the proxy does not answer",
    "ERR_CERT_AUTHORITY_INVALID": "the certificate of the site is not trusted",
    "ERR_CERT_DATE_INVALID": "the certificate of the site has expired",
    "ERR_CERT_COMMON_NAME_INVALID": "the certificate is that of another site",
    "ERR_SSL_PROTOCOL_ERROR": "the site does not speak TLS",
    "ERR_INVALID_RESPONSE": "the site answers with something that is not HTTP",
    "ERR_UNSAFE_PORT": "the port of the URL is not one that browsers use",
    "ERR_INVALID_URL": "this is not the URL of a page",
    "ERR_ABORTED": "the site sent no page",
    "ERR_BLOCKED_BY_RESPONSE": "the site does not let itself be shown like this",
}
_NET_CODE: Final = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_GONE: Final = ("has been closed", "connection closed", "browser has disconnected")
_MOVED: Final = (
    "execution context was destroyed",
    "cannot find context",
    "frame was detached",
    "frame has been detached",
    "most likely because of a navigation",
    "inspected target navigated",
)
_BAD_SELECTOR: Final = (
    "is not a valid selector",
    "is not a valid xpath",
    "unexpected token",
    "unknown engine",
    "while parsing",
    "selector should",
    "malformed",
)
_COVERED: Final = re.compile(r"- (<.+?> )?(from .* subtree )?intercepts pointer events")
_SEMANTIC: Final = (
    "not an <input>",
    "cannot type text into",
    "not a checkbox",
    "not a <select>",
    "unknown key",
    "did not find some options",
    "cannot be filled",
    "malformed value",
    "not an htmlinputelement",
    "non-multiple file input",
)


class Unusable(Exception):
    """An action cannot be done as it was asked; the text says why."""

    def __init__(self, why: str, error_type: str = INVALID) -> None:
        super().__init__(why)
        self.error_type = error_type


def is_gone(message: str) -> bool:
    """Whether the tab, its context or the whole browser is there no more."""
    lowered = message.lower()
    return any(part in lowered for part in _GONE)


def has_moved(message: str) -> bool:
    """Whether the page went elsewhere while it was asked."""
    lowered = message.lower()
    return any(part in lowered for part in _MOVED)


def is_detached(message: str) -> bool:
    """Whether a script has taken the element from the page."""
    return "not attached" in message.lower()


def is_bad_selector(message: str) -> bool:
    """Whether a selector was not understood."""
    lowered = message.lower()
    return any(part in lowered for part in _BAD_SELECTOR)


def net_error(message: str) -> str:
    """What went wrong on the way to a site; empty where it is something else."""
    code = _NET_CODE.search(message)
    if code is None:
        return ""
    return _NET.get(code[1], f"the page could not be loaded ({code[1]})")


def unusable(message: str, is_timeout: bool, seconds: float) -> Unusable:
    """What an error of the driver means for the action that met it."""
    net = net_error(message)
    if net:
        return Unusable(net, FAILED)
    covered = _COVERED.search(message)
    if covered is not None:
        by = clean((covered[1] or "another element").strip(), 120)
        return Unusable(f"the element is covered by {by}", FAILED)
    lowered = message.lower()
    for hint in ("not visible", "not enabled", "not editable", "not stable"):
        if is_timeout and f"element is {hint}" in lowered:
            return Unusable(f"the element is {hint}", FAILED)
    if any(part in lowered for part in _SEMANTIC):
        return Unusable(first_line(message))
    if is_timeout:
        return Unusable(f"it was not done within {seconds:g} s", TIMEOUT)
    if is_bad_selector(message):
        return Unusable(f"the selector is not valid: {first_line(message)}")
    if "crashed" in lowered:
        return Unusable(CRASHED, FAILED)
    if has_moved(message) or is_detached(message):
        return Unusable("the page changed while this was done", FAILED)
    return Unusable(first_line(message), FAILED)


def first_line(message: str) -> str:
    """The first line of what the driver says, without the name of its method."""
    line = next((one for one in message.splitlines() if one.strip()), "it failed")
    line = re.sub(r"^[A-Z]\w+\.\w+: (Error: )?", "", line.strip())
    return clean(line, MESSAGE_MAX)


def clean(text: str, limit: int) -> str:
    """The text as it can be stored: valid, on one line, of a bounded length."""
    line = " ".join(text[: limit * 8].split()).encode("utf-8", "replace").decode()
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def place_of(url: str) -> str:
    """An address in a message."""
    return told(url, 300)
