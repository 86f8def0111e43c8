"""Looking for bytes in every file of a folder, whatever the files are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from eventstore.vault import FILE_NAME


def holding(folder: Path, wanted: bytes | str) -> list[str]:
    """The names of the files below `folder` in which these bytes stand anywhere."""
    sought = wanted.encode() if isinstance(wanted, str) else wanted
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and sought in _bytes(path)
    ]


def holding_any(folder: Path, wanted: Iterable[bytes | str]) -> dict[bytes | str, list[str]]:
    """Those of `wanted` that stand in some file, with the names of the files."""
    found = {one: holding(folder, one) for one in wanted}
    return {one: names for one, names in found.items() if names}


def vault_keys(folder: Path) -> dict[str, bytes]:
    """The keys of a vault by subject, read beside whoever has it open."""
    with closing(sqlite3.connect(f"file:{folder / FILE_NAME}?mode=ro", uri=True)) as vault:
        return dict(vault.execute("SELECT subject, key FROM vault_keys"))


def _bytes(path: Path) -> bytes:
    # A file may go while we look, such as the one that becomes a head.
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
