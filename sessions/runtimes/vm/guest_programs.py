"""The programs that go into a guest, and how its agent is started."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("guest")
"""All `*.py` of it go, side by side, into one folder of the guest."""

AGENT: Final = FOLDER / "agent.py"
"""`python3 agent.py`, as root: serves the port `agent.0`, and ends when it cannot go on."""


def sources() -> dict[str, bytes]:
    """Name and content of each program, in a fixed order: what a guest image depends on."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.py"))}
