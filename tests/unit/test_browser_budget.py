"""How many browsers a service takes, by its settings and by its host."""

import os

import pytest

from sessions.browser_budget import BROWSER_MB, COUNT_MAX, COUNT_PER_CORE, budget_of
from sessions.settings import Settings, SettingsError, load


def test_the_settings_decide():
    budget = budget_of(Settings(browsers_max=3, browser_queue=2))
    assert (budget.count, budget.memory_mb, budget.queue) == (3, 3, 2)


@pytest.mark.parametrize(
    ("cores", "host_mb", "count"),
    [
        (1, 64_000, COUNT_PER_CORE),
        (2, 64_000, 2 * COUNT_PER_CORE),
        (64, 64_000, COUNT_MAX),
        (8, 20 * BROWSER_MB, 10),
        (8, 64, 1),
    ],
)
def test_what_they_leave_open_the_host_decides(monkeypatch, cores, host_mb, count):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": host_mb << 8}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert budget_of(Settings()).count == count


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("browsers_max", 0),
        ("browsers_max", 5000),
        ("browser_queue", -1),
        ("browser_queue", 1 << 21),
    ],
)
def test_what_is_out_of_range_is_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        load({name: value}, {})
