"""What InstaVM's API shows of machines, and what it takes in a query (instavm.md 4, 4.2, 5)."""

from datetime import date
from typing import Any

import pytest

from eventstore.commit import Position
from projections.folds.session import SECOND_US
from projections.folds.vm import Vm
from sessions.dialects import queries
from sessions.dialects.instavm import wire_records
from sessions.failure import Failure

DAY_US = 86_400 * SECOND_US
DAY = (date(2026, 11, 20) - date(1970, 1, 1)).days * DAY_US


def codes(refused: Failure) -> list[tuple[tuple[Any, ...], str]]:
    assert refused.status == 422
    return [(field.path, field.code) for field in refused.fields]


def machine(**fields: Any) -> Vm:
    usual: dict[str, Any] = {
        "id": "vmid-1",
        "session": "s",
        "tenant": "default",
        "status": "running",
        "reason": "requested",
        "created": Position(1),
        "position": Position(2),
        "created_at": DAY,
        "updated_at": DAY,
        "vcpu_count": 2,
        "memory_mb": 512,
        "lifetime_s": 300,
    }
    return Vm(**{**usual, **fields})


@pytest.mark.parametrize(
    ("metadata", "wanted", "holds"),
    [
        ({}, {}, True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": {"x": [1, True]}}, {"a": {"x": [1, True]}}, True),
        ({"a": {"x": [1, True]}}, {"a": {"x": [1, 1]}}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ],
)
def test_4_2_the_filter_is_containment_of_pairs(metadata: Any, wanted: Any, holds: bool) -> None:
    assert wire_records.contains(metadata, wanted) is holds


def test_4_a_day_counts_what_fell_into_it() -> None:
    first, last = date(2026, 11, 20), date(2026, 11, 22)
    over_midnight = machine(
        started_at=DAY + DAY_US - 3600 * SECOND_US,
        ended_at=DAY + DAY_US + 1800 * SECOND_US,
        status="stopped",
    )
    before = machine(started_at=DAY - 7200 * SECOND_US, ended_at=DAY - 1, status="stopped")
    never = machine(status="lost", ended_at=DAY)
    suspended = machine(
        started_at=DAY, lived_us=900 * SECOND_US, status="suspended", memory_mb=1024
    )
    lived = wire_records.LivedByDay(first, last, DAY + 2 * DAY_US)
    for each in (over_midnight, before, never, suspended):
        lived.add(each)
    found = lived.breakdown()
    assert [day.cpu_hours for day in found.daily_breakdown] == [2.5, 1.0, 0.0]
    assert [day.ram_gib_hours for day in found.daily_breakdown] == [0.75, 0.25, 0.0]
    assert (found.totals.cpu_hours, found.totals.cost_dollars) == (3.5, 0.0)
    assert (found.total_days, found.period_start, found.period_end) == (3, first, last)


def test_5_a_machine_shows_when_it_ends() -> None:
    started = machine(started_at=DAY)
    record = wire_records.vm_record(started, DAY + 10 * SECOND_US)
    assert (record.status, record.uptime_seconds, record.expires_in_seconds) == ("active", 10, 290)
    waiting = wire_records.vm_record(machine(status="requested"), DAY, 3)
    assert (waiting.status, waiting.expires_at, waiting.queue_position) == ("creating", None, 3)
    ended = wire_records.vm_record(
        machine(status="stopped", started_at=DAY, ended_at=DAY + SECOND_US), DAY + DAY_US
    )
    assert (ended.status, ended.uptime_seconds, ended.expires_in_seconds) == ("killed", None, 0)
    rested = wire_records.vm_record(machine(status="suspended", started_at=DAY), DAY + DAY_US)
    assert (rested.status, rested.expires_at, rested.expires_in_seconds) == (
        "suspended",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", "int_parsing"),
        ("", "int_parsing"),
        ("1.5", "int_parsing"),
        ("٣", "int_parsing"),
        ("9" * 5000, "int_parsing"),
        ("--1", "int_parsing"),
        ("0", "greater_than_equal"),
        ("-1", "greater_than_equal"),
        ("1001", "less_than_equal"),
    ],
)
def test_4_a_wrong_number_in_the_query_is_refused(text: str, code: str) -> None:
    with pytest.raises(Failure) as refused:
        queries.integer({"limit": text}, "limit", 100, 1, 1000)
    assert codes(refused.value) == [(("query", "limit"), code)]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '{"a":}', "[" * 9000, "\ud800"])
def test_4_2_metadata_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Failure) as refused:
        queries.json_object({"metadata": text}, "metadata")
    assert refused.value.status == 422
    assert queries.json_object({}, "metadata") == {}


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "0001-01-01", "9999-12-31", "20261"])
def test_4_a_wrong_day_is_refused(text: str) -> None:
    with pytest.raises(Failure) as refused:
        queries.day({"start_date": text}, "start_date")
    assert refused.value.status == 422
    assert queries.day({"d": "2026-11-20T10:00:00Z"}, "d") == date(2026, 11, 20)
