"""The page that shows the results of one API, of one session or of several side by side; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

# So many cells tell of subtests; the rest is only counted.
CELLS_MAX: Final = 200_000
MESSAGE_CHARS_MAX: Final = 1_000
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

_STYLE: Final = """
body { font: 16px/1.4 sans-serif; margin: 1.5em; color: #1b1b1b; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
th, td { border: 1px solid #bbb; padding: .3em .6em; text-align: left; vertical-align: top }
th { background: #eee }
td.subtest { padding-left: 2em; color: #444 }
td.PASS, td.OK { background: #d9f2d9 }
td.FAIL, td.ERROR { background: #f8d7d7 }
td.TIMEOUT { background: #fbeac8 }
td.NOTRUN, td.absent { background: #e4e4e4 }
td.differs { border-left: 4px solid #c00 }
small { display: block; color: #444; word-break: break-word }
"""
_HEAD: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What one session says: its results of the API by the path of the test, as they are read."""

    token: str
    browser: str
    labels: tuple[str, ...]
    results: Mapping[str, Mapping[str, Any]]


def page(api: str, columns: Sequence[Column]) -> Iterator[str]:
    """The page piece by piece; everything that came from outside is escaped."""
    title = escape(f"Results of {api}")
    yield _HEAD.format(title=title, style=_STYLE)
    yield from _summary(columns)
    yield '<table>\n<tr><th scope="col">Test</th>'
    for column in columns:
        front, browser = escape(column.token[:8]), escape(column.browser)
        yield f'<th scope="col">{front}<small>{browser}</small></th>'
    yield "</tr>\n"
    hidden, left = 0, CELLS_MAX
    for path in sorted({path for column in columns for path in column.results}):
        found = [column.results.get(path) for column in columns]
        yield _row(path, "test", [_cell(one) for one in found])
        named = [_subtests(one) for one in found]
        for name in dict.fromkeys(name for subtests in named for name in subtests):
            if left < len(columns):
                hidden += 1
                continue
            left -= len(columns)
            yield _row(name, "subtest", [_cell(subtests.get(name)) for subtests in named])
    yield "</table>\n"
    if hidden:
        yield f"<p>{hidden} more subtests are not shown.</p>\n"
    yield "</body>\n</html>\n"


def _summary(columns: Sequence[Column]) -> Iterator[str]:
    heads = ("Session", "Browser", "Labels", "Tests", "Subtests")
    yield "<table>\n<tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr>\n"
    for column in columns:
        tests = Counter(_word(one) for one in column.results.values())
        subtests = Counter(
            _word(one) for result in column.results.values() for one in _listed(result)
        )
        cells = (
            column.token,
            column.browser,
            ", ".join(column.labels),
            _sum(tests),
            _sum(subtests),
        )
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"
    yield "</table>\n"


def _sum(counted: Counter[str]) -> str:
    each = ", ".join(f"{count} {word}" for word, count in sorted(counted.items()))
    return f"{counted.total()} ({each})" if each else "0"


def _row(name: str, kind: str, cells: Sequence[tuple[str, str]]) -> str:
    differs = " differs" if len({word for word, _ in cells}) > 1 else ""
    told = "".join(
        f'<td class="{_class(word)}">{escape(word)}'
        + (f"<small>{escape(message)}</small>" if message else "")
        + "</td>"
        for word, message in cells
    )
    return f'<tr><td class="{kind}{differs}">{escape(name)}</td>{told}</tr>\n'


def _cell(said: Mapping[str, Any] | None) -> tuple[str, str]:
    if said is None:
        return "not run here", ""
    message = said.get("message")
    return _word(said), message[:MESSAGE_CHARS_MAX] if isinstance(message, str) else ""


def _class(word: str) -> str:
    return word if word.isascii() and word.isalpha() else "absent"


def _word(said: Mapping[str, Any]) -> str:
    # Subtests are kept as they came (section 3.8): a status may be anything, or not there.
    status = said.get("status")
    return status if isinstance(status, str) else "unknown"


def _listed(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    subtests = result.get("subtests")
    if not isinstance(subtests, (list, tuple)):
        return []
    return [one for one in subtests if isinstance(one, dict)]


def _subtests(result: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    named: dict[str, Mapping[str, Any]] = {}
    for number, one in enumerate(_listed(result or {}), 1):
        name = one.get("name")
        named.setdefault(name if isinstance(name, str) else f"subtest {number}", one)
    return named
