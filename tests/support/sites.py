"""Web sites on loopback for browsers to visit: forms, endless redirects, pages that never load.

`async with serving() as sites:` in a test of its own loop, `with sharing() as sites:` in a thread
for a whole module or for clients that block. `sites.url` has no slash at its end; `sites.seen`
lists what was asked for. The pages themselves are in site_pages.py:

/                 home: links, a button that changes the title to "Greeted"
/links?count=N    N links (20) to /item/<number>
/form /login      every kind of field; both post to /submitted, which says as JSON what came
/payment          fields for a card
/app              a single-page application: "Add" draws an item, "About" goes to /app/about
/dialogs          alert, confirm, prompt, five alerts in a row, and beforeunload
/frames /shadow   a frame in a frame; a button and a field in an open shadow root
/popups           a link and buttons that open tabs (one: 60 of them), one that closes its own
/downloads        links to /file.txt (attachment), /file.bin, /file.slow (never ends),
                  and there is /file.endless, which sends bytes for ever
/article          navigation, an article with a table and pictures, a footer: for scraping
/tall /search /cookie-banner /captcha /empty
/slow?seconds=S   answers after S seconds (1)
/never            sends its head and a first part, and never ends
/still-loading    a whole page, one picture of which never comes
/redirects        redirects to itself for ever; /redirect?to=URL redirects there once
/hanging          a button that keeps the tab busy for ever
/always-changing  a button that is replaced every 5 ms
/cookies /headers says as JSON which came; /cookies?set=NAME=VALUE sets one
/status?code=N    answers with that status; /cut closes the connection without an answer
/huge?mib=N       a page of N MiB (5) of text
/feed.xml /drawing.svg /text /picture.png   documents that are no HTML
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from aiohttp import web

from tests.support import site_pages

FILE_TEXT: Final = b"the text of a file\n"
FILE_BYTES: Final = bytes(range(256)) * 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sites:
    """The sites while they are served."""

    def __init__(self) -> None:
        self.url = ""
        self.host = ""
        """Address and port, as an allow list takes them."""
        self.seen: list[str] = []
        """Method and path with query of each request, in order."""

    def app(self) -> web.Application:
        """The sites as an application."""
        app = web.Application(middlewares=[self._note], client_max_size=64 << 20)
        for path, text in site_pages.PAGES.items():
            app.router.add_get(path, _fixed(text))
        app.router.add_get("/links", _links)
        app.router.add_get("/item/{number}", _item)
        app.router.add_post("/submitted", _submitted)
        app.router.add_get("/slow", _slow)
        app.router.add_get("/never", _never)
        app.router.add_get("/file.slow", _never)
        app.router.add_get("/file.endless", _endless)
        app.router.add_get("/redirects", _redirects)
        app.router.add_get("/redirect", _redirect)
        app.router.add_get("/cookies", _cookies)
        app.router.add_get("/headers", _headers)
        app.router.add_get("/status", _status)
        app.router.add_get("/cut", _cut)
        app.router.add_get("/huge", _huge)
        app.router.add_get("/feed.xml", _typed(site_pages.FEED, "text/xml"))
        app.router.add_get("/drawing.svg", _typed(site_pages.DRAWING, "image/svg+xml"))
        app.router.add_get("/text", _typed("Nothing but <text>", "text/plain"))
        app.router.add_get("/file.txt", _attachment(FILE_TEXT, "report of today.txt"))
        app.router.add_get("/file.bin", _attachment(FILE_BYTES, "data.bin"))
        app.router.add_get("/picture.png", _picture(200, 160, 0))
        app.router.add_get("/other.png", _picture(0, 90, 200))
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        return await handler(request)


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _fixed(text: str) -> Handler:
    return _typed(text, "text/html")


def _typed(text: str, kind: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return answer


def _attachment(data: bytes, name: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=data, headers=headers)

    return answer


def _picture(red: int, green: int, blue: int) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=site_pages.png(red, green, blue), content_type="image/png")

    return answer


async def _links(request: web.Request) -> web.Response:
    return _html(site_pages.links(int(request.query.get("count", "20"))))


async def _item(request: web.Request) -> web.Response:
    return _html(site_pages.item(request.match_info["number"]))


async def _submitted(request: web.Request) -> web.Response:
    fields = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            fields[name] = f"file {value.filename}"
        else:  # no file was chosen: there are bytes without a name
            fields[name] = value if isinstance(value, str) else bytes(value).decode()
    return web.json_response(fields)


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query.get("seconds", "1")))
    return _html(site_pages.page("Slow", "<p>It took a while</p><a href=/>Home</a>"))


async def _never(request: web.Request) -> web.StreamResponse:
    kind = "application/octet-stream" if request.path.endswith(".slow") else "text/html"
    answer = web.StreamResponse(headers={"Content-Type": kind})
    await answer.prepare(request)
    await answer.write(b"<!doctype html><title>Never done</title><p>The first part</p>")
    await asyncio.Event().wait()
    return answer


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 16))


async def _redirects(request: web.Request) -> web.Response:
    turn = int(request.query.get("turn", "0")) + 1
    raise web.HTTPFound(f"/redirects?turn={turn}")


async def _redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def _cookies(request: web.Request) -> web.Response:
    answer = web.json_response(dict(request.cookies))
    name, equals, value = request.query.get("set", "").partition("=")
    if equals:
        answer.set_cookie(name, value)
    return answer


async def _headers(request: web.Request) -> web.Response:
    return web.json_response(dict(request.headers))


async def _status(request: web.Request) -> web.Response:
    code = int(request.query["code"])
    return web.Response(
        status=code, text=site_pages.page(f"Status {code}", "<p>No</p>"), content_type="text/html"
    )


async def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _huge(request: web.Request) -> web.Response:
    line = "<p>" + "many words " * 90 + "</p>\n"
    mib = int(request.query.get("mib", "5"))
    return _html(site_pages.page("Huge", line * ((mib << 20) // len(line))))


@asynccontextmanager
async def serving() -> AsyncIterator[Sites]:
    """The sites on a port of 127.0.0.1, in this loop."""
    sites = Sites()
    runner = web.AppRunner(
        sites.app(), access_log=None, shutdown_timeout=0.05, handler_cancellation=True
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sites.host = f"127.0.0.1:{runner.addresses[0][1]}"
        sites.url = f"http://{sites.host}"
        yield sites
    finally:
        await runner.cleanup()


@contextmanager
def sharing() -> Iterator[Sites]:
    """The sites in a thread of their own, for several loops or for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sites", daemon=True)
    thread.start()
    served = serving()
    sites = asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(30)
    try:
        yield sites
    finally:
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
