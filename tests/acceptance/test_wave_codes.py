"""WAVE: the QR codes of its pages, read by another library."""

import re

import pytest
import zxingcpp

from tests.support.service import client_of
from tests.support.wave import make

PATH = "/_wave/qr"
STEP = re.compile(r"([Mmh])\s*(-?[\d.]+)(?:[\s,]*(-?[\d.]+))?")
SIDE = 4  # pixels for a module


@pytest.fixture
async def client(aiohttp_client, shared):
    """A client without a key, as WAVE's are."""
    admin = await client_of(aiohttp_client, shared)
    return await aiohttp_client(admin.server)


def pixels(svg):
    """The picture in grey: only as much of SVG as one black line of steps to the right."""
    [(width, height)] = re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)
    size = int(width)
    assert int(height) == size
    rows = [bytearray(b"\xff" * size) for _ in range(size)]
    [line] = re.findall(r'stroke="#000" d="([^"]+)"', svg)
    x = y = 0.0
    for step, first, second in STEP.findall(line):
        match step:
            case "M":
                x, y = float(first), float(second)
            case "m":
                x, y = x + float(first), y + float(second)
            case _:
                for at in range(int(x), int(x + float(first))):
                    rows[int(y)][at] = 0
                x += float(first)
    wide = [b"".join(bytes([module]) * SIDE for module in row) for row in rows]
    raw = b"".join(row * SIDE for row in wide)
    return memoryview(raw).cast("B", (size * SIDE, size * SIDE))


def read(svg):
    """What a reader finds in the picture."""
    found = zxingcpp.read_barcode(pixels(svg))
    assert found is not None
    return found


async def picture(client, text):
    """The SVG that shows `text`."""
    answer = await client.get(PATH, params={"text": text})
    assert (answer.status, answer.content_type) == (200, "image/svg+xml")
    return await answer.text()


async def test_a_phone_reads_where_to_configure_a_session(client):
    """Section 1.7: the landing page of a device."""
    token = await make(client)
    url = f"http://192.168.100.200:8080/_wave/configuration.html?token={token}"
    svg = await picture(client, url)
    found = read(svg)
    assert (found.format, found.text) == (zxingcpp.BarcodeFormat.QRCode, url)


TEXTS = ["a", "7", "größe 📺", "茗茗", "x" * 512, "é" * 256, "<script>&\"'", " \n", "1" * 512]


@pytest.mark.parametrize("text", TEXTS)
async def test_any_text_comes_back_as_it_was(client, text):
    assert read(await picture(client, text)).bytes == text.encode()


async def test_a_picture_has_nothing_to_run_or_to_load(client):
    answer = await client.get(PATH, params={"text": "<script>alert(1)</script>"})
    assert "script" not in await answer.text()
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


REFUSED = ["", "?text=", "?text=" + "x" * 513, "?text=" + "%C3%A9" * 257, "?other=a"]


@pytest.mark.parametrize("query", REFUSED)
async def test_nothing_and_too_much_is_refused(client, query):
    """Section 1.1."""
    answer = await client.get(PATH + query)
    assert answer.status == 400
    assert (await answer.json())["error"]


@pytest.mark.parametrize("query", ["%FF", "%ED%A0%80", "%00", "%", "a&text=b", "%2525"])
async def test_what_is_no_text_is_no_crash(client, query):
    """Section 1.1."""
    assert (await client.get(f"{PATH}?text={query}")).status in (200, 400)


async def test_there_is_only_a_get(client):
    """Section 1.1."""
    assert (await client.head(PATH, params={"text": "a"})).status == 404
    assert (await client.post(PATH, params={"text": "a"})).status == 404
