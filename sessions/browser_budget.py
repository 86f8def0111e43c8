"""How many browsers a host takes together."""

from __future__ import annotations

import os
from typing import Final

from sessions.browser_course import PLACE
from sessions.domain.admission import Budget
from sessions.settings import Settings

MEMORY_SHARE: Final = 0.5
BROWSER_MB: Final = 100
COUNT_PER_CORE: Final = 10
COUNT_MAX: Final = 64
STARTS_PER_CORE: Final = 2
_MB: Final = 1 << 20


def budget_of(settings: Settings) -> Budget:
    """What the settings give to browsers; what they leave open, the host decides."""
    cores = len(os.sched_getaffinity(0))
    count = settings.browsers_max
    if count is None:
        host_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
        fits = int(host_mb * MEMORY_SHARE) // BROWSER_MB
        count = max(1, min(COUNT_MAX, COUNT_PER_CORE * cores, fits))
    return Budget(
        memory_mb=count * PLACE,
        count=count,
        starts=STARTS_PER_CORE * cores,
        queue=settings.browser_queue,
    )
