"""Facts about the files of a session; stream `session/<id>`."""

from __future__ import annotations

from typing import ClassVar

from eventstore.codec import Fact


class ArtifactStored(Fact, frozen=True, kw_only=True):
    """The session has this file; its bytes are durable, outside the log and by their hash."""

    NAME: ClassVar = "artifact.stored"

    name: str
    sha256: str
    size: int
    media_type: str
