"""The results of test runs, read from the log and, as whole files, put into it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from eventstore.codec import Fact
from eventstore.commit import START
from eventstore.errors import ArtifactTooLarge
from projections.events import CODEC
from projections.events.artifact import ArtifactStored
from projections.events.session import SessionStatusChanged
from projections.events.test_run import (
    ResultsReplaced,
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestTimedOut,
)
from projections.folds.run import Run, Verdict, api_of, verdicts
from projections.folds.session import Session
from sessions.artifacts import Artifacts
from sessions.caller import Caller
from sessions.dialects.wave import wire, wire_imports, wire_results
from sessions.dialects.wave.archives import Archive, BadArchive
from sessions.dialects.wave.outcomes import Result, normal_result, server_timeout
from sessions.dialects.wave.wire_imports import BadResults, Info, Upload
from sessions.domain import checks
from sessions.domain.commands import CreateSession
from sessions.domain.rejections import AlreadyExists, InvalidValue, NotFound
from sessions.failure import Failure
from sessions.service import Sessions
from sessions.web.bodies import decode

UPLOAD_BYTES_MAX: Final = 16 << 20
FILE_TYPE: Final = "application/json"
_RESULTS: Final = (TestCompleted, TestTimedOut)
_TOLD: Final = frozenset(kind.NAME for kind in (*_RESULTS, ResultsReplaced))
_TOKEN: Final = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")
_info: Final = msgspec.json.Decoder(Info)


class RunResults:
    """Reads results, and takes those that come in files, of which one at a time is in memory."""

    def __init__(self, sessions: Sessions, artifacts: Artifacts) -> None:
        self._sessions = sessions
        self._artifacts = artifacts
        self._unpacking = asyncio.Lock()

    async def results(self, token: str, who: Caller) -> dict[str, list[Result]]:
        """The results of each API, in the order in which they came; raises NotFound."""
        found, replaced = await self._told(token, who)
        for api, fact in replaced.items():
            found[api] = [*await self._uploaded(token, fact), *found[api]]
        return found

    async def of_api(self, token: str, api: str, who: Caller) -> list[Result]:
        """The results of one API alone, in the order in which they came; raises NotFound."""
        found, replaced = await self._told(token, who, api)
        uploaded = [await self._uploaded(token, fact) for fact in replaced.values()]
        return [*itertools.chain(*uploaded), *found.get(api, [])]

    async def uploaded(self, token: str, run: Run) -> dict[str, tuple[Verdict, ...]]:
        """How the tests of a run went whose results came in files."""
        found: dict[str, tuple[Verdict, ...]] = {}
        for fact in list(run.replaced.values()):
            content = await self._content(token, fact)
            found |= await asyncio.to_thread(_verdicts_in, content)
        return found

    async def files(self, token: str, who: Caller, api: str | None = None) -> dict[str, bytes]:
        """The results of each API as a file, or those of `api`; raises NotFound.

        One that was uploaded comes with all that it held, and what was reported since.
        """
        found, replaced = await self._told(token, who, api)
        files: dict[str, bytes] = {}
        for name, results in found.items():
            fact = replaced.get(name)
            content = None if fact is None else await self._content(token, fact)
            files[name] = await asyncio.to_thread(wire_results.document, results, content)
        return files

    async def replace(
        self, token: str, api: str, run: Run, parts: AsyncIterable[bytes], who: Caller
    ) -> None:
        """Put a file in the place of all results of an API of the run (section 1.4).

        Raises Failure for what is no results, NotFound for an API that has none to replace.
        """
        if api not in run.counts:
            raise NotFound("The session has no such API.")
        async with self._artifacts.receive(_limited(parts)) as arrived, self._unpacking:
            try:
                raw = await asyncio.to_thread(arrived.path.read_bytes)
                upload = await asyncio.to_thread(wire_imports.upload, raw, api)
            except BadResults as error:
                detail = f"{wire_imports.INVALID} {error}"
                raise Failure(400, "invalid_results", detail) from None
            await self._replace(token, upload, who)

    async def _replace(self, token: str, upload: Upload, who: Caller) -> None:
        async with self._artifacts.receive(_one(upload.content)) as incoming:
            stored = _stored(upload, incoming.sha256)

            def facts_of(state: Session, _: int) -> tuple[Fact, ...]:
                checks.artifacts(state.artifacts + 1, state.artifact_bytes + incoming.size)
                return stored

            await self._artifacts.keep(
                token, incoming, lambda: self._sessions.change(token, facts_of, who)
            )

    async def import_session(self, parts: AsyncIterable[bytes], who: Caller) -> Session:
        """The session of an export, with its results; all of it or nothing (section 1.4).

        Raises Failure, also where there is such a session.
        """
        async with self._artifacts.receive(parts) as arrived, self._unpacking:
            info, uploads = await asyncio.to_thread(_unpacked, arrived.path)
            try:
                return await self._import(info, uploads, who)
            except AlreadyExists:
                raise Failure(400, "already_exists", wire_imports.EXISTS) from None
            except InvalidValue:
                raise _invalid() from None

    async def _import(self, info: Info, uploads: Sequence[Upload], who: Caller) -> Session:
        command, facts = _created(info, who)
        async with contextlib.AsyncExitStack() as stack:
            arrived = []
            for upload in uploads:
                incoming = await stack.enter_async_context(
                    self._artifacts.receive(_one(upload.content))
                )
                arrived.append(incoming)
                facts.extend(_stored(upload, incoming.sha256))
            facts.append(SessionStatusChanged(was="running", to="completed", reason="finished"))
            return await self._artifacts.keep_all(
                info.token,
                arrived,
                lambda: self._sessions.create_whole(info.token, command, facts, who),
            )

    async def _told(
        self, token: str, who: Caller, only: str | None = None
    ) -> tuple[dict[str, list[Result]], dict[str, ResultsReplaced]]:
        """For which APIs there is a file, and what devices and the clock reported after it.

        Of one API `only`, if it is given.
        """
        state = await self._sessions.get(token, who)
        if state.kind != "test_run":
            raise NotFound("There is no such session.")
        found: dict[str, list[Result]] = {}
        replaced: dict[str, ResultsReplaced] = {}
        after = START
        while page := await self._sessions.commits(token, who, after):
            for commit in page:
                for event in commit.events:
                    if event.type in _TOLD:
                        _add(CODEC.decode(event), found, replaced, only)
            after = page[-1].position
        return found, replaced

    async def _uploaded(self, token: str, fact: ResultsReplaced) -> list[Result]:
        return await asyncio.to_thread(_results_in, await self._content(token, fact))

    async def _content(self, token: str, fact: ResultsReplaced) -> bytes:
        async with self._artifacts.read(token, fact.sha256) as pieces:
            return b"".join([piece async for piece in pieces])


def _add(
    fact: Fact,
    found: dict[str, list[Result]],
    replaced: dict[str, ResultsReplaced],
    only: str | None,
) -> None:
    if isinstance(fact, ResultsReplaced):
        if only in (None, fact.api):
            replaced[fact.api] = fact
            found[fact.api] = []  # the file has the place of all that was told before
        return
    assert isinstance(fact, _RESULTS)
    api = api_of(fact.path)
    if only in (None, api):
        result = fact if isinstance(fact, TestCompleted) else server_timeout(fact)
        found.setdefault(api, []).append(result)


def _results_in(content: bytes) -> list[Result]:
    told = map(normal_result, msgspec.json.decode(content)["results"])
    return [result for result in told if isinstance(result, Result)]


def _verdicts_in(content: bytes) -> dict[str, tuple[Verdict, ...]]:
    return {one.path: verdicts(one) for one in _results_in(content)}


def _stored(upload: Upload, sha256: str) -> tuple[Fact, ...]:
    size, counts = len(upload.content), upload.counts
    replaced = ResultsReplaced(
        api=upload.api,
        sha256=sha256,
        size=size,
        results=counts.complete,
        passed=counts.passed,
        failed=counts.failed,
        timed_out=counts.timed_out,
        not_run=counts.not_run,
    )
    stored = ArtifactStored(name="results.json", sha256=sha256, size=size, media_type=FILE_TYPE)
    return stored, replaced


def _created(info: Info, who: Caller) -> tuple[CreateSession, list[Fact]]:
    """The command that makes an imported session, and what else is known of it; raises Failure."""
    body = wire_imports.new_session(info)
    spec = wire.spec(body, info.user_agent or "", info.browser or wire.Browser())
    spec["is_public"] = info.is_public is True
    spec[wire.IMPORTED] = msgspec.to_builtins(wire_imports.elsewhere(info))
    command = CreateSession(
        kind="test_run",
        dialect="wave",
        owner=who.actor,
        status="running",
        labels=body.labels or (),
        spec=spec,
    )
    marked = info.malfunctioning_tests
    return command, [TestsMarkedMalfunctioning(paths=marked)] if marked else []


def _unpacked(path: Path) -> tuple[Info, list[Upload]]:
    """What an export holds; raises Failure."""
    try:
        with path.open("rb") as file:
            archive = Archive(file)
            info = _checked_info(archive.read(wire_imports.INFO))
            files = [name for name in archive.names if wire_imports.is_result_file(name)]
            uploads = [wire_imports.exported(name, archive.read(name)) for name in files]
    except (BadArchive, BadResults):
        raise _invalid() from None
    if (
        len({upload.api for upload in uploads}) != len(uploads)
        or len(uploads) > wire_imports.APIS_MAX
    ):
        raise _invalid()
    return info, uploads


def _checked_info(raw: bytes) -> Info:
    if len(raw) > wire_imports.INFO_BYTES_MAX:
        raise BadResults("more than anybody says of a session")
    try:
        info = decode(raw, _info)
        wire.new_session(wire_imports.new_session(info))
    except Failure as failure:
        raise BadResults(failure.detail) from None
    if not _TOKEN.fullmatch(info.token) or info.status not in (None, "completed"):
        raise BadResults("no export of a completed session")
    wire_imports.elsewhere(info)
    return info


async def _limited(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The body as it comes; raises ArtifactTooLarge."""
    size = 0
    async for part in parts:
        size += len(part)
        if size > UPLOAD_BYTES_MAX:
            raise ArtifactTooLarge(f"more than {UPLOAD_BYTES_MAX} bytes")
        yield part


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _invalid() -> Failure:
    return Failure(400, "invalid_import", wire_imports.INVALID)
