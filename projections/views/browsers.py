"""What the service looks up about browsers: those that are not told to be over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from projections.folds.session import Session
from projections.views.machines import every
from projections.views.store import Views

_session: Final = msgspec.json.Decoder(Session).decode


async def sessions_with_browsers(views: Views) -> AsyncIterator[Session]:
    """Every session, ended or not, whose browser was wanted and is not closed, oldest first."""
    async for session in every(views, "sessions_with_browsers", _session):
        yield session
