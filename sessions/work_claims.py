"""Handing out sessions: each to one worker, with its secrets, or to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
import structlog

from eventstore.codec import Fact
from eventstore.commit import Position
from eventstore.errors import EventStoreError, VaultError
from eventstore.vault import Vault
from projections.events.status import Kind
from projections.folds.session import PREFIX, Session
from sessions.caller import SERVICE, Caller
from sessions.conversation import Said
from sessions.domain import work as rules
from sessions.domain.commands import ChangeStatus
from sessions.domain.rejections import Rejection
from sessions.domain.waiting import Waiting
from sessions.metrics import Metrics
from sessions.service import Sessions
from sessions.work_messages import heard
from sessions.work_queue import Wanted, WorkQueue

LEFT: Final = "The worker was gone before it could be told."

AccountSecrets = Callable[[Session], Awaitable[Mapping[str, str]]]
"""What a session gets of the secrets of its account, in clear and by name."""

_log = structlog.get_logger()


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that asks for a session; `gone` says whether it has left meanwhile."""

    kind: Kind
    worker: str
    labels: tuple[str, ...]
    wait_s: float
    gone: Callable[[], bool]


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A session that a worker has from now on, with what it needs to begin.

    Of what users said in the session it gets what lies up to `after`; it polls for the rest.
    """

    session: Session
    secrets: dict[str, str]
    messages: list[Said]
    after: Position


class _Gone(Exception):
    """The session waits no more."""


class Claims:
    """Gives sessions that wait to workers that ask, for `lease_s` seconds at first."""

    def __init__(
        self,
        sessions: Sessions,
        vault: Vault,
        queue: WorkQueue,
        metrics: Metrics,
        lease_s: int,
        account_secrets: AccountSecrets,
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._queue = queue
        self._metrics = metrics
        self._lease_s = lease_s
        self._account_secrets = account_secrets
        self._tasks: set[asyncio.Task[None]] = set()

    async def claim(self, asking: Asking, who: Caller) -> Claimed | None:
        """The oldest session that the worker is fit for; None if none came in time.

        Raises InvalidValue, and LimitReached where too many workers wait.
        """
        rules.check_worker(asking.worker)
        rules.check_labels(asking.labels)
        wanted = Wanted(
            tenant=None if who.admin else who.tenant,
            kind=asking.kind,
            labels=frozenset(asking.labels),
        )
        loop = asyncio.get_running_loop()
        until = loop.time() + asking.wait_s
        with self._queue.place(wanted) as place:
            while True:
                if asking.gone():
                    self._queue.pass_on(place)
                    return None
                claimed = await self._take(asking, wanted, who)
                left = until - loop.time()
                if claimed is not None or left <= 0 or self._queue.closed:
                    return claimed
                # What was given back for a worker that left was hidden from all others till now.
                if not asking.gone():
                    await place.sleep(left)

    async def _take(self, asking: Asking, wanted: Wanted, who: Caller) -> Claimed | None:
        while not asking.gone():
            one = await self._queue.first(wanted)
            if one is None:
                return None
            with self._queue.taking(one):
                claimed = await self._claim(one, asking, wanted, who)
            if claimed is not None:
                return claimed
        return None

    async def _claim(
        self, one: Waiting, asking: Asking, wanted: Wanted, who: Caller
    ) -> Claimed | None:
        claimed = None
        try:
            # What may fail comes before the claim, which counts as an attempt.
            state = await self._sessions.get(one.id, who)
            secrets = await self._secrets(state)
            said, after = await heard(self._sessions, self._vault, state, state.created, who)
            state = await self._claim_whole(one.id, asking, who)
            claimed = Claimed(session=state, secrets=secrets, messages=said, after=after)
        except (_Gone, Rejection):
            # It may wait again by now: then it stays where it is.
            now = self._sessions.at_hand(one.id, SERVICE)
            if now is None or not now.waits_for_worker:
                self._queue.forget(wanted, one)
        except VaultError as error:
            await self._fail(one.id, error)
        if claimed is None:
            return None
        self._metrics.work_claims.inc()
        if asking.gone():
            await self._give_back(claimed.session, who)
            return None
        return claimed

    async def _claim_whole(self, session_id: str, asking: Asking, who: Caller) -> Session:
        """As `_claim_now`; what it got for a request that was broken off is given back."""
        claiming = asyncio.create_task(self._claim_now(session_id, asking, who))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            soon = asyncio.create_task(self._give_back_of(claiming, who))
            self._tasks.add(soon)
            soon.add_done_callback(self._tasks.discard)
            raise

    async def _give_back_of(self, claiming: asyncio.Task[Session], who: Caller) -> None:
        await asyncio.wait({claiming})
        if not claiming.cancelled() and claiming.exception() is None:
            await self._give_back(claiming.result(), who)

    async def _claim_now(self, session_id: str, asking: Asking, who: Caller) -> Session:
        """The session, which is the worker's now; raises _Gone where it waits no more."""
        taken = False

        def facts_of(state: Session, _: int) -> tuple[Fact, ...]:
            nonlocal taken
            facts = rules.claim(state, asking.worker, self._lease_s)
            taken = bool(facts)
            return facts

        state = await self._sessions.change(session_id, facts_of, who)
        if not taken:
            raise _Gone
        return state

    async def _give_back(self, state: Session, who: Caller) -> None:
        generation = 0 if state.work is None else state.work.generation

        def facts_of(now: Session, _: int) -> tuple[Fact, ...]:
            return rules.release(now, generation, "drained", LEFT)

        try:
            await self._sessions.change(state.id, facts_of, who)
        except (Rejection, EventStoreError) as error:
            # Its lease is over in time.
            _log.info("work.not_given_back", session=state.id, error=str(error))

    async def _secrets(self, state: Session) -> dict[str, str]:
        """What goes into the worker's environment; raises VaultError where it cannot be opened."""
        sealed = list(state.secrets.values())
        own: dict[str, str] = {}
        opened = await self._vault.unseal_many(PREFIX + state.id, sealed)
        for name, text in zip(state.secrets, opened, strict=True):
            if text is None:
                raise VaultError(f"the key of {state.id} is gone")
            own[name] = text
        return {**await self._account_secrets(state), **own}

    async def _fail(self, session_id: str, error: VaultError) -> None:
        """End a session that no worker could do anything for: others wait behind it."""
        _log.error("work.sealed_for_good", session=session_id, error=str(error))
        detail = "A secret of the session cannot be opened any more."
        fail = ChangeStatus(to="failed", reason="runtime_failed", detail=detail)
        try:
            await self._sessions.execute(session_id, fail, SERVICE)
        except Rejection as rejection:
            _log.info("work.ended_by_itself", session=session_id, code=rejection.code)
