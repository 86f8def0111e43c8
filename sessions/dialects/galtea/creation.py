"""Making a Galtea session: what it refers to is found first, then its custom id is claimed."""

from __future__ import annotations

from projections.folds.catalog import Entry
from projections.folds.session import Session
from sessions import ids
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects.galtea import wire
from sessions.dialects.galtea.entities import PRODUCT, TEST, TEST_CASE, VERSION
from sessions.dialects.galtea.references import found, latest_version, within
from sessions.domain.commands import CreateSession
from sessions.domain.rejections import NotFound
from sessions.failure import Failure
from sessions.service import Claim, Sessions


async def make(sessions: Sessions, catalog: Catalog, body: wire.NewSession, who: Caller) -> Session:
    """The new session; raises NotFound for a reference, Failure 400 for a custom id in use."""
    test_case = None
    if body.test_case_id is not None:
        test_case = await found(catalog, TEST_CASE, body.test_case_id, who)
    if body.run_id is not None:
        raise NotFound("There is no such run.")
    version = await _anchor(catalog, body, who)
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


async def _anchor(catalog: Catalog, body: wire.NewSession, who: Caller) -> Entry:
    """The version that the session is of; `versionId` wins over `productId` (section 5)."""
    if body.version_id is not None:
        return await found(catalog, VERSION, body.version_id, who)
    assert body.product_id is not None
    product = await found(catalog, PRODUCT, body.product_id, who)
    return await latest_version(catalog, product, who)


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

    def held(holder: Session) -> bool:
        return holder.spec.get("customId") == custom_id

    claim = Claim(f"galtea {version.id} {custom_id}", held)
    state, made = await sessions.create_claiming(session_id, command, who, claim)
    if not made:
        detail = "A Session with the same customId already exists in this version."
        raise Failure(400, "custom_id_taken", detail)
    return state
