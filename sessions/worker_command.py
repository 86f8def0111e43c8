"""`sessiond work`: its options, and what is refused before the first claim."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from sessions.command_error import CommandError
from sessions.domain.policy import WORKED_ON
from sessions.runtimes.worker import command, program
from sessions.runtimes.worker.environment import KEY
from sessions.runtimes.worker.plan import SLOTS_MAX, Plan, Stdin

_URL: Final = "http://127.0.0.1:8080"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `sessiond work`."""
    parser.add_argument("--url", default=_URL, help=f"where the service is (default {_URL})")
    parser.add_argument("--key", help=f"a key with the scope work; better in {KEY}")
    parser.add_argument("--kind", required=True, choices=sorted(WORKED_ON), help="what to claim")
    parser.add_argument(
        "--label", action="append", default=[], help="what this worker can do; repeat it"
    )
    parser.add_argument("--slots", type=int, default=1, help="sessions at a time (default 1)")
    parser.add_argument("--name", help="what the worker is called (default HOST-PID)")
    parser.add_argument(
        "--drain", type=float, default=30.0, metavar="S", help="time to finish after SIGTERM"
    )
    parser.add_argument(
        "--grace", type=float, default=5.0, metavar="S", help="between SIGTERM and SIGKILL"
    )
    parser.add_argument(
        "--stdin",
        choices=get_args(Stdin),
        default="prompt",
        help="the prompt, a line for each message, or all of the claim as JSON (default prompt)",
    )
    parser.add_argument("--count", type=int, help="stop after so many sessions")
    parser.add_argument("run", nargs="+", metavar="COMMAND", help="after --: what to run")


def run_work(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> int:
    """Work until a signal; the exit code. Raises CommandError."""
    key = options["key"] or environ.get(KEY)
    if not key:
        raise CommandError(f"a key is needed: --key, or better {KEY} in the environment")
    if not key.isascii() or not key.isprintable():
        raise CommandError("the key is not one: it holds characters that no key has")
    plan = _plan(options)
    return asyncio.run(program.work(_url(options["url"]), key, plan))


def _plan(options: Mapping[str, Any]) -> Plan:
    for name, low, high in (("slots", 1, SLOTS_MAX), ("drain", 0, 86_400), ("grace", 0, 3600)):
        if not low <= options[name] <= high:
            raise CommandError(f"--{name} must be between {low} and {high}, not {options[name]}")
    if options["count"] is not None and options["count"] < 1:
        raise CommandError("--count must be at least 1")
    try:
        found = command.found(options["run"])
    except command.CommandError as error:
        raise CommandError(str(error)) from None
    return Plan(
        command=found,
        kind=options["kind"],
        name=options["name"] or f"{socket.gethostname()}-{os.getpid()}",
        labels=options["label"],
        slots=options["slots"],
        drain_s=options["drain"],
        grace_s=options["grace"],
        stdin=options["stdin"],
        count=options["count"],
    )


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise CommandError(f"--url must be like {_URL}, not {text!r}")
    return text
