"""Leases begin, are renewed by who holds them, and are over for everybody else."""

import pytest

from sessions.work_leases import Leases


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    return Leases(clock)


def test_a_lease_is_over_when_its_worker_was_not_heard_of(leases, clock):
    leases.begin("s", 1, 10)
    assert leases.left_s("s") == 10
    clock.now += 9
    assert leases.over() == []
    clock.now += 1
    assert leases.over() == [("s", 1)]
    assert leases.is_over("s", 1)
    assert leases.left_s("s") == 0
    leases.renew("s", 1, 10)
    assert (leases.over(), leases.is_over("s", 1)) == ([], False)


def test_what_happens_to_the_session_is_no_sign_of_its_worker(leases, clock):
    leases.begin("s", 1, 10)
    clock.now += 9
    leases.begin("s", 1, 10)
    clock.now += 1
    assert leases.over() == [("s", 1)]


def test_a_later_generation_begins_anew_and_an_earlier_one_has_no_say(leases, clock):
    leases.renew("s", 1, 10, sequence=7)
    clock.now += 9
    leases.begin("s", 2, 10)
    assert (leases.left_s("s"), leases.of("s", 1)) == (10, None)
    clock.now += 5
    leases.renew("s", 1, 10)
    leases.begin("s", 1, 10)
    leases.end("s", 1)
    assert leases.left_s("s") == 5
    assert leases.is_over("s", 1)
    leases.end("s", 2)
    assert (leases.left_s("s"), len(leases)) == (None, 0)


def test_the_highest_sequence_is_known_for_as_long_as_the_generation_is(leases):
    for sequence in (3, 9, 5, 0):
        leases.renew("s", 1, 10, sequence)
    assert leases.of("s", 1).sequence == 9
    leases.renew("s", 2, 10)
    assert leases.of("s", 2).sequence == 0
