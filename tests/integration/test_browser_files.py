"""The files of browsers: uploads that pages may take, downloads that they gave."""

import asyncio

import pytest

from eventstore.errors import ArtifactTooLarge
from eventstore.memory import MemoryLog
from sessions.browser_files import FILES_MAX
from sessions.domain.rejections import AlreadyEnded, InvalidValue, LimitReached, NotFound
from tests.support.browser_service import ARTIFACT_BYTES, USER, goto, opened, room_for
from tests.support.machine_service import until
from tests.support.scripted_browsers import Script, ScriptedBrowsers


@pytest.fixture
async def runtime():
    return ScriptedBrowsers(Script())


@pytest.fixture
async def service(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        yield service


async def parts(*data):
    for part in data:
        yield part


async def upload(service, session, name="a.txt", *data, media_type=""):
    return await service.browsers.upload(session, name, media_type, parts(*data), USER)


async def test_an_upload_lies_where_pages_can_take_it(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    file = await upload(service, session, "größe.txt", b"one", b"two")
    assert (file.name, file.size, file.media_type) == ("größe.txt", 6, "text/plain")
    assert file.source == "user_upload"
    for name in (file.id, "größe.txt"):
        path = await service.browsers.file_of(session, name, USER)
        assert (path.name, path.read_bytes()) == ("größe.txt", b"onetwo")
        assert path.is_relative_to(service.folder / session / "uploads")
    assert await service.bytes_of(session, file.sha256) == b"onetwo"
    assert await service.browsers.files(session, USER) == (file,)


async def test_of_two_with_one_name_the_newer_is_meant_and_both_are_there(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    old = await upload(service, session, "a.txt", b"old")
    new = await upload(service, session, "a.txt", b"new")
    assert (await service.browsers.file_of(session, "a.txt", USER)).read_bytes() == b"new"
    assert (await service.browsers.file_of(session, old.id, USER)).read_bytes() == b"old"
    assert await service.browsers.files(session, USER) == (new, old)


async def test_an_upload_before_there_is_a_browser_is_there_when_it_opens(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime, budget=room_for(1)) as service:
        first, second = await service.session(), await service.session()
        file = await upload(service, second, "a.txt", b"early")
        await service.browsers.stop(first, USER)
        await service.browsers.living(second, USER)
        path = await service.browsers.file_of(second, file.id, USER)
        assert path.read_bytes() == b"early"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "a\x00b", "a\nb", "x" * 256]
)
async def test_a_name_that_is_no_file_s_is_refused(service, name):
    session = await service.session()
    size = service.log.size
    with pytest.raises(InvalidValue):
        await upload(service, session, name, b"x")
    with pytest.raises(NotFound):
        await service.browsers.file_of(session, name, USER)
    assert service.log.size - size <= 3  # but what the browser tells of itself


async def test_a_name_that_no_disk_takes_whole_is_cut_there_alone(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    name = "ü" * 250 + ".html"
    file = await upload(service, session, name, b"x")
    assert file.name == name
    path = await service.browsers.file_of(session, name, USER)
    assert path.read_bytes() == b"x"
    assert path.suffix == ".html"


async def test_a_file_that_is_too_large_leaves_nothing(service):
    session = await service.session()
    with pytest.raises(ArtifactTooLarge):
        await upload(service, session, "a.bin", b"x" * (ARTIFACT_BYTES + 1))
    assert await service.browsers.files(session, USER) == ()
    assert "artifact.stored" not in await service.names(session)


async def test_there_are_no_more_files_than_may_be(service, monkeypatch):
    monkeypatch.setattr("sessions.browser_files.FILES_MAX", 2)
    assert FILES_MAX > 2
    session = await service.session()
    for number in range(2):
        await upload(service, session, f"{number}", b"%d" % number)
    with pytest.raises(LimitReached):
        await upload(service, session, "more", b"more")
    assert len(await service.browsers.files(session, USER)) == 2


async def test_a_removed_file_is_in_no_list_and_no_page_can_take_it(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    file = await upload(service, session, "a.txt", b"x")
    path = await service.browsers.file_of(session, "a.txt", USER)
    await service.browsers.remove_file(session, file.id, USER)
    assert not path.exists()
    assert await service.browsers.files(session, USER) == ()
    for call in (
        service.browsers.file_of(session, "a.txt", USER),
        service.browsers.remove_file(session, file.id, USER),
        service.browsers.remove_file(session, "nonsense", USER),
    ):
        with pytest.raises(NotFound):
            await call


async def test_what_a_page_hands_out_is_kept(service):
    session = await service.session()
    acted = await service.browsers.act(session, goto("https://a.test/download/report.pdf"), USER)
    (file,) = acted.files
    assert (file.name, file.media_type, file.source) == (
        "report.pdf",
        "application/pdf",
        "session_download",
    )
    assert await service.bytes_of(session, file.sha256) == b"downloaded report.pdf"
    (told,) = await service.told(session, "browser.acted")
    assert tuple(told["files"]) == (file.sha256,)
    await service.browsers.stop(session, USER)
    assert await service.browsers.files(session, USER) == (file,)  # also when it is over


async def test_a_download_that_ends_later_is_kept_too(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    folder = service.folder / session / "downloads"
    (folder / "asked.txt").write_bytes(b"asked")
    (file,) = await service.browsers.files(session, USER)
    assert file.name == "asked.txt"
    (folder / "late.txt").write_bytes(b"late")
    (folder / ".coming.part").write_bytes(b"not yet")
    (folder / "link").symlink_to("/etc/passwd")
    await service.browsers.stop(session, USER)
    names = [file.name for file in await service.browsers.files(session, USER)]
    assert names == ["late.txt", "asked.txt"]
    await until(lambda: not (service.folder / session).exists())


async def test_a_download_is_kept_once_however_many_look(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    (service.folder / session / "downloads" / "a.txt").write_bytes(b"a")
    lists = await asyncio.gather(*(service.browsers.files(session, USER) for _ in range(5)))
    assert {len(files) for files in lists} == {1}


async def test_a_download_that_is_too_large_is_left_out_and_the_rest_is_not(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    folder = service.folder / session / "downloads"
    (folder / "large").write_bytes(b"x" * (ARTIFACT_BYTES + 1))
    (folder / "small").write_bytes(b"x")
    await service.browsers.stop(session, USER)
    assert [file.name for file in await service.browsers.files(session, USER)] == ["small"]


async def test_an_ended_session_takes_no_file(service):
    session = await service.session()
    await service.browsers.stop(session, USER)
    with pytest.raises(AlreadyEnded):
        await upload(service, session, "a.txt", b"x")


async def test_a_name_of_a_download_that_no_artifact_may_have_is_made_harmless(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    (service.folder / session / "downloads" / "a\nb\x1b[31m.txt").write_bytes(b"x")
    (file,) = await service.browsers.files(session, USER)
    assert file.name == "a_b_[31m.txt"
