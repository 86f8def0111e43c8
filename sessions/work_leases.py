"""Until when each worker that holds a session must be heard of; renewals are no facts.

They are gone with the process: after a restart every worker gets a whole lease to be heard of.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Lease(msgspec.Struct, frozen=True):
    """The hold of one generation on a session, which is over at `until` of the leases' clock."""

    generation: int
    until: float
    sequence: int = 0
    """The highest one that was answered in this life of the service."""


class Leases:
    """The leases of all sessions that are held; `clock` tells seconds, and only goes on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._leases: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def of(self, session_id: str, generation: int) -> Lease | None:
        """The lease of this generation, None where it is not known."""
        lease = self._leases.get(session_id)
        return lease if lease is not None and lease.generation == generation else None

    def begin(self, session_id: str, generation: int, lease_s: float) -> None:
        """A whole lease for a generation that has none yet; a later one stays as it is."""
        lease = self._leases.get(session_id)
        if lease is None or lease.generation < generation:
            self._leases[session_id] = Lease(generation, self.clock() + lease_s)

    def renew(self, session_id: str, generation: int, lease_s: float, sequence: int = 0) -> None:
        """The worker was heard of; nothing where a later generation has the session."""
        lease = self._leases.get(session_id)
        if lease is None or lease.generation <= generation:
            known = lease.sequence if lease and lease.generation == generation else 0
            until = self.clock() + lease_s
            self._leases[session_id] = Lease(generation, until, max(known, sequence))

    def end(self, session_id: str, generation: int) -> None:
        """Nobody needs to be heard of for this generation any more, nor for earlier ones."""
        lease = self._leases.get(session_id)
        if lease is not None and lease.generation <= generation:
            del self._leases[session_id]

    def left_s(self, session_id: str) -> float | None:
        """Seconds until the lease is over; None where there is none."""
        lease = self._leases.get(session_id)
        return None if lease is None else max(0.0, lease.until - self.clock())

    def over(self) -> list[tuple[str, int]]:
        """Sessions and generations whose time is up."""
        present = self.clock()
        return [(id_, one.generation) for id_, one in self._leases.items() if one.until <= present]

    def is_over(self, session_id: str, generation: int) -> bool:
        """True unless this generation was heard of in time."""
        lease = self.of(session_id, generation)
        return lease is None or lease.until <= self.clock()
