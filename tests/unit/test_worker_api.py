"""Whatever a service answers, a worker knows what to do: go on, try again, give up."""

import asyncio

import pytest
from aiohttp import web

from sessions.runtimes.worker.api import Denied, Ended, Fenced, Refused, Unreachable, WorkApi
from sessions.runtimes.worker.claim import Claim

CLAIM = Claim(session_id="s-1", generation=3, lease_s=30)


@pytest.fixture
async def answering(aiohttp_server):
    """Makes a service that answers everything alike, and the calls of a worker to it."""
    made = []

    async def answering(handler):
        app = web.Application()
        app.router.add_post("/{path:.*}", handler)
        server = await aiohttp_server(app)
        made.append(WorkApi(f"http://127.0.0.1:{server.port}/", "the-key"))
        return made[-1]

    yield answering
    for api in made:
        await api.close()


def answer(status, body=None, **how):
    async def handler(_):
        return web.json_response(body, status=status, **how)

    return handler


def problem(code):
    return {"code": code, "detail": "words"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, problem("unauthorized"), Denied),
        (403, problem("forbidden"), Denied),
        (404, problem("not_found"), Fenced),
        (410, problem("session_deleted"), Fenced),
        (409, problem("fenced"), Fenced),
        (409, problem("session_ended"), Ended),
        (409, problem("conflict"), Unreachable),
        (400, problem("too_deep"), Refused),
        (413, problem("too_large"), Refused),
        (422, problem("invalid_value"), Refused),
        (429, problem("limit_reached"), Unreachable),
        (500, problem("internal"), Unreachable),
        (503, None, Unreachable),
        (507, ["not", "an", "object"], Unreachable),
        (200, ["not", "an", "object"], Unreachable),
        (200, {"status": 3}, Unreachable),
        (204, None, Unreachable),
    ],
)
async def test_each_answer_means_one_thing(answering, status, body, error):
    api = await answering(answer(status, body))
    with pytest.raises(error):
        await api.report(CLAIM, 1, [], 5)


async def test_answers_are_read_and_later_fields_are_no_trouble(answering):
    reported = {"status": "running", "lease_s": 30, "later": 1}
    api = await answering(answer(200, reported))
    assert (await api.report(CLAIM, 1, [], 5)).status == "running"
    api = await answering(answer(204))
    assert await api.claim("agent", "w", [], 0) is None


async def test_the_key_goes_to_the_service_only(answering):
    keys = []

    async def elsewhere(request):
        keys.append(request.headers.get("Authorization"))
        raise web.HTTPFound("http://127.0.0.1:1/")

    api = await answering(elsewhere)
    with pytest.raises(Unreachable, match="302"):
        await api.report(CLAIM, 1, [], 5)
    assert keys == ["Bearer the-key"]


async def test_silence_is_not_waited_for_for_ever(answering):
    asked = asyncio.Event()

    async def silent(_):
        asked.set()
        await asyncio.sleep(60)

    api = await answering(silent)
    with pytest.raises(Unreachable, match="Timeout"):
        await api.report(CLAIM, 1, [], 1)
    assert asked.is_set()
