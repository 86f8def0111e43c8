"""InstaVM: programs in machines, now and later, and the end of a machine (instavm.md 4.3, 4.4)."""

import asyncio
import uuid
from datetime import datetime
from typing import Any

import pytest

from tests.support.instavm import (
    CREATE,
    VMS,
    P,
    created,
    execute,
    made,
    start_scripted,
    status_of,
    wrong_fields,
)
from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import (
    ADMIN,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    new_key,
    nothing_written,
)

Client = Any
X_KEY = {"X-API-Key": ADMIN}


@pytest.fixture
def runtime() -> ScriptedMachines:
    return ScriptedMachines()


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any, runtime: ScriptedMachines) -> Client:
    return await start_scripted(aiohttp_client, tmp_path, runtime)


@pytest.fixture
async def keyless(aiohttp_client: Any, client: Client) -> Client:
    return await aiohttp_client(client.server)


async def complete(client: Client, task_id: str) -> Any:
    while True:
        task = await ask(client, "GET", f"{P}/v1/executions/{task_id}")
        if task["is_complete"]:
            return task
        await asyncio.sleep(0.01)


async def test_4_3_the_first_execution_makes_the_machine_and_later_ones_use_it(
    client: Client, runtime: ScriptedMachines
) -> None:
    session_id = await made(client)
    assert runtime.made == []
    answer = await execute(client, session_id, "echo hello  $HOME")
    created_at = datetime.fromisoformat(answer.pop("created_at"))
    assert created_at.tzinfo is None
    assert uuid.UUID(answer.pop("task_id")).version == 7
    assert answer == {
        "session_id": session_id,
        "vm_id": runtime.made[0].id,
        "language": "bash",
        "stdout": "hello  $HOME\n",
        "stderr": "",
        "exit_code": 0,
        "timed_out": False,
        "truncated": False,
        "stdout_bytes": 13,
        "stderr_bytes": 0,
        "execution_time": 0.003,
        "cpu_time": 0.002,
    }
    assert (await execute(client, session_id, "exit 3"))["exit_code"] == 3
    assert len(runtime.made) == 1


async def test_4_3_python_is_the_default_and_the_usual_time_is_a_minute(
    client: Client, runtime: ScriptedMachines
) -> None:
    session_id = await made(client)
    answer = await execute(client, session_id, "x", language=None, timeout=None)
    assert answer["language"] == "python"
    await ask(client, "POST", f"{P}/execute", json={"session_id": session_id, "code": "y"})
    await execute(client, session_id, "z", timeout=600)
    programs = runtime.made[0].programs
    asked = [(program.code, program.language, program.timeout_s) for program in programs]
    assert asked == [("x", "python", 60), ("y", "python", 60), ("z", "bash", 600)]


async def test_4_3_env_is_there_at_once_and_on_the_next_machine(
    client: Client, runtime: ScriptedMachines
) -> None:
    value = "a b 'c' \"d\" $HOME \\ ü\n"
    session_id = await made(client, env={"A": value})
    assert (await execute(client, session_id, "env A"))["stdout"] == value + "\n"
    await ask(client, "POST", f"{P}/kill", json={"session_id": session_id})
    assert (await execute(client, session_id, "env A"))["stdout"] == value + "\n"
    assert [machine.env for machine in runtime.made] == [{"A": value}] * 2


async def test_4_3_a_program_that_runs_too_long_is_ended_and_says_so(client: Client) -> None:
    answer = await execute(client, await made(client), "sleep", timeout=1)
    assert (answer["exit_code"], answer["timed_out"]) == (124, True)
    assert "ended after 1 seconds" in answer["stderr"]


async def test_4_3_output_beyond_the_limit_is_counted_and_said_to_be_cut_off(
    client: Client,
) -> None:
    answer = await execute(client, await made(client), "yes 5000000")
    assert (len(answer["stdout"]), answer["stdout_bytes"]) == (4 << 20, 5_000_000)
    assert answer["truncated"]
    assert answer["exit_code"] == 0
    assert "[stdout is cut off after 4194304 of 5000000 bytes]" in answer["stderr"]


