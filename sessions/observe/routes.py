"""Handlers of the feeds: `/api/v1/observe` (websocket) and `/api/v1/feed` (SSE and long poll)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, cast

import msgspec
from aiohttp import HttpVersion11, web

from eventstore.commit import START, Position, Recorded
from eventstore.feed import Feed
from projections.events.status import KINDS, STATUSES
from projections.folds.vm import VM_STATUSES
from sessions.dialects.native import queries
from sessions.failure import Failure
from sessions.metrics import Metrics
from sessions.observe.client import ChunkedSseClient, SseClient, TransportClient, WebsocketClient
from sessions.observe.protocol import Filter, Gap, Hello
from sessions.web.answer import Answer
from sessions.web.appkeys import ACCESS, BROADCAST, FEED, LOG, METRICS, SETTINGS
from sessions.web.auth import caller_of, secret_of

_FILTERS: Final = frozenset({"session", "kind", "status", "label", "tenant"})
_CURSOR: Final = frozenset({"after", "epoch", "api_key"})
_OBSERVE: Final = _FILTERS | _CURSOR
_POLL: Final = _OBSERVE | {"wait", "limit"}
_ALL_STATUSES: Final = frozenset((*STATUSES, *VM_STATUSES))
POLL_LIMIT: Final = 100
POLL_LIMIT_MAX: Final = 1000
# What a page holds before it ends, whatever its limit is.
POLL_BYTES: Final = 4 << 20
SSE: Final = "text/event-stream"
GONE_POLL_S: Final = 0.5
MESSAGE_BYTES_MAX: Final = 4096
_UPGRADE: Final = {"Upgrade": "websocket"}


class Page(msgspec.Struct, frozen=True):
    """The answer of a long poll: commits as the log stores them; go on with `after=position`."""

    epoch: str
    items: list[msgspec.Raw]
    position: Position


async def observe(request: web.Request) -> web.StreamResponse:
    """A websocket of frames: hello, what was, caught_up, then live until one side leaves."""
    wanted = _authorise(request, _OBSERVE)
    after, gap = _start(request)
    socket = web.WebSocketResponse(
        heartbeat=request.app[SETTINGS].probe_s,
        max_msg_size=MESSAGE_BYTES_MAX,
        compress=False,
        timeout=1.0,
    )
    if not socket.can_prepare(request):
        raise Failure(426, "websocket_required", "This path speaks websocket.", headers=_UPGRADE)
    await socket.prepare(request)
    client = WebsocketClient(_transport(request), wanted, after, *_limits(request))
    await _feed(request, client, gap, socket)
    return socket


async def feed(request: web.Request) -> web.StreamResponse:
    """Server-sent events where the client accepts them, else a long poll."""
    if SSE in request.headers.get("Accept", ""):
        return await _events(request)
    return await _poll(request)


async def _events(request: web.Request) -> web.StreamResponse:
    wanted = _authorise(request, _OBSERVE)
    after, gap = _start(request)
    response = web.StreamResponse(headers={"Content-Type": SSE, "Cache-Control": "no-store"})
    response.force_close()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    client_type = ChunkedSseClient if request.version >= HttpVersion11 else SseClient
    client = client_type(_transport(request), wanted, after, *_limits(request))
    await _feed(request, client, gap, None)
    return response


async def _feed(
    request: web.Request,
    client: TransportClient,
    gap: Gap | None,
    socket: web.WebSocketResponse | None,
) -> None:
    broadcast = request.app[BROADCAST]
    broadcast.open(client)
    head = request.app[LOG].head()
    client.send(Hello(head.epoch, head.size, client.position))
    if gap is not None:
        client.send(gap)
    gone = asyncio.create_task(_gone(request, socket))
    catching_up = asyncio.create_task(client.catch_up(request.app[FEED], broadcast))
    try:
        await asyncio.wait({gone, catching_up}, return_when=asyncio.FIRST_COMPLETED)
        if catching_up.done():
            catching_up.result()
            await gone
    finally:
        catching_up.cancel()
        gone.cancel()
        broadcast.close(client)


async def _gone(request: web.Request, socket: web.WebSocketResponse | None) -> None:
    """Return when the client has left; what it says on a websocket is read and dropped."""
    if socket is not None:
        async for _ in socket:
            pass
        return
    transport = _transport(request)
    # aiohttp tells nobody that the peer of a plain response has left.
    while not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(GONE_POLL_S)


async def _poll(request: web.Request) -> web.Response:
    wanted = _authorise(request, _POLL)
    position, _ = _start(request)
    limit = queries.integer(request.query, "limit", POLL_LIMIT, 1, POLL_LIMIT_MAX)
    wait_max = request.app[SETTINGS].wait_s_max
    wait = queries.number(request.query, "wait", 0, 0, wait_max)
    source = request.app[FEED]
    deadline = asyncio.get_running_loop().time() + wait
    items: list[msgspec.Raw] = []
    # At least one page is read, so that a client with a sparse filter comes on by each poll.
    while page := await _page(source, position, deadline):
        size = 0
        for recorded in page:
            if len(items) == limit or size > POLL_BYTES:
                break
            position = recorded.commit.position
            if wanted.takes(recorded.commit):
                items.append(msgspec.Raw(recorded.body))
                size += len(recorded.body)
        if items or asyncio.get_running_loop().time() >= deadline:
            break
    body = msgspec.json.encode(Page(request.app[LOG].head().epoch, items, position))
    return Answer(body)


async def _page(source: Feed, after: Position, deadline: float) -> Sequence[Recorded]:
    """What comes after `after`; if that is nothing, then what comes before the deadline."""
    if after >= source.head:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await source.grown(after)
    return await source.page(after, POLL_LIMIT_MAX)


def _authorise(request: web.Request, names: frozenset[str]) -> Filter:
    who = caller_of(request, _secret(request), "sessions:read")
    query = request.query
    queries.known(query, names)
    statuses = queries.words(query.getall("status", []), "status", _ALL_STATUSES)
    if len(request.app[BROADCAST]) >= request.app[SETTINGS].observers_max:
        raise Failure(503, "too_many_observers", "No more feeds can be opened; try again.")
    return Filter(
        tenant=query.get("tenant") if who.admin else who.tenant,
        sessions=frozenset(query.getall("session", [])),
        kinds=frozenset(queries.words(query.getall("kind", []), "kind", KINDS)),
        statuses=frozenset(statuses),
        labels=frozenset(query.getall("label", [])),
    )


def _start(request: web.Request) -> tuple[Position, Gap | None]:
    """Where the client goes on, and the gap if its cursor is not one of this log."""
    head = request.app[LOG].head()
    query = dict(request.query)
    last_event_id = request.headers.get("Last-Event-ID")
    if last_event_id is not None:
        query["after"] = last_event_id
    if "after" not in query:
        return head.size, None
    limit = queries.POSITION_MAX
    after = Position(queries.integer(query, "after", 0, 0, limit, "bad_position"))
    if query.get("epoch", head.epoch) != head.epoch:
        return START, Gap(START, after, "other_log")
    if after > head.size:
        return head.size, Gap(head.size, after, "beyond_head")
    return after, None


def _transport(request: web.Request) -> asyncio.WriteTransport:
    transport = request.transport
    if transport is None:
        raise Failure(400, "gone", "The client has left.")
    # No isinstance: the transports of uvloop are WriteTransports in all but their bases.
    return cast("asyncio.WriteTransport", transport)


def _secret(request: web.Request) -> str:
    return secret_of(request) or request.query.get("api_key", "")


def _limits(request: web.Request) -> tuple[int, Metrics, Callable[[], bool]]:
    """The buffer of a client, where it is counted, and whether its key still opens the feed."""
    access, secret = request.app[ACCESS], _secret(request)

    def permitted() -> bool:
        return not secret or access.caller(secret) is not None

    return request.app[SETTINGS].observer_buffer_bytes_max, request.app[METRICS], permitted
