"""Shapes of WAVE's lists of tests, and of what the service says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from sessions.dialects.wave.selection import Test

# The version of the API whose wire this is; clients may show it.
VERSION: Final = "v3.3.0"


class ApiView(msgspec.Struct, frozen=True, kw_only=True):
    """An API; the documents call its title `name`, clients read `title` (section 1.9)."""

    title: str
    name: str
    path: str


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """What the service can do (section 1.6)."""

    version_string: str = VERSION
    read_sessions_enabled: bool
    import_results_enabled: bool
    reports_enabled: bool = True
    test_type_selection_enabled: bool = True
    test_file_selection_enabled: bool = True


def api_view(api: str, titles: Mapping[str, str]) -> ApiView:
    """The API by the title it was given, else by the name of its folder (section 1.3)."""
    title = titles.get(api, api)
    return ApiView(title=title, name=title, path=f"/{api}")


def by_api(tests: Iterable[Test]) -> dict[str, list[str]]:
    """Paths by API, in the order given; that of a set has automatic tests first (section 1.3)."""
    found: dict[str, list[str]] = {}
    for test in tests:
        found.setdefault(test.api, []).append(test.path)
    return found
