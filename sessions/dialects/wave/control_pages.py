"""The pages of sessions whose type has a folder of its own for them: they are ours for all."""

from __future__ import annotations

from aiohttp import web

from sessions.failure import Failure


async def page_of_type(request: web.Request) -> web.Response:
    """Sends a device on to the page of the same name, with what it asks of it (section 3.6)."""
    # aiohttp takes HEAD where it takes GET; here there is none (section 1.1).
    if request.method == "HEAD":
        raise Failure(404, "no_such_route", "There is nothing at this path.")
    query = request.rel_url.raw_query_string
    name = request.match_info["page"]
    location = f"../{name}?{query}" if query else f"../{name}"
    return web.Response(status=307, headers={"Location": location, "Cache-Control": "no-cache"})
