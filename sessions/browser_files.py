"""The files of browsers: uploads that pages may take, downloads that they gave; artifacts all."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import mimetypes
import os
import secrets
import shutil
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Final

import structlog

from eventstore.errors import EventStoreError
from projections.events.browser import BrowserFileAdded, BrowserFileRemoved, Source
from projections.folds.browser import Visit, VisitFile
from projections.folds.session import Session
from sessions import ids
from sessions.browser_book import BrowserBook, Kept, Piece, of_file, whole
from sessions.browser_life import Life, Limits
from sessions.browser_network import MEDIA_TYPE, NAME, read_traffic
from sessions.caller import SERVICE, Caller
from sessions.domain import checks
from sessions.domain.rejections import AlreadyEnded, LimitReached, NotFound, Rejection
from sessions.runtimes.browser.port import Exchange
from sessions.runtimes.in_thread import to_its_end

FILES_MAX: Final = 256
UPLOADS: Final = "uploads"
DOWNLOADS: Final = "downloads"
OCTETS: Final = "application/octet-stream"
NAME_BYTES_MAX: Final = 200
SUFFIX_BYTES_MAX: Final = 32

_log = structlog.get_logger()


class Files:
    """The files of sessions under `folder`, where they lie only as long as the browser lives."""

    def __init__(self, book: BrowserBook, folder: Path, limits: Limits) -> None:
        self._book = book
        self._folder = folder
        self._limits = limits

    def folder_of(self, session_id: str) -> Path:
        """Where the files of a session lie."""
        return self._folder / session_id

    async def sweep(self) -> None:
        """Remove what a service that ran before has left; no browser may live."""
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def lay_out(self, life: Life) -> None:
        """Make the folders of a browser, with the uploads that the session has; raises OSError."""
        async with life.files:
            await to_its_end(lambda: _make_folders(life.folder))
            # As it is now: uploads may have come while it waited for room.
            session = await self._book.sessions.find(life.session, SERVICE)
            for file in _files_of(session):
                if file.source == "user_upload":
                    await self._lay(life.folder, session.id, file)

    async def _lay(self, folder: Path, session_id: str, file: VisitFile) -> None:
        path = _upload(folder, file)
        if not path.exists():
            async with self._book.artifacts.read(session_id, file.sha256) as parts:
                await _write(path, parts)

    # Uploads.

    async def upload(
        self,
        session: Session,
        life: Life | None,
        name: str,
        media_type: str,
        data: AsyncIterable[bytes],
        who: Caller,
    ) -> VisitFile:
        """The file, where pages can take it once there is a browser.

        Raises InvalidValue, ArtifactTooLarge, LimitReached, AlreadyEnded and StorageError.
        """
        checks.artifact_name(name)
        media_type = _media_type(name, media_type)
        file_id = ids.uuid7()

        def facts_of(state: Session, kept: Kept) -> tuple[BrowserFileAdded]:
            if state.ended:
                raise AlreadyEnded(state.status)
            return (_added(state, file_id, kept, "user_upload"),)

        piece = Piece(name, media_type, data)
        await self._book.keep(session.id, piece, facts_of, who=who)
        state = await self._book.sessions.find(session.id, who)
        file = file_in(state, file_id)
        if life is not None:
            async with life.files:
                # Not into a folder that is about to be removed, and not before there is one.
                if not life.leaving and life.folder.exists():
                    await self._lay(life.folder, session.id, file)
        return file

    def path_of(self, session: Session, name: str) -> Path:
        """Where an upload lies, by its id or by its name, the newest first; raises NotFound."""
        for file in reversed(_files_of(session)):
            if file.source == "user_upload" and name in (file.id, file.name):
                return _upload(self.folder_of(session.id), file)
        raise NotFound("The session has no uploaded file of that name.")

    async def remove(self, session: Session, file_id: str, who: Caller) -> None:
        """Take a file out of the list, and from where pages can take it; raises NotFound."""
        file = file_in(session, file_id)

        def facts_of(state: Session) -> tuple[BrowserFileRemoved, ...]:
            there = any(one.id == file_id for one in _files_of(state))
            return (BrowserFileRemoved(id=file_id),) if there else ()

        await self._book.tell(session.id, facts_of, who)
        place = _upload(self.folder_of(session.id), file).parent
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    # Downloads.

    async def collect(self, life: Life, who: Caller) -> tuple[VisitFile, ...]:
        """Keep the downloads that are complete and new; what cannot be kept is left out."""
        async with life.files:
            return await self._collect(life, who)

    async def _collect(self, life: Life, who: Caller) -> tuple[VisitFile, ...]:
        found = []
        for path in await asyncio.to_thread(_downloads, life.folder, frozenset(life.left_out)):
            try:
                found.append(await self._keep_download(life, path, who))
                await asyncio.to_thread(path.unlink, missing_ok=True)
            except (EventStoreError, Rejection, OSError) as error:
                life.left_out.add(path)
                _log.warning("browser.download_not_kept", session=life.session, error=str(error))
        return tuple(found)

    async def collect_last(self, life: Life) -> None:
        """The same once the browser is closed; bounded, and never raises."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.files_s):
                await self.collect(life, SERVICE)

    async def _keep_download(self, life: Life, path: Path, who: Caller) -> VisitFile:
        name, file_id = _safe_name(path.name), ids.uuid7()

        def facts_of(state: Session, kept: Kept) -> tuple[BrowserFileAdded]:
            return (_added(state, file_id, kept, "session_download"),)

        # A file that is not read to its end would be open for as long as nobody collects it.
        async with contextlib.aclosing(of_file(path)) as data:
            piece = Piece(name, _media_type(name, ""), data)
            await self._book.keep(life.session, piece, facts_of, who=who)
        return file_in(await self._book.sessions.find(life.session, who), file_id)

    # The log of the network.

    async def keep_network(self, life: Life, text: bytes) -> str:
        """The hash of the artifact that it is; empty if it cannot be kept. Never raises."""
        try:
            piece = Piece(NAME, MEDIA_TYPE, whole(text))
            kept = await self._book.keep(life.session, piece, lambda *_: ())
        except (EventStoreError, Rejection) as error:
            _log.warning("browser.network_not_kept", session=life.session, error=str(error))
            return ""
        return kept.sha256

    async def network(self, session: Session) -> tuple[Exchange, ...]:
        """What was kept of the network of an ended session; raises ArtifactGone."""
        sha256 = "" if session.browser is None else session.browser.network
        if not sha256:
            return ()
        async with self._book.artifacts.read(session.id, sha256) as parts:
            return read_traffic(b"".join([part async for part in parts]))


