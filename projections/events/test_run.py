"""Facts about a test run: tests handed out to a device and what came back; stream `session/<id>`.

A path is that of a test on its server, without a query; the first segment of it is its API.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from eventstore.codec import Fact

TestStatus = Literal["OK", "ERROR", "TIMEOUT", "NOTRUN"]


class TestsSelected(Fact, frozen=True, kw_only=True):
    """These tests are to be run; the list itself is kept by its hash, since it may be long.

    It is a JSON array of paths in the order of execution; `totals` counts them by API.
    """

    NAME: ClassVar = "tests.selected"

    sha256: str
    count: int
    totals: dict[str, int] = {}


class TestStarted(Fact, frozen=True, kw_only=True):
    """The test was handed out, and has this long to report."""

    NAME: ClassVar = "test.started"

    path: str
    timeout_ms: int | float


class TestCompleted(Fact, frozen=True, kw_only=True):
    """The device reported; None where it told of no subtests at all, `extra` is what else came."""

    NAME: ClassVar = "test.completed"

    path: str
    status: TestStatus
    message: str | None = None
    subtests: tuple[dict[str, Any], ...] | None = None
    extra: dict[str, Any] = {}


class TestTimedOut(Fact, frozen=True, kw_only=True):
    """The device did not report in time, by the clock of the service."""

    NAME: ClassVar = "test.timed_out"

    path: str
    logs: tuple[str, ...] = ()


class TestsMarkedMalfunctioning(Fact, frozen=True, kw_only=True):
    """These are now all the tests that somebody holds to be broken."""

    NAME: ClassVar = "tests.marked_malfunctioning"

    paths: tuple[str, ...] = ()


class ResultsReplaced(Fact, frozen=True, kw_only=True):
    """What a client uploaded is all there is of one API so far; it is kept by its hash.

    `results` counts files, the others their subtests.
    """

    NAME: ClassVar = "results.replaced"

    api: str
    sha256: str
    size: int
    results: int
    passed: int = 0
    failed: int = 0
    timed_out: int = 0
    not_run: int = 0


class ChannelPosted(Fact, frozen=True, kw_only=True):
    """A client said something to all who listen to the session."""

    NAME: ClassVar = "channel.posted"

    type: str
    data: Any = None


class SessionResumedBy(Fact, frozen=True, kw_only=True):
    """The device of this session was told to go on with another one; None names no session."""

    NAME: ClassVar = "session.resumed_by"

    token: str | None = None
