"""Facts about who does the work of a session, and what comes of it; stream `session/<id>`.

A claim has a generation: only reports of the one that holds the session count.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from eventstore.codec import Fact

OnLoss = Literal["requeue", "end"]
Released = Literal["drained", "lapsed", "refused"]


class WorkTerms(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """On which terms workers may have a session: labels they need, and what follows a loss."""

    requires: tuple[str, ...] = ()
    on_loss: OnLoss = "requeue"
    attempts_max: int = 3


class PullRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A pull request that an agent made; `state` is in the words of where it is."""

    url: str
    state: str = ""


class WorkOffered(Fact, frozen=True, kw_only=True):
    """Workers may claim the session from now on, on these terms."""

    NAME: ClassVar = "work.offered"

    terms: WorkTerms = WorkTerms()


class WorkClaimed(Fact, frozen=True, kw_only=True):
    """A worker has the session, as long as it is heard of once in every `lease_s` seconds."""

    NAME: ClassVar = "work.claimed"

    generation: int
    worker: str
    lease_s: int


class WorkReleased(Fact, frozen=True, kw_only=True):
    """The worker of this generation has the session no more."""

    NAME: ClassVar = "work.released"

    generation: int
    why: Released
    detail: str = ""


class AgentReported(Fact, frozen=True, kw_only=True):
    """What the agent has to show so far: the given fields are new, `acus` is the sum of all used.

    Pull requests replace those of the same address and leave the others as they are.
    """

    NAME: ClassVar = "agent.reported"

    structured_output: Any | UnsetType = UNSET
    pull_requests: tuple[PullRequest, ...] | UnsetType = UNSET
    acus: float | UnsetType = UNSET
