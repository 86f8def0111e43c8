"""Every HTTP surface that the service serves, in the order in which prefixes are tried."""

from __future__ import annotations

from typing import Final

from sessions.dialects.native.routes import SURFACE as NATIVE
from sessions.web.surface import Surface

SURFACES: Final[tuple[Surface, ...]] = (NATIVE,)
