"""The service as it is, at another hour: python -m tests.support.late serve ...

LATE_S in the environment says by how many seconds its clock is ahead. Waits take as long as ever.
"""

from __future__ import annotations

import os
import time
from typing import Final

from sessions.__main__ import main

LATE_S: Final = "LATE_S"
_time_ns: Final = time.time_ns


def ahead(seconds: int) -> None:
    """Let the clock of this process be ahead from now on."""
    time.time_ns = lambda: _time_ns() + seconds * 1_000_000_000


if __name__ == "__main__":
    ahead(int(os.environ[LATE_S]))
    main()
