"""Links that need no key: they open one path, for a while, and nothing else."""

from urllib.parse import parse_qsl

import pytest

from sessions.failure import Failure
from sessions.web.links import Links

PATH = "/notte/sessions/s/replay/video.mp4"


class Clock:
    def __init__(self) -> None:
        self.us = 1_000_000_000_000

    def __call__(self) -> int:
        return self.us


def signed(links: Links, path: str = PATH) -> dict[str, str]:
    return dict(parse_qsl(links.sign(path, 60).query))


def refused(links: Links, path: str, query: dict[str, str]) -> str:
    with pytest.raises(Failure) as failure:
        links.check(path, query)
    assert failure.value.status == 401
    return failure.value.code


def test_a_link_opens_its_path_until_it_expires() -> None:
    clock = Clock()
    links = Links(b"k" * 32, clock)
    query = signed(links)
    links.check(PATH, query)
    clock.us += 60_000_000
    links.check(PATH, query)
    clock.us += 1
    assert refused(links, PATH, query) == "link_expired"


def test_a_link_opens_nothing_else() -> None:
    links = Links(b"k" * 32, Clock())
    query = signed(links)
    assert refused(links, PATH + "/", query) == "unauthorized"
    assert refused(links, PATH.replace("/s/", "/t/"), query) == "unauthorized"
    assert refused(Links(b"j" * 32, Clock()), PATH, query) == "unauthorized"


@pytest.mark.parametrize(
    "more",
    [
        {"expires": "1000061"},
        {"expires": "9" * 13},
        {"expires": "-1"},
        {"expires": ""},
        {"expires": "\u0663"},
        {"token": ""},
        {"token": "\udcff"},
        {"token": "é"},
    ],
)
def test_a_link_that_was_changed_opens_nothing(more: dict[str, str]) -> None:
    links = Links(b"k" * 32, Clock())
    assert refused(links, PATH, {**signed(links), **more}) == "unauthorized"
    assert refused(links, PATH, {}) == "unauthorized"


def test_a_link_that_never_held_is_not_one_that_expired() -> None:
    links = Links(b"k" * 32, Clock())
    assert refused(links, PATH, {"expires": "x", "token": links.sign(PATH).query}) == "unauthorized"
