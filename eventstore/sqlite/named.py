"""SQL lives in .sql files; each query is named by a comment line of the form `-- name --`."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def sql_text(package: str, name: str) -> str:
    """The text of one .sql file of a package."""
    return files(package).joinpath(name).read_text("utf-8")


def named_queries(package: str, name: str = "queries.sql") -> dict[str, str]:
    """The queries of one .sql file by name."""
    parts = _NAME.split(sql_text(package, name))
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}
