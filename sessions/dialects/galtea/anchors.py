"""Which session a turn is for, and what its product does with one that comes late (section 6)."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from projections.folds.session import Session
from projections.views.lists import SessionFilter, list_sessions
from sessions.caller import Caller
from sessions.dialects.galtea import references
from sessions.dialects.galtea.entities import PRODUCT, VERSION
from sessions.dialects.galtea.sessions import named
from sessions.dialects.galtea.wire import bad
from sessions.dialects.galtea.wire_turns import Anchor, check_anchor
from sessions.dialects.uuids import public_id
from sessions.domain.rejections import NotFound
from sessions.domain.turns import Closed
from sessions.web.appkeys import CATALOG, FOLLOWER, LOG, VIEWS

POLICY: Final = "closedSessionInferenceCreationPolicy"
_POLICIES: Final[dict[str, Closed]] = {
    "REJECT": "reject",
    "IGNORE": "ignore",
    "REOPEN_AND_REEVALUATE": "reopen",
}


async def anchored(request: web.Request, anchor: Anchor, who: Caller) -> Session:
    """The session that is meant; raises NotFound or Deleted, and Failure where none has the name.

    A version wins over a product, of which any version will do.
    """
    check_anchor(anchor)
    if anchor.session_id is not None:
        return await named(request, anchor.session_id, who)
    catalog = request.app[CATALOG]
    if anchor.version_id is not None:
        entry = await references.found(catalog, VERSION, anchor.version_id, who)
        refs = {"versionId": [public_id(VERSION.prefix, entry.id)]}
    else:
        entry = await references.found(catalog, PRODUCT, anchor.product_id or "", who)
        refs = {"productId": [public_id(PRODUCT.prefix, entry.id)]}
    refs["customId"] = [anchor.session_custom_id or ""]
    wanted = SessionFilter(tenant=entry.tenant, kinds=("evaluation",), refs=refs)
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    found = await list_sessions(request.app[VIEWS], wanted, limit=1)
    if not found or not anchor.session_custom_id:
        raise bad("sessionCustomId", "no session has this sessionCustomId there")
    return found[0]


async def policy_of(request: web.Request, state: Session, who: Caller) -> Closed:
    """What becomes of a turn after the end: what the product says, else the session reopens."""
    product = state.spec.get("productId")
    if not isinstance(product, str):
        return "reopen"
    try:
        entry = await references.found(request.app[CATALOG], PRODUCT, product, who)
    except NotFound:
        return "reopen"
    return _POLICIES.get(entry.data.get(POLICY, ""), "reopen")
