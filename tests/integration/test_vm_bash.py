"""Bash in a machine (contract of VM sessions, section 4.3), with the real agent as a process."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio

from sessions.runtimes.vm.port import GuestRefused, Program
from tests.support.guest import MIB, alive, gone, is_root, open_to_all, running, until, written

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one(tmp_path_factory):
    async with running(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def guest(one):
    """The agent of the whole module, with an empty home and nothing under way."""
    await one.channel.sync()
    one.clear()
    return one


async def test_it_says_what_was_printed_and_how_it_ended(guest):
    outcome = await guest.bash("echo hi; echo oops >&2; exit 3")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"hi\n", b"oops\n")
    assert (outcome.stdout_bytes, outcome.stderr_bytes, outcome.timed_out) == (3, 5, False)


async def test_it_starts_at_home_with_a_closed_input(guest):
    outcome = await guest.bash('pwd; echo "$HOME"; cat; echo "read: $?"')
    assert outcome.stdout.decode().split("\n") == [str(guest.home)] * 2 + ["read: 0", ""]


async def test_a_signal_is_an_exit_code(guest):
    assert (await guest.bash("kill -SEGV $$")).exit_code == 128 + signal.SIGSEGV


async def test_processor_time_counts_children(guest):
    outcome = await guest.bash("(for ((i = 0; i < 60000; i++)); do :; done)")
    assert 0 < outcome.cpu_ms <= outcome.duration_ms * 2


@pytest.mark.parametrize("size", [64 * 1024, 200 * 1024, MIB - 100])
async def test_long_commands_run(guest, size):
    outcome = await guest.bash(f"x='{'y' * size}'; echo ${{#x}}")
    assert outcome.stdout == f"{size}\n".encode()


async def test_what_cannot_be_run_is_refused(guest):
    for code, why in (("x" * (MIB + 1), "more than"), ("\ud800", "not valid text")):
        with pytest.raises(GuestRefused, match=why):
            await guest.bash(code)
    with pytest.raises(GuestRefused, match="null byte"):
        await guest.bash("echo \0")
    assert (await guest.bash("echo on")).stdout == b"on\n"


async def test_every_byte_comes_through(guest):
    outcome = await guest.bash(r"for i in {0..255}; do printf \\x$(printf %02x $i); done")
    assert outcome.stdout == bytes(range(256))


async def test_the_environment_is_untouched_and_stays(guest):
    env = {
        "PLAIN": "a",
        "ODD": " two  words \"quoted\" 'too' $HOME `date` \\ \n\tüß€😀 ",
        "EMPTY": "",
    }
    await guest.channel.setenv(env)
    for _ in range(2):
        for name, value in env.items():
            outcome = await guest.bash(f'printf %s "${name}"')
            assert outcome.stdout.decode() == value
    await guest.channel.setenv({"PLAIN": "b"})
    assert (await guest.bash("echo $PLAIN $EMPTY.")).stdout == b"b .\n"


@pytest.mark.parametrize("env", [{"A=B": ""}, {"": "x"}, {"N\0": ""}, {"N": "\0"}, {"N": "\ud800"}])
async def test_an_environment_that_cannot_be_is_refused_as_a_whole(guest, env):
    with pytest.raises(GuestRefused):
        await guest.channel.setenv({"GOOD": "1", **env})
    assert (await guest.bash("echo ${GOOD-none}")).stdout == b"none\n"


async def test_a_value_too_long_for_any_program_says_so(guest):
    await guest.channel.setenv({"LONG": "x" * 200_000})
    with pytest.raises(GuestRefused, match="argument list too long"):
        await guest.bash("true")
    await guest.channel.setenv({"LONG": ""})
    assert (await guest.bash("true")).exit_code == 0


@pytest.mark.slow(reason="waits for a time-out that leaves a slow machine the time to begin")
async def test_a_time_out_ends_all_that_it_started(guest):
    outcome = await guest.bash(
        "echo begun; sleep 600 & setsid sleep 600 & set -m; sleep 600 & jobs -p >pids; wait", 5.0
    )
    assert (outcome.exit_code, outcome.timed_out, outcome.stdout) == (None, True, b"begun\n")
    pids = [int(pid) for pid in (guest.home / "pids").read_text().split()]
    assert len(pids) == 3
    for pid in pids:
        await gone(pid)


async def test_a_caller_that_leaves_ends_the_program(guest):
    task = asyncio.create_task(guest.bash("echo $$ >pid; exec sleep 600"))
    pid = int(await written(guest.home / "pid"))
    assert alive(pid)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)
    assert (await guest.bash("echo on")).stdout == b"on\n"


async def test_what_runs_in_the_background_is_not_waited_for_and_goes_on(guest):
    code = "(while :; do echo spam; echo x >>log; sleep 0.01; done) & echo $! >pid; echo done"
    outcome = await guest.bash(code)
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(b"done\n") or b"\ndone\n" in outcome.stdout
    before = len((await written(guest.home / "log")).splitlines())
    await until(lambda: len((guest.home / "log").read_text().splitlines()) > before + 5)
    assert (await guest.bash("kill $(cat pid); echo $?")).stdout == b"0\n"


async def test_what_a_filter_prints_late_belongs_to_the_program(guest):
    # It prints when the program is gone, and starts nothing for it: that might take too long.
    late = 'read -r text; while kill -0 $$; do :; done; echo "${text^^}"'
    outcome = await guest.bash(f"exec 2>/dev/null > >({late}); echo late")
    assert outcome.stdout == b"LATE\n"


async def test_output_beyond_what_is_wanted_is_counted_and_memory_stays_small(guest):
    await guest.channel.ping()
    before = guest.memory_peak
    outcome = await guest.bash("head -c 200000000 /dev/zero; echo end >&2", most=MIB)
    assert (outcome.exit_code, len(outcome.stdout), outcome.stderr) == (0, MIB, b"end\n")
    assert outcome.stdout_bytes == 200_000_000
    assert guest.memory_peak - before < 8 * MIB


async def test_nothing_is_wanted(guest):
    outcome = await guest.bash("echo hi; echo ho >&2", most=0)
    assert (outcome.stdout, outcome.stderr) == (b"", b"")
    assert (outcome.stdout_bytes, outcome.stderr_bytes) == (3, 3)


async def test_a_large_output_that_is_wanted_comes_whole(guest):
    outcome = await guest.bash("seq 1 300000", most=16 * MIB)
    assert outcome.stdout == b"".join(b"%d\n" % number for number in range(1, 300_001))


async def test_programs_run_beside_each_other(guest):
    async def meet(mine: str, other: str):
        return await guest.bash(
            f"touch {mine}; until [ -e {other} ]; do sleep 0.01; done; echo {mine}"
        )

    outcomes = await asyncio.gather(meet("a", "b"), meet("b", "a"))
    assert [outcome.stdout for outcome in outcomes] == [b"a\n", b"b\n"]


async def test_too_many_at_once_are_refused_and_the_rest_goes_on(guest):
    os.mkfifo(guest.home / "gate")
    waiting = [asyncio.create_task(guest.bash(": <gate")) for _ in range(129)]
    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(GuestRefused, match="too many programs"):
        await done.pop()
    with (guest.home / "gate").open("r+b", buffering=0):
        assert {(await task).exit_code for task in rest} == {0}


async def test_many_programs_leave_nothing_in_the_agent(guest):
    await guest.bash("true")
    before = guest.descriptors
    for _ in range(15):
        await asyncio.gather(*(guest.bash("echo $RANDOM") for _ in range(10)))
    # What the tests before this one left to be ended may only go now.
    await until(lambda: guest.descriptors <= before and not guest.children)


@pytest.mark.skipif(not is_root(), reason="only root can run programs as somebody else")
async def test_programs_are_of_the_user_and_not_of_the_agent():
    with open_to_all() as home:
        async with running(home, uid=65534) as guest:
            outcome = await guest.bash("id -u; id -g; id -G; grep CapEff /proc/self/status")
            assert outcome.stdout.split() == [b"65534"] * 3 + [b"CapEff:", b"0" * 16]
            terminal = await guest.channel.terminal(
                80, 24, "", "id -u; test -O $(tty) && echo mine"
            )
            shown = b"".join([data async for data in terminal.output()])
            assert shown.split() == [b"65534", b"mine"]


async def test_a_language_that_is_none_is_refused(guest):
    program = Program(code="1", language="perl", timeout_s=1.0)  # type: ignore[arg-type]
    with pytest.raises(GuestRefused, match="python or bash"):
        await guest.channel.run(program, MIB)
