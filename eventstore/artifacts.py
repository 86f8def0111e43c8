"""Files that belong to sessions and catalog entries, by the SHA-256 of their bytes; blocking.

`DATA/artifacts/<owner>/<sha256>`. A file comes in three steps: its bytes into a hidden file; a
marker that says what is about to be kept; the rename. The marker goes once the commit that tells
of the file is durable, so that a crash leaves either nothing or a marker to clear up by.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from eventstore.errors import ArtifactGone, ArtifactTooLarge
from eventstore.sqlite.storage import storage_error

FOLDER_NAME: Final = "artifacts"
CHUNK: Final = 256 << 10
_INCOMING: Final = ".incoming"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SESSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_MARKER: Final = re.compile(rf"[0-9a-f]+\.({_SESSION.pattern})\.({_SHA256.pattern})")


class Incoming:
    """Bytes on their way in, hashed as they are written to a file that nobody else sees."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self.path = path
        self.size = 0
        self._bytes_max = bytes_max
        self._hash = hashlib.sha256()
        with _disk():
            self._file: IO[bytes] = path.open("xb")

    @property
    def sha256(self) -> str:
        """The hash of what came so far, in hex."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add a piece; raises ArtifactTooLarge or StorageError."""
        self.size += len(chunk)
        if self.size > self._bytes_max:
            raise ArtifactTooLarge(f"more than {self._bytes_max} bytes")
        self._hash.update(chunk)
        with _disk():
            self._file.write(chunk)

    def finish(self) -> None:
        """Make the bytes durable; raises StorageError."""
        with _disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        """Forget what was not kept; safe to call at any time."""
        with contextlib.suppress(OSError):  # what is still buffered may not fit the disk
            self._file.close()
        self.path.unlink(missing_ok=True)


class ArtifactStore:
    """The artifacts of a data folder; two threads may use it at once, but not for one session."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FOLDER_NAME
        self._incoming = self.path / _INCOMING

    def left_over(self) -> list[Path]:
        """Drop what never arrived; the markers of what may have been kept without a commit.

        For when nothing else is under way.
        """
        with _disk():
            found = sorted(self._incoming.iterdir()) if self._incoming.exists() else []
            markers = [path for path in found if _MARKER.fullmatch(path.name)]
            for path in found:
                if path not in markers:
                    path.unlink()
            return markers

    def receive(self, bytes_max: int) -> Incoming:
        """A new file to write into."""
        with _disk():
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Incoming(self._incoming / secrets.token_hex(16), bytes_max)

    def keep(self, session_id: str, incoming: Incoming) -> tuple[Path, bool]:
        """Give finished bytes their place, durably; the marker, and True if they are new there."""
        place = self._place(session_id, incoming.sha256)
        marker = incoming.path.with_name(f"{incoming.path.name}.{session_id}.{incoming.sha256}")
        with _disk():
            new = not _holds(place, incoming.sha256)
            if new:
                marker.touch()
                _sync(self._incoming)
                if not place.parent.exists():
                    place.parent.mkdir(mode=0o700)
                    _sync(self.path)
                incoming.path.rename(place)
                _sync(place.parent)
            return marker, new

    def settle(self, marker: Path) -> None:
        """The log tells of the file now, or the file is gone again."""
        marker.unlink(missing_ok=True)

    @staticmethod
    def marked(marker: Path) -> tuple[str, str]:
        """The session and the hash that a marker names."""
        found = _MARKER.fullmatch(marker.name)
        assert found is not None
        return found[1], found[2]

    def drop(self, session_id: str, sha256: str) -> None:
        """Remove one file, if it is there, and with the last one the folder."""
        place = self._place(session_id, sha256)
        with _disk():
            place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            place.parent.rmdir()

    def remove(self, session_id: str) -> None:
        """Remove all files of a session, durably; it need not have any."""
        with _disk():
            folder = self._place(session_id, "0" * 64).parent
            if folder.exists():
                shutil.rmtree(folder)
                _sync(self.path)

    def read(self, session_id: str, sha256: str) -> IO[bytes]:
        """The file, once all its bytes were found to have this hash; raises ArtifactGone."""
        try:
            file = self._place(session_id, sha256).open("rb")
        except OSError:
            raise ArtifactGone(sha256) from None
        try:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ArtifactGone(sha256)
            file.seek(0)
        except OSError:
            file.close()
            raise ArtifactGone(sha256) from None
        except ArtifactGone:
            file.close()
            raise
        return file

    def sound(self, session_id: str, sha256: str) -> bool:
        """True if the file is there and its bytes have this hash."""
        return _holds(self._place(session_id, sha256), sha256)

    def _place(self, session_id: str, sha256: str) -> Path:
        # Ids are ours and hashes are checked long before: what is no such name is a bug.
        if not (_SESSION.fullmatch(session_id) and _SHA256.fullmatch(sha256)):
            raise ValueError(f"{session_id!r}, {sha256!r}")
        return self.path / session_id / sha256


def is_sha256(text: str) -> bool:
    """True for a hash as the store names its files."""
    return _SHA256.fullmatch(text) is not None


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of an open file, piece by piece."""
    while chunk := file.read(CHUNK):
        yield chunk


def _holds(place: Path, sha256: str) -> bool:
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error
