"""Making and changing a Galtea session: what it refers to is found, its custom id is claimed."""

from __future__ import annotations

from eventstore.codec import Fact
from projections.folds.catalog import Entry
from projections.folds.session import Session
from sessions import ids
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects.galtea import changes, wire, wire_runs
from sessions.dialects.galtea.changes import Change
from sessions.dialects.galtea.entities import PRODUCT, TEST, TEST_CASE, VERSION
from sessions.dialects.galtea.references import found, latest_version, within
from sessions.dialects.galtea.runs import open_run
from sessions.domain.commands import CreateSession
from sessions.failure import Failure
from sessions.service import Claim, Sessions


async def make(sessions: Sessions, catalog: Catalog, body: wire.NewSession, who: Caller) -> Session:
    """The new session; raises NotFound for a reference, Failure 400 for a custom id in use."""
    test_case = None
    if body.test_case_id is not None:
        test_case = await found(catalog, TEST_CASE, body.test_case_id, who)
    run = None if body.run_id is None else await open_run(catalog, body.run_id, who)
    version = await _anchor(catalog, body, run, who)
    status, reason = wire.INITIAL[body.status or "PENDING"]
    command = CreateSession(
        kind="evaluation",
        dialect="galtea",
        owner=who.actor,
        status=status,
        reason=reason,
        metadata=body.metadata or {},
        spec=wire.spec(body, _origin(version, test_case)),
    )
    return await _create(sessions, command, body.custom_id, version, within(who, version))


async def _anchor(catalog: Catalog, body: wire.NewSession, run: Entry | None, who: Caller) -> Entry:
    """The version that the session is of; `versionId` wins over `productId` (section 5).

    Raises Failure for one that is not the run's, before a version is made for it.
    """
    if body.version_id is not None:
        version = await found(catalog, VERSION, body.version_id, who)
        if run is not None:
            wire_runs.check_product(run, version.parent)
    else:
        assert body.product_id is not None
        product = await found(catalog, PRODUCT, body.product_id, who)
        if run is not None:
            wire_runs.check_product(run, product.id)
        version = await latest_version(catalog, product, who)
    if run is not None:
        wire_runs.check_version(run, wire.public_id(VERSION.prefix, version.id))
    return version


def _origin(version: Entry, test_case: Entry | None) -> wire.Origin:
    return wire.Origin(
        version_id=wire.public_id(VERSION.prefix, version.id),
        product_id=wire.public_id(PRODUCT.prefix, version.parent),
        test_id=wire.public_id(TEST.prefix, test_case.parent) if test_case else None,
        context=test_case.data.get("context") if test_case else None,
    )


async def _create(
    sessions: Sessions, command: CreateSession, custom_id: str | None, version: Entry, who: Caller
) -> Session:
    session_id = ids.uuid7()
    if custom_id is None:
        state, _ = await sessions.create(session_id, command, who)
        return state
    claim = _claim(version.id, custom_id)
    state, made = await sessions.create_claiming(session_id, command, who, claim)
    if not made:
        raise _taken()
    return state


async def change(sessions: Sessions, state: Session, asked: Change, who: Caller) -> Session:
    """The session after a change; raises Failure 400 for a custom id in use."""

    def facts_of(now_it_is: Session, now: int) -> tuple[Fact, ...]:
        return changes.facts_of(asked, now_it_is, now)

    if not isinstance(asked.custom_id, str):
        return await sessions.change(state.id, facts_of, who)
    version = wire.uuid_of(VERSION.prefix, str(state.spec.get("versionId"))) or ""
    claim = _claim(version, asked.custom_id)
    after, held = await sessions.change_claiming(state.id, facts_of, who, claim)
    if not held:
        raise _taken()
    return after


def _claim(version: str, custom_id: str) -> Claim:
    """A custom id is one live session's in a version (section 5)."""
    return Claim(
        f"galtea {version} {custom_id}", lambda holder: holder.spec.get("customId") == custom_id
    )


def _taken() -> Failure:
    detail = "A Session with the same customId already exists in this version."
    return Failure(400, "custom_id_taken", detail)
