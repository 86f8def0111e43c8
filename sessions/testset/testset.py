"""The set of tests that a service has: loaded at its start, the same until its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from sessions.dialects.wave.selection import Test
from sessions.testset.discovery import discover
from sessions.testset.listing import Entry, Listing, Skipped, TestSetError
from sessions.testset.manifest import parse

MANIFEST: Final = "MANIFEST.json"
HARNESS: Final = "resources/testharness.js"
MANIFEST_BYTES_MAX: Final = 256 << 20
TESTS_MAX: Final = 500_000
SKIPPED_SHOWN: Final = 20

_log = structlog.get_logger()


class TestSet:
    """Tests by API and path, and the folder that has their files; none without a folder."""

    __test__ = False

    def __init__(self, tests: Iterable[Test] = (), folder: Path | None = None) -> None:
        self.tests: Final = tuple(sorted(tests, key=_listed))
        self.apis: Final = tuple(dict.fromkeys(test.api for test in self.tests))
        self.folder: Final = folder


def load(name: str) -> TestSet:
    """The tests of the folder `name`, by its manifest if it has one; raises TestSetError.

    What is left out is logged, and counted; tests whose file is missing are left out too.
    """
    folder = Path(os.path.realpath(Path(name).expanduser()))
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise TestSetError(f"the folder of tests {folder} is not there or cannot be read")
    path = folder / MANIFEST
    try:
        found = parse(_manifest(path)) if path.exists() else discover(folder)
    except TestSetError as error:
        at = path if path.exists() else folder
        raise TestSetError(f"{at}: {error}") from None
    there = [entry for entry in found.entries if _is_there(folder, entry)]
    absent = len(found.entries) - len(there)
    _tell(folder, found, len(there), absent)
    if len(there) > TESTS_MAX:
        raise TestSetError(f"{folder}: it holds more than {TESTS_MAX:,} tests")
    return TestSet((_test(entry) for entry in there), folder)


def _manifest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        raise TestSetError(f"it cannot be read: {error.strerror}") from None
    if len(raw) > MANIFEST_BYTES_MAX:
        raise TestSetError(f"it is larger than {MANIFEST_BYTES_MAX >> 20} MiB")
    return raw


def _is_there(folder: Path, entry: Entry) -> bool:
    # A string is joined by hand: for tens of thousands of tests a Path would take longer.
    return os.path.isfile(f"{folder}{entry.source}")  # noqa: PTH113


def _test(entry: Entry) -> Test:
    return Test(entry.url, manual=entry.manual, https="https" in entry.url)


def _listed(test: Test) -> tuple[str, str, bool, bool, str]:
    """By API, and there first what needs nobody: the order of the answers (section 1.3)."""
    return (test.api.lower(), test.api, test.manual, test.https, test.path)


def _tell(folder: Path, found: Listing, tests: int, absent: int) -> None:
    reasons = Counter(each.reason for each in found.skipped)
    if absent:
        reasons["its file is missing"] = absent
    shown: list[Skipped] = list(found.skipped[:SKIPPED_SHOWN])
    for each in shown:
        _log.warning("wave_tests.skipped", path=each.url, reason=each.reason)
    _log.info("wave_tests.loaded", folder=str(folder), tests=tests, skipped=dict(reasons))
    if not (folder / HARNESS).is_file():
        _log.warning("wave_tests.no_harness", missing=str(folder / HARNESS))
