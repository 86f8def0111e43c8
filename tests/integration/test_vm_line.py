"""The line between host and agent: ends, pauses, garbage, a host that does not read."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sessions.runtimes.vm import channel as channels
from sessions.runtimes.vm.channel import Channel
from sessions.runtimes.vm.frames import Decoder, encode
from sessions.runtimes.vm.guest_programs import AGENT, sources
from sessions.runtimes.vm.port import GuestRefused, MachineFailed, Program
from tests.support.guest import EXIT_S_MAX, MIB, gone, memory_peak, running, until, written


@pytest.fixture
async def guest(tmp_path):
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
def raw(tmp_path):
    """An agent and a blocking socket to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [
            sys.executable,
            "-E",
            "-s",
            "-S",
            str(AGENT),
            f"fd={theirs.fileno()}",
            f"home={tmp_path}",
        ]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    ours.settimeout(EXIT_S_MAX)
    with ours:
        yield ours
    assert process.wait(EXIT_S_MAX) == 0


def answers(raw, count):
    decoder = Decoder()
    read: list[Any] = []
    while len(read) < count:
        read += decoder.feed(raw.recv(65536))
    return read


def program(number, language, code):
    run: dict[str, Any] = {"op": "run", "timeout_ms": 60_000, "room": 10**9, "credit": 10**9}
    return encode({"id": number, "language": language, **run}, code)


async def test_an_agent_that_dies_in_the_middle_fails_everybody_at_once(guest):
    waiting = [
        asyncio.create_task(guest.bash("touch begun; sleep 600", timeout_s=600)),
        asyncio.create_task(guest.python("import time; time.sleep(600)", timeout_s=600)),
        asyncio.create_task(guest.channel.put("file", endless())),
    ]
    await until(lambda: (guest.home / "begun").exists())
    guest.process.kill()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {MachineFailed}
    why = await guest.channel.ended()
    assert "the machine" in why
    for late in (guest.channel.ping(), guest.bash("true"), guest.channel.setenv({"A": "1"})):
        with pytest.raises(MachineFailed, match=why):
            await late


async def endless():
    while True:
        yield bytes(MIB)
        await asyncio.sleep(0.001)


async def test_a_line_that_takes_nothing_more_is_over_for_whoever_is_told_so():
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        # What is read from it would go on for ever.
        theirs.shutdown(socket.SHUT_RD)
        with pytest.raises(MachineFailed, match="the line to the machine broke"):
            await channel.ping()
        assert channel.over
        await channel.close()


