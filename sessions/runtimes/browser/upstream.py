"""Proxies of callers: what they are asked for, by HTTP and by SOCKS 5 (RFC 1928, RFC 1929)."""

from __future__ import annotations

import asyncio
import base64
from typing import Final, Literal, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from sessions.runtimes.browser.addresses import Address, authority, literal
from sessions.runtimes.browser.http_heads import answered, connect_to
from sessions.runtimes.browser.port import BrowserError, UpstreamProxy

Scheme = Literal["http", "https", "socks5"]

_PORTS: Final[dict[str, int]] = {"http": 80, "https": 443, "socks5": 1080}
HEAD_BYTES_MAX: Final = 64 << 10
_NAME_BYTES_MAX: Final = 255
_NO_LOGIN: Final = 0
_LOGIN: Final = 2


class BadProxy(BrowserError):
    """The proxy cannot be used as it is given."""


class UpstreamRefused(Exception):
    """The proxy answers, and does not do what it is asked for."""


class Upstream(NamedTuple):
    """A proxy of a caller, taken apart."""

    scheme: Scheme
    host: str
    port: int
    username: str
    password: str

    @property
    def takes_addresses(self) -> bool:
        """True where an exchange is asked for with its whole address."""
        return self.scheme != "socks5"

    @property
    def credentials(self) -> str:
        """What stands in `Proxy-Authorization`; empty without a login."""
        if not self.username:
            return ""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def upstream_of(proxy: UpstreamProxy) -> Upstream:
    """The proxy; raises BadProxy with what is wrong with it."""
    text = proxy.server if "://" in proxy.server else f"http://{proxy.server}"
    try:
        parts = urlsplit(text)
        scheme = "socks5" if parts.scheme.lower() == "socks5h" else parts.scheme.lower()
        if scheme not in _PORTS:
            raise BadProxy("A proxy has a server of http, https or socks5.")
        login, _, place = parts.netloc.rpartition("@")
        host, port = authority(place, _PORTS[scheme])
    except ValueError:
        raise BadProxy("The server of the proxy is not a host with a port.") from None
    name, _, secret = login.partition(":")
    username = proxy.username or unquote(name)
    password = proxy.password or unquote(secret)
    longest = max(len(username.encode()), len(password.encode()))
    if scheme == "socks5" and longest > _NAME_BYTES_MAX:
        raise BadProxy(f"The login of a SOCKS proxy has at most {_NAME_BYTES_MAX} bytes.")
    return Upstream(cast("Scheme", scheme), host, port, username, password)


async def tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, via: Upstream, host: str, port: int
) -> None:
    """Make the connection to the proxy one to the host; raises UpstreamRefused."""
    if via.scheme == "socks5":
        await _by_socks(reader, writer, via, host, port)
    else:
        await _by_connect(reader, writer, via, host, port)


async def _by_connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, via: Upstream, host: str, port: int
) -> None:
    writer.write(connect_to(host, port, via.credentials))
    head = answered(await reader.readuntil(b"\r\n\r\n"))
    if not 200 <= head.status < 300:
        raise UpstreamRefused(f"The proxy {via.host} answers {head.status} to a connection.")


async def _by_socks(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, via: Upstream, host: str, port: int
) -> None:
    methods = bytes([_NO_LOGIN, _LOGIN]) if via.username else bytes([_NO_LOGIN])
    writer.write(bytes([5, len(methods)]) + methods)
    version, method = await reader.readexactly(2)
    if version != 5 or method not in methods:
        raise UpstreamRefused(f"The proxy {via.host} wants another login.")
    if method == _LOGIN:
        name, secret = via.username.encode(), via.password.encode()
        writer.write(bytes([1, len(name)]) + name + bytes([len(secret)]) + secret)
        if (await reader.readexactly(2))[1] != 0:
            raise UpstreamRefused(f"The proxy {via.host} does not accept the login.")
    writer.write(bytes([5, 1, 0]) + _socks_address(host) + port.to_bytes(2))
    _, reply, _, kind = await reader.readexactly(4)
    if reply != 0:
        raise UpstreamRefused(f"The proxy {via.host} answers {reply} to a connection.")
    length = {1: 4, 4: 16}.get(kind)
    if length is None:
        length = (await reader.readexactly(1))[0]
    await reader.readexactly(length + 2)


def _socks_address(host: str) -> bytes:
    address: Address | None = literal(host)
    if address is not None:
        return bytes([1 if address.version == 4 else 4]) + address.packed
    name = host.encode("idna") if not host.isascii() else host.encode()
    return bytes([3, len(name)]) + name
