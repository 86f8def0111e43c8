"""kill -9 of the worker, its command and the service at each step, and a worker that was asleep."""

import asyncio
import contextlib
import os
import signal
import socket

import aiohttp
import pytest

from tests.support.dying import WORK_DIES, WORKER_DIES, last_words
from tests.support.process import eventually, serving, start
from tests.support.relay import relaying
from tests.support.worker_process import (
    PATIENCE_S,
    SESSIONS,
    Traces,
    becomes,
    events,
    look,
    make,
    messages,
    runs,
    start_worker,
    working,
)

# A worker ends what it has begun a tenth of this before: so much later it may be on a busy host.
LEASE_S = 10
OPTIONS = ("--vm", "off", "--browsers", "off", "--work-lease-s", str(LEASE_S))
SAYS = "\n".join(f'echo "$SESSIOND_GENERATION {word}"; sleep 0.1' for word in ("one", "two"))
LINGERS = '[ "$SESSIOND_GENERATION" -gt 1 ] || sleep 300'
DYING = "tests.support.dying"

pytestmark = pytest.mark.slow(reason="starts, kills and checks workers and services")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all whose worker dies: a worker gets the sessions with its label."""
    with asyncio.Runner() as runner:
        serve = serving(tmp_path_factory.mktemp("worked") / "data", *OPTIONS)
        yield runner.run(serve.__aenter__())
        runner.run(serve.__aexit__(None, None, None))


@pytest.fixture
async def client(service):
    async with service.client() as client:
        yield client


def words_of(said, generation):
    """What the command of a generation said, in order."""
    return [line.partition(" ")[2] for line in said if line.partition(" ")[0] == str(generation)]


async def check_done(client, session, traces, generations):
    """It was completed by the last of so many workers, and no word of any is there twice."""
    found = await becomes(client, session, "ended")
    assert found["status"] == "completed", (found["reason"], found["detail"])
    claimed = await events(client, session, "work.claimed")
    assert [fact["generation"] for fact in claimed] == list(range(1, generations + 1))
    said = await messages(client, session)
    assert words_of(said, generations) == ["one", "two"]
    for generation in range(1, generations):
        words = words_of(said, generation)
        assert words == ["one", "two"][: len(words)]
    assert said == sorted(said, key=lambda line: int(line.partition(" ")[0]))
    assert not traces.of("overlap")
    assert not traces.running()


async def check_step(step, service, client, folder):
    """A worker that dies at the step leaves nothing running, and another one does the work."""
    traces = Traces(folder)
    session = await make(client, work={"requires": [step]})
    script = SAYS if "ended" in step else f"{SAYS}\n{LINGERS}"
    work = ("--label", step, "--count", "1", "--", *traces.command(script))
    environ = {"DIE_AT": step, "DIE_COUNT": "2" if "heard" in step else "1"}
    worker = start_worker(service.url, *work, module=DYING, environ=environ)
    try:
        assert await worker.exited() == -signal.SIGKILL, worker.stderr
        assert worker.stderr.endswith(last_words(step)), worker.stderr
        await traces.none_left()
    finally:
        worker.close()
    if step == "work: ended, told":
        await check_done(client, session, traces, 1)
        return
    async with working(service.url, *work) as another:
        await check_done(client, session, traces, 2)
        assert await another.exited() == 0
    assert (await look(client, session))["work"]["attempts"] == 2


async def test_a_worker_that_is_killed_at_any_step_leaves_its_work_to_another(
    service, client, tmp_path
):
    steps = enumerate(WORKER_DIES)
    checks = [check_step(step, service, client, tmp_path / str(n)) for n, step in steps]
    results = await asyncio.gather(*checks, return_exceptions=True)
    failed = {step: found for step, found in zip(WORKER_DIES, results, strict=True) if found}
    assert not failed


async def test_a_command_that_is_killed_fails_its_session_and_takes_its_children_along(
    service, client, tmp_path
):
    traces = Traces(tmp_path)
    session = await make(client, work={"requires": ["killed"]})
    child = tmp_path / "child"
    script = f"sleep 300 & echo $! >'{child}'; wait"
    work = ("--label", "killed", "--count", "1", "--", *traces.command(script))
    async with working(service.url, *work) as worker:
        await becomes(client, session, "running")
        await eventually(lambda: child.exists() and child.read_text(), PATIENCE_S, "its child")
        os.kill(traces.of("begin")[0][2], signal.SIGKILL)
        assert await worker.exited() == 0
    found = await look(client, session)
    assert (found["status"], found["reason"]) == ("failed", "runtime_failed")
    assert found["detail"] == "signal 9"
    assert not traces.running()
    assert not runs(int(child.read_text()))


async def test_a_session_whose_workers_keep_dying_is_lost_in_the_end(service, client, tmp_path):
    traces = Traces(tmp_path)
    terms = {"requires": ["doomed"], "attempts_max": 2}
    session = await make(client, work=terms)
    for number in (1, 2):
        work = ("--label", "doomed", "--", *traces.command("sleep 300"))
        async with working(service.url, *work) as worker:
            await traces.begun(number)
            worker.kill()
        await traces.none_left()
    found = await becomes(client, session, "ended")
    assert (found["status"], found["reason"]) == ("lost", "runtime_lost")


async def test_a_paused_worker_wakes_up_late_and_finds_its_session_gone(service, client, tmp_path):
    traces = Traces(tmp_path)
    session = await make(client, work={"requires": ["paused"]})
    endless = 'while :; do echo "$SESSIOND_GENERATION one"; sleep 0.05; done'
    label = ("--label", "paused", "--count", "1", "--")
    async with working(service.url, *label, *traces.command(endless)) as late:
        await becomes(client, session, "running")
        await traces.begun()
        late.send(signal.SIGSTOP)
        async with working(service.url, *label, *traces.command(SAYS)) as other:
            assert await other.exited() == 0
        # What it had started was gone before the other one began: its guard had not been paused.
        assert not traces.of("overlap")
        assert not traces.running()
        before = await look(client, session), await messages(client, session)
        late.send(signal.SIGCONT)
        assert await late.exited() == 0
        assert late.logged("done")[0]["outcome"] in ("fenced", "lapsed")
    assert before == (await look(client, session), await messages(client, session))
    assert before[0]["status"] == "completed"
    assert words_of(before[1], 2) == ["one", "two"]


async def test_a_host_that_was_asleep_disturbs_nobody_when_it_wakes(service, client, tmp_path):
    traces = Traces(tmp_path)
    session = await make(client, work={"requires": ["asleep"]})
    endless = 'while :; do echo "$SESSIOND_GENERATION one"; sleep 0.05; done'
    until = f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done"
    label = ("--label", "asleep", "--count", "1", "--")
    async with working(service.url, *label, *traces.command(endless)) as late:
        await becomes(client, session, "running")
        await traces.begun()
        group = traces.of("begin")[0][2]
        late.send(signal.SIGSTOP)
        os.killpg(group, signal.SIGSTOP)
        async with working(service.url, *label, *traces.command(f"{until}\n{SAYS}")) as other:
            await traces.begun(2)
            os.killpg(group, signal.SIGCONT)
            late.send(signal.SIGCONT)
            assert await late.exited() == 0
            assert (await look(client, session))["status"] == "running"
            assert traces.running() == [traces.of("begin")[1][2]]
            (tmp_path / "go").touch()
            assert await other.exited() == 0
    assert (await look(client, session))["status"] == "completed"
    said = await messages(client, session)
    assert words_of(said, 2) == ["one", "two"]
    assert said == sorted(said, key=lambda line: int(line.partition(" ")[0]))


async def test_a_worker_that_is_cut_off_ends_its_command_before_another_may_begin(
    service, client, tmp_path
):
    traces = Traces(tmp_path)
    session = await make(client, work={"requires": ["cut off"]})
    work = ("--label", "cut off", "--count", "1", "--", *traces.command("sleep 300"))
    async with relaying(service.port) as relay, working(relay.url, *work) as worker:
        await becomes(client, session, "running")
        await traces.begun()
        relay.cut()
        await becomes(client, session, "queued")
        assert not traces.running()
        assert (await worker.says("done"))["outcome"] == "lapsed"


@pytest.fixture
def port():
    """A port that nobody else is given while no service listens on it."""
    with socket.socket() as kept:
        # The service says the same of its own socket, and so both may have it.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


async def test_a_service_that_is_killed_at_each_step_loses_and_doubles_no_word(tmp_path, port):
    """One worker stays all the time; nothing is lost but what it was never told of."""
    traces = Traces(tmp_path / "traces")
    data = tmp_path / "data"
    script = 'sleep 0.1; echo "$SESSIOND_GENERATION one"; echo "$SESSIOND_GENERATION two"'
    url = f"http://127.0.0.1:{port}"
    unanswered, *others = WORK_DIES
    deaths = [(unanswered, 1, 1), *((step, 1, 30) for step in others[:-1]), (others[-1], 3, 30)]
    async with working(url, "--", *traces.command(script)) as worker:
        for step, count, lease_s in deaths:
            environ = {"DIE_AT": step, "DIE_COUNT": str(count)}
            lease = ("--work-lease-s", str(lease_s))
            service = start(data, *OPTIONS, *lease, port=port, module=DYING, environ=environ)
            try:
                await service.ready()
                async with service.client() as client:
                    # The worker may be quicker than the answer, which then never comes.
                    with contextlib.suppress(aiohttp.ClientError):
                        await make(client, title=step)
                    assert await service.exited(PATIENCE_S) == -signal.SIGKILL, service.stderr
                assert service.stderr.endswith(last_words(step)), service.stderr
            finally:
                service.close()
        async with serving(data, *OPTIONS, port=port) as service, service.client() as client:
            async with client.get(SESSIONS) as answer:
                sessions = (await answer.json())["items"]
            assert len(sessions) >= len(deaths) - 1
            for one in sessions:
                # A claim that nobody heard of is another worker's once its short lease is over.
                generations = 2 if one["title"] == unanswered else 1
                await check_done(client, one["id"], traces, generations)
        assert worker.exit_code is None


async def test_many_sessions_are_each_run_once_though_workers_come_and_go(
    service, client, tmp_path
):
    traces = Traces(tmp_path)
    count = 60
    terms = {"requires": ["many"], "attempts_max": 10}
    sessions = [await make(client, work=terms) for _ in range(count)]
    script = 'sleep 0.05; echo "$SESSIOND_GENERATION one"; echo "$SESSIOND_GENERATION two"'
    work = ("--label", "many", "--slots", "3", "--drain", "0", "--", *traces.command(script))
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(working(service.url, *work)) for _ in range(4)]
        await traces.begun(count // 4)
        workers[0].kill()
        workers[1].send(signal.SIGTERM)
        for session in sessions:
            await becomes(client, session, "ended")
    found = [await look(client, session) for session in sessions]
    assert {one["status"] for one in found} == {"completed"}
    assert not traces.of("overlap")
    claimed = {one: len(await events(client, one, "work.claimed")) for one in sessions}
    begun = [(session, generation) for session, generation, _ in traces.of("begin")]
    assert len(begun) == len(set(begun))
    ended = [session for session, _, _ in traces.of("end")]
    assert set(ended) == set(sessions)
    # Only what the two that left had under way was begun again.
    again = {session for session, claims in claimed.items() if claims > 1}
    assert {session for session, generation in begun if generation > 1} <= again
    assert {session for session in sessions if ended.count(session) > 1} <= again
    assert len(again) <= 2 * 3
