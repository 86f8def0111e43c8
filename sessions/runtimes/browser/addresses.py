"""Where a page may connect to: everything public, and what the operator allows besides."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORT_MAX: Final = 65_535
_NAME_CHARS_MAX: Final = 253
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_SEPARATORS: Final = re.compile(r"[\s,]+")

# What the registries of special addresses keep back from the public net, the narrower first.
_KEPT_BACK: Final[tuple[tuple[str, Network], ...]] = tuple(
    (what, ipaddress.ip_network(each))
    for what, networks in (
        ("a loopback address", "127.0.0.0/8 ::1/128"),
        ("an address of this host", "0.0.0.0/8"),
        ("an unspecified address", "::/128"),
        # The services that tell a virtual machine in a cloud its keys.
        ("a cloud's metadata address", "169.254.169.254/32 169.254.170.2/32 100.100.100.200/32"),
        ("a cloud's metadata address", "168.63.129.16/32 192.0.0.192/32 fd00:ec2::254/128"),
        ("a link-local address", "169.254.0.0/16 fe80::/10"),
        ("a private address", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10"),
        ("a carrier's private address", "100.64.0.0/10"),
        ("a multicast address", "224.0.0.0/4 ff00::/8"),
        ("a reserved address", "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4"),
        ("a reserved address", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"),
        ("a reserved address", "2001::/23 2001:db8::/32 2002::/16 3fff::/20"),
    )
    for each in networks.split()
)
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
# Forms of IPv6 that carry an address of IPv4 in their last 32 bits: it is the one to judge.
_CARRIERS: Final = tuple(
    ipaddress.IPv6Network(each) for each in ("::ffff:0:0/96", "64:ff9b::/96", "::ffff:0:0:0/96")
)


class Rule(NamedTuple):
    """One thing that is allowed: a network or a name, on one port or on all."""

    network: Network | None
    name: str
    port: int | None


class Allowed:
    """What the operator allows besides the public net."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self._networks = [(rule.network, rule.port) for rule in rules if rule.network is not None]
        self._names = {(rule.name, rule.port) for rule in rules if rule.network is None}

    def name(self, host: str, port: int) -> bool:
        """True where the name is allowed, whatever it resolves to."""
        name = canonical(host)
        return (name, port) in self._names or (name, None) in self._names

    def address(self, address: Address, port: int) -> bool:
        """True where the address is allowed."""
        return any(
            only in (None, port) and address.version == network.version and address in network
            for network, only in self._networks
        )


def allowed(text: str) -> Allowed:
    """What a setting allows: networks, addresses and names, each also with a port.

    They are separated by commas or spaces; raises ValueError for one that is none of these.
    """
    return Allowed(tuple(_rule(each) for each in _SEPARATORS.split(text.strip()) if each))


def refusal(address: Address, port: int, allowed: Allowed) -> str:
    """Why nothing may be connected to there, as the end of a sentence; empty where it may."""
    inner = carried(address)
    if allowed.address(address, port) or allowed.address(inner, port):
        return ""
    for what, network in _KEPT_BACK:
        if inner.version == network.version and inner in network:
            return f"{inner} is {what}"
    if isinstance(inner, ipaddress.IPv6Address) and inner not in _PUBLIC_V6:
        return f"{inner} is not a public address"
    return ""


def carried(address: Address) -> Address:
    """The address of IPv4 that one of IPv6 stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def literal(host: str) -> Address | None:
    """The address that `host` spells, also in brackets or with a zone; None for a name."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None


def canonical(host: str) -> str:
    """A name as it is compared: in small letters and without the dot of the root."""
    return host.lower().removesuffix(".")


def authority(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of `host:port`, the host without brackets; raises ValueError."""
    host, colon, digits = text.rpartition(":")
    if not colon or "]" in digits or (":" in host and not host.startswith("[")):
        host, digits = text, ""
    port = port_number(digits) if digits else default_port
    bracketed = host.startswith("[") and host.endswith("]")
    inner = host[1:-1] if bracketed else host
    if port is None or not _is_host(inner, bracketed):
        raise ValueError(f"{text[:80]!r} is not a host and a port")
    return inner, port


def port_number(digits: str) -> int:
    """The port; raises ValueError for what is none."""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
        raise ValueError(f"{digits[:80]!r} is not a port")
    port = int(digits)
    if not 0 < port <= PORT_MAX:
        raise ValueError(f"a port is between 1 and {PORT_MAX}, not {port}")
    return port


def _is_host(host: str, bracketed: bool) -> bool:
    if bracketed or ":" in host:
        address = literal(host)
        return address is not None and address.version == 6
    return len(host) <= _NAME_CHARS_MAX and _NAME.fullmatch(canonical(host)) is not None


def _rule(text: str) -> Rule:
    with_port = text.count(":") == 1 or text.startswith("[")
    host, colon, digits = text.rpartition(":") if with_port else (text, "", "")
    if with_port and (not colon or "]" in digits):
        host, digits = text, ""
    port = port_number(digits) if digits else None
    bare = host.removeprefix("[").removesuffix("]")
    if "/" in bare or literal(bare) is not None:
        try:
            return Rule(ipaddress.ip_network(bare), "", port)
        except ValueError as error:
            raise ValueError(f"{text[:80]!r} is not a network: {error}") from None
    if (colon and not digits) or bare != host or not _is_host(bare, bracketed=False):
        raise ValueError(f"{text[:80]!r} is neither a network nor a host, with or without a port")
    return Rule(None, canonical(bare), port)
