"""Terminals in a machine (contract of VM sessions, section 5.1), with the real agent."""

import asyncio
import signal
import subprocess

import pytest
import pytest_asyncio

from sessions.runtimes.vm.guest import processes
from sessions.runtimes.vm.port import GuestRefused, MachineFailed
from sessions.runtimes.vm.terminal import WINDOW
from tests.support.guest import EXIT_S_MAX, gone, running, until, written

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


async def shown(terminal):
    return b"".join([data async for data in terminal.output()])


async def test_keys_go_in_and_the_screen_comes_out(guest):
    terminal = await guest.channel.terminal(80, 24, "", "")
    assert terminal.exit_code is None
    await terminal.write(b"echo $((6 * 7)); tty >it; pwd; echo $TERM; exit 4\n")
    text = (await shown(terminal)).decode()
    assert "\r42\r\n" in text
    assert f"{guest.home}\r\n" in text
    assert "xterm-256color" in text
    assert terminal.exit_code == 4
    assert (guest.home / "it").read_text().startswith("/dev/pts/")


async def test_the_window_has_the_size_that_was_asked_for(guest):
    terminal = await guest.channel.terminal(
        80, 24, "", "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.01; done"
    )
    output = terminal.output()
    text = b""
    while b"24 80" not in text:
        text += await anext(output)
    await terminal.resize(132, 43)
    while b"43 132" not in text:
        text += await anext(output)
    async for _ in output:
        pass
    assert terminal.exit_code == 0


@pytest.mark.parametrize(
    ("shell", "command", "end"),
    [
        ("sh -c 'echo of $0; exit 5' me", "", (b"of me\r\n", 5)),
        ("", "shopt -q login_shell && echo login; exit 6", (b"login\r\n", 6)),
        ("", "kill -KILL $$", (b"", 137)),
    ],
)
async def test_what_runs_is_the_shell_or_the_command(guest, shell, command, end):
    terminal = await guest.channel.terminal(80, 24, shell, command)
    assert (await shown(terminal), terminal.exit_code) == end


async def test_a_shell_that_is_not_there_says_so_on_the_screen(guest):
    terminal = await guest.channel.terminal(80, 24, "no-such-shell", "")
    assert b"no-such-shell: not found" in await shown(terminal)
    assert terminal.exit_code == 127


async def test_interrupting_reaches_what_runs(guest):
    terminal = await guest.channel.terminal(
        80, 24, "", "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.01; done"
    )
    output = terminal.output()
    text = b""
    while b"on" not in text:
        text += await anext(output)
    await terminal.write(b"\x03")
    assert b"caught" in b"".join([data async for data in output])
    assert terminal.exit_code == 3


async def test_killing_ends_all_that_runs_in_it(guest):
    terminal = await guest.channel.terminal(
        80, 24, "", "set -m; sleep 600 & echo $! >pid; sleep 600"
    )
    pid = int(await written(guest.home / "pid"))
    await terminal.kill()
    await shown(terminal)
    assert terminal.exit_code == 137
    await gone(pid)
    await terminal.kill()
    for late in (terminal.write(b"x"), terminal.resize(1, 1)):
        with pytest.raises(GuestRefused, match="the terminal has ended"):
            await late


async def test_a_program_that_leads_no_session_yet_is_ended_too():
    just_forked = subprocess.Popen(["sleep", "600"])
    processes.end(just_forked.pid)
    assert just_forked.wait(EXIT_S_MAX) == -signal.SIGKILL


async def test_what_nobody_reads_waits_and_nothing_is_lost(guest):
    terminal = await guest.channel.terminal(80, 24, "", "stty -opost; seq 1 200000; touch done")
    await until(lambda: terminal.held >= WINDOW)
    for _ in range(3):
        await guest.channel.ping()
    assert terminal.held == WINDOW
    assert not (guest.home / "done").exists()
    assert await shown(terminal) == b"".join(b"%d\n" % number for number in range(1, 200_001))
    assert terminal.exit_code == 0


async def test_an_end_is_known_before_all_is_read(guest):
    terminal = await guest.channel.terminal(80, 24, "", "echo last words; exit 2")
    await until(lambda: terminal.exit_code is not None)
    assert await shown(terminal) == b"last words\r\n"


async def test_sizes_that_no_window_has_are_refused(guest):
    terminal = await guest.channel.terminal(80, 24, "", "cat")
    for cols, rows in ((0, 24), (80, 0), (1001, 24), (80, 70_000), (-1, 24)):
        for asked in (guest.channel.terminal(cols, rows, "", ""), terminal.resize(cols, rows)):
            with pytest.raises(GuestRefused, match="1 to 1000 rows and columns"):
                await asked


async def test_commands_that_cannot_be_are_refused(guest):
    for command, why in (
        ("\0", "null byte"),
        ("\ud800", "not valid text"),
        ("x" * 5000, "more than"),
    ):
        with pytest.raises(GuestRefused, match=why):
            await guest.channel.terminal(80, 24, "", command)


async def test_too_many_terminals_are_refused_until_some_have_ended(guest):
    open_ = [await guest.channel.terminal(80, 24, "", "cat") for _ in range(32)]
    with pytest.raises(GuestRefused, match="too many terminals"):
        await guest.channel.terminal(80, 24, "", "cat")
    await open_[0].kill()
    await shown(open_[0])
    assert await guest.channel.terminal(80, 24, "", "cat")


async def test_many_terminals_leave_nothing_in_the_agent(guest):
    await guest.channel.ping()
    before = guest.descriptors
    for _ in range(20):
        await shown(await guest.channel.terminal(80, 24, "", "echo hi"))
    # What the tests before this one left to be ended may only go now.
    await until(lambda: guest.descriptors <= before and not guest.children)


async def test_keys_that_nothing_takes_do_not_stop_the_rest(guest):
    terminal = await guest.channel.terminal(80, 24, "", "stty raw -echo; touch raw; sleep 600")
    await until(lambda: (guest.home / "raw").exists())
    writing = asyncio.create_task(terminal.write(b"x" * 300_000))
    assert (await guest.bash("echo on")).stdout == b"on\n"
    assert not writing.done()
    await terminal.kill()
    with pytest.raises(GuestRefused, match="the terminal has ended"):
        await writing


async def test_the_end_of_the_machine_ends_the_terminal(tmp_path):
    async with running(tmp_path) as guest:
        terminal = await guest.channel.terminal(80, 24, "", "cat")
        reading = asyncio.create_task(shown(terminal))
        guest.process.kill()
        with pytest.raises(MachineFailed):
            await reading
        with pytest.raises(MachineFailed):
            await terminal.write(b"x")
