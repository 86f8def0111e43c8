"""Facts about the things that sessions refer to, such as product versions and test cases."""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.codec import Fact


class CatalogEntered(Fact, frozen=True, kw_only=True):
    """An entry exists; stream `catalog/<id>`. `parent` is the id of the entry it belongs to."""

    NAME: ClassVar = "catalog.entered"

    type: str
    parent: str = ""
    data: dict[str, Any] = {}
