"""Golden logs: what a released vocabulary wrote, and what it adds up to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from eventstore.commit import Commit, restore
from tests.support.replays import state_of_stream

FOLDER = Path(__file__).resolve().parents[1] / "golden"
LOG = "log.jsonl"
DIGESTS = "digests.json"
CHANGES = "changes.json"
VAULT = "vault.json"


class Golden(NamedTuple):
    """One golden log: its stored bodies, and what its release said of them."""

    name: str
    bodies: list[bytes]
    digests: dict[str, Any]
    changes: dict[str, Any]
    vault: dict[str, Any]

    @property
    def commits(self) -> list[Commit]:
        """The commits, in order."""
        return [restore(body).commit for body in self.bodies]


def names() -> list[str]:
    """The golden logs there are, oldest first."""
    return sorted((path.name for path in FOLDER.glob("v*")), key=lambda name: int(name[1:]))


def golden(name: str) -> Golden:
    """The golden log with this name, such as `v1`."""
    folder = FOLDER / name
    bodies = (folder / LOG).read_bytes().splitlines()
    digests, vault = (json.loads((folder / file).read_text()) for file in (DIGESTS, VAULT))
    changes = folder / CHANGES
    changed = json.loads(changes.read_text()) if changes.exists() else {}
    return Golden(name, bodies, digests, changed, vault)


def streams_of(commits: list[Commit]) -> dict[str, list[Commit]]:
    """The commits of each stream."""
    found: dict[str, list[Commit]] = {}
    for commit in commits:
        found.setdefault(commit.stream, []).append(commit)
    return found


def states_of(commits: list[Commit]) -> Iterator[tuple[str, Any]]:
    """What each stream adds up to, with today's upcasters and today's fold."""
    for stream, history in streams_of(commits).items():
        yield stream, state_of_stream(stream, history)


def digest(state: Any) -> str:
    """The SHA-256 of a state: as JSON with sorted keys, without what has its default value."""
    return hashlib.sha256(msgspec.json.encode(state, order="deterministic")).hexdigest()