async def test_callers_that_leave_at_any_moment_leave_nothing(guest):
    (guest.home / "file").write_bytes(bytes(MIB))
    assert (await guest.python("x = 'y' * 300_000")).exit_code == 0
    before = guest.descriptors
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: guest.bash("seq 1 100000; sleep 600"),
        lambda: guest.bash("seq 1 100000"),
        lambda: guest.python("print(x)"),
        lambda: guest.channel.put("sub/new", endless()),
        lambda: anext(guest.channel.get("file", MIB)),
        lambda: guest.channel.terminal(80, 24, "", "cat"),
    ]
    for moment in range(60):
        ask = asked[moment % len(asked)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.0005 * (moment // len(asked)) ** 2):
                await ask()
    await guest.channel.sync()
    assert (await guest.python("print('on')")).stdout == b"on\n"
    await until(lambda: guest.descriptors <= before and len(guest.children) == 1)
    assert list(guest.home.rglob(".part-*")) == []


async def test_nobody_listens(tmp_path):
    with pytest.raises(MachineFailed, match="cannot be reached"):
        await Channel.connect(tmp_path / "none.sock")


async def test_an_agent_behind_a_path_is_reached(tmp_path):
    heard = asyncio.Event()

    async def serve(reader, writer):
        heard.set()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "agent.sock"):
        channel = await Channel.connect(tmp_path / "agent.sock")
        await heard.wait()
        assert await channel.ended() == "the machine is gone"
        await channel.close()


async def test_an_agent_that_does_not_answer_is_not_waited_for(guest, monkeypatch):
    monkeypatch.setattr(channels, "_MARGIN_S", 0.2)
    os.kill(guest.process.pid, 19)
    with pytest.raises(MachineFailed, match=r"did not answer within 0\.1 s"):
        await guest.channel.ping(timeout_s=0.1)
    with pytest.raises(MachineFailed, match="did not answer within"):
        await guest.bash("true", timeout_s=0.1)
    big = asyncio.create_task(guest.channel.call("env", bytes(4 * MIB), timeout_s=0.2))
    with pytest.raises(MachineFailed, match=r"took nothing for 0\.2 s"):
        await big
    os.kill(guest.process.pid, 18)
    await guest.channel.ping()


async def test_what_an_agent_must_not_say_ends_the_line(tmp_path):
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        asking = asyncio.create_task(channel.ping())
        await asyncio.sleep(0)
        theirs.sendall(b"\xff" * 64)
        with pytest.raises(MachineFailed, match="the agent of the machine sent a frame of"):
            await asking
        await channel.close()


async def test_answers_and_events_that_nobody_asked_for_are_passed_over(tmp_path):
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        run = asyncio.create_task(
            channel.run(Program(code="x", language="bash", timeout_s=5.0), 10)
        )
        await asyncio.sleep(0.01)
        for number, ev in ((99, ""), (99, "exit"), (99, "out"), (1, "odd"), (1, "exit")):
            theirs.sendall(encode({"id": number, "ev": ev}, b"x"))
        done = await run
        assert (done.exit_code, done.stdout) == (None, b"")
        await channel.close()


async def test_an_answer_and_what_follows_it_may_come_as_one(tmp_path):
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        opening = asyncio.create_task(channel.terminal(80, 24, "", "exit 3"))
        await asyncio.sleep(0.01)
        exit_ = encode({"id": 1, "ev": "exit", "exit_code": 3})
        theirs.sendall(encode({"id": 1}) + exit_ + encode({"id": 1, "ev": "end"}))
        terminal = await opening
        assert [data async for data in terminal.output()] == []
        assert terminal.exit_code == 3
        await channel.close()


async def test_an_agent_that_says_too_much_is_cut_by_the_host(tmp_path):
    ours, theirs = socket.socketpair()
    with theirs:
        channel = Channel(*await asyncio.open_unix_connection(sock=ours))
        run = asyncio.create_task(
            channel.run(Program(code="x", language="bash", timeout_s=5.0), 10)
        )
        await asyncio.sleep(0.01)
        for _ in range(3):
            theirs.sendall(encode({"id": 1, "ev": "out"}, bytes(8)))
        theirs.sendall(encode({"id": 1, "ev": "exit", "exit_code": 0, "stdout_bytes": 24}))
        done = await run
        assert (done.stdout, done.stdout_bytes) == (bytes(10), 24)
        await channel.close()


async def test_nothing_is_under_way_while_the_machine_is_at_rest(guest):
    printing = asyncio.create_task(
        guest.bash("touch begun; until [ -e go ]; do echo x; sleep 0.001; done; echo end")
    )
    await until(lambda: (guest.home / "begun").exists())
    await guest.channel.quiesce()
    asked = asyncio.create_task(guest.channel.ping())
    (guest.home / "go").touch()
    done, _ = await asyncio.wait([printing, asked], timeout=0.15)
    assert not done
    await guest.channel.unquiesce()
    await asked
    assert (await printing).stdout.endswith(b"end\n")


async def test_a_rest_that_does_not_come_lets_all_go_on(guest):
    os.kill(guest.process.pid, 19)
    with pytest.raises(MachineFailed):
        await guest.channel.quiesce(timeout_s=0.05)
    os.kill(guest.process.pid, 18)
    await guest.channel.unquiesce()
    await guest.channel.ping()


async def test_a_new_host_is_told_nothing_of_what_another_had_asked_for(raw, tmp_path):
    raw.sendall(program(1, "python", b"x = 1"))
    raw.sendall(program(2, "bash", b"until [ -e go ]; do sleep 0.01; done; >went"))
    raw.sendall(encode({"id": 3, "op": "put", "path": "half"}))
    shell: dict[str, Any] = {"op": "terminal", "cols": 80, "rows": 24, "credit": 9}
    raw.sendall(encode({"id": 4, **shell, "command": "echo $$ >pid; exec cat"}))
    pid = int(await written(tmp_path / "pid"))
    raw.sendall(encode({"id": 5, "op": "quiesce"}))
    read: list[Any] = []
    while not read or read[-1][0].id != 5:
        read += answers(raw, 1)
    (tmp_path / "go").touch()
    raw.sendall(encode({"id": 1, "op": "sync"}) + encode({"id": 2, "op": "ping"}))
    assert [said.id for said, _ in answers(raw, 2)] == [1, 2]
    await gone(pid)
    await until(lambda: (tmp_path / "went").exists())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go", "pid", "went"]
    raw.sendall(program(3, "python", b"print(x)"))
    (out, payload), (end, _) = answers(raw, 2)
    assert (out.ev, payload, end.exit_code) == ("out", b"1\n", 0)


def test_what_is_dropped_is_dropped_between_frames(raw, tmp_path):
    (tmp_path / "file").write_bytes(bytes(4 * MIB))
    raw.sendall(encode({"id": 1, "op": "get", "path": "file", "most": 4 * MIB}))
    read = encode({"id": 2, "op": "read", "handle": 1, "bytes": MIB})
    raw.sendall(read * 4)
    time.sleep(0.1)  # the socket takes a part of the first MiB, and nobody reads it
    raw.sendall(encode({"id": 3, "op": "sync"}) + encode({"id": 4, "op": "ping"}))
    time.sleep(0.1)
    decoder = Decoder()
    heard: list[int] = []
    while heard[-1:] != [4]:
        heard += [said.id for said, _ in decoder.feed(raw.recv(65536))]
    assert heard[-2:] == [3, 4]


NONSENSE: list[dict[str, Any]] = [
    {},
    {"op": None},
    {"op": ["x"]},
    {"op": "serve"},
    {"op": "reseed"},
    {"op": "clock", "ns": "now"},
    {"op": "mount", "device": 1},
    {"op": "env"},
    {"op": "run"},
    {"op": "run", "timeout_ms": 1, "room": 1, "credit": -1, "language": "bash"},
    {"op": "run", "timeout_ms": 1, "room": 1, "credit": 1, "language": "perl"},
    {"op": "terminal"},
    {"op": "terminal", "rows": True, "cols": 80},
    {"op": "type", "target": 9},
    {"op": "resize", "target": 9, "cols": 1, "rows": 1},
    {"op": "put"},
    {"op": "put", "path": 1},
    {"op": "write", "handle": 9},
    {"op": "commit", "handle": 9},
    {"op": "get", "path": "x"},
    {"op": "read", "handle": 9, "bytes": 1},
    {"op": "read", "handle": {}, "bytes": 1},
]


def test_requests_that_make_no_sense_are_answered_with_the_reason(raw):
    for request in NONSENSE:
        raw.sendall(encode({"id": 7, **request}) + encode({"id": 8, "op": "ping"}))
        refused, pong = answers(raw, 2)
        assert (refused[0].id, pong[0].id, pong[0].error) == (7, 8, "")
        assert refused[0].error, request


def test_frames_that_make_no_sense_are_answered_and_passed_over(raw):
    for header in (
        b"",
        b"[]",
        b"7",
        b'{"id":"x"}',
        b'{"id":true}',
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
    ):
        raw.sendall(len(header).to_bytes(4) + bytes(4) + header)
    raw.sendall(encode({"id": 8, "op": "ping"}))
    read = answers(raw, 9)
    assert [said.id for said, _ in read] == [0] * 8 + [8]
    assert all("JSON object" in said.error for said, _ in read[:8])


def test_an_agent_that_can_understand_nothing_more_says_so_and_ends(raw):
    raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert answers(raw, 1)[0][0].error.startswith("not a frame")
    assert raw.recv(1) == b""


def test_a_host_that_does_not_read_does_not_fill_the_agent(raw, tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1000 * MIB)
    raw.sendall(program(1, "bash", b"echo $PPID >agent; head -c 50000000 /dev/zero; >done"))
    raw.sendall(encode({"id": 2, "op": "get", "path": "file", "most": 1000 * MIB}))
    # The file is there a moment before what is written to it.
    while not (tmp_path / "agent").exists() or not (tmp_path / "agent").read_text():
        time.sleep(0.005)
    raw.settimeout(0.1)
    with pytest.raises(TimeoutError):
        flood(raw, encode({"id": 3, "op": "read", "handle": 2, "bytes": MIB}, bytes(50_000)))
    assert not (tmp_path / "done").exists()
    assert memory_peak(int((tmp_path / "agent").read_text())) < 48 * MIB


def flood(raw, request):
    for _ in range(1000):
        raw.sendall(request)


async def test_the_programs_of_a_guest_are_all_there():
    names = sources()
    assert {"agent.py", "interpreter.py", "service.py"} <= set(names)
    assert all(code for code in names.values())
    assert json.dumps(sorted(names)) == json.dumps(list(names))


async def test_requests_that_nobody_answers_are_bounded(guest):
    os.kill(guest.process.pid, 19)
    asking = [asyncio.create_task(guest.channel.ping()) for _ in range(1024)]
    await asyncio.sleep(0.05)
    with pytest.raises(GuestRefused, match="too many requests"):
        await guest.channel.ping()
    os.kill(guest.process.pid, 18)
    await asyncio.gather(*asking)