def file_in(session: Session, file_id: str) -> VisitFile:
    """The file of the session; raises NotFound."""
    for file in _files_of(session):
        if file.id == file_id:
            return file
    raise NotFound("The session has no such file.")


def _files_of(session: Session) -> tuple[VisitFile, ...]:
    visit: Visit | None = session.browser
    return () if visit is None else visit.files


def _added(state: Session, file_id: str, kept: Kept, source: Source) -> BrowserFileAdded:
    if len(_files_of(state)) >= FILES_MAX:
        raise LimitReached(f"The session has {FILES_MAX} files already.")
    return BrowserFileAdded(
        id=file_id,
        name=kept.name,
        sha256=kept.sha256,
        size=kept.size,
        media_type=kept.media_type,
        source=source,
    )


def _media_type(name: str, given: str) -> str:
    if given:
        checks.media_type(given)
        return given
    return mimetypes.guess_type(name)[0] or OCTETS


def _upload(folder: Path, file: VisitFile) -> Path:
    # Below a folder of its own, so that a page sees the name and no two files meet.
    return folder / UPLOADS / file.id / _on_disk(file.name)


def _on_disk(name: str) -> str:
    """As much of a name as every disk takes, with its suffix."""
    stem, suffix = Path(name).stem, Path(name).suffix
    if len(suffix.encode()) > SUFFIX_BYTES_MAX:
        stem, suffix = name, ""
    cut = stem.encode()[: NAME_BYTES_MAX - len(suffix.encode())]
    return cut.decode(errors="ignore") + suffix


def _safe_name(name: str) -> str:
    kept = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)
    return _on_disk(kept) or "download"


def _make_folders(folder: Path) -> None:
    for path in (folder.parent, folder, folder / UPLOADS, folder / DOWNLOADS):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _downloads(folder: Path, known: frozenset[Path]) -> list[Path]:
    """Complete files that are not known, oldest first; links are none of them."""

    def found() -> Iterator[tuple[float, Path]]:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(folder / DOWNLOADS):
                path = Path(entry.path)
                hidden = entry.name.startswith(".") or entry.name.endswith(".crdownload")
                if path not in known and not hidden and entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_mtime, path

    return [path for _, path in sorted(found())]


async def _write(path: Path, parts: AsyncIterable[bytes]) -> None:
    await to_its_end(lambda: path.parent.mkdir(mode=0o700, exist_ok=True))
    # Under a name of its own until it is whole: the browser may be opening meanwhile.
    coming = path.parent.with_name(f"{path.parent.name}.{secrets.token_hex(8)}")
    try:
        with coming.open("xb") as file:
            async for part in parts:
                await to_its_end(functools.partial(file.write, part))
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)
