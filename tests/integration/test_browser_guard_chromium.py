"""A real Chromium behind the guard: whatever a page tries, it gets to no place that is not open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sessions.runtimes.browser.port import Action, ScrapeWanted, Selector
from tests.support.browsers import browsing, needs_chromium, wanted
from tests.support.process import eventually
from tests.support.sites import serving

pytestmark = [pytest.mark.slow, needs_chromium]  # each starts a Chromium
SETTLE_S = 2.0
PATIENCE_S = 60.0
# Every way that a page has to make its browser ask somebody.
TRIES = """
(async () => {
  const at = "127.0.0.1:PORT", other = "http://" + at;
  const quiet = (promise) => promise.catch(() => null);
  const tries = [quiet(fetch(other + "/fetch", {mode: "no-cors"}))];
  for (const [tag, name] of [["img", "src"], ["iframe", "src"], ["script", "src"],
                             ["audio", "src"], ["object", "data"], ["embed", "src"]]) {
    const made = document.createElement(tag);
    made[name] = other + "/" + tag;
    document.body.append(made);
  }
  for (const rel of ["stylesheet", "prefetch", "preconnect", "dns-prefetch", "icon", "prerender"]) {
    const link = document.createElement("link");
    link.rel = rel;
    link.href = other + "/" + rel;
    document.head.append(link);
  }
  navigator.sendBeacon(other + "/beacon", "x");
  new EventSource(other + "/events");
  try { new WebSocket("ws://" + at + "/socket"); } catch (error) {}
  try { new WebSocket("wss://" + at + "/socket"); } catch (error) {}
  try { const way = new WebTransport("https://" + at + "/way"); quiet(way.ready); quiet(way.closed);
  } catch (error) {}
  const peer = new RTCPeerConnection({iceServers: [
    {urls: "stun:" + at},
    {urls: "turn:" + at + "?transport=tcp", username: "u", credential: "p"},
  ]});
  peer.createDataChannel("x");
  await peer.setLocalDescription(await peer.createOffer());
  const worker = new Worker(URL.createObjectURL(new Blob(
    ["fetch('" + other + "/worker').catch(() => 0); importScripts('" + other + "/import')"])));
  worker.onerror = () => 0;
  await Promise.all(tries);
  await new Promise((done) => setTimeout(done, 1000));
  return "tried";
})()
"""


class Forbidden:
    """A server on the loopback that nobody may reach; it counts who does, by TCP and by UDP."""

    def __init__(self) -> None:
        self.port = 0
        self.reached: list[str] = []


@contextlib.asynccontextmanager
async def forbidden() -> AsyncIterator[Forbidden]:
    place = Forbidden()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place.reached.append("tcp")
        writer.close()

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            place.reached.append("udp")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    place.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", place.port))
    try:
        yield place
    finally:
        udp.close()
        server.close()


async def test_no_way_of_a_page_leads_to_a_place_that_is_not_open(tmp_path, monkeypatch) -> None:
    # Playwright sends what is meant for the loopback past the proxy where this is set.
    monkeypatch.setenv("PLAYWRIGHT_DISABLE_FORCED_CHROMIUM_PROXIED_LOOPBACK", "1")
    async with (
        serving() as sites,
        forbidden() as place,
        browsing(tmp_path, allow=sites.host) as all_,
    ):
        browser = await all_.start(wanted(tmp_path))
        done = await browser.act(Action(type="goto", url=f"{sites.url}/links"))
        assert done.success, done
        code = TRIES.replace("PORT", str(place.port))
        tried = await browser.act(Action(type="evaluate_js", code=code))
        assert tried.success, tried

        def refused() -> bool:
            told = [each for each in browser.exchanges() if "not open to browsers" in each.error]
            return len({each.url for each in told}) >= 8

        # They did try, and the guard has said no to them.
        await eventually(refused, PATIENCE_S, "what the page tried")
        await asyncio.sleep(SETTLE_S)
        assert place.reached == []


async def test_an_action_that_leads_to_such_a_place_has_failed_and_says_why(tmp_path) -> None:
    async with (
        serving() as sites,
        forbidden() as place,
        browsing(tmp_path, allow=sites.host) as all_,
    ):
        browser = await all_.start(wanted(tmp_path))
        inside = f"http://127.0.0.1:{place.port}/"
        for url in (
            inside,
            inside.replace("http", "https"),
            inside.replace("127.0.0.1", "localhost"),
            f"{sites.url}/redirect?to={inside}",
            f"{sites.url}/redirect?to=https://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:7f00:1]/",
            "https://10.0.0.1/",
        ):
            done = await browser.act(Action(type="goto", url=url))
            assert not done.success, url
            assert "is not open to browsers here" in done.message, (url, done)
        assert place.reached == []
        assert (await browser.act(Action(type="goto", url=f"{sites.url}/links"))).success
        # What only a part of the page asks for is not what the action led to.
        part = f"document.body.innerHTML = '<img src={inside}a.png>'; 1"
        assert (await browser.act(Action(type="evaluate_js", code=part))).success
        link = f"document.body.innerHTML = '<a href={inside}b>go</a>'; 1"
        assert (await browser.act(Action(type="evaluate_js", code=link))).success
        clicked = await browser.act(Action(type="click", selector=Selector(css="a")))
        assert not clicked.success
        assert "is not open to browsers here" in clicked.message
        gone = await browser.act(Action(type="goto", url="https://no-such-name.invalid/"))
        assert not gone.success
        assert "cannot be resolved" in gone.message


async def test_a_websocket_goes_through_and_is_counted(tmp_path) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        if request.path != "/socket":
            return web.Response(text="<title>page</title>", content_type="text/html")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data * 1000)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    at = f"127.0.0.1:{runner.addresses[0][1]}"
    code = (
        f"new Promise((done, fail) => {{ const way = new WebSocket('ws://{at}/socket');"
        "way.onopen = () => way.send('ab'); way.onerror = () => fail('no');"
        "way.onmessage = (said) => done(said.data.length); })"
    )
    try:
        async with browsing(tmp_path, allow=at) as all_:
            browser = await all_.start(wanted(tmp_path))
            assert (await browser.act(Action(type="goto", url=f"http://{at}/"))).success
            before = browser.traffic[1]
            done = await browser.act(Action(type="evaluate_js", code=code))
            assert (done.success, done.text) == (True, "2000")
            assert browser.traffic[1] > before
    finally:
        await runner.cleanup()


async def test_the_log_of_the_net_tells_what_was_asked_and_what_it_cost(tmp_path) -> None:
    async with serving() as sites, browsing(tmp_path, allow=sites.host) as all_:
        browser = await all_.start(wanted(tmp_path))
        await browser.act(Action(type="goto", url=f"{sites.url}/status?code=404"))
        await browser.act(Action(type="goto", url=f"{sites.url}/file.bin"))
        await browser.act(Action(type="goto", url=f"{sites.url}/huge?mib=1"))
        await browser.scrape(ScrapeWanted())
        there = lambda: any(  # noqa: E731
            "huge" in each.url and each.response_bytes for each in browser.exchanges()
        )
        await eventually(there, PATIENCE_S, "the end of the page")
        log = {each.url.removeprefix(sites.url): each for each in browser.exchanges()}
        assert log["/status?code=404"].status == 404
        huge = log["/huge?mib=1"]
        assert (huge.method, huge.resource, huge.status, huge.error) == ("GET", "document", 200, "")
        assert huge.response_bytes > 1 << 19
        assert huge.request_bytes > 0
        sent, received = browser.traffic
        assert received > huge.response_bytes
        assert sent >= sum(each.request_bytes for each in log.values()) // 2
        seen = len(browser.exchanges())
        assert browser.exchanges(seen) == ()
