"""Tests that are scripts: what their first lines ask for, and the pages that run them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from sessions.testset.listing import GENERATED, source_of

WORKER_END: Final = ".any.worker.js"
_META: Final = re.compile(r"//\s*META:\s*(\w+)=(.*)")
_KINDS: Final = {
    "window": "html",
    "dedicatedworker": "worker.html",
    "sharedworker": "sharedworker.html",
    "serviceworker": "serviceworker.html",
}
_GROUPS: Final = {
    "default": ("window", "dedicatedworker"),
    "worker": ("dedicatedworker", "sharedworker", "serviceworker"),
}
_START: Final = {
    ".any.sharedworker.html": "fetch_tests_from_worker(new SharedWorker({worker}));",
    ".any.worker.html": "fetch_tests_from_worker(new Worker({worker}));",
    ".worker.html": "fetch_tests_from_worker(new Worker({worker}));",
    # A worker of an earlier run would answer in place of this one.
    ".any.serviceworker.html": (
        "(function () {{\n"
        '  var scope = "does/not/exist";\n'
        "  var workers = navigator.serviceWorker;\n"
        "  workers.getRegistration(scope).then(function (old) {{\n"
        "    return old && old.unregister();\n"
        "  }}).then(function () {{\n"
        "    return workers.register({worker}, {{scope: scope}});\n"
        "  }}).then(function (made) {{\n"
        "    fetch_tests_from_worker(made.installing);\n"
        "  }});\n"
        "}})();"
    ),
}


class Meta(msgspec.Struct, frozen=True):
    """What the comments at the top of a script ask for."""

    title: str = ""
    scripts: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    globals: tuple[str, ...] = _GROUPS["default"]
    long: bool = False


def meta_of(text: str) -> Meta:
    """What the comment lines at the beginning of a script say."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        if known := _META.match(line):
            found.setdefault(known[1], []).append(known[2].strip())
    return Meta(
        title=(found.get("title") or [""])[-1],
        scripts=tuple(found.get("script", ())),
        variants=tuple(found.get("variant", ())),
        globals=_globals(found.get("global", ["default"])),
        long="long" in found.get("timeout", ()),
    )


def urls_of(path: str, text: str) -> Iterator[str]:
    """The URLs of the tests that the script at `path` stands for; none if it is no test."""
    meta = meta_of(text)
    if path.endswith(".any.js"):
        pages = [path.removesuffix("js") + _KINDS[each] for each in meta.globals]
    elif path.endswith((".window.js", ".worker.js")):
        pages = [path.removesuffix("js") + "html"]
    else:
        pages = []
    for page in pages:
        yield from (page + variant for variant in meta.variants or ("",))


def script_behind(path: str) -> str | None:
    """The script whose text decides what is generated at `path`; None if nothing is."""
    if path.endswith(WORKER_END):
        return path.removesuffix(WORKER_END) + ".any.js"
    return source_of(path)


def generated(path: str, text: str) -> str:
    """The page, or the script of a worker, that runs the test `text` at `path`."""
    meta = meta_of(text)
    source = script_behind(path) or path
    if path.endswith(WORKER_END):
        return _worker(source, meta)
    end = next(end for end in GENERATED if path.endswith(end))
    start = _START.get(end)
    head = "".join(f'<script src="{html.escape(each)}"></script>\n' for each in meta.scripts)
    if start is None:
        body = f'{_GLOBAL_OF_WINDOW}{head}<script src="{html.escape(source)}"></script>\n'
    else:
        worker = source if end == ".worker.html" else source.removesuffix("js") + "worker.js"
        body = f"<script>\n{start.format(worker=_text(worker) + ' + location.search')}\n</script>\n"
    timeout = '<meta name="timeout" content="long">\n' if meta.long else ""
    title = html.escape(meta.title or path)
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n{timeout}<title>{title}</title>\n'
        '<script src="/resources/testharness.js"></script>\n'
        '<script src="/resources/testharnessreport.js"></script>\n'
        f'<div id="log"></div>\n{body}'
    )


# Tests ask `GLOBAL` where they run.
_GLOBAL_OF_WINDOW: Final = (
    "<script>\nself.GLOBAL = {\n"
    "  isWindow: function () { return true; },\n"
    "  isWorker: function () { return false; },\n"
    "  isShadowRealm: function () { return false; }\n};\n</script>\n"
)


def _worker(source: str, meta: Meta) -> str:
    imports = "".join(f"importScripts({_text(each)});\n" for each in (*meta.scripts, source))
    return (
        "self.GLOBAL = {\n"
        "  isWindow: function () { return false; },\n"
        "  isWorker: function () { return true; },\n"
        "  isShadowRealm: function () { return false; }\n};\n"
        f'importScripts("/resources/testharness.js");\n{imports}done();\n'
    )


def _globals(lines: list[str]) -> tuple[str, ...]:
    asked = [name.strip() for line in lines for name in line.split(",")]
    kinds = [kind for name in asked for kind in _GROUPS.get(name, (name,))]
    return tuple(dict.fromkeys(kind for kind in kinds if kind in _KINDS))


def _text(value: str) -> str:
    """`value` as a string in a script, also where the script stands in a page."""
    return json.dumps(value).replace("<", "\\u003c")
