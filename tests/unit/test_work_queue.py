"""Who is woken for which session, what is read when, and how many may wait."""

import asyncio

import pytest
from msgspec.structs import replace

from projections.events.work import WorkTerms
from sessions import work_queue
from sessions.domain.rejections import LimitReached
from sessions.domain.waiting import Waiting, Window
from sessions.work_queue import Wanted, WorkQueue
from tests.support.work_life import Life

SOON_S = 0.02


def session(created, *requires, tenant="lab"):
    """A session that waits, as its fold has it."""
    state = Life(terms=WorkTerms(requires=requires)).state
    return replace(state, id=f"s{created}", created=created, tenant=tenant)


def wanted(*labels, tenant="lab", kind="agent"):
    return Wanted(tenant=tenant, kind=kind, labels=frozenset(labels))


async def first(queue, *labels):
    """The position of the first session that a worker with these labels would get."""
    one = await queue.first(wanted(*labels))
    return None if one is None else one.created


class Pages:
    """What the views know, and what was asked of them."""

    def __init__(self, *waiting):
        self.waiting = [Waiting(created, f"s{created}", frozenset(r)) for created, *r in waiting]
        self.asked = []

    async def __call__(self, tenant, kind, after, limit):
        self.asked.append((tenant, kind, after))
        await asyncio.sleep(0)
        return [one for one in self.waiting if one.created > after][:limit]


def sleeping(queue, names, *labels):
    """Workers that sleep, in order; each task ends when its worker is woken."""

    async def sleep(name):
        with queue.place(wanted(*labels)) as place:
            await place.sleep(120)
            return name

    return [asyncio.create_task(sleep(name)) for name in names]


async def test_each_session_wakes_another_worker_in_the_order_of_arrival():
    queue = WorkQueue(Pages())
    first, second, third = sleeping(queue, "abc")
    await asyncio.sleep(SOON_S)
    queue.notice(session(1))
    queue.notice(session(2))  # the first is awake, but has not got to run yet
    async with asyncio.timeout(60):
        assert [await first, await second] == ["a", "b"]
    assert not third.done()
    assert queue.workers == 1
    queue.close()
    await third


async def test_only_who_is_fit_is_woken():
    queue = WorkQueue(Pages())
    [plain] = sleeping(queue, "p")
    [fit] = sleeping(queue, "f", "gpu")
    await asyncio.sleep(SOON_S)
    queue.notice(session(1, "gpu"))
    queue.notice(session(2, tenant="other"))
    async with asyncio.timeout(60):
        assert await fit == "f"
    assert not plain.done()
    queue.close()
    await plain


async def test_what_comes_while_a_worker_is_busy_does_not_let_it_sleep():
    queue = WorkQueue(Pages())
    with queue.place(wanted()) as place:
        queue.notice(session(1))
        async with asyncio.timeout(60):
            await place.sleep(120)


async def test_the_views_are_read_once_and_then_the_commits_tell():
    pages = Pages((3,), (5, "gpu"))
    queue = WorkQueue(pages)
    assert await first(queue) == 3
    queue.notice(session(2))
    assert await first(queue) == 2
    assert await first(queue, "gpu") == 2
    assert pages.asked == [("lab", "agent", 0)]
    assert await queue.first(wanted(tenant="other")) is not None
    assert len(pages.asked) == 2


async def test_a_session_that_somebody_tries_to_get_is_nobody_elses_for_so_long():
    queue = WorkQueue(Pages((1,)))
    one = Waiting(1, "s1", frozenset())
    assert await queue.first(wanted()) == one
    with queue.taking(one):
        assert await queue.first(wanted()) is None
    assert await queue.first(wanted()) == one
    queue.forget(wanted(), one)
    assert await queue.first(wanted()) is None


async def test_behind_a_window_full_of_what_others_need_is_looked_page_by_page(monkeypatch):
    monkeypatch.setattr(work_queue, "PAGE", 2)
    monkeypatch.setattr(work_queue, "Window", lambda: Window(window_max=4))
    queue = WorkQueue(Pages(*[(n, "gpu") for n in range(1, 10)], (10,), (11, "gpu")))
    assert await first(queue) == 10
    assert await first(queue, "gpu") == 1


async def test_views_that_cannot_be_read_are_read_the_next_time():
    pages = Pages((1,))

    async def broken(*_):
        raise OSError("no disk")

    queue = WorkQueue(broken)
    with pytest.raises(OSError, match="no disk"):
        await queue.first(wanted())
    queue._read = pages
    assert await first(queue) == 1


async def test_so_many_workers_may_wait(monkeypatch):
    monkeypatch.setattr(work_queue, "WORKERS_MAX", 1)
    queue = WorkQueue(Pages())
    with queue.place(wanted()), pytest.raises(LimitReached), queue.place(wanted()):
        pass
    with queue.place(wanted()):
        assert queue.workers == 1


async def test_so_many_windows_are_kept(monkeypatch):
    monkeypatch.setattr(work_queue, "WINDOWS_MAX", 2)
    queue = WorkQueue(Pages((1,)))
    for tenant in "abcab":
        assert await queue.first(wanted(tenant=tenant)) is not None
    assert len(queue._known) == 2
