"""Shapes of Galtea's runs: sessions that belong together (sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from projections.folds.catalog import Entry
from sessions.dialects.galtea.entities import PRODUCT, RUN
from sessions.dialects.galtea.wire import (
    Body,
    bad,
    check_custom_id,
    instant,
)
from sessions.dialects.uuids import public_id
from sessions.failure import Failure

RunStatus = Literal["RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
CUSTOM_ID: Final = "customId"
ORDINAL: Final = "ordinal"
LAST_ORDINAL: Final = "lastRunOrdinal"
"""What a product keeps of the runs that were deleted, for an ordinal is never used again."""


class NewRun(Body, frozen=True, kw_only=True):
    """A run to open; one that names a version takes only sessions of that."""

    product_id: str
    version_id: str | None = None
    custom_id: str | None = None


class RunView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A run as it is answered; of what the platform itself would launch there is nothing."""

    id: str
    product_id: str
    version_id: str | None
    custom_id: str | None
    user_id: str | None
    ordinal: int
    relaunched_from_run_id: None = None
    opened_by: Literal["CALLER"] = "CALLER"
    status: RunStatus
    evaluation_count: int = 0
    session_count: int
    kind: None = None
    job_id: None = None
    error: None = None
    request: None = None
    resolved_inputs: None = None
    created_at: str
    finished_at: str | None
    deleted_at: None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs a list holds; empty means any."""

    product_ids: Sequence[str] = ()
    version_ids: Sequence[str] = ()
    custom_ids: Sequence[str] = ()
    statuses: Sequence[str] = ()
    search: str = ""

    def holds(self, run: Entry) -> bool:
        """True if the run is one of them."""
        data = run.data
        alternatives = (
            (public_id(PRODUCT.prefix, run.parent), self.product_ids),
            (data.get("versionId"), self.version_ids),
            (data.get(CUSTOM_ID), self.custom_ids),
            (data.get("status"), self.statuses),
        )
        return self._found(data) and all(value in some for value, some in alternatives if some)

    def _found(self, data: dict[str, Any]) -> bool:
        text = self.search.strip().casefold()
        in_label = text in (data.get(CUSTOM_ID) or "").casefold()
        return in_label or text.removeprefix("#") == str(data.get(ORDINAL))


def check(body: NewRun) -> None:
    """Raises Failure for a custom id that is blank or too long."""
    if body.custom_id is not None:
        check_custom_id(body.custom_id)


def run_data(body: NewRun, ordinal: int, actor: str) -> dict[str, Any]:
    """What is kept of a run."""
    kept = {
        "versionId": body.version_id,
        CUSTOM_ID: body.custom_id,
        "userId": actor,
        ORDINAL: ordinal,
        "status": "RUNNING",
    }
    return {name: value for name, value in kept.items() if value is not None}


def closing(run: Entry, now: int) -> dict[str, Any]:
    """What changes of a run by its close; raises Failure for one that is closed."""
    open_(run)
    return {"status": "COMPLETED", "finishedAt": instant(now)}


def open_(run: Entry) -> None:
    """Raises Failure for a run that takes nothing any more."""
    status = run.data.get("status")
    if status != "RUNNING":
        raise Failure(400, "run_closed", f"The run is closed: it is {status}.")


def check_product(run: Entry, product: str) -> None:
    """Raises Failure for a session of another product."""
    if run.parent != product:
        raise bad("runId", "the run is of another product")


def check_version(run: Entry, version: str) -> None:
    """Raises Failure for a session of another version than the run names."""
    if run.data.get("versionId") not in (None, version):
        raise bad("runId", "the run is of another version")


def run_view(run: Entry, sessions: int) -> RunView:
    """A run, to which so many sessions belong."""
    data = run.data
    return RunView(
        id=public_id(RUN.prefix, run.id),
        product_id=public_id(PRODUCT.prefix, run.parent),
        version_id=data.get("versionId"),
        custom_id=data.get(CUSTOM_ID),
        user_id=data.get("userId"),
        ordinal=data[ORDINAL],
        status=data["status"],
        session_count=sessions,
        created_at=instant(run.created_at),
        finished_at=data.get("finishedAt"),
    )
