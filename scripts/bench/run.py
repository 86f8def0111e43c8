"""Benchmarks, each beside its limit: run.py NAME ...|all [--smoke] [--rounds N] [--json]."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The folder of this script comes first on the path; the modules are named from the root.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from scripts.bench.command import main

    sys.exit(main())
