"""Whatever a worker sends, it gets an answer that says what is wrong, and nothing is written."""

import io

import msgspec
import pytest

from tests.support.service import (
    SESSIONS,
    ask,
    client_of,
    create,
    new_key,
    raw,
    refused,
    sharing,
)
from tests.support.work_protocol import CLAIMS, WORK, at, claim, finished, tell, telling

HUGE = 10**40


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with sharing(tmp_path_factory.mktemp("work")) as service:
        yield service


@pytest.fixture
async def client(aiohttp_client, shared, request):
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, "lab", "sessions:read", "sessions:write", "work")
    return await aiohttp_client(shared, headers={"X-API-Key": key["key"]})


async def position(client, claimed):
    return (await ask(client, "GET", f"{SESSIONS}/{claimed['session_id']}"))["position"]


async def statuses(client, path, bodies):
    """The statuses of the answers; none of the refusals is a fault of the service."""
    found = []
    for body in bodies:
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with client.post(path, data=io.BytesIO(data)) as answer:
            text = await answer.text()
            assert answer.status < 500, (body, text)
            found.append(answer.status)
    return found


BAD_CLAIMS = [
    b"",
    b"null",
    b"[]",
    b'{"kind": "agent", "worker": "\\ud800"}',
    b'{"kind": "agent", "worker": "w", "wait_s": 1e999}',
    b'{"kind": "agent", "worker": "w", "wait_s": NaN}',
    {"kind": "toaster", "worker": "w"},
    {"kind": "agent"},
    {"kind": "agent", "worker": None},
    {"kind": "agent", "worker": " \n"},
    {"kind": "agent", "worker": "w" * 201},
    {"kind": "agent", "worker": "w", "labels": "gpu"},
    {"kind": "agent", "worker": "w", "labels": [None]},
    {"kind": "agent", "worker": "w", "labels": [""]},
    {"kind": "agent", "worker": "w", "labels": ["x" * 257]},
    {"kind": "agent", "worker": "w", "labels": ["x"] * 65},
    {"kind": "agent", "worker": "w", "wait_s": -1},
    {"kind": "agent", "worker": "w", "wait_s": 30.1},
    {"kind": "agent", "worker": "w", "wait_s": HUGE},
    {"kind": "agent", "worker": "w", "wait_s": "1"},
    {"kind": "agent", "worker": "w", "lease_s": 3600},
]


async def test_claims_that_cannot_be(client):
    found = await statuses(client, CLAIMS, BAD_CLAIMS)
    assert set(found) <= {400, 422}


async def test_kinds_that_workers_never_have_are_never_there(client):
    await create(client, "vm")
    for kind in ("vm", "browser", "test_run"):
        assert await claim(client, kind) is None


BAD_POLLS = [
    {},
    {"generation": "1"},
    {"generation": None},
    {"generation": 1, "after": -1},
    {"generation": 1, "after": HUGE},
    {"generation": 1, "after": 1.5},
    {"generation": 1, "wait_s": 10.1},
    {"generation": 1, "wait_s": -0.1},
    {"generation": 1, "wait_s": 31},
    {"generation": 1, "after": 1, "status": "running"},
]


async def test_polls_that_cannot_be(client):
    await create(client, "agent")
    claimed = await claim(client)
    assert set(await statuses(client, at(claimed, "poll"), BAD_POLLS)) == {422}
    late = [{"generation": generation} for generation in (0, -1, 2, 10**15)]
    assert set(await statuses(client, at(claimed, "poll"), late)) == {409}


def report(**fields):
    return {"generation": 1, "sequence": 1, "reports": [fields]}


BAD_REPORTS = [
    {"generation": 1, "sequence": 1},
    {"generation": 1, "sequence": 1, "reports": []},
    {"generation": 1, "sequence": 1, "reports": [{"type": "started"}] * 101},
    {"generation": 1, "sequence": -1, "reports": [{"type": "started"}]},
    {"generation": 1, "sequence": 1 << 63, "reports": [{"type": "started"}]},
    {"generation": 1, "sequence": HUGE, "reports": [{"type": "started"}]},
    {"generation": 1, "sequence": 1, "reports": {"type": "started"}},
    report(),
    report(type=None),
    report(type="ended"),
    report(type="started", extra=1),
    report(type="message"),
    report(type="message", content=5),
    report(type="message", content="x", data=[]),
    report(type="message", content="x" * (256 * 1024 + 1)),
    report(type="status", status="completed"),
    report(type="status", status="blocked", detail="x" * 4001),
    report(type="output"),
    report(type="output", structured_output="x" * (256 * 1024)),
    report(type="pull_request"),
    report(type="pull_request", url=""),
    report(type="pull_request", url="x" * 2049),
    report(type="pull_request", url="x", state="y" * 65),
    report(type="acus", used=-1),
    report(type="acus", used="1"),
    b'{"generation":1,"sequence":1,"reports":[{"type":"acus","used":1e999}]}',
    b'{"generation":1,"sequence":1,"reports":[{"type":"message","content":"\\ud800"}]}',
    b'{"generation":1,"sequence":1,"reports":[{"type":"message","content":"\\u0000"}]}',
    report(type="finished"),
    report(type="finished", exit_code="0"),
    report(type="finished", exit_code=HUGE),
    report(type="finished", exit_code=1 << 32),
    report(type="finished", exit_code=0, signal=0),
    report(type="finished", exit_code=0, signal=128),
    report(type="finished", exit_code=0, signal=HUGE),
    report(type="finished", exit_code=0, detail="x" * 4001),
    {
        "generation": 1,
        "sequence": 1,
        "reports": [{"type": "started"}, {"type": "acus", "used": -1}],
    },
]


