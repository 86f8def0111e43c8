"""`sessiond work` beside a real service: what commands read and say, and how their sessions end."""

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from tests.support.process import eventually, serving
from tests.support.worker_process import (
    PATIENCE_S,
    Traces,
    becomes,
    events,
    look,
    make,
    messages,
    runs,
    say,
    stop,
    waits_for,
    working,
)

LEASE_S = 60
pytestmark = pytest.mark.slow(reason="starts a service, and a worker for each test")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("worker")


@pytest.fixture(scope="module")
def service(place):
    """One service for all of them: a worker gets the sessions of its own test, by its label."""
    runner = asyncio.Runner()
    options = ("--vm", "off", "--browsers", "off", "--work-lease-s", str(LEASE_S))
    serve = serving(place / "data", *options)
    yield runner.run(serve.__aenter__())
    runner.run(serve.__aexit__(None, None, None))
    runner.close()


@pytest.fixture
async def client(service):
    async with service.client() as client:
        yield client


class Lab:
    """Sessions and workers of one test: nobody else's have its label."""

    def __init__(self, service, client, label):
        self.service = service
        self.client = client
        self.label = label

    async def make(self, prompt="do it", **more):
        work = {"requires": [self.label], **more.pop("work", {})}
        return await make(self.client, prompt, work=work, **more)

    def working(self, *arguments, **how):
        return working(self.service.url, "--label", self.label, *arguments, **how)

    async def once(self, *command, options=(), prompt="do it", **more):
        """A session as it is when the command has run for it, and what the agent said."""
        session = await self.make(prompt, **more)
        async with self.working("--count", "1", *options, "--", *command) as worker:
            assert await worker.exited() == 0, worker.stderr
        return await becomes(self.client, session, "ended"), await messages(self.client, session)


@pytest.fixture
def lab(service, client, request):
    return Lab(service, client, request.node.name)


async def test_a_simple_command_reads_the_prompt_and_ends_the_session_by_its_exit_code(lab):
    session, said = await lab.once("cat", prompt="Fix the build\nand the tests ä€😀")
    assert (session["status"], session["reason"]) == ("completed", "finished")
    assert said == ["Fix the build", "and the tests ä€😀"]
    session, _ = await lab.once("sh", "-c", "echo half >&2; echo 'no such branch' >&2; exit 3")
    assert (session["status"], session["reason"]) == ("failed", "runtime_failed")
    assert session["detail"] == "exit code 3: half\nno such branch"
    session, _ = await lab.once("sh", "-c", "kill -9 $$")
    assert (session["status"], session["reason"]) == ("failed", "runtime_failed")
    assert session["detail"] == "signal 9"


async def test_a_command_knows_its_session_and_its_secrets_but_not_the_key(lab):
    command = ["sh", "-c", "env | grep -E '^(SESSIOND_|A_TOKEN|LD_)' | sort"]
    secrets = {"A_TOKEN": "a-secret-value", "LD_PRELOAD": "/tmp/evil.so"}
    session, said = await lab.once(*command, secrets=secrets)
    assert said == [
        "A_TOKEN=***",
        "SESSIOND_ATTEMPT=1",
        "SESSIOND_GENERATION=1",
        f"SESSIOND_SESSION={session['id']}",
        f"SESSIOND_URL={lab.service.url}",
    ]


async def test_lines_of_json_say_more_than_words(lab):
    statements = [
        {"sessiond": {"message": "two\nlines", "data": {"n": 1}}},
        {"sessiond": {"structured_output": {"ok": True}, "acus": 1.5}},
        {"sessiond": {"pull_request": "https://git.test/1"}},
        {"sessiond": {"pull_request": {"url": "https://git.test/1", "state": "merged"}}},
        {"sessiond": {"what": "?"}},
    ]
    lines = "\n".join(map(json.dumps, statements))
    session, said = await lab.once("cat", prompt=lines)
    assert said == ["two\nlines", json.dumps(statements[-1])]
    state: dict[str, object] = {}
    for told in await events(lab.client, session["id"], "agent.reported"):
        state |= told
    assert state["structured_output"] == {"ok": True}
    assert state["acus"] == 1.5
    assert state["pull_requests"] == [{"url": "https://git.test/1", "state": "merged"}]


async def test_what_the_service_refuses_is_told_and_keeps_nothing_else_back(lab):
    schema = {"type": "object", "required": ["ok"]}
    lines = ['{"sessiond": {"structured_output": {"no": 1}}}', "after", "{" * 300 + "}" * 300]
    spec = {"prompt": "\n".join(lines), "structured_output_schema": schema}
    session, said = await lab.once("cat", spec=spec)
    assert session["status"] == "completed"
    assert len(said) == 3
    assert said[0].startswith("The output was refused: 422")
    assert said[1:] == lines[1:]


async def test_a_chat_hears_what_users_say_and_asks_them(lab):
    program = """
import json, sys
blocked = {"sessiond": {"status": "blocked", "detail": "which branch?"}}
prompt = sys.stdin.readline()
print("prompt", prompt.strip(), flush=True)
print(json.dumps(blocked), flush=True)
answer = sys.stdin.readline()
print("answer", answer.strip(), flush=True)
print(json.dumps(blocked), flush=True)
more = json.loads(sys.stdin.readline())["message"]
print("more", json.dumps(more), flush=True)
"""
    session = await lab.make("begin")
    chat = ("--stdin", "chat", "--count", "1", "--", sys.executable, "-c", program)
    async with lab.working(*chat) as worker:
        await becomes(lab.client, session, "blocked")
        assert (await look(lab.client, session))["detail"] == "which branch?"
        await say(lab.client, session, "main")
        await becomes(lab.client, session, "blocked")
        await say(lab.client, session, "two\nlines")
        found = await becomes(lab.client, session, "ended")
        assert await worker.exited() == 0
    assert found["status"] == "completed"
    said = await messages(lab.client, session)
    assert said == ["prompt begin", "answer main", 'more "two\\nlines"']


