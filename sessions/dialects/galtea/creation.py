"""Making and changing a Galtea session: what it refers to is found, its custom id is claimed."""

from __future__ import annotations

from eventstore.codec import Fact
from projections.folds.catalog import Entry
from projections.folds.session import Session
from sessions import ids
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects import custom_ids
from sessions.dialects.galtea import changes, wire, wire_runs
from sessions.dialects.galtea.changes import Change
from sessions.dialects.galtea.entities import PRODUCT, TEST, TEST_CASE, VERSION
from sessions.dialects.galtea.references import found, latest_version, within
from sessions.dialects.galtea.runs import open_run
from sessions.dialects.uuids import public_id
from sessions.domain.commands import CreateSession
from sessions.domain.rejections import AlreadyExists
from sessions.service import Sessions


async def make(sessions: Sessions, catalog: Catalog, body: wire.NewSession, who: Caller) -> Session:
    """The new session; raises NotFound for a reference, AlreadyExists for a custom id in use."""
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
    return await _create(sessions, command, within(who, version))


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
        wire_runs.check_version(run, public_id(VERSION.prefix, version.id))
    return version


def _origin(version: Entry, test_case: Entry | None) -> wire.Origin:
    return wire.Origin(
        version_id=public_id(VERSION.prefix, version.id),
        product_id=public_id(PRODUCT.prefix, version.parent),
        test_id=public_id(TEST.prefix, test_case.parent) if test_case else None,
        context=test_case.data.get("context") if test_case else None,
    )


async def _create(sessions: Sessions, command: CreateSession, who: Caller) -> Session:
    session_id, claim = ids.uuid7(), custom_ids.claim_of(command.kind, command.spec)
    if claim is None:
        state, _ = await sessions.create(session_id, command, who)
        return state
    state, made = await sessions.create_claiming(session_id, command, who, claim)
    if not made:
        raise AlreadyExists(claim.taken)
    return state


async def change(sessions: Sessions, state: Session, asked: Change, who: Caller) -> Session:
    """The session after a change; raises AlreadyExists for a custom id in use."""

    def facts_of(now_it_is: Session, now: int) -> tuple[Fact, ...]:
        return changes.facts_of(asked, now_it_is, now)

    if not isinstance(asked.custom_id, str):
        return await sessions.change(state.id, facts_of, who)
    claim_of = custom_ids.claim_after({custom_ids.CUSTOM_ID: asked.custom_id})
    return await sessions.change_claiming(state.id, facts_of, who, claim_of)
