"""Log lines: one for each request, of one shape, and without what nobody else may know."""

import asyncio
import re
import subprocess
import sys

import msgspec
import pytest
import structlog

from tests.support.process import ROOT, eventually, serving
from tests.support.service import ADMIN, SESSIONS, create, move, new_key, start

SECRET = "sdk_nobody_may_see_this"
SAY = f"""
import structlog
from sessions import logging
logging.configure("{{level}}", "{{style}}")
log = structlog.get_logger()
log.debug("quiet")
log.info("said", key="{SECRET}", token="{SECRET}", api_key="{SECRET}", cookie="{SECRET}", port=80)
def fail(secret):
    raise ValueError("the reason")
try:
    fail("{SECRET}")
except ValueError as error:
    log.error("crashed", exc_info=error)
log.warning("odd", value=object())
"""


def said(level, style):
    """What a process with these settings logs."""
    script = SAY.format(level=level, style=style)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def test_lines_are_json_with_a_time_a_level_and_no_secret():
    text = said("info", "json")
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "said"),
        ("error", "crashed"),
        ("warning", "odd"),
    ]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert lines[0]["port"] == 80
    assert "the reason" in lines[1]["exception"]
    assert SECRET not in text


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_said(level, count):
    assert len(said(level, "json").splitlines()) == count


def test_for_people_there_is_no_secret_either_not_even_in_a_traceback():
    text = said("info", "console")
    assert "the reason" in text
    assert SECRET not in text


async def test_each_request_is_one_line_that_says_what_became_of_it(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    key = (await new_key(client, "default", name="robot"))["key"]
    with structlog.testing.capture_logs() as lines:
        session = await create(client, headers={"X-Request-Id": "r-1"})
        path = f"{SESSIONS}/{session['id']}"
        await client.get(f"{path}?wait=nobody", headers={"Authorization": f"Bearer {key}"})
        await client.get(f"/nowhere/{'x' * 500}?api_key={SECRET}", headers={"Authorization": ""})
        await client.put(SESSIONS)
        await client.post(SESSIONS, data=b"{", headers={"X-API-Key": SECRET})
    assert {line["event"] for line in lines} == {"request.done"}
    shown = ("route", "method", "path", "status", "actor", "code")
    assert [tuple(line.get(name) or "" for name in shown) for line in lines] == [
        ("native.sessions.create", "POST", SESSIONS, 201, "key:admin", ""),
        ("native.sessions.get", "GET", path, 400, "key:robot", "invalid_query"),
        ("native.none", "GET", f"/nowhere/{'x' * 191}", 404, "", "no_such_route"),
        ("native.none", "PUT", SESSIONS, 405, "", "method_not_allowed"),
        ("native.sessions.create", "POST", SESSIONS, 400, "key:admin", "malformed_json"),
    ]
    assert lines[0]["correlation_id"] == "r-1"
    assert all(re.fullmatch("[0-9a-f]{32}", line["correlation_id"]) for line in lines[1:])
    assert all(0 <= line["ms"] < 60_000 for line in lines)
    assert SECRET not in repr(lines)
    assert key not in repr(lines)
    assert ADMIN not in repr(lines)


async def test_a_crash_is_told_once_with_its_traceback_and_the_request(
    aiohttp_client, tmp_path, monkeypatch
):
    client = await start(aiohttp_client, tmp_path)
    session = await create(client)

    def fail(*_):
        raise RuntimeError("unheard of")

    monkeypatch.setattr("sessions.service.decide", fail)
    with structlog.testing.capture_logs() as lines:
        async with client.post(f"{SESSIONS}/{session['id']}/extend", json={}) as answer:
            body = await answer.json(content_type=None)
    assert (answer.status, body["code"]) == (500, "internal")
    assert "unheard of" not in str(body)
    assert [line["event"] for line in lines] == ["request.crashed", "request.done"]
    assert str(lines[0]["exc_info"]) == "unheard of"
    monkeypatch.undo()
    assert (await move(client, session, "running"))["status"] == "running"


async def test_a_request_that_is_no_http_does_not_bring_a_key_into_the_log(tmp_path):
    bad = [
        f"GET /api/v1/feed?api_key={SECRET}\xff HTTP/1.1\r\nHost: t\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {SECRET}\x00\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: t\r\nBad Header: {SECRET}\r\n\r\n",
        f"NO/SUCH {SECRET} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: t\r\nAuthorization: {SECRET * 1000}\r\n\r\n",
    ]
    async with serving(tmp_path) as service:
        for request in bad:
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(request.encode("latin-1"))
            assert b" 400 " in await reader.readline()
            writer.close()
        async with service.client() as client, client.get("/livez") as answer:
            assert answer.status == 200
        await eventually(lambda: '"livez"' in service.stderr or "livez" in service.stderr, 60, "it")
        await service.stop()
        assert SECRET not in service.stderr + service.stdout
        for line in service.stderr.splitlines():
            assert msgspec.json.decode(line)["event"]
