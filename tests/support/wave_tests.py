"""A small folder of test pages in three APIs, and what each of them really does in a browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

HARNESS_URL: Final = "https://registry.npmjs.org/wpt-runner/-/wpt-runner-7.0.0.tgz"
HARNESS_SHA512: Final = (
    "hMFl9Dwlc8cztxhm0y2SjLA9LmZdLk5w5ySLpDFNgPh37zjzgjaTvxsyMUSkrVFSW8eVc3qQhyNm3wK83+VqVQ=="
)
HARNESS_IN_IT: Final = "package/testharness/testharness.js"
HARNESS_S_MAX: Final = 30.0

BIG_FOLDERS: Final = ("alpha", "beta", "gamma", "delta")
BIG_FILES: Final = 14
MANUAL: Final = "/apiTwo/press-manual.html"
SILENT: Final = "/apiTwo/silent.html"
"""It never reports: only the service's own time-out ends it."""


class Outcome(msgspec.Struct, frozen=True):
    """How a page ends: its status, and that of each of its subtests by name."""

    status: str
    subtests: dict[str, str]


_FAILS: Final = 'test(function () { assert_equals(1, 2); }, "fails");'
_PASSES: Final = 'test(function () { assert_true(true); }, "passes");'
_ERRORS: Final = f'{_PASSES}\nthrow new Error("on purpose");'
# It ends at once, as a page does whose time is over.
_TIMES_OUT: Final = (
    "setup({explicit_timeout: true});\n"
    'async_test(function () {}, "never ends");\n'
    "setTimeout(timeout, 50);"
)
_NEVER_ENDS: Final = 'setup({explicit_timeout: true});\nasync_test(function () {}, "never ends");'
_PRESS: Final = (
    "setup({explicit_timeout: true});\n"
    'async_test(function (t) { document.getElementById("press").onclick = t.step_func_done(); }, '
    '"pressed");'
)
_BY_VARIANT: Final = (
    'test(function () { assert_equals(location.search.slice(0, 4), "?two"); }, "is two");'
)
_UNICODE: Final = (
    'test(function () { assert_true(true); }, "\\u2713 \\ud83d\\ude00");\n'
    'test(function () { throw new Error("half of a pair: \\ud83d"); }, "half");'
)

PASSED: Final = Outcome("OK", {"passes": "PASS"})
FAILED: Final = Outcome("OK", {"fails": "FAIL"})

_PAGES: Final[Mapping[str, tuple[str, Outcome]]] = {
    "/apiOne/errors.html": (_ERRORS, Outcome("ERROR", {"passes": "PASS"})),
    "/apiOne/fails.html": (_FAILS, FAILED),
    "/apiOne/mixed.html": (
        f"{_PASSES}\n{_FAILS}",
        Outcome("OK", {"passes": "PASS", "fails": "FAIL"}),
    ),
    "/apiOne/passes.html": (_PASSES, PASSED),
    "/apiOne/times-out.html": (_TIMES_OUT, Outcome("TIMEOUT", {"never ends": "TIMEOUT"})),
    "/apiTwo/a name & more.html": (_PASSES, PASSED),
    "/apiTwo/unicode.html": (
        _UNICODE,
        Outcome("OK", {"\u2713 \U0001f600": "PASS", "half": "FAIL"}),
    ),
}
_SCRIPTS: Final[Mapping[str, str]] = {
    "/apiTwo/script.any.js": (
        "// META: title=A script\n// META: script=support/more.js\n"
        "// META: global=window,worker\ntest(function () { "
        'assert_equals(more, GLOBAL.isWorker() ? "worker" : "window"); }, "passes");\n'
    ),
    "/apiTwo/script.window.js": _PASSES,
}
_GENERATED: Final = {
    "/apiTwo/script.any.html": PASSED,
    "/apiTwo/script.any.serviceworker.html": PASSED,
    "/apiTwo/script.any.sharedworker.html": PASSED,
    "/apiTwo/script.any.worker.html": PASSED,
    "/apiTwo/script.window.html": PASSED,
}
_BIG: Final = {
    f"/bigApi/{folder}/test-{number:02}.html": PASSED
    for folder in BIG_FOLDERS
    for number in range(BIG_FILES)
}
_VARIANTS: Final = {
    "/apiTwo/variants.html?one": Outcome("OK", {"is two": "FAIL"}),
    "/apiTwo/variants.html?two=2": Outcome("OK", {"is two": "PASS"}),
}

