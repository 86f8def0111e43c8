"""The vocabulary: every fact that the service can write, and today's codec for all of them."""

from __future__ import annotations

from typing import Final

from eventstore.codec import Codec
from projections.events.access import KeyIssued, KeyRevoked
from projections.events.artifact import ArtifactStored
from projections.events.browser import (
    BrowserActed,
    BrowserAttached,
    BrowserClosed,
    BrowserCookiesSet,
    BrowserDetached,
    BrowserFileAdded,
    BrowserFileRemoved,
    BrowserObserved,
    BrowserOpened,
    BrowserPictured,
    BrowserRecorded,
    BrowserRequested,
    BrowserScraped,
)
from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.events.request import RequestAnswered
from projections.events.session import (
    MessageAdded,
    SessionActive,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionExtended,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.span import SpanDeleted, SpanRecorded
from projections.events.test_run import (
    ChannelPosted,
    ResultsReplaced,
    SessionResumedBy,
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestsSelected,
    TestStarted,
    TestTimedOut,
)
from projections.events.upcasts import UPCASTERS
from projections.events.vm import (
    ExecutionFinished,
    ExecutionRequested,
    ExecutionStarted,
    VmConfigured,
    VmEnvStaged,
    VmLost,
    VmReady,
    VmRequested,
    VmResized,
    VmResumed,
    VmSnapshotted,
    VmStarted,
    VmStopped,
    VmSuspended,
)
from projections.events.vm_snapshot import (
    SnapshotDeleted,
    SnapshotFailed,
    SnapshotReady,
    SnapshotRequested,
)
from projections.events.work import AgentReported, WorkClaimed, WorkOffered, WorkReleased

VOCABULARY: Final = (
    SessionCreated,
    SessionConfigured,
    SessionLabelled,
    SessionStatusChanged,
    SessionActive,
    SessionExtended,
    SessionDeleted,
    SessionErased,
    MessageAdded,
    ArtifactStored,
    RequestAnswered,
    TestsSelected,
    TestStarted,
    TestCompleted,
    TestTimedOut,
    TestsMarkedMalfunctioning,
    ResultsReplaced,
    ChannelPosted,
    SessionResumedBy,
    VmRequested,
    VmStarted,
    VmReady,
    VmResized,
    VmConfigured,
    VmEnvStaged,
    VmSuspended,
    VmResumed,
    VmSnapshotted,
    VmStopped,
    VmLost,
    ExecutionRequested,
    ExecutionStarted,
    ExecutionFinished,
    SnapshotRequested,
    SnapshotReady,
    SnapshotFailed,
    SnapshotDeleted,
    BrowserRequested,
    BrowserOpened,
    BrowserObserved,
    BrowserActed,
    BrowserScraped,
    BrowserPictured,
    BrowserCookiesSet,
    BrowserFileAdded,
    BrowserFileRemoved,
    BrowserRecorded,
    BrowserAttached,
    BrowserDetached,
    BrowserClosed,
    WorkOffered,
    WorkClaimed,
    WorkReleased,
    AgentReported,
    TurnRecorded,
    TurnChanged,
    TurnRemoved,
    SpanRecorded,
    SpanDeleted,
    KeyIssued,
    KeyRevoked,
    CatalogEntered,
    CatalogChanged,
    CatalogDeleted,
    DeviceRegistered,
    DeviceRemoved,
)

CODEC: Final = Codec(VOCABULARY, UPCASTERS)
