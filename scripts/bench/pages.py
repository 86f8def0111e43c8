"""Pages on loopback for browsers to visit: `/` is small, `/links/N` has N links.

pages.py: says `ready` and its address, until SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal

from aiohttp import web

_SMALL = (
    "<h1>A small page</h1><p>With a <a href=/links/10>link</a>, a field and a button.</p>"
    "<form><label>Name <input name=name></label><button>Send</button></form>"
)


async def small(_: web.Request) -> web.Response:
    """A heading, a link, a field and a button."""
    return _page("Small", _SMALL)


async def links(request: web.Request) -> web.Response:
    """So many links in a list."""
    count = int(request.match_info["count"])
    items = (f"<li><a href=/item/{one}>Item {one} of the list</a></li>" for one in range(count))
    return _page(f"{count} links", f"<main><ul>{''.join(items)}</ul></main>")


def _page(title: str, body: str) -> web.Response:
    text = f"<!doctype html><html lang=en><title>{title}</title><body>{body}</body></html>"
    return web.Response(text=text, content_type="text/html")


async def serve() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    app.router.add_get("/", small)
    app.router.add_get("/links/{count:[0-9]+}", links)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
