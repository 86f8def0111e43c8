"""When a lease must be taken for lapsed: earlier by the worker than by the service."""

from __future__ import annotations

from typing import Final

MARGIN_S_MAX: Final = 1.0
MARGIN_SHARE: Final = 0.1


class Lease:
    """Counts from when the last renewal was sent, since the service counts from when it came.

    Times are those of a clock that also runs while the host sleeps.
    """

    def __init__(self, now: float, lease_s: float) -> None:
        self.seconds = lease_s
        self._sent = now

    def renewed(self, sent: float, lease_s: float) -> None:
        """The service has answered what was sent then."""
        self.seconds = lease_s
        self._sent = max(self._sent, sent)

    def remaining(self, now: float) -> float:
        """How long the session is surely this worker's; not above 0 when it may be another's."""
        margin = min(MARGIN_S_MAX, self.seconds * MARGIN_SHARE)
        return self._sent + self.seconds - margin - now
