"""Where the service listens: the URLs that it makes lead there."""

from __future__ import annotations

import msgspec


class Ports(msgspec.Struct):
    """The ports, as they were asked for until they are bound; without TLS there is no `https`."""

    http: int
    https: int | None
