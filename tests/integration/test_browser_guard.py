"""The guard as a forward proxy: what it lets through, what it refuses, what it counts."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from sessions.runtimes.browser.addresses import allowed
from sessions.runtimes.browser.dialing import RESOLVING_MAX, Resolve
from sessions.runtimes.browser.guard import Door, Guard
from sessions.runtimes.browser.peers import owner_of
from sessions.runtimes.browser.port import UpstreamProxy
from sessions.runtimes.browser.upstream import BadProxy

WAIT_S = 60
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Origin:
    """A server on the loopback that remembers what it was sent, and answers as it is told."""

    def __init__(self, answer: bytes, *, end: bool = True) -> None:
        self.heard = b""
        self.connections = 0
        self.port = 0
        self._answer = answer
        self._end = end

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heard += await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            while not self._end and (data := await reader.read(1 << 16)):
                self.heard += data
        except (OSError, EOFError):
            return
        finally:
            writer.close()


@pytest.fixture
async def served() -> AsyncIterator[Callable[[Serve], Awaitable[int]]]:
    servers: list[asyncio.Server] = []

    async def serve(on: Serve) -> int:
        server = await asyncio.start_server(on, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
async def make_guard() -> AsyncIterator[Callable[..., Guard]]:
    guards: list[Guard] = []

    def make(rules: str, resolve: Resolve | None = None) -> Guard:
        guards.append(Guard(allowed(rules), resolve))
        return guards[-1]

    yield make
    for guard in guards:
        await guard.close()


async def say(door: Door, *pieces: bytes) -> bytes:
    """What a client hears that sends these pieces and then waits for the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        async with asyncio.timeout(WAIT_S):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
    finally:
        writer.close()


def get(url: str) -> bytes:
    return f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"


async def test_an_allowed_place_answers_and_is_counted(served, make_guard) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)
    guard = make_guard(f"127.0.0.1:{port}")
    door = await guard.door()
    heard = await say(door, get(f"http://127.0.0.1:{port}/a"))
    assert heard == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    assert origin.heard.startswith(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:")
    assert door.traffic == (len(origin.heard), len(OK))


async def test_a_place_that_is_not_public_is_refused_before_anything_is_sent(
    served, make_guard
) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)
    guard = make_guard("")
    door = await guard.door()
    for url in (
        f"http://127.0.0.1:{port}/",
        f"http://2130706433:{port}/",
        f"http://localhost:{port}/",
    ):
        mark = door.mark
        heard = await say(door, get(url))
        assert heard.startswith(b"HTTP/1.1 403 "), url
        assert "loopback" in door.trouble(url, mark)
        assert door.trouble(url, door.mark) == ""
        assert door.trouble(f"{url}elsewhere", mark) == ""
    assert (await say(door, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode()))[:12] == (
        b"HTTP/1.1 403"
    )
    assert origin.connections == 0
    assert door.traffic == (0, 0)


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to(
    served, make_guard
) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    guard = make_guard("127.0.0.1", resolve)
    door = await guard.door()
    url = f"http://turns.example:{port}/"
    assert (await say(door, get(url))).endswith(b"hello")
    assert asked == ["turns.example"]
    assert (await say(door, get(url))).startswith(b"HTTP/1.1 403 ")
    assert "10.0.0.1 is a private address" in door.trouble(url)


async def test_of_the_addresses_of_a_name_only_the_open_ones_are_tried(served, make_guard) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["::1", "10.0.0.1", "127.0.0.1"]

    guard = make_guard("127.0.0.1", resolve)
    assert (await say(await guard.door(), get(f"http://some.example:{port}/"))).endswith(b"hello")


async def test_doors_and_what_is_kept_back_stay_shut_whatever_is_allowed(
    served, make_guard
) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)
    guard = make_guard("127.0.0.0/8 localhost")
    guard.keep_back(port)
    one, other = await guard.door(), await guard.door()
    for url in (f"http://127.0.0.1:{port}/", f"http://localhost:{other.port}/"):
        assert (await say(one, get(url))).startswith(b"HTTP/1.1 403 "), url
    assert origin.connections == 0


