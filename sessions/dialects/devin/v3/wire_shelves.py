"""Shapes of knowledge and playbooks in Devin's API v3, over what v1 keeps (contract section 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from multidict import MultiMapping

from projections.folds.catalog import Entry
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import NOTE, PLAYBOOK, public_id
from sessions.dialects.devin.v3.wire import org_id, seconds
from sessions.dialects.devin.wire_shelves import (
    AUTHOR,
    BODY_CHARS_MAX,
    EDITOR,
    MACRO_CHARS_MAX,
    NAME_CHARS_MAX,
)
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError

ROOT: Final = "/"
_MACRO: Final = re.compile(r"![A-Za-z0-9_-]+")


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body that makes or changes a note; what is absent stays as it is."""

    name: str | UnsetType = UNSET
    body: str | UnsetType = UNSET
    trigger: str | UnsetType = UNSET
    pinned_repo: str | UnsetType | None = UNSET


class Playbook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body that makes or changes a playbook; what is absent stays as it is."""

    title: str | UnsetType = UNSET
    body: str | UnsetType = UNSET
    macro: str | UnsetType | None = UNSET


class NoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A note."""

    note_id: str
    name: str
    body: str
    trigger: str
    folder_id: str | None
    folder_path: str
    macro: str | None
    pinned_repo: str | None
    is_enabled: bool = True
    access_type: Literal["org"] = "org"
    org_id: str
    created_at: int
    updated_at: int


class FolderView(msgspec.Struct, frozen=True, kw_only=True):
    """A folder, which is there while notes lie in it."""

    folder_id: str
    name: str
    path: str
    note_count: int
    parent_folder_id: str | None = None


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    """All folders, and how many notes lie in none."""

    folders: tuple[FolderView, ...]
    root_note_count: int


class PlaybookView(msgspec.Struct, frozen=True, kw_only=True):
    """A playbook."""

    playbook_id: str
    title: str
    body: str
    macro: str | None
    access_type: Literal["org"] = "org"
    org_id: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str


def new_note(body: Any) -> dict[str, Any]:
    """What a new note holds; raises Failure 422."""
    return _note_data(
        fastapi.checked(body, fastapi.needing(_NOTE, "name", "body", "trigger"), Note)
    )


def changed_note(body: Any) -> dict[str, Any]:
    """What a change says of a note; raises Failure 422."""
    return _note_data(fastapi.checked(body, _NOTE, Note))


def new_playbook(body: Any) -> dict[str, Any]:
    """What a new playbook holds; raises Failure 422."""
    return fastapi.given(
        fastapi.checked(body, fastapi.needing(_PLAYBOOK, "title", "body"), Playbook)
    )


def changed_playbook(body: Any) -> dict[str, Any]:
    """What a change says of a playbook; raises Failure 422."""
    return fastapi.given(fastapi.checked(body, _PLAYBOOK, Playbook))


def note_view(entry: Entry) -> NoteView:
    """A note as v3 shows it."""
    data = entry.data
    folder = data.get("parent_folder_id")
    return NoteView(
        note_id=public_id(NOTE, entry.id),
        name=data["name"],
        body=data["body"],
        trigger=data["trigger_description"],
        folder_id=folder,
        folder_path=folder_path(folder),
        macro=data.get("macro"),
        pinned_repo=data.get("pinned_repo"),
        org_id=org_id(entry.tenant),
        created_at=seconds(entry.created_at),
        updated_at=seconds(entry.updated_at),
    )


def playbook_view(entry: Entry) -> PlaybookView:
    """A playbook as v3 shows it."""
    data = entry.data
    return PlaybookView(
        playbook_id=public_id(PLAYBOOK, entry.id),
        title=data["title"],
        body=data["body"],
        macro=data.get("macro"),
        org_id=org_id(entry.tenant),
        created_at=seconds(entry.created_at),
        created_by=data[AUTHOR],
        updated_at=seconds(entry.updated_at),
        updated_by=data.get(EDITOR, data[AUTHOR]),
    )


def folders_view(entries: Sequence[Entry]) -> Folders:
    """The folders that notes lie in; all of them are at the top."""
    counts: dict[str | None, int] = {}
    for entry in entries:
        folder = entry.data.get("parent_folder_id")
        counts[folder] = counts.get(folder, 0) + 1
    return Folders(
        folders=tuple(
            FolderView(folder_id=folder, name=folder, path=folder_path(folder), note_count=count)
            for folder, count in sorted(
                (folder, count) for folder, count in counts.items() if folder is not None
            )
        ),
        root_note_count=counts.get(None, 0),
    )


def folder_path(folder: str | None) -> str:
    """Where a folder is."""
    return ROOT if folder is None else f"{ROOT}{folder}"


def notes_wanted(query: MultiMapping[str], entries: Sequence[Entry]) -> list[Entry]:
    """The notes that a list asks for: those in a folder, of a repository, or with words in them."""
    path, repo = query.get("folder_path"), query.get("pinned_repo")
    words = query.get("search", "").casefold()
    return [
        entry
        for entry in entries
        if (not path or folder_path(entry.data.get("parent_folder_id")) == path)
        and (not repo or entry.data.get("pinned_repo") == repo)
        and (not words or words in _text(entry))
    ]


def _text(entry: Entry) -> str:
    names = ("name", "trigger_description", "body")
    return "\n".join(entry.data[name] for name in names).casefold()


def _note_data(note: Note) -> dict[str, Any]:
    data = fastapi.given(note)
    if "trigger" in data:
        data["trigger_description"] = data.pop("trigger")
    return data


def _macro(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.text(1, MACRO_CHARS_MAX)(value, path, wrong)
    if isinstance(value, str) and not _MACRO.fullmatch(value):
        message = "Input should be '!' and letters, digits, underscores or hyphens"
        wrong.append(FieldError(path, message, "string_pattern_mismatch"))
    return value


_NOTE: Final = (
    Field("name", fastapi.text(1, NAME_CHARS_MAX), nullable=False),
    Field("body", fastapi.text(1, BODY_CHARS_MAX), nullable=False),
    Field("trigger", fastapi.text(0, BODY_CHARS_MAX), nullable=False),
    Field("pinned_repo", fastapi.text(1, NAME_CHARS_MAX)),
)
_PLAYBOOK: Final = (
    Field("title", fastapi.text(1, NAME_CHARS_MAX), nullable=False),
    Field("body", fastapi.text(1, BODY_CHARS_MAX), nullable=False),
    Field("macro", _macro),
)
