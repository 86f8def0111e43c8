"""Answers as they go over the wire: short where that is all right, the library's way elsewhere."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from sessions.web.answer import Answer

PLAIN = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def asking(how):
    return PLAIN.replace("/ ", f"/?as={how} ")


@pytest.fixture
async def port(aiohttp_server):
    async def answer(request: web.Request) -> web.Response:
        fields = {"ETag": '"7"', "X-Session": "é"}
        match request.query.get("as"):
            case "empty":
                return Answer(b"", 200, fields)
            case "text":
                return Answer(b"words", 202, {"Content-Type": "text/plain"})
            case "header":
                made = Answer(b"{}", 200, fields)
                made.headers["ETag"] = '"8"'
                return made
            case "split":
                return Answer(b"{}", 200, {"X-Session": "1\r\nX-Other: 2"})
            case _:
                return Answer(b'{"a":1}', 201, fields)

    app = web.Application()
    app.router.add_get("/", answer)
    return (await aiohttp_server(app)).port


async def said(port, *asked):
    """Status line, header fields in small letters and body of each answer on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(writer.close)
        await stack.enter_async_context(asyncio.timeout(60))
        writer.write("".join(asked).encode())
        for each in asked:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
            line, *rest = head.split("\r\n")
            pairs = (field.partition(": ") for field in rest)
            fields = {name.lower(): value for name, _, value in pairs}
            size = 0 if each.startswith("HEAD") else int(fields["content-length"])
            answers.append((line, fields, (await reader.readexactly(size)).decode()))
    return answers


async def test_the_head_says_what_the_librarys_own_would_say(port) -> None:
    [(short, mine, body)] = await said(port, PLAIN)
    closing = PLAIN.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    [(line, theirs, same)] = await said(port, closing)
    assert (short, body) == (line, same) == ("HTTP/1.1 201 Created", '{"a":1}')
    assert theirs.pop("connection") == "close"
    for fields in (mine, theirs):
        assert fields.pop("date").endswith(" GMT")
    assert mine == theirs
    assert mine["content-type"] == "application/json"
    assert (mine["etag"], mine["x-session"]) == ('"7"', "é")


async def test_one_connection_has_many_answers(port) -> None:
    empty, text = asking("empty"), asking("text")
    first, second, third = await said(port, PLAIN, empty, text)
    assert [each[0] for each in (first, second, third)] == [
        "HTTP/1.1 201 Created",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 202 Accepted",
    ]
    assert (second[2], second[1]["content-length"], "content-type" in second[1]) == ("", "0", False)
    assert (third[2], third[1]["content-type"]) == ("words", "text/plain")


@pytest.mark.parametrize(
    ("asked", "connection"),
    [
        ("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", None),
        ("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
    ],
)
async def test_an_old_client_and_one_without_body_are_heard(port, asked, connection) -> None:
    [(line, fields, body)] = await said(port, asked)
    assert line.endswith(" 201 Created")
    assert (fields["content-length"], fields["etag"]) == ("7", '"7"')
    assert body == ("" if asked.startswith("HEAD") else '{"a":1}')
    assert fields.get("connection") == connection


async def test_a_header_that_somebody_adds_is_sent_and_counts(port) -> None:
    [(_, fields, _)] = await said(port, asking("header"))
    assert (fields["etag"], fields["x-session"]) == ('"8"', "é")


async def test_a_field_that_would_end_its_line_is_never_sent(port) -> None:
    with pytest.raises(asyncio.IncompleteReadError) as failed:
        await said(port, asking("split"))
    assert failed.value.partial == b""
