"""What a debugger may ask of the pages of its own session, and what of the browser as a whole."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

Params = Mapping[str, Any]

# Domains that see a page and no more; what can write files, read the host or reach other
# sessions is not among them (Tracing, SystemInfo, Tethering, Extensions, FileSystem, PWA ...).
PAGE_DOMAINS: Final = frozenset(
    {
        "Accessibility",
        "Animation",
        "Audits",
        "BackgroundService",
        "CSS",
        "CacheStorage",
        "Console",
        "DOM",
        "DOMDebugger",
        "DOMSnapshot",
        "DOMStorage",
        "Debugger",
        "DeviceOrientation",
        "Emulation",
        "EventBreakpoints",
        "FedCm",
        "Fetch",
        "HeadlessExperimental",
        "HeapProfiler",
        "IO",
        "IndexedDB",
        "Input",
        "Inspector",
        "LayerTree",
        "Log",
        "Media",
        "Network",
        "Overlay",
        "Page",
        "Performance",
        "PerformanceTimeline",
        "Preload",
        "Profiler",
        "Runtime",
        "Schema",
        "Security",
        "ServiceWorker",
        "Storage",
        "WebAudio",
        "WebAuthn",
    }
)
ELSEWHERE: Final = frozenset({"Browser.getVersion", "Browser.getWindowForTarget"})
ELSEWHERE_OF_PAGES: Final = frozenset({"Memory.getDOMCounters"})
OF_THE_BROWSER: Final = ELSEWHERE | frozenset(
    {
        "Browser.cancelDownload",
        "Browser.grantPermissions",
        "Browser.resetPermissions",
        "Browser.setPermission",
        "Storage.clearCookies",
        "Storage.getCookies",
        "Storage.setCookies",
        "Target.activateTarget",
        "Target.attachToBrowserTarget",
        "Target.attachToTarget",
        "Target.autoAttachRelated",
        "Target.closeTarget",
        "Target.createTarget",
        "Target.detachFromTarget",
        "Target.getTargetInfo",
    }
)
"""What goes on to the browser; the rest of what a client needs there is answered by the filter."""
TARGETS_OF_PAGES: Final = frozenset(
    {
        "Target.activateTarget",
        "Target.closeTarget",
        "Target.detachFromTarget",
        "Target.getTargetInfo",
        "Target.setAutoAttach",
    }
)
# Screens are those of the whole browser.
_CLOSED: Final = frozenset(
    {
        "Emulation.addScreen",
        "Emulation.getScreenInfos",
        "Emulation.removeScreen",
        "Emulation.setPrimaryScreen",
        "Emulation.updateScreen",
    }
)
# Where downloads go is the service's to say; a client that sets it finds them in the session.
TAKEN_AS_DONE: Final = frozenset({"Browser.setDownloadBehavior", "Page.setDownloadBehavior"})
WITH_CONTEXT: Final = frozenset(
    {
        "Browser.cancelDownload",
        "Browser.grantPermissions",
        "Browser.resetPermissions",
        "Browser.setPermission",
        "Storage.clearCookies",
        "Storage.getCookies",
        "Storage.setCookies",
        "Target.createTarget",
    }
)
"""What means the whole browser, or its own first context, where it does not name one."""

_URLS: Final = frozenset(
    {
        "Fetch.continueRequest",
        "Network.continueInterceptedRequest",
        "Network.loadNetworkResource",
        "Page.navigate",
        "Target.createTarget",
    }
)
_SCHEMES: Final = frozenset({"http", "https", "data", "blob"})
_BLANK: Final = frozenset({"", "about:blank", "about:srcdoc"})
_IGNORED: Final = re.compile(r"[\t\n\r]")
_AROUND: Final = "".join(map(chr, range(0x21)))
_OPEN_FOLDERS: Final = ("uploads", "downloads")


class Refused(Exception):
    """The debugger may not; the text says what and why."""


def check(method: str, params: Params, context: str, targets: Collection[str]) -> None:
    """What names something must name what belongs to the session; raises Refused."""
    if params.get("browserContextId", context) != context:
        raise Refused(f"{method}: the session has one context, {context}.")
    target = params.get("targetId", "")
    if "targetId" in params and not (isinstance(target, str) and target in targets):
        raise Refused(f"{method}: no target with that id belongs to the session.")
    if method in _URLS and "url" in params:
        check_url(params["url"])


def check_url(url: Any) -> None:
    """Where a page may be sent, as a browser reads the address; raises Refused."""
    text = _IGNORED.sub("", url).strip(_AROUND).lower() if isinstance(url, str) else "?"
    scheme, colon, _ = text.partition(":")
    if text.partition("#")[0] not in _BLANK and not (colon and scheme in _SCHEMES):
        what = f"{scheme}:" if colon else "this"
        raise Refused(f"Pages go to addresses of http and https, not to {what[:40]}.")


def is_open_to_pages(method: str) -> bool:
    """True for what a debugger of a page may ask of it."""
    domain = method.partition(".")[0]
    known = ELSEWHERE | ELSEWHERE_OF_PAGES | TARGETS_OF_PAGES
    return (domain in PAGE_DOMAINS and method not in _CLOSED) or method in known


def with_files(method: str, params: Params, folder: str) -> Params:
    """The parameters, in which files are the session's own.

    A relative name is one of `uploads`. Raises Refused for a file that is not the session's.
    """
    if method == "DOM.setFileInputFiles":
        return {**params, "files": _files(params.get("files"), folder)}
    if method == "Input.dispatchDragEvent":
        data = params.get("data")
        if isinstance(data, dict) and data.get("files"):
            return {**params, "data": {**data, "files": _files(data["files"], folder)}}
    return params


def _files(files: Any, folder: str) -> list[str]:
    if not isinstance(files, list):
        raise Refused("The files are no list of names.")
    return [_file(file, folder) for file in files]


def _file(file: Any, folder: str) -> str:
    if not isinstance(file, str) or "\0" in file:
        raise Refused("A file has a name.")
    path = posixpath.normpath(posixpath.join(folder, _OPEN_FOLDERS[0], file))
    if not path.startswith(tuple(f"{folder}/{name}/" for name in _OPEN_FOLDERS)):
        raise Refused("A page gets files that were uploaded to its session, and no others.")
    return path


_USUAL: Final[tuple[dict[str, Any], ...]] = (
    {"type": "browser", "exclude": True},
    {"type": "tab", "exclude": True},
    {},
)


def matches(kind: str, chosen: Any) -> bool:
    """True if a filter of targets lets this kind through; the first entry for it decides."""
    entries = chosen if isinstance(chosen, list) else _USUAL
    for entry in entries:
        if isinstance(entry, dict) and entry.get("type", kind) == kind:
            return not entry.get("exclude", False)
    return False