async def test_a_session_that_is_stopped_takes_its_command_along(lab, tmp_path):
    traces = Traces(tmp_path)
    session = await lab.make()
    # It minds no SIGTERM, and what it started sits in the group as well.
    script = "trap '' TERM; sleep 300 & sleep 300"
    async with lab.working("--grace", "0.2", "--", *traces.command(script)) as worker:
        await traces.begun()
        await stop(lab.client, session)
        assert (await worker.says("done"))["outcome"] == "ended"
        assert not traces.running()
        assert (await look(lab.client, session))["status"] == "stopped"


async def test_a_budget_that_is_used_up_ends_the_command(lab, tmp_path):
    traces = Traces(tmp_path)
    session = await lab.make(spec={"prompt": "go", "max_acu_limit": 3})
    script = """echo '{"sessiond": {"acus": 3}}'; sleep 300"""
    async with lab.working("--count", "1", "--grace", "0.2", "--", *traces.command(script)) as one:
        assert await one.exited() == 0
    found = await look(lab.client, session)
    assert (found["status"], found["reason"]) == ("failed", "limit_reached")
    assert not traces.running()


async def test_a_harness_reads_all_that_is_known_of_its_session(lab):
    options = ("--kind", "evaluation", "--stdin", "claim")
    more = {"kind": "evaluation", "metadata": {"n": 1}, "secrets": {"A_TOKEN": "a-secret-value"}}
    session, said = await lab.once("cat", options=options, spec={"testCaseId": "t-1"}, **more)
    assert session["status"] == "completed"
    told = json.loads("".join(said))
    assert (told["session_id"], told["kind"]) == (session["id"], "evaluation")
    assert (told["spec"], told["metadata"]) == ({"testCaseId": "t-1"}, {"n": 1})
    assert "secrets" not in told


async def test_much_output_arrives_whole_and_in_order(lab):
    count = 5_000
    session, said = await lab.once("seq", str(count))
    assert session["status"] == "completed"
    assert said == [str(number) for number in range(1, count + 1)]


async def test_a_command_that_does_not_read_or_shouts_forever_holds_nobody_up(lab, tmp_path):
    traces = Traces(tmp_path)
    deaf, loud = await lab.make("x" * 400_000), await lab.make("loud")
    script = 'case "$(head -c 4)" in loud) yes "" & yes >&2;; esac'
    slots = ("--slots", "2", "--count", "2", "--grace", "0.2")
    async with lab.working(*slots, "--", *traces.command(script)) as worker:
        assert (await becomes(lab.client, deaf, "ended"))["status"] == "completed"
        await traces.begun(2)
        await asyncio.sleep(1)  # it shouts
        await stop(lab.client, loud)
        assert await worker.exited() == 0
        assert len(worker.stderr) < 4 << 20
    assert not traces.running()


async def test_who_is_told_to_stop_finishes_and_gives_back_what_takes_too_long(lab, tmp_path):
    traces = Traces(tmp_path)
    session = await lab.make()
    async with lab.working("--drain", "30", "--", *traces.command("sleep 1")) as worker:
        await traces.begun()
        worker.send(signal.SIGTERM)
        assert await worker.exited() == 0
    assert (await look(lab.client, session))["status"] == "completed"

    session = await lab.make()
    script = "echo some; tell said; sleep 300"
    patience = ("--drain", "0.1", "--grace", "0.1")
    async with lab.working(*patience, "--", *traces.command(script)) as worker:
        await eventually(lambda: bool(traces.of("said")), PATIENCE_S, "its words")
        worker.send(signal.SIGTERM)
        assert await worker.exited() == 0
    found = await look(lab.client, session)
    assert (found["status"], await messages(lab.client, session)) == ("queued", ["some"])

    async with lab.working(
        "--drain", "300", "--grace", "300", "--", *traces.command(script)
    ) as one:
        await traces.begun(3)
        one.send(signal.SIGTERM)
        # Two that wait for the process at once would be one for it.
        await eventually(lambda: not waits_for(one.pid, signal.SIGTERM), PATIENCE_S, "the first")
        await asyncio.sleep(0.2)
        assert one.exit_code is None
        one.send(signal.SIGTERM)
        assert await one.exited() == 0
    assert (await look(lab.client, session))["status"] == "queued"
    assert not traces.running()


async def test_a_worker_that_waits_leaves_at_once_and_one_with_a_wrong_key_says_so(lab):
    async with lab.working("--", "cat") as worker:
        await worker.says("started")
        worker.send(signal.SIGTERM)
        assert await worker.exited() == 0
    async with lab.working("--key", "wrong", "--", "cat") as worker:
        assert await worker.exited() == 1
        assert "401" in worker.logged("refused")[0]["why"]
    session, _ = await lab.once("cat")
    assert session["status"] == "completed"


async def test_what_leaves_its_group_keeps_no_session_open(lab, tmp_path):
    note = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ >{note}; exec sleep 300' & while [ ! -s {note} ]; do :; done"
    session, _ = await lab.once("sh", "-c", script)
    assert session["status"] == "completed"
    left = int(note.read_text())
    await eventually(lambda: not runs(left), PATIENCE_S, "the end of what had left the group")


async def test_a_worker_that_finds_no_service_waits_for_one(lab):
    async with lab.working("--url", "http://127.0.0.1:1", "--", "cat") as worker:
        await worker.says("service_unreachable")
        assert worker.exit_code is None
        worker.send(signal.SIGTERM)
        assert await worker.exited() == 0
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as client, client.get("http://127.0.0.1:1"):
            pass
