"""Every HTTP surface that the service serves, in the order in which prefixes are tried."""

from __future__ import annotations

from typing import Final

from sessions.dialects.devin.routes import SURFACE as DEVIN
from sessions.dialects.devin.v3.routes import SURFACE as DEVIN_V3
from sessions.dialects.galtea.routes import SURFACE as GALTEA
from sessions.dialects.instavm.routes import AFTER_A_SLASH as INSTAVM_AFTER_A_SLASH
from sessions.dialects.instavm.routes import SURFACE as INSTAVM
from sessions.dialects.native.routes import SURFACE as NATIVE
from sessions.dialects.notte.routes import SURFACE as NOTTE
from sessions.dialects.wave.routes import SURFACE as WAVE
from sessions.web.surface import Surface

SURFACES: Final[tuple[Surface, ...]] = (
    NATIVE,
    WAVE,
    NOTTE,
    GALTEA,
    DEVIN,
    DEVIN_V3,
    INSTAVM,
    INSTAVM_AFTER_A_SLASH,
)
