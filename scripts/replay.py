#!/usr/bin/env python3
"""The log in words, why a session is as it is (--why), and whether the lists hold (--check)."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("replay")
