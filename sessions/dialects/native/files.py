"""Shapes of the native API: the files of sessions, and evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from eventstore.commit import Commit
from projections.evidence import artifacts_of
from sessions.dialects.instants import instant

EVIDENCE: Final = "application/vnd.sessiond.evidence"
OCTETS: Final = "application/octet-stream"


class ArtifactView(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a session; its bytes are at `artifacts/` and the `sha256`."""

    name: str
    sha256: str
    size: int
    media_type: str
    actor: str
    at: datetime
    position: int


class ArtifactList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of files, oldest first."""

    items: list[ArtifactView]
    next: int | None


def artifact_views(commit: Commit) -> list[ArtifactView]:
    """The files that a commit tells of."""
    return [
        ArtifactView(
            name=fact.name,
            sha256=fact.sha256,
            size=fact.size,
            media_type=fact.media_type,
            actor=commit.actor,
            at=instant(commit.at),
            position=commit.position,
        )
        for fact in artifacts_of(commit)
    ]
