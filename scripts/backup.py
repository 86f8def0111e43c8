#!/usr/bin/env python3
"""A copy of the log while it is written, replayed and verified before it gets its name."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("backup")
