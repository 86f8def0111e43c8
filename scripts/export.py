#!/usr/bin/env python3
"""The events of a log as JSON Lines (CloudEvents 1.0), CSV or Parquet."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.audit.start import run

    run("export")
