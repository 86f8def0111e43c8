"""The environment of a command: the worker's own, the session's secrets, which session it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from sessions.runtimes.worker.claim import Claim

KEY: Final = "SESSIOND_KEY"
_OURS: Final = "SESSIOND_"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Whoever may make sessions must not choose which program runs, or what it loads at its start.
_LOADED: Final = re.compile(
    r"(LD|DYLD|BASH|NODE|_?JAVA|JDK|GIT|SSH|GCONV|MALLOC|GLIBC)_.*"
    r"|PYTHON[A-Z].*|PERL.*|RUBY(LIB|OPT).*|.*_(PRELOAD|OPTIONS)"
    r"|C?D?F?PATH|HOME|SHELL|SHELLOPTS|ENV|IFS|PS4|PROMPT_COMMAND|ZDOTDIR|TMPDIR|LOCPATH|NLSPATH"
    r"|EDITOR|PAGER"
)
# They begin like what is loaded, and are what secrets are for.
_TOKENS: Final = re.compile(r".*(_TOKEN|_KEY|_SECRET|_PASSWORD|_USER|_USERNAME|_EMAIL)")


class Environment(NamedTuple):
    """Variables, and the names of the secrets that are not among them."""

    variables: dict[str, str]
    left_out: list[str]


def environment(inherited: Mapping[str, str], claim: Claim, url: str) -> Environment:
    """What the command of a claim runs with; the worker's key is never in it."""
    variables = {name: value for name, value in inherited.items() if not name.startswith(_OURS)}
    left_out = []
    for name, value in claim.secrets.items():
        if may_be_set(name) and "\0" not in value:
            variables[name] = value
        else:
            left_out.append(name)
    variables["SESSIOND_SESSION"] = claim.session_id
    variables["SESSIOND_GENERATION"] = str(claim.generation)
    variables["SESSIOND_ATTEMPT"] = str(claim.attempt)
    variables["SESSIOND_URL"] = url
    return Environment(variables, sorted(left_out))


def may_be_set(name: str) -> bool:
    """True for a name that a shell knows, and by which no other program is run or loaded."""
    if not _NAME.fullmatch(name) or name.startswith(_OURS):
        return False
    return _TOKENS.fullmatch(name) is not None or _LOADED.fullmatch(name.upper()) is None
