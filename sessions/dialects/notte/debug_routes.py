"""The routes by which a session is debugged and watched, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.notte import debug, debug_addresses, debug_sockets
from sessions.web.surface import Route

DEBUG_ROUTES: Final = tuple(
    Route(method="GET", path=path, handler=handler, name=name)
    for path, handler, name in (
        ("/sessions/{id}/debug", debug.info, "debug"),
        ("/sessions/{id}/debug/tab", debug.tab, "debug.tab"),
        (debug_addresses.CDP, debug_sockets.cdp, "debug.cdp"),
        (debug_addresses.RECORDING, debug_sockets.recording, "debug.recording"),
        (debug_addresses.LOGS, debug_sockets.logs, "debug.logs"),
        (debug_addresses.VIEWER, debug.view, "viewer"),
    )
)