async def test_4_3_a_command_of_64_kib_arrives_whole(
    client: Client, runtime: ScriptedMachines
) -> None:
    command = "echo " + "\N{SNOWMAN}x" * (16 << 10)
    answer = await execute(client, await made(client), command)
    assert answer["stdout"] == command.removeprefix("echo ") + "\n"
    assert runtime.made[0].programs[0].code == command
    wrong = await execute(client, await made(client), "x" * (256 * 1024 + 1), 422)
    assert wrong_fields(wrong) == [(("body", "command"), "string_too_long")]


async def test_4_3_a_task_is_there_at_once_and_comes_to_its_end(client: Client) -> None:
    session_id = await made(client)
    asked = {"session_id": session_id, "command": "echo a", "language": "bash"}
    answer = await ask(client, "POST", f"{P}/execute_async", json=asked)
    assert answer["session_id"] == session_id
    task = await complete(client, answer["task_id"])
    assert (task["serialized_stdout"], task["serialized_stderr"]) == ("a\n", "")
    assert (task["exit_code"], task["cpu_time"], task["execution_time"]) == (0, 0.002, 0.003)
    assert datetime.fromisoformat(task["created_at"]).tzinfo is None
    assert task["vm_id"].startswith("vmid-")


async def test_4_3_a_task_that_waits_has_no_output_yet(
    client: Client, runtime: ScriptedMachines
) -> None:
    runtime.script.then("execute", "hang")
    session_id = await made(client)
    asked = {"session_id": session_id, "command": "echo a"}
    task_id = (await ask(client, "POST", f"{P}/execute_async", json=asked))["task_id"]
    await runtime.script.entered.wait()
    task = await ask(client, "GET", f"{P}/v1/executions/{task_id}")
    assert (task["status"], task["is_complete"]) == ("running", False)
    assert (task["serialized_stdout"], task["exit_code"]) == (None, None)
    await ask(client, "POST", f"{P}/kill", json={"session_id": session_id})
    task = await complete(client, task_id)
    assert (task["status"], task["exit_code"]) == ("cut_off", 137)
    assert "cut off" in task["serialized_stderr"]


async def test_4_3_a_program_whose_machine_dies_does_not_look_like_a_success(
    client: Client, runtime: ScriptedMachines
) -> None:
    runtime.script.then("execute", "die")
    session_id = await made(client)
    answer = await execute(client, session_id, "echo a")
    assert (answer["exit_code"], answer["stdout"]) == (137, "")
    assert "cut off" in answer["stderr"]
    assert (await status_of(client, session_id))["vm_status"] == "killed"
    assert (await execute(client, session_id, "echo b"))["stdout"] == "b\n"


WRONG: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"command": None}, ("command",), "missing"),
    ({"command": ["x"]}, ("command",), "string_type"),
    ({"session_id": None}, ("session_id",), "string_type"),
    ({"session_id": 5}, ("session_id",), "string_type"),
    ({"language": "ruby"}, ("language",), "literal_error"),
    ({"timeout": 0}, ("timeout",), "greater_than_equal"),
    ({"timeout": 601}, ("timeout",), "less_than_equal"),
    ({"timeout": -(10**30)}, ("timeout",), "greater_than_equal"),
    ({"timeout": 1.5}, ("timeout",), "int_from_float"),
    ({"timeout": "60"}, ("timeout",), "int_type"),
    ({"vault_ids": ["v"]}, ("vault_ids",), "value_error"),
    ({"command": "a\0b"}, (), "value_error"),
]


@pytest.mark.parametrize("path", ["/execute", "/execute_async"])
async def test_4_3_a_wrong_field_is_422(client: Client, path: str) -> None:
    for field, loc, code in WRONG:
        asked = {"session_id": str(uuid.uuid4()), "command": "x", **field}
        error = await ask(client, "POST", P + path, 422, json=asked)
        assert wrong_fields(error) == [(("body", *loc), code)], field


