"""Files going in and out, a chunk at a time, with the rights of the user."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from contextlib import suppress
from typing import Final

from .user import Refused, User, why

READ_MAX: Final = 1024 * 1024

_OPEN_MAX: Final = 64
_WORDS: Final = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EISDIR: "it is a folder",
    errno.EACCES: "the user of the machine may not do that",
    errno.EPERM: "the user of the machine may not do that",
    errno.EROFS: "it is on a disk that cannot be written",
    errno.ENOSPC: "there is no space left on the disk of the machine",
    errno.EDQUOT: "there is no space left on the disk of the machine",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENXIO: "it is not a file",
}


class _Upload:
    def __init__(self, fd: int, part: str, path: str) -> None:
        self.fd = fd
        self.part = part
        self.path = path
        self.size = 0


class Files:
    """The files that the host is reading and writing, by the handles that it has chosen."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._uploads: dict[int, _Upload] = {}
        self._downloads: dict[int, int] = {}

    def put(self, handle: int, path: str) -> None:
        """Begin a file that takes the place of `path` when it is whole."""
        self._room(handle)
        where = self._where(path)
        if path.endswith("/"):
            raise Refused(f"{path}: it names a folder")
        try:
            with self._user:
                self._uploads[handle] = self._create(where)
        except OSError as error:
            raise _refusal(path, error) from None

    def write(self, handle: int, data: bytes) -> int:
        """Append to what was begun; its size now."""
        upload = self._upload(handle)
        view = memoryview(data)
        try:
            with self._user:
                # As the user: the space that a disk keeps for root is not theirs.
                while view:
                    view = view[os.write(upload.fd, view) :]
        except OSError as error:
            self.drop(handle)
            raise _refusal(upload.path, error) from None
        upload.size += len(data)
        return upload.size

    def commit(self, handle: int) -> int:
        """Put it in its place; its size."""
        upload = self._upload(handle)
        try:
            with self._user:
                # replace() moves the new file into its place, or says why not.
                os.replace(upload.part, upload.path)
        except OSError as error:
            self.drop(handle)
            raise _refusal(upload.path, error) from None
        os.close(upload.fd)
        del self._uploads[handle]
        return upload.size

    def get(self, handle: int, path: str, most: int) -> int:
        """Open a file that has at most so many bytes; its size."""
        self._room(handle)
        where = self._where(path)
        try:
            with self._user:
                # Never waits: opening a pipe that nobody writes to would.
                fd = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise _refusal(path, error) from None
        found = os.fstat(fd)
        try:
            if stat.S_ISDIR(found.st_mode):
                raise Refused(f"{path}: it is a folder")
            if not stat.S_ISREG(found.st_mode):
                raise Refused(f"{path}: it is not a file")
            if found.st_size > most:
                raise Refused(f"{path}: it has {found.st_size} bytes, more than {most}")
        except Refused:
            os.close(fd)
            raise
        self._downloads[handle] = fd
        return found.st_size

    def read(self, handle: int, size: int) -> bytes:
        """The next bytes of an open file; none at its end."""
        fd = self._downloads.get(handle)
        if fd is None:
            raise Refused("that file is not open")
        try:
            # As root: it is open already, and the memory of the agent is locked, which its user may
            # not do with so much.
            return os.read(fd, max(1, min(size, READ_MAX)))
        except OSError as error:
            self.drop(handle)
            raise Refused(f"the file cannot be read: {why(error)}") from None

    def drop(self, handle: int) -> None:
        """Leave a file: an upload that is not whole leaves nothing."""
        fd = self._downloads.pop(handle, None)
        if fd is not None:
            os.close(fd)
        upload = self._uploads.pop(handle, None)
        if upload is not None:
            os.close(upload.fd)
            with self._user, suppress(OSError):
                os.unlink(upload.part)

    def drop_all(self) -> None:
        """Leave every file."""
        for handle in [*self._uploads, *self._downloads]:
            self.drop(handle)

    def _room(self, handle: int) -> None:
        if handle in self._uploads or handle in self._downloads:
            raise Refused("that handle is taken")
        if len(self._uploads) + len(self._downloads) >= _OPEN_MAX:
            raise Refused("too many files are on their way")

    def _upload(self, handle: int) -> _Upload:
        upload = self._uploads.get(handle)
        if upload is None:
            raise Refused("that file is not open")
        return upload

    def _where(self, path: str) -> str:
        if not path or "\0" in path:
            raise Refused("a path is not empty and holds no zero byte")
        try:
            os.fsencode(path)
        except UnicodeError:
            raise Refused("the path is not text that a disk can hold") from None
        if path == "~" or path.startswith("~/"):
            path = self._user.home + path[1:]
        if ".." in path.split("/"):
            raise Refused(f"{path}: '..' is not taken in a path")
        return posixpath.normpath(posixpath.join(self._user.home, path))

    def _create(self, where: str) -> _Upload:
        # A link stays a link: what it points to is written.
        where = os.path.realpath(where)
        mode = 0o644
        with suppress(FileNotFoundError):
            found = os.stat(where).st_mode
            if stat.S_ISDIR(found):
                raise IsADirectoryError(errno.EISDIR, "")
            if not stat.S_ISREG(found):
                raise OSError(errno.ENXIO, "")
            if not os.access(where, os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, "")
            mode = stat.S_IMODE(found) & 0o777
        folder = posixpath.dirname(where)
        os.makedirs(folder, exist_ok=True)
        part = posixpath.join(folder, f".part-{os.urandom(8).hex()}")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o200)
        os.fchmod(fd, mode)
        return _Upload(fd, part, where)


def _refusal(path: str, error: OSError) -> Refused:
    return Refused(f"{path}: {_WORDS.get(error.errno or 0) or why(error)}")
