"""Shapes of InstaVM's files: which paths are taken, forms, answers (instavm.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi, queries
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError

HOME: Final = "/workspace"
PATH_BYTES_MAX: Final = 4000
STEP_BYTES_MAX: Final = 255


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that go with the file of `POST /upload`; its own name is the client's affair."""

    session_id: str
    remote_path: str
    recursive: bool = False


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """The form of `POST /download`."""

    session_id: str
    filename: str


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `POST /upload`."""

    status: str
    session_id: str
    vm_id: str | None
    remote_path: str
    size: int


def upload(form: Mapping[str, str]) -> Upload:
    """The fields; raises Failure 422 that names every wrong one."""
    return fastapi.checked(dict(form), _UPLOAD, Upload)


def download(form: Mapping[str, str]) -> Download:
    """The form; raises Failure 422 that names every wrong field."""
    return fastapi.checked(dict(form), _DOWNLOAD, Download)


def download_head(path: str) -> bytes:
    """What comes before the base64 text of the file."""
    return b'{"filename":' + msgspec.json.encode(path) + b',"content":"'


def download_tail(size: int) -> bytes:
    """What comes after it."""
    return b'","size":' + str(size).encode() + b"}"


def _path(value: Any, path: Path, wrong: Wrong) -> Any:
    """A file in the machine as an absolute path; what is relative begins at the home folder."""
    fastapi.string(value, path, wrong)
    if not isinstance(value, str):
        return value
    fault = _fault_of(value)
    if fault:
        wrong.append(FieldError(path, fault, "value_error"))
        return value
    return value if value.startswith("/") else f"{HOME}/{value}"


def _fault_of(value: str) -> str:
    steps = value.split("/")
    if "\0" in value:
        return "a path holds no NUL"
    if steps[-1] in ("", ".", ".."):
        return "a path names a file, not a folder"
    if ".." in steps:
        return "a path has no '..' in it"
    if len(value.encode()) > PATH_BYTES_MAX:
        return f"a path has at most {PATH_BYTES_MAX} bytes"
    if any(len(step.encode()) > STEP_BYTES_MAX for step in steps):
        return f"a name has at most {STEP_BYTES_MAX} bytes"
    return ""


def _boolean(value: Any, path: Path, wrong: Wrong) -> Any:
    found = queries.truth(value)
    if found is not None:
        return found
    message = "Input should be a valid boolean, unable to interpret input"
    wrong.append(FieldError(path, message, "bool_parsing"))
    return value


_session: Final = Field("session_id", fastapi.string, required=True, nullable=False)
_UPLOAD: Final = (
    _session,
    Field("remote_path", _path, required=True, nullable=False),
    Field("recursive", _boolean, nullable=False),
)
_DOWNLOAD: Final = (_session, Field("filename", _path, required=True, nullable=False))
