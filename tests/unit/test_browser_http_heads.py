"""What a forward proxy reads in a head, and what it passes on (RFC 9112)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.browser.http_heads import (
    CHUNKED,
    BadHead,
    answer,
    answered,
    asked,
    to_client,
    to_origin,
)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_an_exchange_goes_to_the_origin_in_its_own_words() -> None:
    request = asked(
        head(
            "GET http://user:pw@Lab.example:8080/a?b=c#d HTTP/1.1",
            "Host: elsewhere.example",
            "Proxy-Authorization: Basic eDp5",
            "Proxy-Connection: keep-alive",
            "Connection: x-private, keep-alive",
            "X-Private: 1",
            "Accept: */*",
        )
    )
    assert (request.host, request.port, request.path) == ("Lab.example", 8080, "/a?b=c")
    lines = to_origin(request).decode().split("\r\n")
    assert lines == [
        "GET /a?b=c HTTP/1.1",
        "Host: Lab.example:8080",
        "Accept: */*",
        "Connection: close",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("target", "host", "port", "path"),
    [
        ("http://a", "a", 80, "/"),
        ("http://a?b", "a", 80, "/?b"),
        ("http://[::1]:5/x", "::1", 5, "/x"),
        ("HTTP://a:81/http://a:81/", "a", 81, "/http://a:81/"),
    ],
)
def test_the_address_is_taken_apart(target: str, host: str, port: int, path: str) -> None:
    request = asked(head(f"GET {target} HTTP/1.1"))
    assert (request.host, request.port, request.path) == (host, port, path)


def test_a_tunnel_names_its_place() -> None:
    request = asked(head("CONNECT [2606:4700::1]:443 HTTP/1.1", "Host: x"))
    assert request.tunnel
    assert (request.host, request.port) == ("2606:4700::1", 443)


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1"],
        ["GET https://a/ HTTP/1.1"],
        ["GET file:///etc/passwd HTTP/1.1"],
        ["GET http:///x HTTP/1.1"],
        ["GET http://a:x/ HTTP/1.1"],
        ["GET http://a/"],
        ["GET http://a/ HTTP/2"],
        ["G T http://a/ HTTP/1.1"],
        ["CONNECT a HTTP/1.1"],
        ["CONNECT a:0 HTTP/1.1"],
        ["POST http://a/ HTTP/1.1", "Content-Length: 1", "Content-Length: 2"],
        ["POST http://a/ HTTP/1.1", "Content-Length: +1"],
        ["POST http://a/ HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"],
        ["POST http://a/ HTTP/1.1", "Transfer-Encoding: gzip, chunked"],
        ["GET http://a/ HTTP/1.1", "No colon"],
        ["GET http://a/ HTTP/1.1", "Space : x"],
        ["GET http://a/ HTTP/1.1", " folded: x"],
        ["GET http://a/ HTTP/1.1", "X: a\rb"],
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(lines: list[str]) -> None:
    with pytest.raises(BadHead):
        asked(head(*lines))


def test_the_length_of_a_body_is_known() -> None:
    assert asked(head("POST http://a/ HTTP/1.1", "Content-Length: 12")).body == 12
    assert asked(head("POST http://a/ HTTP/1.1", "transfer-encoding: Chunked")).body == CHUNKED
    assert asked(head("GET http://a/ HTTP/1.1")).body == 0


def test_an_answer_ends_with_its_connection() -> None:
    said = answered(head("HTTP/1.1 200 OK", "Connection: keep-alive", "Keep-Alive: 5", "X: 1"))
    assert to_client(said) == head("HTTP/1.1 200 OK", "X: 1", "Connection: close")
    early = answered(head("HTTP/1.1 103 Early Hints", "Link: </a>"))
    assert early.interim
    assert to_client(early) == head("HTTP/1.1 103 Early Hints", "Link: </a>")


def test_an_answer_loses_what_is_no_field_and_stays_one() -> None:
    said = answered(head("HTTP/1.0 200", "X: 1", " folded", "no colon", "A b: 2", "Y: a\rb"))
    assert said.status == 200
    assert said.fields == (("X", "1"),)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    for read in (asked, answered):
        try:
            read(raw)
        except BadHead:
            continue


def test_the_page_of_a_refusal_is_text_not_markup() -> None:
    page = answer(403, "<script>alert(1)</script>")
    assert b"<script>" not in page
    assert page.startswith(b"HTTP/1.1 403 Forbidden\r\n")
