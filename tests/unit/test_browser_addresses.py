"""Where a page may connect to: the public net, and what the operator allows."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.browser.addresses import Allowed, allowed, authority, carried, refusal


def why(address: str, rules: str = "", port: int = 80) -> str:
    return refusal(ipaddress.ip_address(address), port, allowed(rules))


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "this host"),
        ("::", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("fd12::1", "private"),
        ("100.64.0.1", "carrier"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("255.255.255.255", "reserved"),
        ("198.18.0.1", "reserved"),
        ("192.0.2.1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2002:7f00:1::", "reserved"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a01:203", "private"),
        ("::127.0.0.1", "not a public"),
        ("64:ff9b:1::a01:203", "not a public"),
    ],
)
def test_what_is_not_public_is_refused_and_named(address: str, word: str) -> None:
    assert word in why(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_public_is_not_refused(address: str) -> None:
    assert why(address) == ""


@given(st.ip_addresses())
def test_nothing_is_let_through_that_python_knows_as_not_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    inner = carried(address)
    if not inner.is_global or inner.is_multicast:
        assert refusal(address, 80, Allowed())


@pytest.mark.parametrize(
    ("rules", "address", "port", "open_"),
    [
        ("127.0.0.0/8", "127.0.0.1", 80, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 80, True),
        ("127.0.0.0/8", "::1", 80, False),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 8081, False),
        ("[::1]:8080, 10.0.0.0/8", "::1", 8080, True),
        ("[::1]:8080, 10.0.0.0/8", "10.9.9.9", 1, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("10.0.0.0/8:443", "10.0.0.1", 443, True),
        ("10.0.0.0/8:443", "10.0.0.1", 80, False),
        ("lab.example", "10.0.0.1", 80, False),
    ],
)
def test_the_operator_opens_exactly_what_was_said(
    rules: str, address: str, port: int, open_: bool
) -> None:
    assert (why(address, rules, port) == "") is open_


def test_a_name_is_allowed_on_its_port_or_on_all() -> None:
    rules = allowed("Lab.Example:8080 other.example")
    assert rules.name("lab.example.", 8080)
    assert not rules.name("lab.example", 80)
    assert rules.name("OTHER.example", 1)
    assert not rules.name("more.other.example", 1)


@pytest.mark.parametrize(
    "text",
    ["1.2.3.4/33", "10.0.0.1/8", "lab:0", "lab:", "lab:65536", "http://lab", "-x", ":80", "[zz]:8"],
)
def test_a_rule_that_means_nothing_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        allowed(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("lab:80", ("lab", 80)), ("[::1]:80", ("::1", 80)), ("lab", ("lab", 7)), ("::1", ("::1", 7))],
)
def test_host_and_port_are_told_apart(text: str, expected: tuple[str, int]) -> None:
    assert authority(text, 7) == expected


@pytest.mark.parametrize("text", ["", "a b:1", "a:b", "a:0", "a:70000", "[a]:1", "a/b:1", "[::1"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        authority(text, 7)
