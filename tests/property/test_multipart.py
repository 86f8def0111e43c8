"""Forms in parts: however the bytes are cut, they tell the same; broken ones say so (RFC 7578)."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions.dialects.multipart import (
    BadForm,
    FormParser,
    PartBegins,
    PartData,
    PartEnds,
)

BOUNDARY = "x--y"
names = st.text(st.characters(exclude_characters='"\r\n', exclude_categories=["Cs"]), max_size=8)
contents = st.lists(
    st.sampled_from([b"\r\n", b"--", b"x--y", b"\r\n--x--", b"\r", b"\n", b"a", b"\0", b" "]),
    max_size=12,
).map(b"".join)


def form(parts: list[tuple[str, bytes]]) -> bytes:
    head = '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    body = b"".join(
        (head % (BOUNDARY, name)).encode() + content + b"\r\n" for name, content in parts
    )
    return body + f"--{BOUNDARY}--\r\n".encode()


def read(data: bytes, cuts: list[int]) -> list[tuple[str, bytes]]:
    parser = FormParser(BOUNDARY)
    found: list[tuple[str, bytes]] = []
    ended = True
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(places):
        for event in parser.feed(data[begin:end]):
            match event:
                case PartBegins(name=name):
                    assert ended
                    found.append((name, b""))
                    ended = False
                case PartData(data=more):
                    assert not ended
                    found[-1] = (found[-1][0], found[-1][1] + more)
                case PartEnds():
                    ended = True
    parser.finish()
    assert ended
    return found


@given(
    st.lists(st.tuples(names, contents), max_size=5), st.lists(st.integers(0, 10**6), max_size=9)
)
@example([("a", b"")], [])
@example([("a", b"\r\n")], list(range(99)))
def test_a_form_is_what_was_sent_however_it_is_cut(
    parts: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    # A part that holds the delimiter cannot be sent with it: clients choose another one.
    parts = [(name, data) for name, data in parts if b"\r\n--x--y" not in b"\r\n" + data]
    assert read(form(parts), cuts) == parts


@given(st.lists(st.tuples(names, contents), min_size=1, max_size=3), st.integers(1, 10**6))
def test_a_form_that_is_cut_off_is_no_form(parts: list[tuple[str, bytes]], lost: int) -> None:
    parts = [(name, data) for name, data in parts if b"\r\n--x--y" not in b"\r\n" + data]
    whole = form(parts)
    ends = whole.rindex(b"--") + 2
    with pytest.raises(BadForm):
        read(whole[: ends - 1 - lost % ends], [])


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_no_bytes_at_all_raise_anything_else(data: bytes, cuts: list[int]) -> None:
    for start in (b"", b"--x--y\r\n", b"--x--y\r\nContent-Disposition: form-data; name=a\r\n\r\n"):
        try:
            read(start + data, cuts)
        except BadForm:
            continue


@pytest.mark.parametrize("boundary", ["", "x" * 71, "ü"])
def test_a_boundary_is_short_and_plain(boundary: str) -> None:
    with pytest.raises(BadForm):
        FormParser(boundary)


def test_what_never_ends_is_not_kept() -> None:
    for start in (b"", b"--x--y", b"--x--y\r\nA: "):
        with pytest.raises(BadForm):
            for _ in FormParser(BOUNDARY).feed(start + b" " * 100_000):
                pass
    many = form([("a", b"")] * 33)
    with pytest.raises(BadForm):
        read(many, [])


def test_a_preamble_and_what_comes_after_the_end_are_nothing() -> None:
    whole = b"hello\r\n" + form([("a", b"b")]) + b"anything" * 10_000
    assert read(whole, [5, 9]) == [("a", b"b")]


@pytest.mark.parametrize(
    ("head", "filename", "media_type"),
    [
        ('name="file"', "", ""),
        ('name="file"; filename="a.txt"', "a.txt", ""),
        ('name="file"; filename="a.txt"\r\nContent-Type: text/plain', "a.txt", "text/plain"),
        ("name=file; filename=a.txt\r\ncontent-type:image/png ", "a.txt", "image/png"),
        ('filename="a.txt"; name="file"', "a.txt", ""),
        ('name="file"; filename="ein ü &quot;.txt"', "ein ü &quot;.txt", ""),
        ('name="file"; filename="a %22b%22 %41.txt"', 'a "b" %41.txt', ""),
    ],
)
def test_a_file_says_its_name_and_type(head: str, filename: str, media_type: str) -> None:
    begins = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n"
    (begun,) = FormParser(BOUNDARY).feed(begins.encode())
    assert begun == PartBegins("file", filename, media_type)