async def test_reports_that_cannot_be_write_nothing(client):
    await create(client, "agent")
    claimed = await claim(client)
    before = await position(client, claimed)
    assert set(await statuses(client, at(claimed, "reports"), BAD_REPORTS)) <= {400, 422}
    large = report(type="message", content="x" * 200_000)
    large["reports"] = large["reports"] * 6
    assert await statuses(client, at(claimed, "reports"), [large]) == [413]
    assert await position(client, claimed) == before
    assert (await tell(client, claimed, 1, finished()))["status"] == "completed"


async def test_numbers_of_any_size_may_be_in_an_output(client):
    await create(client, "agent")
    claimed = await claim(client)
    outputs = [1 << 80, -1.5e300, {"a": [None, True, {}]}, "", []]
    bodies = [
        telling(claimed, n, {"type": "output", "structured_output": each})
        for n, each in enumerate(outputs)
    ]
    assert set(await statuses(client, at(claimed, "reports"), bodies)) <= {200, 422}


BAD_RELEASES = [
    {},
    {"generation": 1},
    {"generation": 1, "why": "lapsed"},
    {"generation": 1, "why": "drained", "detail": "x" * 4001},
    {"generation": 1.5, "why": "drained"},
]


async def test_releases_that_cannot_be(client):
    await create(client, "agent")
    claimed = await claim(client)
    assert set(await statuses(client, at(claimed, "release"), BAD_RELEASES)) == {422}


@pytest.mark.parametrize("name", ["none", "..", "%00", "a" * 5000, "%F0%9F%92%A3"])
async def test_sessions_that_cannot_be(client, name):
    for operation, body in (
        ("poll", {"generation": 1}),
        ("reports", report(type="started")),
        ("release", {"generation": 1, "why": "drained"}),
    ):
        async with client.post(f"{WORK}/{name}/{operation}", json=body) as answer:
            assert answer.status in (400, 404, 405), await answer.text()


BAD_OFFERS = [
    b"[]",
    {"requires": "gpu"},
    {"requires": [""]},
    {"requires": ["x" * 257]},
    {"requires": [str(n) for n in range(65)]},
    {"on_loss": "retry"},
    {"attempts_max": 0},
    {"attempts_max": 101},
    {"attempts_max": HUGE},
    {"attempts_max": None},
    {"kind": "agent"},
]


async def test_offers_that_cannot_be(client):
    session = await create(client, "evaluation")
    path = f"{SESSIONS}/{session['id']}/work"
    assert set(await statuses(client, path, BAD_OFFERS)) == {422}
    made = [{"kind": "agent", "work": offer} for offer in BAD_OFFERS if isinstance(offer, dict)]
    assert set(await statuses(client, SESSIONS, made)) == {422}
    for kind in ("browser", "vm"):
        await refused(
            client, "POST", SESSIONS, 422, "invalid_value", json={"kind": kind, "work": {}}
        )
        session = await create(client, kind)
        path = f"{SESSIONS}/{session['id']}/work"
        await refused(client, "POST", path, 422, "invalid_value", json={})


async def test_a_request_that_breaks_off_claims_nothing(client, aiohttp_client, shared):
    session = await create(client, "agent")
    status, _, _ = await raw(
        client,
        b"POST /api/v1/work/claims HTTP/1.1\r\nHost: x\r\nX-API-Key: "
        + client._session.headers["X-API-Key"].encode()
        + b"\r\nContent-Length: 2\r\n\r\n{\r\n\r\n",
    )
    assert status == 400
    shown = await ask(client, "GET", f"{SESSIONS}/{session['id']}")
    assert shown["work"]["worker"] is None
