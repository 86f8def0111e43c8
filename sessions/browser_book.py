"""What is told of browsers, and the files that go with it: the one place that writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from eventstore.codec import Fact
from eventstore.errors import (
    EventStoreError,
    LogClosed,
    SubjectErased,
)
from eventstore.vault import Vault
from projections.events.artifact import ArtifactStored
from projections.events.browser import BrowserClosed
from projections.events.session import SessionStatusChanged
from projections.events.status import Reason, Status
from projections.folds.session import PREFIX, Session
from sessions.artifacts import Artifacts, in_thread
from sessions.browser_life import Life
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import ChangeStatus
from sessions.domain.decide import decide
from sessions.domain.policy import ARTIFACT_BYTES_MAX, ARTIFACTS_MAX
from sessions.domain.rejections import Deleted, LimitReached, Rejection
from sessions.service import Sessions

SEALED_CHARS_MAX: Final = 128 << 10
PICTURES_MAX: Final = ARTIFACTS_MAX - 300
"""With the pictures of a long visit there is still room for its files, its film and its network."""

_log = structlog.get_logger()

FactsOf = Callable[[Session], Sequence[Fact]]
"""What becomes of a session; may be asked more than once, and nothing is told where it is empty."""


class Piece(msgspec.Struct, frozen=True):
    """Bytes that are to be an artifact of the session."""

    name: str
    media_type: str
    data: AsyncIterable[bytes]


class Kept(msgspec.Struct, frozen=True):
    """A piece as it stands in the log."""

    name: str
    media_type: str
    sha256: str
    size: int


class BrowserBook:
    """The sessions of browsers in the log, and what becomes of them."""

    def __init__(self, sessions: Sessions, vault: Vault, artifacts: Artifacts) -> None:
        self.sessions = sessions
        self.artifacts = artifacts
        self._vault = vault

    async def tell(self, session_id: str, facts_of: FactsOf, who: Caller = SERVICE) -> Session:
        """The session after what `facts_of` makes of it; of an erased one only its end is told."""

        def facts(state: Session, _: int) -> tuple[Fact, ...]:
            found = tuple(facts_of(state))
            return tuple(map(_bare_end, filter(_ends, found))) if state.erased else found

        return await self.sessions.change(session_id, facts, who, deleted=True)

    async def move(
        self,
        session_id: str,
        to: Status,
        reason: Reason,
        detail: str = "",
        *,
        only_from: frozenset[Status],
        who: Caller = SERVICE,
    ) -> Session:
        """The session, which has moved on if it had one of these statuses."""
        return await self.tell(
            session_id, lambda state: moved(state, to, reason, detail, only_from), who
        )

    async def note(self, life: Life, facts: tuple[Fact, ...], who: Caller) -> None:
        """Tell what was done; what the disk refuses now is told with what comes next.

        It was done: whoever asked for it has the outcome in any case.
        """
        earlier = len(life.untold)
        try:
            await self.tell(life.session, lambda _: (*life.untold[:earlier], *facts), who)
            del life.untold[:earlier]
        except (EventStoreError, Rejection) as error:
            if not isinstance(error, LogClosed | Rejection):
                life.remember(facts)
            _log.warning("browser.not_told", session=life.session, error=str(error))

    async def note_with(
        self,
        life: Life,
        piece: Piece | None,
        facts_of: Callable[[str], tuple[Fact, ...]],
        who: Caller,
    ) -> str:
        """Tell what was done, with an artifact: its hash, empty if it could not be kept.

        Bytes that the session has already are not kept anew.
        """
        kept = None
        if piece is not None:
            try:
                kept = await self.keep(
                    life.session,
                    piece,
                    lambda _, it: facts_of(it.sha256),
                    life,
                    who,
                    most=PICTURES_MAX,
                )
            except (EventStoreError, Rejection) as error:
                _log.warning("browser.not_kept", session=life.session, error=str(error))
        if kept is None:
            await self.note(life, facts_of(""), who)
            return ""
        return kept.sha256

    async def keep(
        self,
        session_id: str,
        piece: Piece,
        facts_of: Callable[[Session, Kept], tuple[Fact, ...]],
        life: Life | None = None,
        who: Caller = SERVICE,
        most: int = ARTIFACTS_MAX,
    ) -> Kept:
        """The bytes, durable and told of, together with `facts_of` them.

        `most` is how many artifacts the session may have with them. Raises ArtifactTooLarge,
        StorageError, LimitReached, and Deleted for an erased session.
        """
        async with self.artifacts.receive(piece.data) as incoming:
            kept = Kept(piece.name, piece.media_type, incoming.sha256, incoming.size)
            known = life is not None and kept.sha256 in life.stored
            stored = ArtifactStored(
                name=kept.name, sha256=kept.sha256, size=kept.size, media_type=kept.media_type
            )
            earlier = 0 if life is None else len(life.untold)

            def facts(state: Session) -> tuple[Fact, ...]:
                before = () if life is None else tuple(life.untold[:earlier])
                if known:
                    return *before, *facts_of(state, kept)
                _check_room(state, kept.size, most)
                return *before, stored, *facts_of(state, kept)

            async def commit() -> Session:
                return await self.tell(session_id, facts, who)

            if known:
                await commit()
            else:
                await self.artifacts.keep(session_id, incoming, commit)
            if life is not None:
                life.stored.add(kept.sha256)
                del life.untold[:earlier]
            return kept

    async def seal(self, session_id: str, value: object) -> str:
        """`value` as JSON that only the key of the session opens; empty if it is too long."""
        text = msgspec.json.encode(value).decode()
        if len(text) > SEALED_CHARS_MAX:
            return ""
        return await self._vault.seal(PREFIX + session_id, text)

    async def unseal(self, session_id: str, sealed: Sequence[str]) -> list[str | None]:
        """What was sealed, as JSON; None where the key is gone or nothing was sealed."""
        opened = iter(
            await self._vault.unseal_many(PREFIX + session_id, [text for text in sealed if text])
        )
        return [next(opened) if text else None for text in sealed]

    async def unseal_one(self, session_id: str, sealed: str) -> str:
        """What was sealed, as JSON; raises SubjectErased."""
        (text,) = await self.unseal(session_id, [sealed])
        if text is None:
            raise SubjectErased(PREFIX + session_id)
        return text


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """Bytes that are there already, as a piece has them."""
    yield data


async def of_file(path: Path) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, which another thread reads."""
    with path.open("rb") as file:
        async for part in in_thread(file):
            yield part


def moved(
    state: Session, to: Status, reason: Reason, detail: str, only_from: frozenset[Status]
) -> tuple[SessionStatusChanged, ...]:
    """The step of the session, where it has one of these statuses; else nothing."""
    command = ChangeStatus(to=to, reason=reason, detail=detail, only_from=only_from)
    try:
        facts = decide(command, state, state.updated_at)
    except Rejection:
        return ()
    return tuple(fact for fact in facts if isinstance(fact, SessionStatusChanged))


def _check_room(state: Session, size: int, most: int) -> None:
    if state.erased:
        raise Deleted
    if state.artifacts >= most or state.artifact_bytes + size > ARTIFACT_BYTES_MAX:
        raise LimitReached("The session has as many artifacts as it may have.")


def _ends(fact: Fact) -> bool:
    return isinstance(fact, BrowserClosed)


def _bare_end(fact: Fact) -> Fact:
    assert isinstance(fact, BrowserClosed)
    return msgspec.structs.replace(fact, network="")