async def test_a_second_request_never_reaches_the_first_origin(served, make_guard) -> None:
    """The origin keeps the connection open, and the client asks another place on its own one."""
    origin = Origin(OK, end=False)
    port = await served(origin.serve)
    guard = make_guard("127.0.0.1")
    door = await guard.door()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(get(f"http://127.0.0.1:{port}/") + get("http://secret.example/token"))
    async with asyncio.timeout(WAIT_S):
        heard = await reader.readuntil(b"hello")
    assert b"Connection: close" in heard
    writer.close()
    assert b"secret.example" not in origin.heard


async def test_bodies_pass_whole_and_no_byte_more(served, make_guard) -> None:
    origin = Origin(OK, end=False)
    port = await served(origin.serve)
    guard = make_guard("127.0.0.1")
    door = await guard.door()
    url = f"http://127.0.0.1:{port}/"
    chunked = b"4\r\nwiki\r\n3;x=y\r\nped\r\n0\r\nT: 1\r\n\r\n"
    for head, body in (
        (b"Content-Length: 200000", b"b" * 200_000),
        (b"Transfer-Encoding: chunked", chunked),
    ):
        origin.heard = b""
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(
            b"POST " + url.encode() + b" HTTP/1.1\r\n" + head + b"\r\n\r\n" + body + b"more"
        )
        async with asyncio.timeout(WAIT_S):
            await reader.readuntil(b"hello")
            while not origin.heard.endswith(body):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        writer.close()
    assert not origin.heard.endswith(b"more")


async def test_a_tunnel_passes_both_ways_and_is_counted(served, make_guard) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    port = await served(echo)
    guard = make_guard("127.0.0.1")
    door = await guard.door()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    payload = bytes(range(256)) * 1000
    async with asyncio.timeout(WAIT_S):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(payload)
        assert await reader.readexactly(len(payload)) == payload
    assert door.traffic == (len(payload), len(payload))
    await door.close()
    async with asyncio.timeout(WAIT_S):
        assert await reader.read() == b""
    with pytest.raises(OSError, match=r"\S"):
        await asyncio.open_connection("127.0.0.1", door.port)
    writer.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nX: " + b"y" * 300_000 + b"\r\n\r\n", 431),
        (b"GET http://a/ HTTP/1.1\r\n" + b"X: y\r\n" * 60_000 + b"\r\n", 431),
        (get("http://no-such-name.invalid/"), 502),
    ],
)
async def test_what_cannot_be_done_is_answered(raw: bytes, status: int, make_guard) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    guard = make_guard("", resolve)
    heard = await say(await guard.door(), raw)
    assert heard.startswith(b"HTTP/1.1 %d " % status)


async def test_an_origin_that_says_nothing_sensible_is_a_bad_gateway(served, make_guard) -> None:
    port = await served(Origin(b"SSH-2.0-x\r\n\r\n").serve)
    guard = make_guard("127.0.0.1")
    door = await guard.door()
    url = f"http://127.0.0.1:{port}/"
    assert (await say(door, get(url))).startswith(b"HTTP/1.1 502 ")
    assert door.trouble(url)


async def test_an_origin_that_is_not_there_is_told_apart_from_a_refusal(make_guard) -> None:
    guard = make_guard("127.0.0.1")
    door = await guard.door()
    with socket.socket() as silent:
        # Nobody listens there, and nobody else takes the port meanwhile.
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert (await say(door, get(url))).startswith(b"HTTP/1.1 502 ")
    assert "refused" in door.trouble(url)
    assert "not open" not in door.trouble(url)


