"""What is said in a session: sealed on the way into the log, opened for who may read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from eventstore.commit import Commit
from eventstore.vault import Vault
from projections.events import CODEC
from projections.events.session import MessageAdded


class Said(msgspec.Struct, frozen=True):
    """One message and the commit it came with; an `erased` one has lost its words."""

    fact: MessageAdded
    commit: Commit
    sensitive: bool = False
    erased: bool = False


class _Words(msgspec.Struct, frozen=True):
    """What of a sensitive message is sealed."""

    content: str
    data: dict[str, Any]


_words = msgspec.json.Decoder(_Words)


async def sealed_words(vault: Vault, stream: str, content: str, data: dict[str, Any]) -> str:
    """What a sensitive message says, as it may stand in the log; raises as `Vault.seal`."""
    return await vault.seal(stream, msgspec.json.encode(_Words(content, data)).decode())


def said_in(commit: Commit) -> list[Said]:
    """The messages of a commit as they stand in the log."""
    facts = [CODEC.decode(event) for event in commit.events if event.type == MessageAdded.NAME]
    return [Said(fact, commit, sensitive=bool(fact.sealed)) for fact in facts]


async def opened(vault: Vault, said: Sequence[Said]) -> list[Said]:
    """The messages of one session, with the words of the sensitive ones; raises VaultError."""
    sealed = [one.fact.sealed for one in said if one.sensitive]
    if not sealed:
        return list(said)
    plain = iter(await vault.unseal_many(said[0].commit.stream, sealed))
    return [_open(one, next(plain)) if one.sensitive else one for one in said]


def _open(one: Said, plain: str | None) -> Said:
    if plain is None:
        return replace(one, erased=True)
    words = _words.decode(plain)
    return replace(one, fact=replace(one.fact, content=words.content, data=words.data))
