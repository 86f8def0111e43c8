"""The service as a process: how it starts, what it refuses to start on, and how it ends."""

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest

from sessions.observe.protocol import CLOSE_GOING_AWAY
from tests.support.load import Load, Promises, check_promises
from tests.support.process import (
    ADMIN_KEY,
    EXIT_S_MAX,
    ROOT,
    START_S_MAX,
    eventually,
    refused,
    serving,
    start,
)
from tests.support.replays import Replay, bodies_in, checkpoint_in, opened_log, tables_in
from tests.support.trees import root_of_bodies

SOCKETS = 500
IN_FLIGHT = 20
FOR_EVER_S = 3600
SESSIONS = "/api/v1/sessions"
CREATE = {"kind": "agent", "status": "running"}


async def create(client, **more):
    """A session; its view."""
    async with client.post(SESSIONS, json={**CREATE, **more}) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


def refusal(words):
    """The one line by which a service says why it does not start."""
    lines = words.strip().splitlines()
    assert len(lines) == 1, words
    assert lines[0].startswith("sessiond: cannot start: ")
    return lines[0]


def files_of(folder, *names):
    """The size of each file, 0 if there is none."""
    paths = [folder / name for name in names]
    return [path.stat().st_size if path.exists() else 0 for path in paths]


async def test_the_last_line_at_start_is_the_ready_line_with_the_real_port(tmp_path):
    async with serving(tmp_path / "new" / "data") as service:
        *_, last = service.stdout.splitlines()
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+", last)
        assert service.port
        async with service.client() as client:
            made = await create(client)
            assert made["position"] == 1
        assert service.stdout.splitlines()[-1] == last


@pytest.mark.slow(reason="starts the service twice")
async def test_two_services_with_port_0_take_two_ports(tmp_path):
    async with serving(tmp_path / "a") as one, serving(tmp_path / "b") as other:
        assert one.port != other.port


@pytest.mark.slow(reason="starts the service twice")
async def test_without_any_key_the_first_start_shows_one_and_no_later_one_does(tmp_path):
    keyless = {"SESSIOND_ADMIN_KEY": None}
    async with serving(tmp_path, environ=keyless) as service:
        _, shown, ready = service.stdout.splitlines()
        assert ready.startswith("ready ")
        key = shown.split()[-1]
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(service.url, headers=headers) as client:
            assert (await create(client))["id"]
        await service.stop()
    async with serving(tmp_path, environ=keyless) as service:
        assert key not in service.stdout
        async with aiohttp.ClientSession(service.url, headers=headers) as client:
            assert (await create(client))["id"]


async def test_the_admin_key_is_neither_printed_nor_stored(tmp_path):
    async with serving(tmp_path) as service:
        async with service.client() as client:
            await create(client)
        await service.stop()
        assert ADMIN_KEY not in service.stdout + service.stderr
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert ADMIN_KEY.encode() not in path.read_bytes()


@pytest.mark.slow(reason="starts the service three times")
async def test_a_second_process_on_the_folder_is_refused_and_the_first_goes_on(tmp_path):
    async with serving(tmp_path) as service:
        code, words = await refused(tmp_path)
        assert code == 1
        assert str(service.pid) in refusal(words)
        async with service.client() as client:
            await create(client)
        # The command line still reaches the first one by its socket.
        keys = await run_keys(tmp_path)
        assert keys == {"items": []}
        await service.stop()
        assert not (tmp_path / "control.sock").exists()


async def run_keys(folder):
    """What `sessiond keys list` says."""
    command = [sys.executable, "-m", "sessions", "keys", "list", "--data", str(folder)]
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), START_S_MAX)
    assert process.returncode == 0, err.decode()
    return msgspec.json.decode(out)


