#!/usr/bin/env python3
"""Is the log as it was written: every commit, the tree over them, the signed heads, the indexes."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("verify")
