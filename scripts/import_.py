#!/usr/bin/env python3
"""An export becomes an equal log: the same positions, the same digests."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("import_")
