"""Who may use the WAVE API: its clients have no key, so where they sit decides."""

from __future__ import annotations

import functools
import ipaddress
from typing import Final

from aiohttp import hdrs, web

from projections.events.access import Scope
from sessions.caller import DEFAULT_TENANT, Caller
from sessions.failure import Failure
from sessions.web.appkeys import SETTINGS
from sessions.web.auth import caller_of, in_request, secret_of

_OPEN: Final = Caller(
    actor="wave", tenant=DEFAULT_TENANT, scopes=("sessions:read", "sessions:write")
)
# Devices ask again and again from the same address.
PEERS_MAX: Final = 1024
# A proxy on this machine makes every peer look local; these headers say that there is one.
_FORWARDED: Final = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, "X-Real-IP")


def wave_caller(request: web.Request, scope: Scope) -> Caller:
    """The caller by key or, without one, by where the request comes from; raises Failure 401.

    HEAD is no part of the API (section 1.1): it is answered 404.
    """
    if request.method == "HEAD":
        raise Failure(404, "no_such_route", "There is no HEAD in this API.")
    secret = secret_of(request)
    if secret or not _is_open(request):
        return caller_of(request, secret, scope)
    return in_request(request, _OPEN)


def _is_open(request: web.Request) -> bool:
    if request.app[SETTINGS].wave_open:
        return True
    headers = request.headers
    for name in _FORWARDED:  # one look-up each costs less than a set of all names
        if name in headers:
            return False
    return is_loopback(request.remote or "")


@functools.lru_cache(maxsize=PEERS_MAX)
def is_loopback(address: str) -> bool:
    """True for an address of this machine, also where IPv4 is written as IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