async def test_6_a_body_that_is_no_object_is_422(client: Client) -> None:
    for path in ("/execute", "/execute_async", "/kill"):
        for body in (b"", b"{", b"[]", b"null", b"\xff", b"[" * 500):
            error = await ask(client, "POST", P + path, 422, data=body)
            assert error["detail"][0]["loc"] == ["body"]


async def test_6_unknown_sessions_are_404(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    session_id = await made(client)
    browser = (await create(client, "browser"))["id"]
    deleted = await made(client)
    await ask(client, "DELETE", f"{SESSIONS}/{deleted}", 204)
    for path in ("/execute", "/execute_async"):
        for unknown in (str(uuid.uuid4()), "nonsense", "", "%00", "../x", browser, deleted):
            asked = {"session_id": unknown, "command": "x"}
            error = await ask(client, "POST", P + path, 404, json=asked)
            assert isinstance(error["detail"], str)
        asked = {"session_id": session_id, "command": "x"}
        await ask(keyless, "POST", P + path, 404, json=asked, headers=theirs)
    await ask(client, "GET", f"{P}/v1/executions/{uuid.uuid4()}", 404)
    await ask(client, "GET", f"{P}/v1/executions/nonsense", 404)


async def test_6_another_key_s_execution_is_404(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    task_id = (await execute(client, await made(client), "echo a"))["task_id"]
    path = f"{P}/v1/executions/{task_id}"
    assert (await ask(client, "GET", path))["serialized_stdout"] == "a\n"
    await ask(keyless, "GET", path, 404, headers=theirs)


async def test_an_ended_session_takes_no_programs(client: Client) -> None:
    session_id = await made(client)
    await move(client, {"id": session_id}, "stopped")
    for path in ("/execute", "/execute_async"):
        asked = {"session_id": session_id, "command": "x"}
        error = await ask(client, "POST", P + path, 409, json=asked)
        assert "ended" in error["detail"]


async def test_7_13_a_wrong_key_comes_before_everything(client: Client, keyless: Client) -> None:
    revoked = await new_key(client)
    await ask(client, "DELETE", f"/api/v1/keys/{revoked['id']}")
    session_id = await made(client)
    asked = {"session_id": session_id, "command": "x"}
    bodies: list[Any] = [asked, {**asked, "session_id": "nonsense"}, {"timeout": 0}]
    wrong: list[dict[str, str]] = [{}, {"X-API-Key": "x"}, {"X-API-Key": revoked["key"]}]
    for headers in wrong:
        for path in ("/execute", "/execute_async", "/kill"):
            for body in bodies:
                error = await ask(keyless, "POST", P + path, 401, json=body, headers=headers)
                assert isinstance(error["detail"], str)
        await ask(keyless, "GET", f"{P}/v1/executions/{uuid.uuid4()}", 401, headers=headers)


async def test_3_the_key_may_stand_in_the_body_of_an_execution(
    client: Client, keyless: Client
) -> None:
    asked = {"session_id": await made(client), "command": "echo a", "language": "bash"}
    answer = await ask(keyless, "POST", f"{P}/execute", json={**asked, "api_key": ADMIN})
    assert answer["stdout"] == "a\n"
    await ask(keyless, "POST", f"{P}/execute", 401, json={**asked, "api_key": "x"})
    await ask(keyless, "POST", f"{P}/execute", 401, json={**asked, "api_key": [ADMIN]})
    # A header counts where there is one.
    await ask(
        keyless, "POST", f"{P}/execute", 401, json={**asked, "api_key": ADMIN}, headers=bearer("x")
    )


async def test_a_key_that_may_only_read_runs_nothing(client: Client, keyless: Client) -> None:
    session_id = await made(client)
    reader = {"X-API-Key": (await new_key(client, "default", "sessions:read"))["key"]}
    asked = {"session_id": session_id, "command": "x"}
    for path in ("/execute", "/execute_async", "/kill"):
        await ask(keyless, "POST", P + path, 403, json=asked, headers=reader)


async def test_no_machine_can_be_made_and_the_answer_says_why(
    client: Client, runtime: ScriptedMachines
) -> None:
    runtime.script.then("check", "unavailable", "unavailable", "unavailable")
    session_id = await made(client)
    error = await execute(client, session_id, "echo a", 503)
    assert "apt-get install" in error["detail"]


async def test_6_when_too_many_machines_wait_the_answer_is_429_and_an_object(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    runtime = ScriptedMachines()
    client = await start_scripted(aiohttp_client, tmp_path, runtime, vm_count=1, vm_queue=1)
    await execute(client, await made(client), "echo a")
    waiting = await created(client, query="?wait=false")
    assert waiting["status"] == "creating"
    # It is requested before it queues up.
    async with asyncio.timeout(60):
        while waiting["queue_position"] != 1:
            await asyncio.sleep(0.01)
            waiting = await ask(client, "GET", f"{VMS}/{waiting['vm_id']}")
    assert (await status_of(client, waiting["session_id"]))["vm_status"] == "creating"
    error = await execute(client, await made(client), "echo a", 429)
    wish = {"api_key": ADMIN, "env": {"A": "1"}}
    async with nothing_written(client):
        assert await ask(client, "POST", CREATE, 429, json=wish) == error
    assert isinstance(error["detail"], str)


async def test_4_4_kill_ends_the_machine_and_not_the_session(client: Client) -> None:
    session_id = await made(client)
    error = await ask(client, "POST", f"{P}/kill", 404, json={"session_id": session_id})
    assert error["detail"] == "The session has no machine yet."
    vm_id = (await execute(client, session_id, "echo a"))["vm_id"]
    killed = {"session_id": session_id, "vm_id": vm_id, "status": "killed"}
    for _ in range(2):
        assert await ask(client, "POST", f"{P}/kill", json={"session_id": session_id}) == killed
    status = await status_of(client, session_id)
    assert status["exists"]
    assert (status["vm_assigned"], status["vm_alive"], status["vm_status"]) == (
        True,
        False,
        "killed",
    )
    assert (status["uptime_seconds"], status["expires_in_seconds"]) == (None, 0)
    # Section 7.9: a later execution has a new machine.
    assert (await execute(client, session_id, "echo a"))["vm_id"] != vm_id


async def test_4_4_what_kill_refuses(client: Client, keyless: Client) -> None:
    theirs = {"X-API-Key": (await new_key(client, "theirs"))["key"]}
    session_id = await made(client)
    await execute(client, session_id, "echo a")
    for malformed in ("", "nonsense", "../x", f"{session_id}x", "é"):
        error = await ask(client, "POST", f"{P}/kill", 400, json={"session_id": malformed})
        assert isinstance(error["detail"], str)
    await ask(client, "POST", f"{P}/kill", 404, json={"session_id": str(uuid.uuid4())})
    error = await ask(
        keyless, "POST", f"{P}/kill", 403, json={"session_id": session_id}, headers=theirs
    )
    assert isinstance(error["detail"], str)
    browser = (await create(client, "browser"))["id"]
    await ask(client, "POST", f"{P}/kill", 404, json={"session_id": browser})
    wrong = await ask(client, "POST", f"{P}/kill", 422, json={"session_id": 5})
    assert wrong_fields(wrong) == [(("body", "session_id"), "string_type")]
    assert (await status_of(client, session_id))["vm_alive"]


async def test_an_execution_is_read_after_a_restart(aiohttp_client: Any, tmp_path: Any) -> None:
    client = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    answer = await execute(client, await made(client), "echo a")
    before = await ask(client, "GET", f"{P}/v1/executions/{answer['task_id']}")
    await client.close()
    again = await start_scripted(aiohttp_client, tmp_path, ScriptedMachines())
    after = await ask(again, "GET", f"{P}/v1/executions/{answer['task_id']}")
    # From the log it is known when the program began, not when it was asked for.
    assert after.pop("created_at") >= before.pop("created_at")
    assert after == before
