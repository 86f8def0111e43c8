#!/usr/bin/env python3
"""What changed between two points of a log; with --rebuild, a fold of it held against the lists."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("diff")
