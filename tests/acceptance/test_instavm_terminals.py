"""InstaVM: terminals in machines, by request and by websocket (instavm.md sections 5 and 5.1)."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from sessions.runtimes.vm.port import Ending, MachineFailed
from sessions.web.appkeys import MACHINES
from tests.support.instavm import VMS, P, created, execute, made, start_scripted, wrong_fields
from tests.support.scripted_machines import ScriptedMachines, ScriptedTerminal
from tests.support.service import ADMIN, SESSIONS, ask, create, new_key

Client = Any

# It only keeps a test from hanging.
WAIT_S = 60


@pytest.fixture
def runtime() -> ScriptedMachines:
    return ScriptedMachines()


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any, runtime: ScriptedMachines) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, runtime)


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


@pytest.fixture(params=["session", "vm"])
async def below(client: Client, request: Any) -> str:
    """Where the terminals of a machine are: below its session, or below itself."""
    vm = await created(client)
    if request.param == "vm":
        return f"{VMS}/{vm['vm_id']}"
    return f"{P}/v1/sessions/{vm['session_id']}"


async def opened(client: Client, below: str, status: int = 200, **body: Any) -> Any:
    return await ask(client, "POST", f"{below}/pty/sessions", status, json=body)


def url(below: str, pty: Any, key: str = ADMIN) -> str:
    return f"{below}/pty/{pty['session_id']}/connect?api_key={key}"


def terminal_of(client: Client, pty: Any) -> ScriptedTerminal:
    found = client.app[MACHINES].terminals._opened[pty["vm_id"]][pty["id"]]
    terminal: ScriptedTerminal = found.terminal
    return terminal


async def close_code(client: Client, address: str) -> tuple[int | None, str]:
    async with client.ws_connect(address) as socket:
        message = await socket.receive(WAIT_S)
        assert message.type is WSMsgType.CLOSE
        return socket.close_code, message.extra


async def test_5_a_terminal_is_made_listed_resized_and_ended(client: Client, below: str) -> None:
    pty = await opened(client, below, cols=100, rows=30)
    assert datetime.fromisoformat(pty["created_at"]).tzinfo is None
    # Section 7.12: `session_id` is the terminal's own id.
    assert pty["session_id"] == pty["id"]
    assert (pty["cols"], pty["rows"], pty["alive"], pty["exit_code"]) == (100, 30, True, None)
    sessions, one = f"{below}/pty/sessions", f"{below}/pty/sessions/{pty['id']}"
    assert await ask(client, "GET", sessions) == [pty]
    assert await ask(client, "GET", one) == pty
    resized = await ask(client, "POST", f"{one}/resize", json={"cols": 5, "rows": 6})
    assert (resized["cols"], resized["rows"]) == (5, 6)
    assert terminal_of(client, pty).size == (5, 6)
    ended = await ask(client, "DELETE", one)
    assert (ended["alive"], ended["exit_code"]) == (False, 129)
    assert await ask(client, "GET", sessions) == []
    await ask(client, "GET", one, 404)
    await ask(client, "DELETE", one, 404)


async def test_5_a_terminal_of_a_session_without_a_machine_makes_one(client: Client) -> None:
    session_id = await made(client)
    below = f"{P}/v1/sessions/{session_id}"
    assert await ask(client, "GET", f"{below}/pty/sessions") == []
    pty = await ask(client, "POST", f"{below}/pty/sessions")
    assert (pty["cols"], pty["rows"]) == (80, 24)
    assert (await execute(client, session_id, "echo a"))["vm_id"] == pty["vm_id"]


async def test_5_what_a_terminal_runs_is_passed_on(
    client: Client, below: str, runtime: ScriptedMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def terminal(*args: Any) -> ScriptedTerminal:
        asked.append(args)
        return ScriptedTerminal()

    monkeypatch.setattr(runtime.made[0], "terminal", terminal)
    await opened(client, below, shell="/bin/sh")
    await opened(client, below, command="echo a && b", id="mine")
    assert asked == [(80, 24, "/bin/sh", ""), (80, 24, "", "echo a && b")]
    assert (await ask(client, "GET", f"{below}/pty/sessions/mine"))["id"] == "mine"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cols": 0}, "cols"),
    ({"rows": 1001}, "rows"),
    ({"cols": "80"}, "cols"),
    ({"id": "../x"}, "id"),
    ({"id": ""}, "id"),
    ({"shell": 5}, "shell"),
    ({"command": []}, "command"),
]


async def test_5_a_wrong_field_is_422(client: Client, below: str) -> None:
    for body, name in WRONG:
        ((loc, _),) = wrong_fields(await opened(client, below, 422, **body))
        assert loc == ("body", name)
    assert await ask(client, "GET", f"{below}/pty/sessions") == []


async def test_5_a_wrong_size_is_422(client: Client, below: str) -> None:
    pty = await opened(client, below)
    path = f"{below}/pty/sessions/{pty['id']}/resize"
    bodies: list[Any] = [{}, {"cols": 80}, {"cols": 80, "rows": 0}, [], {"cols": None, "rows": 5}]
    for body in bodies:
        await ask(client, "POST", path, 422, json=body)


async def test_5_a_machine_has_only_so_many_terminals(client: Client, below: str) -> None:
    for _ in range(16):
        await opened(client, below)
    error = await opened(client, below, 429)
    assert isinstance(error["detail"], str)


async def test_5_the_terminals_of_a_machine_end_with_it(
    client: Client, below: str, runtime: ScriptedMachines
) -> None:
    pty = await opened(client, below)
    await ask(client, "DELETE", f"{VMS}/{pty['vm_id']}")
    assert await ask(client, "GET", f"{below}/pty/sessions") == []
    await ask(client, "GET", f"{below}/pty/sessions/{pty['id']}", 404)
    if below.startswith(VMS):
        await opened(client, below, 409)


async def test_5_1_keystrokes_in_and_output_out(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as socket:
        await socket.send_bytes(b"ls\xff\r")
        message = await socket.receive(WAIT_S)
        assert (message.type, message.data) == (WSMsgType.BINARY, b"ls\xff\r")
        await socket.send_str(json.dumps({"type": "resize", "cols": 7, "rows": 8}))
        for nothing in ("", "{", "[]", '{"type":"resize","cols":0,"rows":1}', '{"type":"x"}'):
            await socket.send_str(nothing)
        await socket.send_bytes(b"more")
        assert (await socket.receive(WAIT_S)).data == b"more"
        assert terminal_of(client, pty).size == (7, 8)
        view = await ask(client, "GET", f"{below}/pty/sessions/{pty['id']}")
        assert (view["cols"], view["rows"], view["connected"]) == (7, 8, True)


async def test_5_1_the_end_of_the_program_is_one_frame(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as socket:
        await socket.send_bytes(b"bye")
        assert (await socket.receive(WAIT_S)).data == b"bye"
        await terminal_of(client, pty).kill()
        message = await socket.receive(WAIT_S)
        assert message.type is WSMsgType.TEXT
        assert json.loads(message.data) == {"type": "exit", "exit_code": 129}
        assert (await socket.receive(WAIT_S)).type is WSMsgType.CLOSE
        assert socket.close_code == 1000
    view = await ask(client, "GET", f"{below}/pty/sessions/{pty['id']}")
    assert (view["alive"], view["exit_code"]) == (False, 129)


async def test_5_1_a_terminal_outlives_its_socket(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as socket:
        await socket.send_bytes(b"a")
        assert (await socket.receive(WAIT_S)).data == b"a"
    await terminal_of(client, pty).write(b"while nobody looked")
    async with keyless.ws_connect(url(below, pty)) as socket:
        assert (await socket.receive(WAIT_S)).data == b"while nobody looked"


async def test_5_1_the_latest_client_has_the_terminal(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as first:
        await first.send_bytes(b"a")
        assert (await first.receive(WAIT_S)).data == b"a"
        async with keyless.ws_connect(url(below, pty)) as second:
            message = await first.receive(WAIT_S)
            assert message.type is WSMsgType.CLOSE
            assert (first.close_code, message.extra) == (
                4409,
                "another client has the terminal now",
            )
            await second.send_bytes(b"b")
            assert (await second.receive(WAIT_S)).data == b"b"


async def test_5_1_many_clients_at_once_leave_one(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    sockets = await asyncio.gather(*(keyless.ws_connect(url(below, pty)) for _ in range(8)))
    messages = [asyncio.create_task(socket.receive()) for socket in sockets]
    closed: set[Any] = set()
    while len(closed) < 7:
        done, _ = await asyncio.wait(set(messages) - closed, return_when="FIRST_COMPLETED")
        closed |= done
    assert {task.result().type for task in closed} == {WSMsgType.CLOSE}
    (left,) = set(messages) - closed
    await terminal_of(client, pty).write(b"hello")
    assert (await left).data == b"hello"
    for socket in sockets:
        await socket.close()


@pytest.mark.parametrize("key", ["", "wrong", "%C3%A9", "x" * 4000])
async def test_5_1_a_wrong_key_is_4401(
    keyless: Client, client: Client, below: str, key: str
) -> None:
    pty = await opened(client, below)
    code, reason = await close_code(keyless, url(below, pty, key))
    assert code == 4401
    assert "key" in reason
    # Section 7.13: the key counts before the ids.
    code, _ = await close_code(keyless, f"{P}/v1/vms/nonsense/pty/x/connect?api_key={key}")
    assert code == 4401


async def test_5_1_a_key_that_is_revoked_ends_the_socket(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines(), heartbeat_s=0.1)
    keyless = await aiohttp_client(client.server)
    key = await new_key(client, "default")
    vm = await created(client)
    pty = await opened(client, f"{VMS}/{vm['vm_id']}")
    async with keyless.ws_connect(url(f"{VMS}/{vm['vm_id']}", pty, key["key"])) as socket:
        await ask(client, "DELETE", f"/api/v1/keys/{key['id']}")
        assert (await socket.receive(WAIT_S)).type is WSMsgType.CLOSE
        assert socket.close_code == 4401


async def test_5_1_what_is_not_there_is_refused_at_the_handshake(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    theirs = (await new_key(client, "theirs"))["key"]
    reader = (await new_key(client, "default", "sessions:read"))["key"]
    nowhere = f"{below}/pty/x/connect?api_key={ADMIN}"
    for address, status in ((nowhere, 404), (url(below, pty, theirs), 404)):
        with pytest.raises(WSServerHandshakeError) as refused:
            await keyless.ws_connect(address)
        assert refused.value.status == status
    with pytest.raises(WSServerHandshakeError) as refused:
        await keyless.ws_connect(url(below, pty, reader))
    assert refused.value.status == 403
    await ask(keyless, "GET", url(below, pty), 426)
    await ask(keyless, "GET", url(below, pty, "wrong"), 401)


async def test_5_1_the_end_of_the_machine_is_told(
    keyless: Client, client: Client, below: str, runtime: ScriptedMachines
) -> None:
    pty = await opened(client, below)

    async def broken() -> Any:
        yield b"a"
        await runtime.made[0].ended()
        raise MachineFailed("gone")

    terminal_of(client, pty).output = broken  # type: ignore[method-assign]
    async with keyless.ws_connect(url(below, pty)) as socket:
        assert (await socket.receive(WAIT_S)).data == b"a"
        runtime.made[0].end(Ending(reason="runtime_lost", detail="gone"))
        message = await socket.receive(WAIT_S)
        assert message.type is WSMsgType.CLOSE
        assert (socket.close_code, message.extra) == (4502, "the machine of the terminal has ended")


async def test_5_1_a_program_that_reads_nothing_does_not_hold_up_the_rest(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    never = asyncio.Event()

    async def stuck(data: bytes) -> None:
        await never.wait()

    terminal = terminal_of(client, pty)
    show, terminal.write = terminal.write, stuck  # type: ignore[method-assign]
    async with keyless.ws_connect(url(below, pty)) as socket:
        for _ in range(20):
            await socket.send_bytes(b"x" * 1000)
        await show(b"shown")
        assert (await socket.receive(WAIT_S)).data == b"shown"
        await socket.send_str(json.dumps({"type": "resize", "cols": 7, "rows": 8}))
        while terminal.size != (7, 8):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_5_1_a_frame_that_is_too_long_ends_the_socket_and_not_the_terminal(
    keyless: Client, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as socket:
        await socket.send_bytes(b"x" * (1 << 20))
        assert (await socket.receive(WAIT_S)).type is WSMsgType.CLOSE
        assert socket.close_code == 1009
    assert (await ask(client, "GET", f"{below}/pty/sessions/{pty['id']}"))["alive"]


async def test_5_1_the_service_stops_and_says_so(
    aiohttp_client: Any, client: Client, below: str
) -> None:
    pty = await opened(client, below)
    keyless = await aiohttp_client(client.server)
    async with keyless.ws_connect(url(below, pty)) as socket:
        await socket.send_bytes(b"a")
        assert (await socket.receive(WAIT_S)).data == b"a"
        closing = asyncio.create_task(client.server.close())
        assert (await socket.receive(WAIT_S)).type is WSMsgType.CLOSE
        assert socket.close_code == 1012
        await socket.close()
        await closing


@pytest.mark.slow(reason="waits for an idle clock that must not fire")
async def test_who_looks_at_a_terminal_uses_the_session(keyless: Client, client: Client) -> None:
    """Nothing else is done in it for longer than it may be idle."""
    session = await create(client, "vm", idle_timeout_s=5)
    below = f"{P}/v1/sessions/{session['id']}"
    pty = await opened(client, below)
    async with keyless.ws_connect(url(below, pty)) as socket:
        with pytest.raises(TimeoutError):
            await socket.receive(7)
        state = await ask(client, "GET", f"{SESSIONS}/{session['id']}")
        assert state["status"] == "running"
