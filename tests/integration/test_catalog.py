"""The catalog: entries are entered, changed and deleted, also by several at the same moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore.commit import START
from eventstore.errors import Conflict
from eventstore.memory import MemoryLog
from projections.events.artifact import ArtifactStored
from projections.folds.catalog import Entry
from sessions.app import wall_clock_us
from sessions.caller import Caller
from sessions.catalog import CONFLICT_RETRIES_MAX, Catalog, NewEntry
from sessions.domain.rejections import NotFound, RevisionMismatch
from tests.support.standing import standing

OURS = Caller(actor="key:ours", tenant="ours", scopes=("sessions:write",))
THEIRS = Caller(actor="key:theirs", tenant="theirs", scopes=("sessions:write",))
ADMIN = Caller(actor="key:admin", tenant="default", scopes=("admin",))


@contextlib.asynccontextmanager
async def opened(folder: Path, log: MemoryLog) -> AsyncIterator[Catalog]:
    """The catalog of a service on `log`."""
    async with standing(folder, log, wall_clock_us, close=True) as (below, _):
        yield Catalog(log, below.follower, below.views)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def catalog(tmp_path: Path, log: MemoryLog) -> AsyncIterator[Catalog]:
    async with opened(tmp_path, log) as catalog:
        yield catalog


@contextlib.contextmanager
def nothing_written(log: MemoryLog) -> Iterator[None]:
    before = log.size
    yield
    assert log.size == before


async def entered(catalog: Catalog, **data: Any) -> Entry:
    return await catalog.enter(NewEntry(type="note", data={"name": "a", **data}), OURS)


async def test_an_entry_is_changed_key_by_key_and_deleted(
    catalog: Catalog, log: MemoryLog, tmp_path_factory: pytest.TempPathFactory
) -> None:
    note = await entered(catalog, body="long", macro="!m")
    changed = await catalog.change("note", note.id, lambda _: {"body": "short"}, OURS)
    assert changed.data == {"name": "a", "body": "short", "macro": "!m"}
    assert changed.position > note.position
    assert changed.updated_at >= note.created_at
    cleared = await catalog.change("note", note.id, lambda _: {"macro": None}, OURS)
    assert cleared.data == {"name": "a", "body": "short"}
    assert await catalog.list("note", OURS) == [cleared]
    with nothing_written(log):
        same = await catalog.change("note", note.id, lambda e: {"name": e.data["name"]}, OURS)
        assert same == cleared
        assert await catalog.change("note", note.id, lambda _: {"macro": None}, OURS) == cleared
    true = await catalog.change("note", note.id, lambda _: {"name": True}, OURS)
    one = await catalog.change("note", note.id, lambda _: {"name": 1}, OURS)
    assert one.position > true.position, "to JSON true is not 1"
    assert (await catalog.delete("note", note.id, OURS)).deleted
    assert await catalog.list("note", OURS) == []
    for gone in (
        catalog.get("note", note.id, OURS),
        catalog.delete("note", note.id, OURS),
        catalog.change("note", note.id, lambda _: {"name": "b"}, OURS),
    ):
        with pytest.raises(NotFound):
            await gone
    async with opened(tmp_path_factory.mktemp("again"), log) as again:
        assert await again.list("note", OURS) == []


async def test_nobody_changes_what_they_do_not_see_or_another_type(
    catalog: Catalog, log: MemoryLog
) -> None:
    note = await entered(catalog)
    with nothing_written(log):
        for type, who in (("note", THEIRS), ("book", OURS)):
            with pytest.raises(NotFound):
                await catalog.change(type, note.id, lambda _: {"name": "b"}, who)
            with pytest.raises(NotFound):
                await catalog.delete(type, note.id, who)
        with pytest.raises(RevisionMismatch):
            await catalog.change("note", note.id, lambda _: {"name": "b"}, OURS, expected=START)
        with pytest.raises(RevisionMismatch):
            await catalog.delete("note", note.id, OURS, expected=START)
    changed = await catalog.change(
        "note", note.id, lambda _: {"name": "b"}, ADMIN, expected=note.position
    )
    assert changed.tenant == "ours", "an admin's change leaves it where it is"
    assert (await catalog.delete("note", note.id, OURS, expected=changed.position)).deleted


async def test_changes_at_the_same_moment_all_count(catalog: Catalog) -> None:
    note = await entered(catalog, count=0)
    counts = [
        catalog.change("note", note.id, lambda e: {"count": e.data["count"] + 1}, OURS)
        for _ in range(CONFLICT_RETRIES_MAX)
    ]
    await asyncio.gather(*counts)
    assert (await catalog.get("note", note.id, OURS)).data["count"] == CONFLICT_RETRIES_MAX
    deletes = await asyncio.gather(
        *(catalog.delete("note", note.id, OURS) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(done, Entry) for done in deletes) == 1
    assert sum(isinstance(done, NotFound) for done in deletes) == 7


async def test_an_entry_may_bring_its_id_and_more_facts(catalog: Catalog, log: MemoryLog) -> None:
    file = ArtifactStored(name="f", sha256="0" * 64, size=1, media_type="text/plain")
    new = NewEntry(type="file", data={"name": "f"}, id="mine", facts=(file,))
    entry = await catalog.enter(new, OURS)
    assert (entry.id, entry.data) == ("mine", {"name": "f"})
    (recorded,) = await log.read_stream("catalog/mine")
    assert [event.type for event in recorded.commit.events] == [
        "catalog.entered",
        "artifact.stored",
    ]
    with pytest.raises(Conflict):
        await catalog.enter(new, OURS)


async def test_a_list_is_of_one_tenant_if_that_is_named(catalog: Catalog) -> None:
    ours = await entered(catalog)
    theirs = await catalog.enter(NewEntry(type="note", data={"name": "a"}), THEIRS)
    assert await catalog.list("note", ADMIN) == [theirs, ours]
    assert await catalog.list("note", ADMIN, tenant="ours") == [ours]
    assert await catalog.list("note", OURS, tenant="ours") == [ours]
    assert await catalog.list("note", OURS, tenant="theirs") == []


async def test_an_admin_finds_what_belongs_to_an_entry_where_that_is(catalog: Catalog) -> None:
    note = await entered(catalog)
    below = [
        await catalog.enter(NewEntry(type="line", parent=note.id, data={"n": n}), OURS)
        for n in range(3)
    ]
    await catalog.delete("note", note.id, OURS)
    for who in (ADMIN, OURS):
        assert await catalog.list("line", who, parent=note.id) == below[::-1]
        assert await catalog.newest("line", who, parent=note.id) == below[-1]
        assert await catalog.newest("line", who, parent="nothing") is None
    assert await catalog.list("line", THEIRS, parent=note.id) == []


async def test_a_list_is_read_in_pages(catalog: Catalog) -> None:
    notes = [await entered(catalog, n=n) for n in range(4)][::-1]
    pages = [list(page) async for page in catalog.pages("note", OURS, limit=3)]
    assert pages == [notes[:3], notes[3:]]