def bound(taken):
    """The port that it has now: none of those that the system gives to whoever wants any.

    Another process might have such a one before the service does.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in [*random.sample(range(1024, first), first - 1024), 0]:
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            break
    return taken.getsockname()[1]


@pytest.mark.slow(reason="starts the service three times")
async def test_a_port_in_use_is_refused_and_the_folder_is_free_again(tmp_path):
    with socket.socket() as taken:
        port = bound(taken)
        taken.listen()
        code, words = await refused(tmp_path, port=port)
    assert code == 1
    assert str(port) in refusal(words)
    assert "in use" in words
    async with serving(tmp_path, port=port) as service:
        assert service.port == port


def without_privileges():
    """A command that runs another as somebody whom permissions bind; skips where there is none."""
    if os.geteuid() != 0:
        return []
    found = shutil.which("setpriv")
    if found is None:
        pytest.skip("no setpriv to drop the privileges of root")
    return [found, "--bounding-set=-all", "--inh-caps=-all", "--"]


@pytest.mark.parametrize("data", [".", "below", "below/that"])
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path, data):
    tmp_path.chmod(0o555)
    try:
        folder = tmp_path / data
        code, words = await refused(folder, wrapper=without_privileges())
    finally:
        tmp_path.chmod(0o755)
    assert code == 1
    assert str(tmp_path) in refusal(words)
    assert "denied" in words


@pytest.mark.slow(reason="starts the service six times")
@pytest.mark.parametrize("name", ["log.db", "vault.db"])
async def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
    async with serving(tmp_path) as service:
        async with service.client() as client:
            await create(client)
        await service.stop()
    (tmp_path / name).chmod(0o444)
    code, words = await refused(tmp_path, wrapper=without_privileges())
    assert code == 1
    refusal(words)
    (tmp_path / name).chmod(0o644)
    async with serving(tmp_path) as service, service.client() as client:
        assert (await create(client))["position"] == 2


@pytest.mark.slow(reason="starts the service twice")
async def test_views_that_cannot_be_written_are_made_anew(tmp_path):
    async with serving(tmp_path) as service:
        async with service.client() as client:
            made = await create(client)
        await service.stop()
    (tmp_path / "views.db").chmod(0o444)
    async with (
        serving(tmp_path, wrapper=without_privileges()) as service,
        service.client() as client,
        client.get(SESSIONS) as answer,
    ):
        assert (await answer.json())["items"] == [made]


async def test_a_data_folder_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    code, words = await refused(path)
    assert code == 1
    assert str(path) in refusal(words)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["log.db", "vault.db"])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"no database " * 1000)
    code, words = await refused(tmp_path)
    assert code == 1
    assert name in refusal(words)
    assert (tmp_path / name).read_bytes() == b"no database " * 1000


@pytest.mark.slow(reason="makes more sessions than the log gathers lines")
async def test_a_log_line_that_cannot_be_written_does_not_harm_an_answer(tmp_path):
    with Path("/dev/full").open("wb") as full:
        async with serving(tmp_path, stderr=full) as service, service.client() as client:
            for number in range(1, 1200):  # more than the log gathers
                assert (await create(client))["position"] == number
            await service.stop()


async def test_a_log_whose_reader_has_gone_does_not_harm_an_answer(tmp_path):
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        async with serving(tmp_path, stderr=pipe) as service, service.client() as client:
            os.close(reader)
            for number in range(1, 10):
                assert (await create(client))["position"] == number
                await asyncio.sleep(0.02)
            await service.stop()


class Watcher:
    """An idle websocket client."""

    def __init__(self, service):
        self._service = service
        self.frames = []
        self.code = None

    async def run(self, client, opened):
        async with client.ws_connect("/api/v1/observe") as socket:
            async for message in socket:
                self.frames.append(msgspec.json.decode(message.data))
                if self.frames[-1]["type"] == "caught_up":
                    opened.release()
            self.code = socket.close_code


async def in_flight(client, answers, begun):
    """A request that waits for something that does not happen."""
    session = await create(client)
    begun.release()
    try:
        path = f"{SESSIONS}/{session['id']}?wait=status:ended&timeout={FOR_EVER_S}"
        async with client.get(path) as answer:
            await answer.read()
            answers.append(answer.status)
    except (aiohttp.ClientError, ConnectionError):
        answers.append(None)


@pytest.mark.slow(reason="opens 500 websockets")
async def test_sigterm_ends_500_websockets_and_requests_in_flight_in_time(tmp_path):
    answers: list[int | None] = []
    # Even a busy machine says goodbye to all of them in five seconds.
    options = ("--drain-s", "5", "--wait-s-max", str(FOR_EVER_S))
    async with serving(tmp_path, *options) as service:
        connector = aiohttp.TCPConnector(limit=0)
        async with service.client(connector=connector) as client:
            watchers = [Watcher(service) for _ in range(SOCKETS)]
            opened = asyncio.Semaphore(0)
            watching = [asyncio.create_task(watcher.run(client, opened)) for watcher in watchers]
            begun = asyncio.Semaphore(0)
            async with asyncio.timeout(START_S_MAX):
                for _ in watchers:
                    await opened.acquire()
            waiting = [
                asyncio.create_task(in_flight(client, answers, begun)) for _ in range(IN_FLIGHT)
            ]
            async with asyncio.timeout(START_S_MAX):
                for _ in waiting:
                    await begun.acquire()
            await asyncio.sleep(0.3)
            await service.stop()
            await asyncio.wait_for(asyncio.gather(*watching, *waiting), EXIT_S_MAX)
    assert len(answers) == IN_FLIGHT
    assert {watcher.code for watcher in watchers} == {CLOSE_GOING_AWAY}
    last = [watcher.frames[-1] for watcher in watchers]
    assert last == [{"type": "end", "position": IN_FLIGHT, "reason": "shutdown"}] * SOCKETS
    assert len(bodies_in(tmp_path)) == IN_FLIGHT


@pytest.mark.slow(reason="waits for the drain to end")
async def test_sigterm_ends_sockets_that_do_not_read_in_time(tmp_path):
    async with serving(tmp_path) as service, service.client() as client:
        request = f"GET /api/v1/observe?after=0&api_key={ADMIN_KEY} HTTP/1.1\r\n"
        request += "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        request += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
        sockets = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(5)]
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(request.encode())
        session = await create(client)
        for _ in range(60):
            message = {"content": "x" * 100_000}
            async with client.post(f"{SESSIONS}/{session['id']}/messages", json=message) as said:
                assert said.status == 201
        half = socket.create_connection(("127.0.0.1", service.port))
        half.sendall(b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        try:
            service.send(signal.SIGTERM)
            # Who does not read would otherwise be waited for half a minute.
            assert await service.exited(20.0) == 0, service.stderr
        finally:
            for one in (*sockets, half):
                one.close()


@pytest.mark.slow(reason="puts the service under load for seconds")
async def test_sigterm_under_load_keeps_what_was_answered_and_needs_no_recovery(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    promises = Promises()
    for round_number in range(4):
        # 503 is what a request gets that comes when the log has closed.
        load = Load(promises, chance, f"r{round_number}", frozenset({404, 409, 410, 412, 422, 503}))
        async with serving(tmp_path) as service, service.client() as client:
            working = asyncio.create_task(load.run(client))
            await eventually(lambda: load.answers > 0, START_S_MAX, "an answer")  # noqa: B023
            await asyncio.sleep(0.1 + chance.random() * 0.5)
            await service.stop()
            await asyncio.wait_for(working, EXIT_S_MAX)
        # Nothing is left to recover: no WAL, and the views are at the end of the log.
        assert files_of(tmp_path, "log.db-wal", "views.db-wal", "vault.db-wal") == [0, 0, 0]
        replayed = Replay()
        replayed.extend(bodies_in(tmp_path))
        async with opened_log(tmp_path) as log:
            assert log.head().root == root_of_bodies(replayed.bodies)
        check_promises(promises, replayed)
        assert checkpoint_in(tmp_path) == len(replayed.bodies)
        assert tables_in(tmp_path) == replayed.tables()


async def signalled(service, number, chance):
    """Send the signal at a random moment; the service ends, and without a complaint."""
    # Before its first line only Python itself runs, and ends as it likes.
    await eventually(lambda: "settings" in service.stdout, START_S_MAX, "the first line")
    await asyncio.sleep(chance.random() * 0.3)
    service.send(number)
    code = await service.exited()
    assert code in (0, -number), service.stderr


@pytest.mark.slow(reason="starts the service many times, to stop each at another moment")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_at_any_moment_of_the_start_ends_it(tmp_path, number):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(4):
        service = start(tmp_path)
        try:
            await signalled(service, number, chance)
        finally:
            service.close()
    async with serving(tmp_path) as service, service.client() as client:
        await create(client)


async def test_the_files_can_be_read_beside_the_running_service(tmp_path):
    async with serving(tmp_path) as service, service.client() as client:
        made = await create(client, title="seen")
        uri = f"{(tmp_path / 'log.db').as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True)
        rows = connection.execute("SELECT stream, type FROM events").fetchall()
        connection.close()
        assert rows == [(f"session/{made['id']}", "session.created")]
