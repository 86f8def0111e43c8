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
from projections.snapshots import Snapshots
from projections.views.store import Views
from sessions.access import Access
from sessions.artifacts import Artifacts
from sessions.browser_recording import Recordings
from sessions.browsers import BrowserSessions
from sessions.catalog import Catalog
from sessions.devices import Devices
from sessions.dialects.instavm.screens import Screens
from sessions.dialects.notte.early_spaces import EarlySpaces
from sessions.dialects.notte.looks import Looks
from sessions.dialects.wave.channels import Channels
from sessions.dialects.wave.run_results import RunResults
from sessions.erasure import Erasures
from sessions.evidence import Evidence
from sessions.heads import Heads
from sessions.logging import RequestLine
from sessions.machines import MachineSessions
from sessions.metrics import Metrics
from sessions.observe.broadcast import Broadcast
from sessions.past import Past
from sessions.runs import Runs
from sessions.service import Sessions
from sessions.settings import Settings
from sessions.spans import Spans
from sessions.testset.testset import TestSet
from sessions.turns import Conversations
from sessions.verifying import Verifying
from sessions.web.links import Links
from sessions.web.ports import Ports
from sessions.work import Work

SETTINGS: Final = web.AppKey("settings", Settings)
PORTS: Final = web.AppKey("ports", Ports)
LINKS: Final = web.AppKey("links", Links)
LOG: Final[web.AppKey[EventLog]] = web.AppKey("log", EventLog)
HEADS: Final = web.AppKey("heads", Heads)
FEED: Final = web.AppKey("feed", Feed)
VIEWS: Final = web.AppKey("views", Views)
FOLLOWER: Final = web.AppKey("follower", Follower)
SESSIONS: Final = web.AppKey("sessions", Sessions)
ACCESS: Final = web.AppKey("access", Access)
CATALOG: Final = web.AppKey("catalog", Catalog)
CONVERSATIONS: Final = web.AppKey("conversations", Conversations)
SPANS: Final = web.AppKey("spans", Spans)
DEVICES: Final = web.AppKey("devices", Devices)
VAULT: Final = web.AppKey("vault", Vault)
ARTIFACTS: Final = web.AppKey("artifacts", Artifacts)
EVIDENCE: Final = web.AppKey("evidence", Evidence)
TEST_SET: Final = web.AppKey("test_set", TestSet)
ERASURES: Final = web.AppKey("erasures", Erasures)
PAST: Final = web.AppKey("past", Past)
SNAPSHOTS: Final = web.AppKey("snapshots", Snapshots)
MACHINES: Final = web.AppKey("machines", MachineSessions)
BROWSERS: Final = web.AppKey("browsers", BrowserSessions)
WORK: Final = web.AppKey("work", Work)
RECORDINGS: Final = web.AppKey("recordings", Recordings)
SCREENS: Final = web.AppKey("screens", Screens)
EARLY_SPACES: Final = web.AppKey("early_spaces", EarlySpaces)
LOOKS: Final = web.AppKey("looks", Looks)
RUNS: Final = web.AppKey("runs", Runs)
RESULTS: Final = web.AppKey("results", RunResults)
CHANNELS: Final = web.AppKey("channels", Channels)
METRICS: Final = web.AppKey("metrics", Metrics)

BROADCAST: Final = web.AppKey("broadcast", Broadcast)
REBUILDING: Final = web.AppKey("rebuilding", Rebuilding)
VERIFYING: Final = web.AppKey("verifying", Verifying)
CLOCK_US: Final[web.AppKey[Callable[[], int]]] = web.AppKey("clock_us")
VITAL: Final = web.AppKey("vital", list[asyncio.Task[None]])
"""Tasks that must not end while the service runs."""
LINE: Final = web.RequestKey("line", RequestLine)
