"""Recordings of visits: when there is a film, and that nothing else is left of them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from eventstore.errors import ArtifactTooLarge, StorageFull
from projections.events.browser import BrowserRecorded
from projections.folds.browser import Visit
from projections.folds.session import Session
from sessions.browser_recording import Recordings
from sessions.browser_reel import Reel
from sessions.domain.rejections import NotFound
from sessions.runtimes.browser.port import Frame, Wanted
from tests.support.process import eventually
from tests.support.scripted_browsers import ScriptedBrowser, ScriptedBrowsers
from tests.support.sessions import EPOCH_US, session_in

PATIENCE_S = 60.0


class Studio:
    """Recordings, and what came of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "recordings"
        self.browsers = ScriptedBrowsers()
        self.sessions: dict[str, Session] = {}
        self.films: list[tuple[str, BrowserRecorded, bytes]] = []
        self.refusals: list[Exception] = []
        self.recordings = Recordings(
            self.folder, self.browsers, self._find, self._keep, lambda: EPOCH_US
        )

    async def _find(self, session_id: str) -> Session:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise NotFound from None

    async def _keep(
        self, session: Session, told: BrowserRecorded, data: AsyncIterable[bytes]
    ) -> Session:
        if self.refusals:
            raise self.refusals.pop(0)
        self.films.append((session.id, told, b"".join([part async for part in data])))
        return session

    async def visit(self, session_id: str, **browser: Any) -> ScriptedBrowser:
        """A browser that is being recorded, and has shown something where that is wanted."""
        session = replace(session_in("running"), id=session_id, browser=Visit(**browser))
        self.sessions[session_id] = session
        browser_ = await self.browsers.start(Wanted(id=session_id, folder=self.folder))
        self.recordings.begin(session, browser_)
        if browser.get("record", True):
            await until(lambda: len(Reel(self.folder / session_id)) == 1)
        return browser_

    async def filmed(self, session_id: str) -> None:
        """Return when nothing more can come of the recording."""
        await until(lambda: not self.recordings.pending(session_id))
        await until(lambda: not (self.folder / session_id).exists())


async def until(there: Callable[[], bool]) -> None:
    await eventually(there, PATIENCE_S, "the recordings")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.browser_recording._RETRY_S", 0.0)
    # A scripted browser that is not ended shows on: nobody waits for what it shows last.
    monkeypatch.setattr("sessions.browser_recording._LAST_S", 0.02)


@asynccontextmanager
async def studio_in(folder: Path, *, leave: bool = False) -> AsyncIterator[Studio]:
    studio = Studio(folder)
    if not leave:
        await studio.recordings.open()
    try:
        yield studio
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await studio.recordings.close()


async def test_a_closed_browser_leaves_a_film_and_nothing_else(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        browser = await studio.visit("one")
        assert studio.recordings.pending("one")
        await browser.close()
        assert studio.recordings.pending("one")
        await studio.recordings.finish("one")
        await studio.filmed("one")
        ((session_id, told, data),) = studio.films
        assert (session_id, data) == ("one", b"a film of 1 pictures")
        assert (told.media_type, told.frames) == ("video/mp4", 1)
        assert told.duration_ms >= 1000


async def test_the_film_is_wanted_from_the_moment_the_browser_is_closed(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        studio.browsers.script.then("film", "hang")
        await studio.visit("one")
        await studio.recordings.finish("one")
        await asyncio.wait_for(studio.browsers.script.entered.wait(), PATIENCE_S)
        assert studio.recordings.pending("one")
    assert (studio.folder / "one").exists()


async def test_pictures_have_a_reader_before_anybody_has_the_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def frames() -> AsyncIterator[Frame]:
        asked.set()
        yield Frame(at_us=EPOCH_US, jpeg=b"a picture")

    async with studio_in(tmp_path) as studio:
        browser = await studio.browsers.start(Wanted(id="one", folder=tmp_path))
        monkeypatch.setattr(browser, "frames", frames)
        session = replace(session_in("running"), id="one")
        studio.sessions["one"] = session
        studio.recordings.begin(session, browser)
        await asyncio.sleep(0)
        assert asked.is_set()
        await studio.recordings.finish("one")
        await studio.filmed("one")
        assert [film[0] for film in studio.films] == ["one"]


async def test_nothing_is_recorded_where_nobody_wants_it(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        await studio.visit("one", record=False)
        assert not studio.recordings.pending("one")
        await studio.recordings.finish("one")
        assert not studio.folder.exists()
        assert studio.films == []


async def test_a_film_that_fails_is_tried_again(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        studio.browsers.script.then("film", "fail", "unavailable")
        await studio.visit("one")
        await studio.recordings.finish("one")
        await studio.filmed("one")
        assert len(studio.films) == 1


async def test_what_cannot_be_filmed_does_not_stay(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        studio.browsers.script.then("film", "fail", "fail", "fail")
        studio.refusals.append(ArtifactTooLarge("more than 1 bytes"))
        await studio.visit("one")
        await studio.visit("two")
        await studio.recordings.finish("one")
        await studio.recordings.finish("two")
        await studio.filmed("one")
        await studio.filmed("two")
        assert studio.films == []
        await studio.visit("three")
        await studio.recordings.finish("three")
        await studio.filmed("three")
        assert [film[0] for film in studio.films] == ["three"]


async def test_what_the_disk_refuses_is_left_for_the_next_start(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        studio.refusals += [StorageFull()] * 3
        await studio.visit("one")
        await studio.recordings.finish("one")
        await until(lambda: not studio.recordings.pending("one"))
        assert studio.films == []
        assert studio.refusals == []
        sessions = studio.sessions
    async with studio_in(tmp_path, leave=True) as studio:
        studio.sessions = sessions
        await studio.recordings.open()
        await studio.filmed("one")
        assert [film[0] for film in studio.films] == ["one"]


async def test_an_erased_session_gets_no_film(tmp_path: Path) -> None:
    async with studio_in(tmp_path) as studio:
        await studio.visit("one")
        await studio.recordings.forget("one")
        await studio.filmed("one")
        await studio.recordings.finish("one")
        assert studio.films == []


async def test_a_service_that_was_killed_leaves_pictures_that_the_next_one_films(
    tmp_path: Path,
) -> None:
    async with studio_in(tmp_path) as killed:
        await killed.visit("one")
        await killed.visit("gone")
    assert killed.films == []
    (killed.folder / "one" / "film.mp4").write_bytes(b"half of it")
    async with studio_in(tmp_path, leave=True) as studio:
        studio.sessions["one"] = killed.sessions["one"]
        await studio.recordings.open()
        await studio.filmed("one")
        await studio.filmed("gone")
        assert [(film[0], film[2]) for film in studio.films] == [("one", b"a film of 1 pictures")]


async def test_a_full_disk_ends_the_recording_and_not_the_visit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = asyncio.Event()

    def add(reel: Reel, frame: Frame) -> None:
        full.set()
        raise OSError("no space left on the device")

    async with studio_in(tmp_path) as studio:
        monkeypatch.setattr(Reel, "add", add)
        browser = await studio.browsers.start(Wanted(id="one", folder=tmp_path))
        session = replace(session_in("running"), id="one")
        studio.sessions["one"] = session
        studio.recordings.begin(session, browser)
        await until(full.is_set)
        assert browser.alive
        await studio.recordings.finish("one")
        await studio.filmed("one")
        assert studio.films == []
