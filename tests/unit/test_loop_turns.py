"""The turns of the event loop: what is counted, which is the longest, and that they are timed."""

import asyncio
import time

from prometheus_client import CollectorRegistry, generate_latest

from sessions.loop_turns import WINDOW_S, LoopTurns, TimedSelector

BLOCKED_S = 0.2


def text_of(turns: LoopTurns) -> str:
    registry = CollectorRegistry()
    registry.register(turns)
    return generate_latest(registry).decode()


def test_each_turn_is_counted_where_it_belongs() -> None:
    turns = LoopTurns()
    for took in (0.0, 0.001, 0.04, 0.05, 0.0501, 9.0):
        turns.note(0.0, took)
    text = text_of(turns)
    assert 'sessiond_loop_turn_seconds_bucket{le="0.001"} 2.0\n' in text
    assert 'sessiond_loop_turn_seconds_bucket{le="0.05"} 4.0\n' in text
    assert 'sessiond_loop_turn_seconds_bucket{le="0.1"} 5.0\n' in text
    assert 'sessiond_loop_turn_seconds_bucket{le="5.0"} 5.0\n' in text
    assert 'sessiond_loop_turn_seconds_bucket{le="+Inf"} 6.0\n' in text
    assert "sessiond_loop_turn_seconds_count 6.0\n" in text
    assert "sessiond_loop_turn_max_seconds 9.0\n" in text


def test_the_longest_is_forgotten_after_a_minute() -> None:
    turns = LoopTurns()
    assert turns.longest_s == 0.0
    for began, took in ((100, 0.5), (100, 0.25), (101, 0.375), (101, 0.125)):
        turns.note(began, began + took)
    assert turns.longest_s == 0.5
    turns.note(100 + WINDOW_S, 100 + WINDOW_S + 0.0625)
    assert turns.longest_s == 0.375
    turns.note(101 + WINDOW_S, 101 + WINDOW_S + 0.0625)
    assert turns.longest_s == 0.0625


def test_a_loop_that_is_kept_takes_long_for_a_turn_and_one_that_waits_does_not() -> None:
    turns = LoopTurns()

    async def block_and_wait() -> tuple[float, float]:
        await asyncio.sleep(0)
        time.sleep(BLOCKED_S)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        blocked = turns.longest_s
        await asyncio.sleep(2 * blocked)
        return blocked, turns.longest_s

    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(TimedSelector(turns))
    ) as runner:
        blocked, in_all = runner.run(block_and_wait())
    assert blocked >= BLOCKED_S
    assert in_all == blocked
