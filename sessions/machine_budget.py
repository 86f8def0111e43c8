"""What machines may take of the host together."""

from __future__ import annotations

import os
from typing import Final

from sessions.domain.admission import Budget
from sessions.settings import Settings

MEMORY_SHARE: Final = 0.7
COUNT_PER_CORE: Final = 10
COUNT_MAX: Final = 64
_MB: Final = 1 << 20


def budget_of(settings: Settings) -> Budget:
    """What the settings give to machines; what they leave open, the host decides."""
    cores = len(os.sched_getaffinity(0))
    host_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
    memory_mb, count = settings.vm_memory_mb, settings.vm_count
    return Budget(
        memory_mb=int(host_mb * MEMORY_SHARE) if memory_mb is None else memory_mb,
        count=min(COUNT_MAX, COUNT_PER_CORE * cores) if count is None else count,
        starts=cores,
        queue=settings.vm_queue,
    )