async def test_a_proxy_of_the_caller_is_asked_with_its_login(served, make_guard) -> None:
    proxy = Origin(OK)
    port = await served(proxy.serve)
    guard = make_guard(f"127.0.0.1:{port}")
    wanted = UpstreamProxy(server=f"http://127.0.0.1:{port}", username="me", password="pw")
    door = await guard.door(wanted)
    assert (await say(door, get("http://far.example/x"))).endswith(b"hello")
    assert proxy.heard.startswith(b"GET http://far.example:80/x HTTP/1.1\r\nHost: far.example\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in proxy.heard
    proxy.heard = b""
    tunnel = await say(door, b"CONNECT far.example:443 HTTP/1.1\r\n\r\n")
    assert tunnel == b"HTTP/1.1 200 Connection established\r\n\r\nhello"
    assert proxy.heard.startswith(b"CONNECT far.example:443 HTTP/1.1\r\n")
    for url in ("http://10.0.0.1/", "http://localhost/", "http://x.localhost/", "http://[::1]/"):
        assert (await say(door, get(url))).startswith(b"HTTP/1.1 403 "), url


async def test_a_socks_proxy_of_the_caller_is_asked_by_name(served, make_guard) -> None:
    asked: list[bytes] = []

    async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(4))
        writer.write(b"\x05\x02")
        asked.append(await reader.readexactly(7))
        writer.write(b"\x01\x00")
        asked.append(await reader.readexactly(4 + 1 + 11 + 2))
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    port = await served(socks)
    guard = make_guard("127.0.0.1")
    door = await guard.door(UpstreamProxy(server=f"socks5://me:pw@127.0.0.1:{port}"))
    assert (await say(door, get("http://far.example/x"))).endswith(b"hello")
    assert asked[:3] == [
        b"\x05\x02\x00\x02",
        b"\x01\x02me\x02pw",
        b"\x05\x01\x00\x03\x0bfar.example\x00\x50",
    ]
    assert asked[3].startswith(b"GET /x HTTP/1.1\r\nHost: far.example\r\n")


async def test_a_proxy_that_refuses_or_is_not_open_is_told(served, make_guard) -> None:
    port = await served(Origin(b"HTTP/1.1 407 No\r\n\r\n").serve)
    guard = make_guard(f"127.0.0.1:{port}")
    door = await guard.door(UpstreamProxy(server=f"127.0.0.1:{port}"))
    assert (await say(door, b"CONNECT far.example:443 HTTP/1.1\r\n\r\n"))[:12] == b"HTTP/1.1 502"
    assert "407" in door.trouble("https://far.example/")
    inside = await guard.door(UpstreamProxy(server="http://10.0.0.1:3128"))
    assert (await say(inside, get("http://far.example/")))[:12] == b"HTTP/1.1 403"


@pytest.mark.parametrize("server", ["", "ftp://a:1", "http://", "http://a:0", "socks5://a b:1"])
async def test_a_proxy_that_cannot_be_used_is_told_before_it_is(server: str, make_guard) -> None:
    guard = make_guard("")
    with pytest.raises(BadProxy):
        await guard.door(UpstreamProxy(server=server))


async def test_names_that_are_not_resolved_hold_up_nobody_else(served, make_guard) -> None:
    origin = Origin(OK)
    port = await served(origin.serve)
    at_once = [0, 0]

    async def resolve(host: str, _: int) -> Sequence[str]:
        if host == "good.example":
            return ["127.0.0.1"]
        at_once[0] += 1
        at_once[1] = max(at_once)
        try:
            await asyncio.sleep(WAIT_S)
        finally:
            at_once[0] -= 1
        return []

    guard = make_guard("127.0.0.1", resolve)
    one, other = await guard.door(), await guard.door()
    lost = [asyncio.create_task(say(one, get(f"http://n{n}.example/"))) for n in range(20)]
    async with asyncio.timeout(WAIT_S):
        while not at_once[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await say(other, get(f"http://good.example:{port}/"))).endswith(b"hello")
    assert at_once[1] <= RESOLVING_MAX
    await one.close()
    await asyncio.gather(*lost, return_exceptions=True)
    assert at_once[0] == 0


async def test_who_holds_a_connection_is_known(make_guard) -> None:
    """So that no other user of the host gets out by the door of a session."""

    guard = make_guard("")
    door = await guard.door()
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    local, remote = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    try:
        assert owner_of(local, remote) == os.getuid()
    except OSError as error:
        pytest.skip(f"the kernel does not tell who holds a connection: {error}")
    with pytest.raises(OSError, match="no such connection"):
        owner_of((local[0], 1), remote)
    writer.close()
