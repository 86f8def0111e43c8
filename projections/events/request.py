"""The ledger of idempotent requests: one more fact in the commit that answered the request."""

from __future__ import annotations

from typing import ClassVar

from eventstore.codec import Fact


class RequestAnswered(Fact, frozen=True, kw_only=True):
    """The commit answered a request; `fingerprint` is the SHA-256 of what was asked.

    The commit's id is derived from tenant and idempotency key, so the log itself refuses a second
    one, also after a restart.
    """

    NAME: ClassVar = "request.answered"

    fingerprint: str
