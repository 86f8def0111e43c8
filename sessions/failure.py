"""What a caller is told when something goes wrong; each dialect puts it in its own words."""

from __future__ import annotations

from typing import Final

import msgspec

from eventstore import errors as store
from projections.cache_file import CacheDamaged
from projections.history import TooFar
from sessions.domain import rejections as domain
from sessions.runtimes.browser import port as browser
from sessions.runtimes.vm import port


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field of a request: where (`path`), what (`code`, as pydantic names it) and why."""

    path: tuple[str | int, ...]
    message: str
    code: str = "value_error"


class Failure(Exception):
    """A refusal with its HTTP status, a stable code and one clear sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields
        self.headers = headers or {}


class Reply(msgspec.Struct, frozen=True):
    """A refusal as it goes out."""

    status: int
    body: bytes
    headers: dict[str, str]


RETRY_AFTER: Final = {"Retry-After": "1"}

_STATUS: Final[dict[type[domain.Rejection], int]] = {
    domain.NotFound: 404,
    domain.Deleted: 410,
    domain.AlreadyExists: 409,
    domain.TransitionNotAllowed: 409,
    domain.AlreadyEnded: 409,
    domain.NotConfigurable: 409,
    domain.InvalidValue: 422,
    domain.RevisionMismatch: 412,
    domain.IdempotencyKeyReused: 422,
    domain.Forbidden: 403,
    domain.LimitReached: 429,
    domain.NoMachine: 409,
    domain.Fenced: 409,
}


def failure_of(error: Exception) -> Failure | None:
    """What `error` says to a caller; None for a bug."""
    match error:
        case Failure():
            return error
        case domain.InvalidValue():
            field = FieldError(("body", error.field), error.message)
            return Failure(422, error.code, error.detail, fields=(field,))
        case domain.LimitReached():
            return Failure(429, error.code, error.detail, headers=RETRY_AFTER)
        case domain.Rejection():
            return Failure(_STATUS[type(error)], error.code, error.detail)
        case port.RuntimeUnavailable():
            return Failure(503, "runtime_unavailable", str(error))
        case browser.RuntimeUnavailable():
            return Failure(503, "runtime_unavailable", str(error))
        case browser.PageRefused():
            return Failure(422, "page_refused", str(error))
        case browser.BrowserError():
            # Not 503, which clients send again: what was asked for may have been done.
            return Failure(502, "browser_failed", str(error))
        case port.GuestRefused():
            return Failure(422, "guest_refused", str(error))
        case port.MachineError():
            return Failure(503, "runtime_failed", str(error), headers=RETRY_AFTER)
        case store.SubjectErased():
            return Failure(410, domain.Deleted.code, "The session was erased.")
        case store.VaultError():
            detail = "What is sealed here cannot be opened: its key is gone, or it was changed."
            return Failure(503, "storage_unavailable", detail)
        case store.Conflict():
            detail = "Others keep changing this at the same moment; try again."
            return Failure(409, "conflict", detail, headers=RETRY_AFTER)
        case store.CommitTooLarge():
            return Failure(413, "too_large", "The request holds more than one commit may.")
        case store.ArtifactTooLarge():
            return Failure(413, "too_large", "The file is larger than the service takes.")
        case store.ArtifactGone():
            detail = "The bytes of the artifact were erased, or the disk has lost them."
            return Failure(410, "artifact_gone", detail)
        case store.StorageFull():
            detail = "The disk of the service is full; nothing was changed. Reads go on."
            return Failure(507, "storage_full", detail)
        case CacheDamaged():
            detail = "The lists are damaged; they are made anew from the log at the next start."
            return Failure(503, "storage_unavailable", detail)
        case store.StorageError():
            detail = "The disk of the service refuses writes; nothing was changed. Reads go on."
            return Failure(503, "storage_unavailable", detail, headers=RETRY_AFTER)
        case TooFar():
            detail = "That far back is not at hand yet; try again later, or ask for one session."
            return Failure(503, "unavailable", detail, headers={"Retry-After": "10"})
        case store.LogBusy() | store.LogClosed():
            detail = "The service cannot take this now; try again."
            return Failure(503, "unavailable", detail, headers=RETRY_AFTER)
        case _:
            return None
