"""How a sealed text is recognised, which needs no key; pure."""

from __future__ import annotations

from typing import Final

MARK: Final = "sealed:"
SEALED: Final = f"{MARK}v1:"
"""What every text begins with that today's vault seals."""
