"""The window onto a queue of sessions hands out the oldest that fits, and forgets none."""

from hypothesis import given
from hypothesis import strategies as st

from sessions.domain.waiting import Waiting, Window, first_of

NOBODY: frozenset[str] = frozenset()


def one(created, *requires):
    return Waiting(created, f"s{created}", frozenset(requires))


def known(*waiting):
    window = Window()
    window.begin_reading()
    window.read([], last=True)
    for each in waiting:
        window.add(each)
    return window


def test_the_oldest_that_needs_no_more_goes_first():
    window = known(one(3), one(2, "gpu"), one(1, "gpu", "eu"))
    assert window.first({"gpu"}, NOBODY) == one(2, "gpu")
    assert window.first(set(), NOBODY) == one(3)
    assert window.first({"gpu", "eu"}, {"s1", "s2"}) == one(3)
    window.remove(3)
    assert window.first(set(), NOBODY) is None


def test_it_begins_knowing_nothing():
    window = Window()
    window.add(one(5))
    assert (len(window), window.upto) == (0, 0)


def test_the_same_session_waits_once_on_the_newest_terms():
    window = known(one(1), one(1, "gpu"))
    assert len(window) == 1
    assert window.first(set(), NOBODY) is None


def test_what_comes_while_it_is_read_is_not_lost():
    window = Window()
    window.begin_reading()
    window.add(one(9))
    window.add(one(8))
    window.remove(8)
    window.read([one(4)], last=True)
    assert [window.first(set(), NOBODY), len(window)] == [one(4), 2]


def test_a_full_one_knows_where_it_ends():
    window = Window(window_max=2)
    window.begin_reading()
    window.read([one(1), one(2), one(3)], last=True)
    assert (len(window), window.upto, window.full) == (2, 2, True)
    window.add(one(7))
    assert len(window) == 2
    window.remove(1)
    assert not window.full


_ids = st.integers(1, 12)
_steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "fill", "begin", "end", "ask"]), _ids), max_size=40
)


@given(_steps)
def test_whoever_waits_is_found_in_order_whatever_happens(steps):
    """Against a plain set: views that are read as they were, changes meanwhile, a small window."""
    window, waits, seen = Window(window_max=3), set(), None
    for step, created in steps:
        match step:
            case "add":
                waits.add(created)
                window.add(one(created))
            case "remove":
                waits.discard(created)
                window.remove(created)
            case "begin" if seen is None and window.upto is not None and not window.full:
                window.begin_reading()
                seen = sorted(c for c in waits if c > window.upto)[:2]
            case "end" if seen is not None:
                window.read([one(c) for c in seen], last=len(seen) < 2)
                seen = None
            case "ask" if seen is None:
                assert asked(window, waits) == (min(waits) if waits else None)
            case _:
                pass


def asked(window, waits):
    """The first by the window and, where it does not reach, by what the views would say."""
    while True:
        found = window.first(set(), NOBODY)
        if found is not None and found.created not in waits:
            window.remove(found.created)  # it was stale: its claim failed
            continue
        if found is not None or window.upto is None:
            return None if found is None else found.created
        if window.full:
            behind = [one(c) for c in sorted(waits) if c > window.upto]
            further = first_of(behind, set(), NOBODY)
            return None if further is None else further.created
        page = [one(c) for c in sorted(waits) if c > window.upto][:2]
        window.begin_reading()
        window.read(page, last=len(page) < 2)
