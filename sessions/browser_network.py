"""What a browser asked the network for, as it is kept when the browser is closed: JSON lines."""

from __future__ import annotations

from typing import Final

import msgspec

from projections.events.browser import BrowserClosed
from sessions.browser_addresses import without_user
from sessions.runtimes.browser.port import Browser, Exchange

MEDIA_TYPE: Final = "application/x-ndjson"
NAME: Final = "network.jsonl"

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Exchange)


def kept_traffic(browser: Browser) -> tuple[BrowserClosed, bytes | None]:
    """The traffic of a browser that is about to be closed: its numbers, and all of it as text."""
    exchanges = cleaned(browser.exchanges())
    sent, received = browser.traffic
    closed = BrowserClosed(
        reason="requested",
        request_bytes=sent,
        response_bytes=received,
        requests=len(exchanges),
    )
    return closed, _encoder.encode_lines(exchanges) if exchanges else None


def cleaned(exchanges: tuple[Exchange, ...]) -> tuple[Exchange, ...]:
    """The same with addresses as they may be told."""
    return tuple(msgspec.structs.replace(one, url=without_user(one.url)) for one in exchanges)


def read_traffic(text: bytes) -> tuple[Exchange, ...]:
    """What `kept_traffic` kept."""
    return tuple(_decoder.decode_lines(text))
