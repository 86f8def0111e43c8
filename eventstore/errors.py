"""What can go wrong in the log.

EventStoreError
    Conflict              the stream is not where the caller expected it
    CommitIdReused        the same commit id was appended before with other content
    CommitTooLarge        one commit exceeds the size limit
    LogBusy               the queue of the writer is full
    LogClosed             the log was closed
    StorageError
        StorageFull       no room on the disk; reads go on
        StorageUnavailable  the disk refuses writes; reads go on
    LogLocked             another process writes this folder
    LogMissing            there is no log in the folder
    LogFormatError        the file is not a log of a format this code reads
    ArtifactTooLarge      a file is larger than the store takes
    ArtifactGone          the bytes of a file are not there any more, or not those that came
    EvidenceImpossible    a bundle of evidence cannot be made of what is there
    LogContradicted       the log is not the one that its signed heads speak of
    SigningKeyError       the key that signs the heads cannot be used
    BadCheckpoint         a head, its signature or a key is not what it should be
    UnknownEvent          an event type or version that no codec knows
    VaultError            the vault or a sealed value in it cannot be opened
        SubjectErased     what was erased is never sealed again
"""

from __future__ import annotations

from eventstore.commit import Position


class EventStoreError(Exception):
    """The log could not do what was asked."""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split()) + self._detail()

    def _detail(self) -> str:
        text = "; ".join(str(arg) for arg in self.args)
        return f" ({text})" if text else ""


class Conflict(EventStoreError):
    """The stream is not where the caller expected it."""

    def __init__(self, stream: str, expected: Position | None, actual: Position) -> None:
        super().__init__(f"stream {stream}, expected {expected}, is at {actual}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class CommitIdReused(EventStoreError):
    """The commit id was appended before with other content."""

    def __init__(self, position: Position) -> None:
        super().__init__(f"position {position}")
        self.position = position


class CommitTooLarge(EventStoreError):
    """One commit exceeds the size limit of the log."""


class LogBusy(EventStoreError):
    """The queue of the log is full; try again."""


class LogClosed(EventStoreError):
    """The log is closed."""


class StorageError(EventStoreError):
    """The disk did not take the commit."""


class StorageFull(StorageError):
    """No room is left on the disk of the log."""


class StorageUnavailable(StorageError):
    """The disk of the log refuses writes."""


class LogLocked(EventStoreError):
    """Another process writes this folder."""


class LogFormatError(EventStoreError):
    """The file is not a log of a format this version reads."""


class LogMissing(EventStoreError):
    """There is no log here."""


class ArtifactTooLarge(EventStoreError):
    """The artifact is larger than the store takes."""


class ArtifactGone(EventStoreError):
    """The bytes of the artifact were erased, or are not those that were stored."""


class EvidenceImpossible(EventStoreError):
    """The evidence cannot be made."""


class LogContradicted(EventStoreError):
    """The log is not the one that its signed heads speak of."""


class SigningKeyError(EventStoreError):
    """The key that signs the heads of the log cannot be used."""


class BadCheckpoint(EventStoreError):
    """The signed head cannot be trusted."""


class UnknownEvent(EventStoreError):
    """The event type or version is not known."""


class VaultError(EventStoreError):
    """The vault or a sealed value in it cannot be opened."""


class SubjectErased(VaultError):
    """The subject was erased: it never gets a key again."""
