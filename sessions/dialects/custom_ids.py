"""The custom id of an evaluation: one live session's in its version, in every API."""

from __future__ import annotations

from typing import Any, Final

from projections.events.status import Kind
from projections.folds.session import Session
from sessions.dialects.uuids import uuid_of
from sessions.service import Claim, ClaimOf

CUSTOM_ID: Final = "customId"
VERSION_ID: Final = "versionId"
VERSION: Final = "version"
NAMING: Final = frozenset({CUSTOM_ID, VERSION_ID})
"""What of a spec makes the claim."""
TAKEN: Final = "A Session with the same customId already exists in this version."


def claim_of(kind: Kind, spec: dict[str, Any]) -> Claim | None:
    """The claim that a session with this spec must hold, None where it has no name or version."""
    name, version = spec.get(CUSTOM_ID), _version(spec)
    if kind != "evaluation" or version is None or not isinstance(name, str) or not name.strip():
        return None

    def held(holder: Session) -> bool:
        return (holder.spec.get(CUSTOM_ID), _version(holder.spec)) == (name, version)

    return Claim(f"galtea {version} {name}", held, TAKEN)


def claim_after(given: dict[str, Any]) -> ClaimOf:
    """The claim that a session must hold once its spec has these fields too."""
    return lambda state: claim_of(state.kind, {**state.spec, **given})


def _version(spec: dict[str, Any]) -> str | None:
    public = spec.get(VERSION_ID)
    return uuid_of(VERSION, public) if isinstance(public, str) else None
