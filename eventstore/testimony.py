"""What signed heads say of a log: collected from where they are kept, their signatures checked.

Blocking; reads files only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from eventstore.checkpoint import NOTE_CHARS_MAX, Checkpoint, Signer, Verifier
from eventstore.errors import BadCheckpoint
from eventstore.heads import KEY_FILE, HeadFolder
from eventstore.verification import Finding

FINDINGS_MAX: Final = 10
_PATH_CHARS_MAX: Final = 1024

KeyFrom = Literal["given", "heads", "data", "none"]


class Testimony(NamedTuple):
    """Heads by name, and what is wrong with others."""

    heads: list[tuple[str, Checkpoint]]
    findings: list[Finding]


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where heads of a log are: in a folder, and in files that somebody kept elsewhere.

    `vkey` is the key that signed them; without it none is read.
    """

    vkey: str | None = None
    key_from: KeyFrom = "none"
    folder: str | None = None
    kept: tuple[str, ...] = ()

    def of(self, epoch: str) -> Testimony:
        """The heads of the log of that epoch; raises BadCheckpoint for the key, or OSError."""
        testimony = Testimony([], [])
        if self.vkey is None:
            return testimony
        verifier, origin = Verifier.parse(self.vkey), log_name(epoch)
        for name, note, size in self._notes():
            try:
                head = verifier.open(note, origin)
                if size not in (None, head.size):
                    raise BadCheckpoint(f"it is of {head.size} commits")
            except BadCheckpoint as error:
                words = f"the head {name} does not hold: {error.args[0]}"
                testimony.findings.append(Finding(subject="head", what=words))
            else:
                testimony.heads.append((f"the head {name}", head))
        del testimony.findings[FINDINGS_MAX:]
        return testimony

    def _notes(self) -> Iterator[tuple[str, str, int | None]]:
        """Each note with its name, and its size where the name says that."""
        if self.folder is not None:
            for file, note in HeadFolder(Path(self.folder)).notes():
                yield file.name, note, int(file.stem)
        for kept in self.kept:
            yield kept, kept_note(Path(kept)), None


def log_name(epoch: str) -> str:
    """What heads call the log."""
    return f"sessiond/{epoch}"


def kept_note(file: Path) -> str:
    """The note in a file: a note itself, or an answer that has one as its `checkpoint`."""
    text = _start(file)
    if not text.startswith("{"):
        return text
    try:
        return msgspec.json.decode(text, type=_Answer).checkpoint
    except msgspec.MsgspecError:
        return text


class _Answer(msgspec.Struct):
    checkpoint: str


def known_key(given: str | None, heads: HeadFolder, data: Path) -> tuple[str | None, KeyFrom]:
    """The public key to check heads with, a vkey or in a file, and where it is from.

    The one that is given weighs more than the one beside the heads, and that more than the one in
    the data folder. Raises BadCheckpoint or OSError.
    """
    if given is not None:
        file = Path(given)
        line = _start(file) if len(given) < _PATH_CHARS_MAX and file.is_file() else given
        return Verifier.parse(line).vkey, "given"
    if (beside := heads.verifier()) is not None:
        return beside.vkey, "heads"
    private = data / KEY_FILE
    if private.is_file():
        return Signer.parse(_start(private)).verifier.vkey, "data"
    return None, "none"


def _start(file: Path) -> str:
    with file.open("rb") as handle:
        return handle.read(4 * NOTE_CHARS_MAX).decode(errors="replace")
