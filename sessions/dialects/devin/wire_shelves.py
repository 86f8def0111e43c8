"""Shapes of knowledge and playbooks in Devin's API v1 (contract devin.md, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from projections.folds.catalog import Entry
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import NOTE, ORGANISATION, PLAYBOOK, public_id
from sessions.dialects.devin.wire import time_text
from sessions.dialects.fastapi import Field

NAME_CHARS_MAX: Final = 1_000
BODY_CHARS_MAX: Final = 256 << 10
MACRO_CHARS_MAX: Final = 256
AUTHOR: Final = "author"
EDITOR: Final = "editor"


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body that makes or changes a piece of knowledge; what is absent stays as it is."""

    name: str | UnsetType = UNSET
    body: str | UnsetType = UNSET
    trigger_description: str | UnsetType = UNSET
    macro: str | UnsetType | None = UNSET
    parent_folder_id: str | UnsetType | None = UNSET
    pinned_repo: str | UnsetType | None = UNSET


class Playbook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body that makes or changes a playbook; what is absent stays as it is."""

    title: str | UnsetType = UNSET
    body: str | UnsetType = UNSET
    macro: str | UnsetType | None = UNSET


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote something; a key has no picture."""

    full_name: str
    id: str
    image_url: str | None = None


class NoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of knowledge."""

    id: str
    name: str
    body: str
    trigger_description: str
    created_at: str
    created_by: Author
    macro: str | None
    parent_folder_id: str | None
    pinned_repo: str | None


class FolderView(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of knowledge; this API has no way to name or describe one."""

    id: str
    name: str
    description: str
    created_at: str


class KnowledgeView(msgspec.Struct, frozen=True, kw_only=True):
    """All knowledge, and the folders it lies in."""

    knowledge: tuple[NoteView, ...]
    folders: tuple[FolderView, ...]


class PlaybookView(msgspec.Struct, frozen=True, kw_only=True):
    """A playbook; all of them belong to their team, and are published at once."""

    playbook_id: str
    title: str
    body: str
    macro: str | None
    status: str = "published"
    access_type: str = "team"
    org_id: str
    created_at: str
    updated_at: str
    created_by_user_id: str
    created_by_user_name: str
    updated_by_user_id: str
    updated_by_user_name: str


def new_note(body: Any) -> dict[str, Any]:
    """What a new piece of knowledge holds; raises Failure 400."""
    return fastapi.given(
        fastapi.checked(body, fastapi.needing(_NOTE, *_NOTE_NEEDS), Note, status=400)
    )


def changed_note(body: Any) -> dict[str, Any]:
    """What a change says of a piece of knowledge, None for what it clears; raises Failure 400."""
    return fastapi.given(fastapi.checked(body, fastapi.needing(_NOTE), Note, status=400))


def new_playbook(body: Any) -> dict[str, Any]:
    """What a new playbook holds; raises Failure 400."""
    return fastapi.given(
        fastapi.checked(body, fastapi.needing(_PLAYBOOK, *_PLAYBOOK_NEEDS), Playbook, status=400)
    )


def changed_playbook(body: Any) -> dict[str, Any]:
    """What a change says of a playbook, None for what it clears; raises Failure 400."""
    return fastapi.given(fastapi.checked(body, fastapi.needing(_PLAYBOOK), Playbook, status=400))


def note_view(entry: Entry) -> NoteView:
    """A piece of knowledge as Devin shows it."""
    data = entry.data
    author = data[AUTHOR]
    return NoteView(
        id=public_id(NOTE, entry.id),
        name=data["name"],
        body=data["body"],
        trigger_description=data["trigger_description"],
        created_at=time_text(entry.created_at),
        created_by=Author(full_name=author, id=author),
        macro=data.get("macro"),
        parent_folder_id=data.get("parent_folder_id"),
        pinned_repo=data.get("pinned_repo"),
    )


def knowledge_view(entries: Sequence[Entry]) -> KnowledgeView:
    """All knowledge; a folder is there while something lies in it, since when the first did."""
    notes = tuple(map(note_view, entries))
    begun: dict[str, str] = {}
    for note in notes:
        if note.parent_folder_id is not None:
            earliest = min(note.created_at, begun.get(note.parent_folder_id, note.created_at))
            begun[note.parent_folder_id] = earliest
    folders = tuple(
        FolderView(id=folder, name=folder, description="", created_at=at)
        for folder, at in begun.items()
    )
    return KnowledgeView(knowledge=notes, folders=folders)


def playbook_view(entry: Entry) -> PlaybookView:
    """A playbook as Devin shows it."""
    data = entry.data
    author, editor = data[AUTHOR], data.get(EDITOR, data[AUTHOR])
    return PlaybookView(
        playbook_id=public_id(PLAYBOOK, entry.id),
        title=data["title"],
        body=data["body"],
        macro=data.get("macro"),
        org_id=ORGANISATION + entry.tenant,
        created_at=time_text(entry.created_at),
        updated_at=time_text(entry.updated_at),
        created_by_user_id=author,
        created_by_user_name=author,
        updated_by_user_id=editor,
        updated_by_user_name=editor,
    )


def playbooks_view(entries: Sequence[Entry]) -> list[PlaybookView]:
    """All playbooks, as a bare array."""
    return list(map(playbook_view, entries))


def _words(name: str, low: int, high: int, *, nullable: bool) -> Field:
    return Field(name, fastapi.text(low, high), nullable=nullable)


_NOTE: Final = (
    _words("name", 1, NAME_CHARS_MAX, nullable=False),
    _words("body", 1, BODY_CHARS_MAX, nullable=False),
    # The command line sends an empty one where nothing is said.
    _words("trigger_description", 0, BODY_CHARS_MAX, nullable=False),
    _words("macro", 1, MACRO_CHARS_MAX, nullable=True),
    _words("parent_folder_id", 1, NAME_CHARS_MAX, nullable=True),
    _words("pinned_repo", 1, NAME_CHARS_MAX, nullable=True),
)
_PLAYBOOK: Final = (
    _words("title", 1, NAME_CHARS_MAX, nullable=False),
    _words("body", 1, BODY_CHARS_MAX, nullable=False),
    _words("macro", 1, MACRO_CHARS_MAX, nullable=True),
)
_NOTE_NEEDS: Final = frozenset({"name", "body", "trigger_description"})
_PLAYBOOK_NEEDS: Final = frozenset({"title", "body"})
