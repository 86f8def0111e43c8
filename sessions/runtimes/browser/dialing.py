"""Connections of a page: the name is resolved here, judged, and that very address connected to."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, NoReturn

from sessions.runtimes.browser import upstream
from sessions.runtimes.browser.addresses import Address, Allowed, canonical, literal, refusal
from sessions.runtimes.browser.upstream import Upstream

RESOLVE_S: Final = 10.0
RESOLVERS: Final = 16
RESOLVING_MAX: Final = 4
"""So many names of one session at once: names that are not resolved must not keep all busy."""
CONNECT_S: Final = 8.0
ADDRESSES_MAX: Final = 6
STREAM_BYTES: Final = 256 << 10

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, the best first; raises OSError for a name without any."""


class Unreachable(Exception):
    """There is no connection; `refused` where there must be none."""

    def __init__(self, reason: str, *, refused: bool = False, slow: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused
        self.slow = slow


class Line(NamedTuple):
    """A connection to the origin, or with `by_proxy` one to a proxy that takes whole addresses."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    by_proxy: bool = False


class Dialer:
    """Connects to what may be connected to."""

    def __init__(self, allowed: Allowed, resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        # A pool of its own: a name server that does not answer must not hold up files and the log.
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolve")
        self._resolve = self._by_system if resolve is None else resolve
        self.kept_back: set[int] = set()
        """Ports of this host's loopback that nobody may allow: doors of the browsers themselves."""

    def close(self) -> None:
        """Resolve no more names."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def dial(
        self, host: str, port: int, via: Upstream | None, turns: asyncio.Semaphore, *, tunnel: bool
    ) -> Line:
        """A connection for an exchange, or for a tunnel; raises Unreachable.

        `turns` are those of the session, of which a name that is resolved takes one.
        """
        if via is None:
            return Line(*await self._connect(host, port, turns))
        self._judge_spelling(host, port)
        streams = await self._connect(via.host, via.port, turns, _tls(via))
        if via.takes_addresses and not tunnel:
            return Line(*streams, by_proxy=True)
        try:
            async with asyncio.timeout(CONNECT_S):
                await upstream.tunnel(*streams, via, host, port)
        except upstream.UpstreamRefused as error:
            _give_up(streams, str(error))
        except (OSError, EOFError, TimeoutError, ValueError):
            _give_up(streams, f"The proxy {via.host} does not pass on.")
        except BaseException:
            streams[1].transport.abort()
            raise
        return Line(*streams)

    async def _connect(
        self, host: str, port: int, turns: asyncio.Semaphore, tls: ssl.SSLContext | None = None
    ) -> Streams:
        """A connection to the host itself; raises Unreachable."""
        addresses = await self._addresses(host, port, turns)
        why = "no address of it answers"
        slow = False
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_S):
                    streams = await asyncio.open_connection(
                        str(address),
                        port,
                        ssl=tls,
                        server_hostname=host if tls else None,
                        limit=STREAM_BYTES,
                    )
            except TimeoutError:
                why, slow = "it does not answer", True
            except OSError as error:
                why = os.strerror(error.errno).lower() if error.errno else "the connection fails"
            else:
                self._judge_self(streams, address, host, port)
                return streams
        raise Unreachable(f"{host} cannot be reached on port {port}: {why}.", slow=slow)

    async def _addresses(self, host: str, port: int, turns: asyncio.Semaphore) -> list[Address]:
        """The addresses of the host that may be connected to, in order; raises Unreachable."""
        address = literal(host)
        found = [address] if address is not None else await self._resolved(host, port, turns)
        if not found:
            raise Unreachable(f"The name {host} has no address.")
        if self._allowed.name(host, port):
            fine = [each for each in found if not self._is_kept_back(each, port)]
        else:
            fine = [each for each in found if not self._why_not(each, port)]
        if not fine:
            self._refuse(host, self._why_not(found[0], port))
        return fine[:ADDRESSES_MAX]

    async def _resolved(self, host: str, port: int, turns: asyncio.Semaphore) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_S), turns:
                texts = await self._resolve(host, port)
        except TimeoutError:
            raise Unreachable(f"The name {host} is not resolved in time.", slow=True) from None
        except (OSError, UnicodeError):
            raise Unreachable(f"The name {host} cannot be resolved.") from None
        found = (literal(text) for text in texts)
        return list(dict.fromkeys(each for each in found if each is not None))

    async def _by_system(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _getaddrinfo, host, port)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def _judge_spelling(self, host: str, port: int) -> None:
        """What another proxy is not asked for, though it resolves the name itself."""
        address, name = literal(host), canonical(host)
        if self._allowed.name(host, port):
            return
        if address is not None and (why := self._why_not(address, port)):
            self._refuse(host, why)
        if name == "localhost" or name.endswith(".localhost"):
            self._refuse(host, "it is this host")

    def _judge_self(self, streams: Streams, address: Address, host: str, port: int) -> None:
        """What answers on a public address of this very host is not part of the public net."""
        writer = streams[1]
        own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        known = self._allowed.name(host, port) or self._allowed.address(address, port)
        if not known and own and peer and own[0] == peer[0]:
            writer.transport.abort()
            self._refuse(host, f"{address} is an address of this host")

    def _why_not(self, address: Address, port: int) -> str:
        if self._is_kept_back(address, port):
            return f"port {port} of this host is the service's own"
        return refusal(address, port, self._allowed)

    def _is_kept_back(self, address: Address, port: int) -> bool:
        return port in self.kept_back and bool(refusal(address, port, Allowed()))

    def _refuse(self, host: str, why: str) -> NoReturn:
        raise Unreachable(f"{host} is not open to browsers here: {why}.", refused=True)


def _getaddrinfo(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _tls(via: Upstream) -> ssl.SSLContext | None:
    return ssl.create_default_context() if via.scheme == "https" else None


def _give_up(streams: Streams, reason: str) -> NoReturn:
    streams[1].transport.abort()
    raise Unreachable(reason)
