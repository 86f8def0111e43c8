"""Machines as a runtime tells of them: facts straight into the log of a running service."""

from __future__ import annotations

from typing import Any

from eventstore.codec import Fact
from eventstore.commit import START, Append, Commit
from projections.events import CODEC
from projections.events.vm import VmRequested
from projections.folds import vm as fold
from sessions import ids
from sessions.web.appkeys import FOLLOWER, LOG


def requested(session: Any) -> VmRequested:
    """That a machine of a session is wanted."""
    return VmRequested(session=session["id"], vcpu_count=2, memory_mb=512, lifetime_s=600)


async def append(client: Any, vm_id: str, *facts: Fact, tenant: str = "default") -> None:
    """Append facts of a machine as a runtime does; each is a commit."""
    app = client.server.app
    stream = fold.PREFIX + vm_id
    for fact in facts:
        state = await app[FOLLOWER].states.get(stream)
        after = fold.evolve(state, fact, _ahead(stream, tenant))
        assert after is not None
        await app[LOG].append(
            Append(
                stream=stream,
                expected=START if state is None else state.position,
                commit_id=ids.commit_id(),
                events=(CODEC.encode(fact),),
                actor="runtime",
                tenant=tenant,
                tags=fold.tags(after),
            )
        )


def _ahead(stream: str, tenant: str) -> Any:
    return Commit(
        position=START,
        previous=START,
        stream=stream,
        id="",
        at=0,
        actor="",
        tenant=tenant,
        events=(),
    )
