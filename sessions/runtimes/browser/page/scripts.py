"""The scripts that run inside pages: small files of JavaScript, put together once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

Name = Literal[
    "about", "evaluate", "fields", "find", "observe", "place", "quiet", "scrape", "scroll"
]
_FOLDER: Final = Path(__file__).with_name("js")


ANSWER_MAX: Final = 8 << 20
TOO_LARGE: Final = {"too_large": True}
"""What comes instead of a longer text: a page may have changed what makes it."""

_BOUNDED: Final = f"""
return ((all) =>
  typeof all === 'string' && all.length > {ANSWER_MAX} ? {{ too_large: true }} : all)(
  main(given));
"""


@cache
def script(name: Name) -> str:
    """A function of one argument that a page evaluates; it leaves no global names there."""
    shared = (_FOLDER / "elements.js").read_text(encoding="utf-8")
    own = (_FOLDER / f"{name}.js").read_text(encoding="utf-8")
    return f"(given) => {{\n{shared}\n{own}\n{_BOUNDED}\n}}"
