"""First come, first served, and never more than the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.domain.admission import Admission, Budget, NeverFits, QueueFull


def admission(**budget):
    return Admission(Budget(**{"memory_mb": 1000, "count": 3, "starts": 3, "queue": 3, **budget}))


def test_what_fits_is_in_at_once():
    here = admission()
    assert here.enter("a", 600)
    assert (here.inside, here.waiting, here.memory_mb, here.position("a")) == (1, 0, 600, None)


def test_the_others_wait_in_the_order_in_which_they_came():
    here = admission()
    here.enter("a", 600)
    assert not here.enter("b", 500)
    assert not here.enter("c", 100)  # it would fit, and it was later
    assert (here.position("b"), here.position("c")) == (1, 2)
    here.left("a")
    assert here.admit() == ["b", "c"]


def test_the_queue_ends_somewhere():
    here = admission(count=1, queue=1)
    here.enter("a", 1)
    here.enter("b", 1)
    with pytest.raises(QueueFull):
        here.enter("c", 1)
    here.left("b")
    assert not here.enter("c", 1)


@pytest.mark.parametrize("budget", [{"memory_mb": 99}, {"count": 0}])
def test_what_never_fits_does_not_wait(budget):
    with pytest.raises(NeverFits):
        admission(**budget).enter("a", 100)


def test_only_so_many_start_at_a_time():
    here = admission(starts=1)
    assert here.enter("a", 1)
    assert not here.enter("b", 1)
    here.started("a")
    assert here.admit() == ["b"]
    here.left("b")
    assert here.enter("c", 1)


def test_memory_grows_as_far_as_there_is_any():
    here = admission()
    here.enter("a", 600)
    here.enter("b", 300)
    assert here.grow("a", 700)
    assert not here.grow("a", 701)
    assert not here.grow("unknown", 1)
    assert here.memory_mb == 1000


STEPS = st.lists(
    st.tuples(st.sampled_from(("enter", "started", "left", "grow")), st.integers(0, 9)),
    max_size=60,
)


@given(STEPS, st.integers(0, 4), st.integers(1, 3), st.integers(0, 4))
def test_nothing_goes_beyond_the_budget_and_nobody_is_overtaken(steps, count, starts, queue):
    here = admission(count=count, starts=starts, queue=queue)
    came: list[str] = []
    inside: dict[str, int] = {}
    for number, (step, which) in enumerate(steps):
        vm = f"vm-{which}"
        known = vm in inside or here.position(vm)
        if step == "enter" and not known:
            try:
                if here.enter(vm, memory(which)):
                    inside[vm] = memory(which)
                else:
                    came.append(vm)
            except (NeverFits, QueueFull):
                assert here.position(vm) is None
        elif step == "started":
            here.started(vm)
        elif step == "left":
            here.left(vm)
            inside.pop(vm, None)
            came = [one for one in came if one != vm]
        elif step == "grow" and here.grow(vm, memory(which) + number):
            inside[vm] = memory(which) + number
        for admitted in here.admit():
            assert admitted == came.pop(0), "somebody was overtaken"
            inside[admitted] = memory(int(admitted.removeprefix("vm-")))
        assert (here.inside, here.memory_mb) == (len(inside), sum(inside.values()))
        assert here.inside <= count
        assert here.memory_mb <= 1000
        assert [here.position(vm) for vm in came] == list(range(1, len(came) + 1))
        assert here.waiting <= queue + 1


def memory(which):
    return 100 * (which + 1)
