"""The limit of every endpoint: aiohttp handlers that only decode, and answer constant bytes (L6).

And of the feed (L8): a prebuilt frame, written to the transport of every websocket.
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.dialects.devin.v3.wire_create import CreateSession as NewV3
from sessions.dialects.devin.wire_create import CreateSession as NewV1
from sessions.dialects.galtea.wire import NewSession
from sessions.dialects.native.wire import CreateSession, NewMessage

JSON: Final = "application/json"
ROUTES: Final = ("create", "get", "list", "say", "frame")
_create: Final = msgspec.json.Decoder(CreateSession)
_evaluate: Final = msgspec.json.Decoder(NewSession)
_v1: Final = msgspec.json.Decoder(NewV1)
_v3: Final = msgspec.json.Decoder(NewV3)
_say: Final = msgspec.json.Decoder(NewMessage)
_result: Final = msgspec.json.Decoder(dict[str, Any])


class Bare:
    """Constant answers by route."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = {name: answers.get(name, b"{}") for name in ROUTES}
        self._frame = frame(self._answers["frame"])
        self._transports: set[asyncio.WriteTransport] = set()
        self._due = 0

    async def create(self, request: web.Request) -> web.Response:
        """Decode a session, answer one."""
        _create.decode(await request.read())
        return web.Response(status=201, body=self._answers["create"], content_type=JSON)

    async def evaluate(self, request: web.Request) -> web.Response:
        """Decode a session of Galtea's, answer one."""
        _evaluate.decode(await request.read())
        return web.Response(status=201, body=self._answers["create"], content_type=JSON)

    async def ask_v1(self, request: web.Request) -> web.Response:
        """Decode a session of Devin's first API, answer one."""
        _v1.decode(await request.read())
        return web.Response(body=self._answers["create"], content_type=JSON)

    async def ask_v3(self, request: web.Request) -> web.Response:
        """Decode a session of Devin's third API, answer one."""
        assert request.match_info["org"]
        _v3.decode(await request.read())
        return web.Response(body=self._answers["create"], content_type=JSON)

    async def get(self, request: web.Request) -> web.Response:
        """Answer a session."""
        assert request.match_info["id"]
        return web.Response(body=self._answers["get"], content_type=JSON)

    async def list_(self, _: web.Request) -> web.Response:
        """Answer a page of sessions."""
        return web.Response(body=self._answers["list"], content_type=JSON)

    async def say(self, request: web.Request) -> web.Response:
        """Decode a message and send one frame to every observer."""
        _say.decode(await request.read())
        if not self._due:
            # Messages that are there at the same time go out together, as in the service.
            asyncio.get_running_loop().call_soon(self._send)
        self._due += 1
        return web.Response(status=201, body=self._answers["say"], content_type=JSON)

    async def result(self, request: web.Request) -> web.Response:
        """Decode the result of a test, answer nothing."""
        assert request.match_info["token"]
        _result.decode(await request.read())
        return web.Response()

    def _send(self) -> None:
        chunk, self._due = self._frame * self._due, 0
        for transport in self._transports:
            transport.write(chunk)

    async def observe(self, request: web.Request) -> web.WebSocketResponse:
        """A websocket, open until its client goes."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.WriteTransport)
        self._transports.add(transport)
        try:
            async for _ in socket:
                pass
        finally:
            self._transports.discard(transport)
        return socket

    def app(self) -> web.Application:
        """The routes, at the paths of the service."""
        app = web.Application()
        app.router.add_post("/api/v1/sessions", self.create)
        app.router.add_get("/api/v1/sessions", self.list_)
        app.router.add_get("/api/v1/sessions/{id}", self.get)
        app.router.add_post("/api/v1/sessions/{id}/messages", self.say)
        app.router.add_post("/galtea/sessions", self.evaluate)
        app.router.add_get("/galtea/sessions", self.list_)
        app.router.add_get("/galtea/sessions/{id}", self.get)
        app.router.add_post("/devin/v1/sessions", self.ask_v1)
        app.router.add_get("/devin/v1/sessions/{id}", self.get)
        app.router.add_post("/devin/v3/organizations/{org}/sessions", self.ask_v3)
        app.router.add_get("/devin/v3/organizations/{org}/sessions/{id}", self.get)
        app.router.add_get("/api/v1/observe", self.observe)
        app.router.add_post("/_wave/api/results/{token}", self.result)
        return app


def frame(payload: bytes) -> bytes:
    """A text frame of a server (RFC 6455 section 5.2)."""
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, len(payload)) + payload
    return struct.pack("!BBQ", 0x81, 127, len(payload)) + payload


async def serve(answers: dict[str, bytes]) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(Bare(answers).app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Serve the answers in the file that the one argument names."""
    answers = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=dict[str, bytes])
    asyncio.run(serve(answers))


if __name__ == "__main__":
    main()