AUTOMATIC: Final[Mapping[str, Outcome]] = {
    **{path: outcome for path, (_, outcome) in _PAGES.items()},
    **_GENERATED,
    **_BIG,
    **_VARIANTS,
}
"""What every page does that needs nobody and ends by itself."""
ALL: Final = frozenset({*AUTOMATIC, MANUAL, SILENT})


def write_tests(folder: Path, *, harness: Path | None = None, manifest: bool = False) -> Path:
    """The folder with all the pages, and with testharness.js if one is given."""
    for path, (script, _) in _PAGES.items():
        put(folder, path, page(script))
    for path in _BIG:
        put(folder, path, page(_PASSES))
    for path, script in _SCRIPTS.items():
        put(folder, path, script)
    put(folder, "/apiTwo/support/more.js", 'var more = GLOBAL.isWorker() ? "worker" : "window";\n')
    put(folder, SILENT, page(_NEVER_ENDS))
    put(folder, MANUAL, page(_PRESS, '<button id="press" autofocus>Press</button>\n'))
    variants = "".join(f'<meta name="variant" content="?{each}">\n' for each in ("one", "two=2"))
    put(folder, "/apiTwo/variants.html", page(_BY_VARIANT, variants))
    if harness is not None:
        put(folder, "/resources/testharness.js", harness.read_text(encoding="utf-8"))
    if manifest:
        put(folder, "/MANIFEST.json", json.dumps(manifest_of(ALL)))
    return folder


def page(script: str, more: str = "") -> str:
    """A test page that runs `script`."""
    return (
        '<!doctype html>\n<meta charset="utf-8">\n<title>A test</title>\n'
        '<script src="/resources/testharness.js"></script>\n'
        '<script src="/resources/testharnessreport.js"></script>\n'
        f'{more}<div id="log"></div>\n<script>\n{script}\n</script>\n'
    )


def put(folder: Path, path: str, text: str) -> None:
    """Write a file by its URL."""
    file = folder / path[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def manifest_of(urls: Iterable[str], version: int = 8) -> dict[str, Any]:
    """A manifest of tests by their URLs, with the pages that are generated from scripts."""
    items: dict[str, Any] = {}
    for url in sorted(urls):
        path = url.partition("?")[0]
        kind = "manual" if "-manual" in path else "testharness"
        source = path
        stem, *flags = path.split(".")
        if flags[0] in ("any", "window"):
            source = f"{stem}.{flags[0]}.js"
        *folders, name = source[1:].split("/")
        tree = items.setdefault(kind, {})
        for each in folders:
            tree = tree.setdefault(each, {})
        tree.setdefault(name, ["0" * 40]).append([None if url == source else url[1:], {}])
    return {"version": version, "url_base": "/", "items": items}


def testharness() -> Path:
    """testharness.js, kept outside the tree between runs; skips the test where there is none."""
    named = os.environ.get("SESSIOND_TESTHARNESS")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sessiond-tests"
    kept = cache / "testharness-7.0.0.js"
    if not kept.exists():
        script = _fetched()
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            file.write(script)
        Path(file.name).replace(kept)  # whole or not at all, whoever else does the same
    return kept


testharness.__test__ = False  # type: ignore[attr-defined]


def _fetched() -> bytes:
    try:
        with urllib.request.urlopen(HARNESS_URL, timeout=HARNESS_S_MAX) as answer:
            raw = answer.read()
    except (urllib.error.URLError, OSError) as error:
        pytest.skip(f"testharness.js is not to be had from {HARNESS_URL}: {error}")
    assert base64.b64encode(hashlib.sha512(raw).digest()).decode() == HARNESS_SHA512
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        found = archive.extractfile(HARNESS_IN_IT)
        assert found is not None
        return found.read()
