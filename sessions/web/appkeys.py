"""The things that handlers find in the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from eventstore.feed import Feed
from eventstore.ports import EventLog
from eventstore.vault import Vault
from projections.follower import Follower
from projections.rebuilding import Rebuilding
from projections.views.store import Views
from sessions.access import Access
from sessions.catalog import Catalog
from sessions.metrics import Metrics
from sessions.observe.broadcast import Broadcast
from sessions.service import Sessions
from sessions.settings import Settings

SETTINGS: Final = web.AppKey("settings", Settings)
LOG: Final[web.AppKey[EventLog]] = web.AppKey("log", EventLog)
FEED: Final = web.AppKey("feed", Feed)
VIEWS: Final = web.AppKey("views", Views)
FOLLOWER: Final = web.AppKey("follower", Follower)
SESSIONS: Final = web.AppKey("sessions", Sessions)
ACCESS: Final = web.AppKey("access", Access)
CATALOG: Final = web.AppKey("catalog", Catalog)
VAULT: Final = web.AppKey("vault", Vault)
METRICS: Final = web.AppKey("metrics", Metrics)

CORRELATION_ID: Final = web.RequestKey("correlation_id", str)
BROADCAST: Final = web.AppKey("broadcast", Broadcast)
REBUILDING: Final = web.AppKey("rebuilding", Rebuilding)
CLOCK_US: Final[web.AppKey[Callable[[], int]]] = web.AppKey("clock_us")
VITAL: Final = web.AppKey("vital", list[asyncio.Task[None]])
"""Tasks that must not end while the service runs."""
ACTOR: Final = web.RequestKey("actor", str)
