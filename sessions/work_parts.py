"""The work of a service, put together over what is there already."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from eventstore.errors import StorageUnavailable
from projections.events.status import Kind
from projections.folds.session import Session
from projections.views.work import held_sessions, waiting_sessions
from sessions.domain.waiting import Waiting
from sessions.settings import Settings
from sessions.web.appkeys import FOLLOWER, LOG, METRICS, SESSIONS, VAULT, VIEWS, WORK
from sessions.work import Work
from sessions.work_claims import AccountSecrets, Claims
from sessions.work_leases import Leases
from sessions.work_queue import WorkQueue
from sessions.work_watch import WorkWatch


def place_work(
    app: web.Application, settings: Settings, account_secrets: AccountSecrets | None = None
) -> None:
    """Put it into the application; without `account_secrets` there are those of sessions only."""

    async def read(tenant: str | None, kind: Kind, after: int, limit: int) -> list[Waiting]:
        await _reached(app)
        found = await waiting_sessions(
            app[VIEWS], kind=kind, tenant=tenant, after=after, limit=limit
        )
        return [
            Waiting(one.created, one.id, frozenset(one.work.requires))
            for one in found
            if one.work is not None
        ]

    sessions, vault, metrics = app[SESSIONS], app[VAULT], app[METRICS]
    queue, leases = WorkQueue(read), Leases(time.monotonic)
    hook, lease_s = account_secrets or _none, settings.work_lease_s
    claims = Claims(sessions, vault, queue, metrics, lease_s, hook)
    app[WORK] = Work(app[LOG], sessions, vault, queue, claims, leases, metrics)


def watch_of(app: web.Application) -> WorkWatch:
    """The watch over those who hold sessions."""

    async def held() -> AsyncIterator[Session]:
        await _reached(app)
        async for session in held_sessions(app[VIEWS]):
            yield session

    return WorkWatch(app[WORK], held)


async def _reached(app: web.Application) -> None:
    """Return when the views know all that is in the log; raises where the disk refuses them.

    What they do not know would be missed for good: nobody tells of it again.
    """
    head = app[LOG].size
    position = await app[FOLLOWER].reached(head)
    if position < head:
        raise StorageUnavailable(f"lists stand at {position}")


async def _none(_: Session) -> Mapping[str, str]:
    return {}
