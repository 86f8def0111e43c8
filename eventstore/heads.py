"""Signed heads outside the database, and the key that signs them.

Who holds a head can show that a log was cut off, rolled back or written anew; therefore no head is
ever written over by another one of its size. Blocking; one process writes, anybody may read.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from eventstore.checkpoint import NOTE_CHARS_MAX, Checkpoint, Signer, Verifier, parse_checkpoint
from eventstore.errors import BadCheckpoint, LogContradicted, SigningKeyError

KEY_FILE: Final = "signing.key"
VKEY_FILE: Final = "log.vkey"
HEADS_MAX: Final = 10_000
KEY_BYTES_MAX: Final = 4096
_HEAD_FILE: Final = re.compile(r"[0-9]{20}\.checkpoint")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class HeadFolder:
    """The heads in `path`, one file for each size, and the public key beside them.

    Where there are more than HEADS_MAX, some of the older half are dropped, so that the rest stand
    at even distances.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count: int | None = None
        self._turn = threading.Lock()

    def write(self, note: str, size: int) -> None:
        """Keep `note` durably; raises OSError, or LogContradicted where that size has a root."""
        with self._turn:
            file = self.path / f"{size:020d}.checkpoint"
            if file.exists():
                _check_same(file, note)
                return
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(file, note, beside=self.path / ".new.checkpoint")
            self._thin()

    def write_vkey(self, vkey: str) -> None:
        """Keep the public key beside the heads; raises OSError."""
        if self.vkey() != vkey:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path / VKEY_FILE, f"{vkey}\n")

    def vkey(self) -> str | None:
        """The public key that stands beside the heads; raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            return _text(self.path / VKEY_FILE).strip()
        return None

    def verifier(self) -> Verifier | None:
        """That key, to check heads with; raises BadCheckpoint or OSError."""
        vkey = self.vkey()
        try:
            return None if vkey is None else Verifier.parse(vkey)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{self.path / VKEY_FILE}: {error.args[0]}") from None

    def files(self) -> list[Path]:
        """The files of the heads, oldest first; raises OSError."""
        try:
            return sorted(file for file in self.path.iterdir() if _HEAD_FILE.fullmatch(file.name))
        except FileNotFoundError:
            return []

    def notes(self) -> Iterator[tuple[Path, str]]:
        """Each head with its file, oldest first."""
        for file in self.files():
            with contextlib.suppress(FileNotFoundError):  # thinned meanwhile
                yield file, _text(file)

    def latest(self) -> tuple[Path, str] | None:
        """The newest head with its file."""
        files = self.files()
        return (files[-1], _text(files[-1])) if files else None

    def newest(self, verifier: Verifier) -> tuple[Path, Checkpoint] | None:
        """What the newest head says; raises BadCheckpoint if it is not as it was signed."""
        found = self.latest()
        if found is None:
            return None
        file, note = found
        try:
            checkpoint = verifier.open(note)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{file}: {error.args[0]}") from None
        if checkpoint.size != int(file.stem):
            raise BadCheckpoint(f"{file}: it is of {checkpoint.size} commits")
        return file, checkpoint

    def _thin(self) -> None:
        self._count = len(self.files()) if self._count is None else self._count + 1
        if self._count <= HEADS_MAX:
            return
        files = self.files()
        for file in superfluous(files):
            file.unlink(missing_ok=True)
        self._count = len(self.files())


def check_log_is_there(log: Path, key: Path, heads: HeadFolder) -> None:
    """Raises LogContradicted where `log` is gone that was signed: a new one must not replace it."""
    if not log.exists() and (key.exists() or heads.files()):
        raise LogContradicted(
            f"{log} is gone, and there are heads or a key of it: put it back, or move {heads.path} "
            f"and {key.name} away to begin anew"
        )


def superfluous(files: Sequence[Path]) -> list[Path]:
    """Heads of the older half that are close to their neighbours; never two in a row."""
    sizes = [int(file.stem) for file in files]
    candidates = range(1, len(files) // 2, 2)
    closest = sorted(candidates, key=lambda i: sizes[i + 1] - sizes[i - 1])
    return [files[i] for i in closest[: len(candidates) // 2 + 1]]


def load_or_make_signer(file: Path, name: str, heads: HeadFolder) -> Signer:
    """The key of the log called `name`, made if nothing was ever signed; raises SigningKeyError.

    Raises LogContradicted where the key or the heads are of another log, and OSError.
    """
    known = heads.verifier()
    if known is not None and known.name != name:
        raise LogContradicted(f"the heads in {heads.path} are of another log than this, {name}")
    signer = _load_signer(file)
    if signer is None:
        if known is not None or heads.files():
            raise SigningKeyError(
                f"{file} is gone, which signed the heads in {heads.path}: put it back, or move "
                "the heads away to go on under a new key"
            )
        signer = Signer.from_seed(name, os.urandom(32))
        write_atomically(file, signer.private_line(), mode=0o600)
    if signer.verifier.name != name:
        raise LogContradicted(
            f"{file} signs for {signer.verifier.name}, and the log is {name}: it was replaced"
        )
    if known is not None and known.vkey != signer.verifier.vkey:
        raise SigningKeyError(f"the heads in {heads.path} are signed by another key than {file}")
    return signer


def write_atomically(
    file: Path, text: str, *, mode: int = 0o644, beside: Path | None = None
) -> None:
    """Make `file` hold `text`, all or nothing and durably; raises OSError.

    It is written `beside` first, where a crash may leave a rest that the next write removes.
    """
    fresh = beside or file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _load_signer(file: Path) -> Signer | None:
    try:
        handle = file.open("rb")
    except FileNotFoundError:
        return None
    with handle:
        if stat.S_IMODE(os.fstat(handle.fileno()).st_mode) & _OTHERS:
            raise SigningKeyError(f"others may use {file}: chmod 600 it")
        line = handle.read(KEY_BYTES_MAX).decode(errors="replace")
    try:
        return Signer.parse(line)
    except BadCheckpoint as error:
        raise SigningKeyError(f"{file}: {error.args[0]}") from None


def _check_same(file: Path, note: str) -> None:
    known, fresh = (
        parse_checkpoint(one.rpartition("\n\n")[0] + "\n") for one in (_text(file), note)
    )
    if known != fresh:
        raise LogContradicted(f"{file} says that the root of {known.size} commits is another one")


def _text(file: Path) -> str:
    # Not as a text file, which would take other line ends for ours.
    with file.open("rb") as handle:
        return handle.read(4 * NOTE_CHARS_MAX).decode(errors="replace")
