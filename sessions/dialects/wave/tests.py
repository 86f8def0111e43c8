"""Handlers of WAVE's tests API for a session, and of the results that its device reports."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from sessions.dialects.wave import wire_tests
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.addresses import Origin, page_url, test_url
from sessions.dialects.wave.outcomes import Refused, Result, normal_result
from sessions.dialects.wave.sessions import answer, done, test_run, test_run_or_none
from sessions.dialects.wave.wire import STATUS, configuration, include_of, type_of
from sessions.domain.turn import Complete
from sessions.failure import Failure, FieldError
from sessions.web.appkeys import LINE, PORTS, RESULTS, RUNS
from sessions.web.bodies import decode, read_body, read_up_to

RESULT_BODY_MAX: Final = 4 << 20
"""What a device sends may be larger than what is kept of it: stacks go, long texts are cut."""
_THREAD_FROM: Final = 128 << 10
_HTTP_PORT: Final = 80
_PATH_CHARS_MAX: Final = 200
_PORT_DIGITS_MAX: Final = 5
_PORT_MAX: Final = 65_535

_any: Final = msgspec.json.Decoder(Any)
_paths: Final = msgspec.json.Decoder(tuple[str, ...] | None)
_log = structlog.get_logger()


async def next_test(request: web.Request) -> web.Response:
    """Hand out the next test, which is out from now on (section 3.6)."""
    who = wave_caller(request, "sessions:write")
    state = await test_run(request, request.match_info["token"], who)
    handout = await request.app[RUNS].next(state.id, who)
    origin = _origin(request)
    if handout.path is None:
        url = page_url(origin, STATUS[handout.status], state.id, type_of(state))
    else:
        include = include_of(state)
        url = test_url(origin, handout.path, state.id, handout.timeout_ms, include)
    return answer(wire_tests.NextTest(url))


async def report(request: web.Request) -> web.Response:
    """Take the result of a test; one that is not out is ignored (sections 1.4 and 3.8)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_up_to(request, RESULT_BODY_MAX)
    large = len(raw) > _THREAD_FROM  # others are answered meanwhile
    result = await asyncio.to_thread(_parsed, raw) if large else _parsed(raw)
    if isinstance(result, Refused):
        field = FieldError(("body",), result.reason)
        raise Failure(400, "invalid_body", result.reason, fields=(field,))
    token = request.match_info["token"]
    wish = Complete(
        path=result.path,
        status=result.status,
        message=result.message,
        subtests=result.subtests,
        extra=result.extra,
    )
    if not await request.app[RUNS].complete(token, wish, len(raw), who):
        request[LINE].code = "result_refused"
        _log.info("result.refused", session=token[:36], test=result.path[:_PATH_CHARS_MAX])
    return done()


async def of_session(request: web.Request) -> web.Response:
    """What is pending, running and completed (section 1.3)."""
    who = wave_caller(request, "sessions:read")
    state = await test_run(request, request.match_info["token"], who)
    run, plan = await request.app[RUNS].plan(state.id, who)
    uploaded = await request.app[RESULTS].uploaded(state.id, run)
    return answer(wire_tests.tests_of(state.id, run, plan, uploaded))


async def last_completed(request: web.Request) -> web.Response:
    """The tests that came back last, by how they went; none for an unknown session (1.3)."""
    who = wave_caller(request, "sessions:read")
    wanted = wire_tests.wanted_verdicts(",".join(request.query.getall("status", ())))
    count = wire_tests.wanted_count(request.query.get("count", ""))
    state = await test_run_or_none(request, who)
    if state is None:
        return answer({verdict: [] for verdict in wanted})
    run, plan = await request.app[RUNS].plan(state.id, who)
    uploaded = await request.app[RESULTS].uploaded(state.id, run)
    order = plan.order
    if uploaded:
        order = await asyncio.to_thread(wire_tests.in_order, order, uploaded)
    return answer(wire_tests.last_completed(run, order, wanted, count, uploaded))


async def malfunctioning(request: web.Request) -> web.Response:
    """The tests that somebody holds to be broken (section 3.9)."""
    who = wave_caller(request, "sessions:read")
    state = await test_run(request, request.match_info["token"], who)
    return answer((await request.app[RUNS].get(state.id, who)).malfunctioning)


async def mark_malfunctioning(request: web.Request) -> web.Response:
    """Replace that list; the one of a public session stays (section 1.3)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    paths = wire_tests.malfunctioning(decode(raw, _paths) if raw else None)
    state = await test_run(request, request.match_info["token"], who)
    if paths is not None and not configuration(state).is_public:
        await request.app[RUNS].mark(state.id, paths, len(raw), who)
    return done()


def _parsed(raw: bytes) -> Result | Refused:
    return normal_result(decode(raw, _any))


def _origin(request: web.Request) -> Origin:
    """Where the device that asks reaches the service."""
    ports = request.app[PORTS]
    host, colon, digits = request.host.rpartition(":")
    if not colon or digits.endswith("]"):
        host, digits = request.host, str(_HTTP_PORT)
    # The port of TLS says nothing of the other one, and neither does what is no port.
    port = ports.http if request.secure or not _is_port(digits) else int(digits)
    return Origin.of(host, port, ports.https)


def _is_port(text: str) -> bool:
    plain = text.isascii() and text.isdigit() and len(text) <= _PORT_DIGITS_MAX
    return plain and 0 < int(text) <= _PORT_MAX
