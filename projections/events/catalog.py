"""Facts about the things that sessions refer to, such as product versions and test cases.

Their stream is `catalog/<id>`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.codec import Fact


class CatalogEntered(Fact, frozen=True, kw_only=True):
    """An entry exists. `parent` is the id of the entry it belongs to."""

    NAME: ClassVar = "catalog.entered"

    type: str
    parent: str = ""
    data: dict[str, Any] = {}


class CatalogChanged(Fact, frozen=True, kw_only=True):
    """The given keys of the entry's data are new, each as a whole; null takes one away."""

    NAME: ClassVar = "catalog.changed"

    data: dict[str, Any] = {}


class CatalogDeleted(Fact, frozen=True, kw_only=True):
    """The entry is gone from lists and reads; its history stays."""

    NAME: ClassVar = "catalog.deleted"
