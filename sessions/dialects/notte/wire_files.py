"""Shapes of the files of a session (contract notte.md, sections 3.2 and 3.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from projections.folds.session import SECOND_US, Session
from sessions.browser_answers import SessionFile
from sessions.dialects import queries
from sessions.dialects.instants import instant
from sessions.domain import policy

LIMIT: Final = 100
LIMIT_MAX: Final = 1000
OFFSET_MAX: Final = 1_000_000
KEPT_US: Final = 100 * 365 * policy.DAY_S * SECOND_US


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which files are to be listed."""

    source: str | None
    limit: int
    offset: int


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file; it goes when its session is erased, and not before."""

    id: str
    session_id: str
    filename: str
    mime_type: str
    size: int
    checksum: str
    created_at: datetime
    expires_at: datetime
    source: str


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the files of a session, newest first."""

    files: tuple[File, ...]
    total: int
    limit: int
    offset: int


def wanted(query: Mapping[str, str]) -> Wanted:
    """What a query asks for; raises Failure 422."""
    return Wanted(
        source=queries.word(query, "source", "user_upload", "session_download"),
        limit=queries.integer(query, "limit", LIMIT, 1, LIMIT_MAX),
        offset=queries.integer(query, "offset", 0, 0, OFFSET_MAX),
    )


def files(state: Session, found: Iterable[SessionFile], asked: Wanted) -> Files:
    """Those of `found` that were asked for."""
    fitting = [file for file in found if asked.source in (None, file.source)]
    some = fitting[asked.offset : asked.offset + asked.limit]
    return Files(
        files=tuple(shape(state, file) for file in some),
        total=len(fitting),
        limit=asked.limit,
        offset=asked.offset,
    )


def shape(state: Session, file: SessionFile) -> File:
    """A file of the session; that it expires is only said because clients need an instant."""
    return File(
        id=file.id,
        session_id=state.id,
        filename=file.name,
        mime_type=file.media_type,
        size=file.size,
        checksum=file.sha256,
        created_at=instant(file.at),
        expires_at=instant(file.at + KEPT_US),
        source=file.source,
    )
