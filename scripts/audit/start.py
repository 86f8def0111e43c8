"""Finding the Python that has the packages; standard library only, since it may not be this one."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[2]
EXIT_COULD_NOT_RUN: Final = 2
_NEEDED: Final = ("msgspec", "aiosqlite", "cryptography", "rich")


def run(module: str) -> NoReturn:
    """Run `scripts.audit.MODULE`, in the project's .venv where this Python lacks the packages."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        # As Ctrl-C does: what is half done is removed.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.exit(importlib.import_module(f"scripts.audit.{module}").main())
    python = ROOT / ".venv" / "bin" / "python"
    script = Path(sys.argv[0])
    if not python.exists() or Path(sys.prefix).resolve() == (ROOT / ".venv").resolve():
        print(
            f"{script.name}: {', '.join(missing)} is not installed: run scripts/serve once, "
            "which sets up .venv",
            file=sys.stderr,
        )
        sys.exit(EXIT_COULD_NOT_RUN)
    os.execv(python, [str(python), str(script.resolve()), *sys.argv[1:]])
