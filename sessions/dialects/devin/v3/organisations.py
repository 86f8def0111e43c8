"""Whose organisation a path names, and who asks there (contract devin.md, section 4)."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from msgspec.structs import replace

from projections.events.access import Scope
from projections.folds.session import Session
from sessions.access import NAME_CHARS_MAX
from sessions.caller import Caller
from sessions.dialects.devin import agents
from sessions.dialects.devin.ids import ORGANISATION
from sessions.domain.rejections import NotFound
from sessions.web.auth import authorised

ORG: Final = "org_id"
_MEMBER: Final[tuple[Scope, ...]] = ("sessions:read", "sessions:write")


def member(request: web.Request, scope: Scope) -> Caller:
    """The caller as one of the organisation in the path, who sees nothing else.

    Raises NotFound for another organisation than the caller's; an admin is of every one.
    """
    who = authorised(request, scope)
    named = request.match_info[ORG]
    if not who.admin:
        if named not in (ORGANISATION + who.tenant, who.tenant):
            raise _unknown()
        return who
    tenant = named.removeprefix(ORGANISATION)
    if not (0 < len(tenant) <= NAME_CHARS_MAX and tenant.isprintable()):
        raise _unknown()
    return replace(who, tenant=tenant, scopes=_MEMBER)


async def session_asked(request: web.Request, scope: Scope) -> tuple[Session, Caller]:
    """The session in the path, and who asks; raises NotFound."""
    who = member(request, scope)
    return await agents.session_of_path(request, who), who


def _unknown() -> NotFound:
    return NotFound("There is no such organization.")
