"""Who is asking, and how far they may see."""

from __future__ import annotations

from typing import Final

import msgspec

from projections.events.access import Scope
from sessions.domain.rejections import Forbidden

DEFAULT_TENANT: Final = "default"


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The party behind a request; `correlation_id` ties the request to its commits."""

    actor: str
    tenant: str
    scopes: tuple[Scope, ...]
    correlation_id: str = ""
    traceparent: str = ""

    @property
    def admin(self) -> bool:
        """True for a caller who sees every tenant."""
        return "admin" in self.scopes

    def sees(self, tenant: str) -> bool:
        """True if things of `tenant` exist for this caller."""
        return tenant == self.tenant or "admin" in self.scopes

    def need(self, scope: Scope) -> None:
        """Raises Forbidden unless the caller holds `scope`."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(f"This needs a key with the scope {scope}.")


SERVICE: Final = Caller(actor="service", tenant=DEFAULT_TENANT, scopes=("admin",))
