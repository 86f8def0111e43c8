#!/usr/bin/env python3
"""A session, a machine or a whole list as it was at a position or a time."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("state_at")
