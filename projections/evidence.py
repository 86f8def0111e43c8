"""What a bundle of evidence about a session shows: its streams and its artifacts; pure."""

from __future__ import annotations

from eventstore.commit import Commit
from eventstore.evidence import Chain
from projections.events import CODEC
from projections.events.artifact import ArtifactStored


class Shown:
    """Gathered commit by commit: first the session's, then those of each of its machines."""

    def __init__(self) -> None:
        self.chains: list[Chain] = []
        self.artifacts: dict[str, None] = {}
        """The hashes of all files that the commits tell of, in that order."""

    def add(self, commit: Commit) -> None:
        """The next commit of the stream at hand, or the first one of the next stream."""
        if not self.chains or self.chains[-1].stream != commit.stream:
            self.chains.append(Chain(commit.stream, []))
        self.chains[-1].positions.append(commit.position)
        self.artifacts.update((fact.sha256, None) for fact in artifacts_of(commit))


def artifacts_of(commit: Commit) -> list[ArtifactStored]:
    """The files that a commit tells of."""
    return [CODEC.decode(event) for event in commit.events if event.type == ArtifactStored.NAME]
