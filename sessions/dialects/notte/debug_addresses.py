"""Where a session is debugged and watched: addresses that carry their own permission."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from projections.folds.session import Session
from sessions.caller import Caller
from sessions.dialects.addresses import origin
from sessions.dialects.notte.wire_debug import Sockets
from sessions.failure import Failure
from sessions.web.appkeys import LINKS

PREFIX: Final = "/notte"
CDP: Final = "/sessions/{id}/debug/cdp"
RECORDING: Final = "/sessions/{id}/debug/recording"
LOGS: Final = "/sessions/{id}/debug/logs"
VIEWER: Final = "/sessions/{id}/viewer"


def may_debug(who: Caller, state: Session) -> bool:
    """True for who may use the session: the addresses let anybody do so who has them."""
    return not state.ended and (who.admin or "sessions:write" in who.scopes)


def sockets(request: web.Request, state: Session) -> Sockets:
    """The websockets of the session."""
    return Sockets(
        cdp=_address(request, state, CDP, socket=True),
        recording=_address(request, state, RECORDING, socket=True),
        logs=_address(request, state, LOGS, socket=True),
    )


def cdp_url(request: web.Request, state: Session) -> str:
    """Where Playwright and its like connect to."""
    return _address(request, state, CDP, socket=True)


def viewer_url(request: web.Request, state: Session) -> str:
    """A page that shows the session as it goes."""
    return _address(request, state, VIEWER, socket=False)


def check_link(request: web.Request) -> str:
    """The session that the address lets in; raises Failure 401."""
    if "token" not in request.query:
        raise Failure(401, "unauthorized", "This address needs the token that it was given with.")
    request.app[LINKS].check(request.path, request.query)
    return request.match_info["id"]


def _address(request: web.Request, state: Session, path: str, *, socket: bool) -> str:
    whole = PREFIX + path.replace("{id}", state.id)
    # It lives as long as the session may; what has ended lets nobody in.
    link = request.app[LINKS].sign(whole, state.max_duration_s)
    place = origin(request)
    if socket:
        place = "ws" + place.removeprefix("http")
    return f"{place}{whole}?{link.query}"
