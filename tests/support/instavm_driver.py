"""What a user of InstaVM's client does; runs in the environment of that client.

python instavm_driver.py SCENARIO URL KEY [MORE]
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

# They are in the environment of the client, and not where this file is checked.
instavm: Any = importlib.import_module("instavm")
requests: Any = importlib.import_module("requests")
websockets: Any = importlib.import_module("websockets")

QUOTES = "a  b 'c' \"d\" $HOME `id` \\n ü"
SMALL = {"memory_mb": 256, "cpu_count": 1}
# It only keeps a scenario from hanging; the client's own ten seconds may be too few.
OPEN_S = 120


def equal(seen: Any, wanted: Any) -> None:
    """Fail with both where they differ."""
    if seen != wanted:
        raise AssertionError(f"seen   {seen!r}\nwanted {wanted!r}")


def refused(error_type: type[Exception], call: Any, *args: Any, **named: Any) -> Any:
    """The error that the call ends in, which is of that very type."""
    try:
        answer = call(*args, **named)
    except Exception as error:
        if type(error) is error_type:
            return error
        raise
    raise AssertionError(f"not refused: {answer!r}")


def client(url: str, key: str, **settings: Any) -> Any:
    """A client, which has a session from its beginning."""
    return instavm.InstaVM(key, base_url=url, **{"timeout": 600, **SMALL, **settings})


def programs(url: str, key: str) -> None:
    """Section 4.3: both languages, their environment, what they leave behind, how they fail."""
    vm = client(url, key, env={"PLAIN": "1", "QUOTES": QUOTES})
    for _ in range(2):
        equal(vm.execute('printf %s "$QUOTES"', language="bash")["stdout"], QUOTES)
        answer = vm.execute("import os; print(os.environ['QUOTES'], end='')")
        equal(answer["stdout"], QUOTES)
    vm.execute("kept = 41")
    equal(vm.execute("print(kept + 1)")["stdout"], "42\n")
    vm.execute("echo here > left.txt; export GONE=1", language="bash")
    answer = vm.execute("cat left.txt; echo ${GONE-none}; pwd; id -u", language="bash")
    equal(answer["stdout"], "here\nnone\n/workspace\n1000\n")
    answer = vm.execute("echo out; echo err >&2; exit 7", language="bash")
    equal((answer["stdout"], answer["stderr"], answer["exit_code"]), ("out\n", "err\n", 7))
    answer = vm.execute("1 / 0")
    equal((answer["exit_code"], answer["stdout"]), (1, ""))
    assert "ZeroDivisionError" in answer["stderr"], answer
    equal(vm.execute("true", language="bash")["exit_code"], 0)
    answer = vm.execute(r"printf '\377\000ok'", language="bash")
    equal(answer["stdout"], "\ufffd\0ok")
    text = "x" * (64 << 10)
    equal(vm.execute(f"print(len('{text}'))")["stdout"], f"{len(text)}\n")
    answer = vm.execute("head -c 6000000 /dev/zero | tr '\\0' x; exit 3", language="bash")
    equal(
        (len(answer["stdout"]), answer["stdout_bytes"], answer["exit_code"]), (4 << 20, 6000000, 3)
    )
    assert "stdout is cut off after 4194304 of 6000000 bytes" in answer["stderr"], answer["stderr"]
    equal(vm.is_session_active(), True)
    equal(vm.get_session_status()["vm_status"], "active")
    equal(vm.get_session_info()["session_id"], vm.session_id)
    assert vm.get_usage()["executions"] >= 10


def too_long(url: str, key: str) -> None:
    """Section 4.3: a program that runs too long is ended, and the next one runs."""
    vm = client(url, key)
    vm.execute("kept = 1")
    headers = {"X-API-Key": key}
    asked = {"session_id": vm.session_id, "command": "while True: pass", "timeout": 1}
    answer = requests.post(f"{url}/execute", json=asked, headers=headers, timeout=120).json()
    equal((answer["exit_code"], answer["timed_out"]), (124, True))
    answer = vm.execute("kept")
    assert "NameError" in answer["stderr"], "its variables were those of the program that ran"
    asked.update(command="sleep 100 & sleep 100", language="bash")
    answer = requests.post(f"{url}/execute", json=asked, headers=headers, timeout=120).json()
    equal(answer["exit_code"], 124)
    # What was killed may take a moment to be gone.
    gone = vm.execute("while pgrep sleep; do sleep .1; done", language="bash")
    equal((gone["exit_code"], gone["timed_out"]), (0, False))


def later(url: str, key: str) -> None:
    """Section 4.3: programs in the background."""
    vm = client(url, key)
    first = vm.execute_async("import time; time.sleep(1); print('slept')")
    second = vm.execute_async("echo quick; echo warn >&2; exit 3", language="bash")
    equal(first["task_id"] != second["task_id"], True)
    done = vm.get_task_result(second["task_id"], timeout=120)
    equal((done["stdout"], done["stderr"]), ("quick\n", "warn\n"))
    done = vm.get_task_result(first["task_id"], timeout=120)
    equal((done["stdout"], done["stderr"]), ("slept\n", ""))
    assert done["execution_time"] >= 1, done
    refused(TimeoutError, vm.get_task_result, "nothing", poll_interval=1, timeout=2)


def files(url: str, key: str) -> None:
    """Section 4: files of 0 B, 1 MiB and 20 MiB both ways."""
    vm = client(url, key)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "up.bin"
        for size in (1, 1 << 20, 20 << 20):
            content = os.urandom(size)
            here.write_bytes(content)
            equal(vm.upload_file(str(here), f"deep/er/{size}.bin")["size"], size)
            command = f"sha256sum /workspace/deep/er/{size}.bin"
            told = vm.execute(command, language="bash")["stdout"].split()[0]
            equal(told, hashlib.sha256(content).hexdigest())
            equal(vm.download_file(f"deep/er/{size}.bin")["content"], content)
            back = Path(folder) / "down.bin"
            vm.download_file(f"/workspace/deep/er/{size}.bin", str(back))
            equal(back.read_bytes(), content)
        here.write_bytes(b"")
        equal(vm.upload_file(str(here), "/workspace/empty")["size"], 0)
        equal(vm.execute("stat -c %s empty", language="bash")["stdout"], "0\n")
        # Section 7.6: of an empty file the client hands out the answer itself.
        equal(json.loads(vm.download_file("empty")["content"])["content"], "")
        here.write_text("print('from a file')")
        vm.upload_file(str(here), "a.py", recursive=True)
        equal(vm.execute("python3 a.py", language="bash")["stdout"], "from a file\n")
        for path in ("/", "../", "nothing/", ".."):
            refused(instavm.InstaVMError, vm.upload_file, str(here), path)
            refused(instavm.InstaVMError, vm.download_file, path)
        refused(instavm.InstaVMError, vm.download_file, "not/there")
        refused(instavm.InstaVMError, vm.upload_file, str(here), "/etc/passwd")
    made = vm.execute("open('/workspace/made', 'wb').write(bytes(range(256)))")
    equal(made["exit_code"], 0)
    equal(vm.download_file("made")["content"], bytes(range(256)))


def sandboxes(url: str, key: str) -> None:
    """Sections 4.2, 4.4 and 7.9: lists by metadata; a killed machine and the next one."""
    mark = f"m-{time.time_ns()}"
    one = client(url, key, metadata={"mark": mark, "n": 1})
    two = client(url, key, metadata={"mark": mark, "n": 2})
    equal(one.list_sandboxes({"mark": mark}), [])
    refused(instavm.SessionError, one.kill, one.session_id)
    for vm in (one, two):
        equal(vm.execute("echo up", language="bash")["stdout"], "up\n")
    equal(len(one.list_sandboxes({"mark": mark})), 2)
    (entry,) = one.list_sandboxes({"mark": mark, "n": 2})
    equal((entry["sandbox_id"], entry["status"]), (two.get_session_status()["vm_id"], "active"))
    equal(len(one.list_sandboxes({"mark": mark}, limit=1)), 1)
    session_id = one.session_id
    equal(one.kill()["vm_id"] != entry["sandbox_id"], True)
    equal(one.session_id, None)
    status = two.get_session_status(session_id)
    equal((status["exists"], status["vm_assigned"], status["vm_alive"]), (True, True, False))
    one.session_id = session_id
    equal(one.is_session_active(), False)
    equal(one.execute("ls | wc -l", language="bash")["stdout"], "0\n")
    equal(one.is_session_active(), True)


def machines(url: str, key: str) -> None:
    """Section 5: machines made, read, changed, copied and ended."""
    vm = client(url, key, auto_start_session=False)
    first = vm.vms.create(memory_mb=256, vcpu_count=2, metadata={"a": 1}, env={"E": QUOTES})
    equal((first["status"], first["memory_mb"]), ("active", 256))
    vm_id = first["vm_id"]
    assert vm_id in [each["vm_id"] for each in vm.vms.list()]
    equal(vm.vms.get(vm_id)["metadata"], {"a": 1})
    vm.session_id = first["session_id"]
    equal(vm.execute("import os; x = 5; print(os.cpu_count())")["stdout"], "2\n")
    changed = vm.vms.update(vm_id, memory_mb=1024, metadata={"b": 2})
    equal((changed["memory_mb"], changed["metadata"]), (1024, {"b": 2}))
    equal(vm.vms.get(vm_id)["metadata"], {"b": 2})
    grown = vm.execute("awk '/MemTotal/ {print $2}' /proc/meminfo", language="bash")["stdout"]
    assert int(grown) > 700 << 10, grown
    vm.vms.stage_env(vm_id, {"STAGED": QUOTES})
    for name in ("STAGED", "E"):
        equal(vm.execute(f'printf %s "${name}"', language="bash")["stdout"], QUOTES)
    vm.execute("echo original > /workspace/f; echo tmp > /tmp/f", language="bash")
    snapshot = vm.vms.snapshot(vm_id, name="mine")
    equal((snapshot["status"], snapshot["name"]), ("ready", "mine"))
    assert snapshot["id"] in [each["id"] for each in vm.snapshots.list()]
    equal(vm.snapshots.get(snapshot["id"])["vm_id"], vm_id)
    equal(vm.snapshots.list(snapshot_type="system"), [])
    clone = vm.vms.clone(vm_id)
    equal(clone["vm_id"] != vm_id, True)
    again = vm.vms.create(snapshot_id=snapshot["id"])
    uuids = set()
    for session_id in (first["session_id"], clone["session_id"], again["session_id"]):
        vm.session_id = session_id
        equal(vm.execute("cat f /tmp/f", language="bash")["stdout"], "original\ntmp\n")
        equal(vm.execute("print(x)")["stdout"], "5\n")
        uuids.add(vm.execute("import uuid; print(uuid.uuid4())")["stdout"])
        vm.execute(f"echo {session_id} > f", language="bash")
    equal(len(uuids), 3)
    vm.session_id = first["session_id"]
    equal(vm.execute("cat f", language="bash")["stdout"], f"{first['session_id']}\n")
    equal(vm.snapshots.delete(snapshot["id"])["status"], "deleted")
    refused(requests.HTTPError, vm.snapshots.get, snapshot["id"])
    for each in (vm_id, clone["vm_id"], again["vm_id"]):
        equal(vm.vms.delete(each)["status"], "killed")
    left = {each["vm_id"] for each in vm.vms.list()}
    equal(left & {vm_id, clone["vm_id"], again["vm_id"]}, set())
    records = {each["vm_id"]: each["status"] for each in vm.vms.list_all_records()}
    equal(records[vm_id], "killed")


def rest(url: str, key: str) -> None:
    """Section 5: a machine that is suspended and goes on."""
    vm = client(url, key)
    vm.execute("kept = 'in memory'; open('f', 'w').write('on the disk')")
    vm_id = vm.get_session_status()["vm_id"]
    equal(vm.vms.suspend(vm_id)["status"], "suspended")
    equal(vm.get_session_status()["vm_status"], "suspended")
    resumed = vm.vms.resume(vm_id)
    equal((resumed["status"], resumed["vm_id"] != vm_id), ("active", True))
    equal(vm.execute("print(kept, open('f').read())")["stdout"], "in memory on the disk\n")
    vm.vms.suspend(resumed["vm_id"])
    equal(vm.execute("print(kept)")["stdout"], "in memory\n")
    vm.kill()


def terminal(url: str, key: str) -> None:
    """Section 5.1: a shell by websocket."""
    vm = client(url, key)
    pty = vm.pty.create(vm.session_id, cols=90, rows=20)
    equal([each["id"] for each in vm.pty.list(vm.session_id)], [pty["session_id"]])
    equal(vm.pty.get(vm.session_id, pty["session_id"])["alive"], True)
    asyncio.run(_typed(vm.pty.ws_url(vm.session_id, pty["session_id"])))
    ended = vm.pty.get(vm.session_id, pty["session_id"])
    equal((ended["alive"], ended["exit_code"]), (False, 5))
    vm_id = vm.get_session_status()["vm_id"]
    other = vm.pty.create_for_vm(vm_id, login_command="echo one && sleep 600")
    vm.pty.resize_for_vm(vm_id, other["session_id"], 70, 30)
    asyncio.run(_shown(vm.pty.ws_url_for_vm(vm_id, other["session_id"]), b"one"))
    vm.pty.kill_for_vm(vm_id, other["session_id"])
    equal(vm.pty.list_for_vm(vm_id), [])
    refused(requests.HTTPError, vm.pty.get_for_vm, vm_id, other["session_id"])
    asyncio.run(_turned_away(vm.pty.ws_url_for_vm(vm_id, "x").replace(key, "wrong")))


async def _typed(url: str) -> None:
    async with websockets.connect(url, open_timeout=OPEN_S) as socket:
        await socket.send(b"stty size; echo $((40 + 2))\r")
        await _until(socket, b"20 90")
        await _until(socket, b"42")
        await socket.send(json.dumps({"type": "resize", "cols": 100, "rows": 33}))
        await socket.send(b"stty size\r")
        await _until(socket, b"33 100")
    async with websockets.connect(url, open_timeout=OPEN_S) as socket:
        await socket.send(b"exit 5\r")
        async for message in socket:
            if isinstance(message, str):
                equal(json.loads(message), {"type": "exit", "exit_code": 5})
        equal(socket.close_code, 1000)


async def _shown(url: str, wanted: bytes) -> None:
    async with websockets.connect(url, open_timeout=OPEN_S) as socket:
        await _until(socket, wanted)


async def _until(socket: Any, wanted: bytes) -> None:
    seen = b""
    async with asyncio.timeout(OPEN_S):
        while wanted not in seen:
            message = await socket.recv()
            seen += message if isinstance(message, bytes) else message.encode()


async def _turned_away(url: str) -> None:
    async with websockets.connect(url, open_timeout=OPEN_S) as socket:
        try:
            seen = await socket.recv()
        except websockets.exceptions.ConnectionClosed:
            equal(socket.close_code, 4401)
        else:
            raise AssertionError(f"a wrong key is shown {seen!r}")


def refusals(url: str, key: str, theirs: str) -> None:
    """Section 6: which error a caller sees, and section 2: which values are refused."""
    refused(instavm.AuthenticationError, client, url, "wrong")
    vm = client(url, key)
    vm.api_key = "wrong"
    nothing = "vmid-" + "0" * 32
    for call in (vm.get_session_status, vm.get_session_info, vm.kill, vm.get_usage):
        refused(instavm.AuthenticationError, call)
    for call in (vm.execute, vm.execute_async, vm.download_file, vm.vms.get):
        refused(instavm.AuthenticationError, call, nothing)
    vm.api_key = theirs
    refused(instavm.ForbiddenError, vm.kill, vm.session_id)
    refused(instavm.SessionError, vm.get_session_status)
    refused(instavm.ExecutionError, vm.execute, "x")
    vm.api_key = key
    for wrong in ({"timeout": 19}, {"memory_mb": 127}, {"cpu_count": 3}, {"env": {"A=B": "x"}}):
        refused(instavm.SessionError, client, url, key, **wrong)
        body = {"api_key": key, "vm_lifetime_seconds": wrong.pop("timeout", 300)}
        body["vcpu_count"] = wrong.pop("cpu_count", 2)
        answer = requests.post(f"{url}/v1/sessions/session", json={**body, **wrong}, timeout=60)
        equal(answer.status_code, 422)
        for each in answer.json()["detail"]:
            equal(set(each), {"loc", "msg", "type"})
    refused(instavm.ExecutionError, vm.execute, "x", timeout=601)
    refused(instavm.ExecutionError, vm.execute, "x", language="ruby")
    refused(instavm.SessionError, vm.kill, "nonsense")
    refused(instavm.SessionError, vm.get_session_app_url)
    refused(instavm.InstaVMError, vm.set_session_egress)
    equal(vm.get_session_egress()["allow_https"], False)
    closed = {"allow_package_managers": False, "allow_http": False, "allow_https": False}
    vm.set_session_egress(**closed)
    for call in (vm.vms.get, vm.vms.delete, vm.vms.suspend, vm.vms.resume, vm.vms.clone):
        equal(refused(requests.HTTPError, call, nothing).response.status_code, 404)
    refused(requests.HTTPError, vm.vms.create, vcpu_count=3)
    refused(requests.HTTPError, vm.snapshots.create, "debian:12")
    refused(requests.HTTPError, vm.volumes.list)
    refused(instavm.BrowserSessionError, vm.create_browser_session)
    equal(vm.get_current_user()["id"].startswith("key:"), True)
    equal(vm.get_usage_breakdown(days=2)["total_days"], 2)
    with vm:
        pass  # leaving it sends nothing
    equal(vm.session_id, None)


def lifetime(url: str, key: str) -> None:
    """Sections 2 and 7.11: half a minute from the spawn, and a fresh machine after."""
    vm = client(url, key, timeout=30, env={"E": "1"})
    session_id = vm.session_id
    vm.timeout = 300  # of requests: the first machine of all may take its time
    vm.execute("kept = 1; open('f', 'w').close()")
    status = vm.get_session_status()
    assert 0 < status["expires_in_seconds"] <= 30, status
    began = time.monotonic()
    while vm.get_session_status()["vm_alive"]:
        assert time.monotonic() - began < 200, "it outlived its time"
        time.sleep(0.5)
    status = vm.get_session_status()
    equal((status["vm_status"], status["expires_in_seconds"]), ("killed", 0))
    equal(vm.execute("ls; echo $E", language="bash")["stdout"], "1\n")
    assert "NameError" in vm.execute("kept")["stderr"]
    equal(vm.session_id, session_id)


def main() -> None:
    """Play one scenario."""
    name, url, key, *more = sys.argv[1:]
    assert urllib.parse.urlsplit(url).hostname == "127.0.0.1", url
    globals()[name](url, key, *more)


if __name__ == "__main__":
    main()
