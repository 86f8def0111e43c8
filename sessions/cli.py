"""The command line: `sessiond serve`, `work`, `keys create|list|revoke`, `erase`, `doctor`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec

from projections.events.access import Scope
from sessions import logging, settings
from sessions.command_error import CommandError
from sessions.worker_command import add_options, run_work

EXIT_USAGE: Final = 2


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    operation = options.pop("operation", None)
    try:
        if command == "work":
            logging.configure("info", "auto")
            return run_work(options)
        if command == "serve":
            return _serve(options)
        data = options.pop("data")
        chosen = settings.load({"data": data})
        logging.configure("warning", chosen.log_format)
        if command == "doctor":
            return _doctor(chosen, options)
        answer = _answer(chosen, command, operation, options)
    except settings.SettingsError as error:
        print(f"sessiond: {error}", file=sys.stderr)
        return EXIT_USAGE
    except CommandError as error:
        print(f"sessiond: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.format(msgspec.json.encode(answer)).decode())
    return 0


# Each command loads what it needs: a worker is up in a third of the time that the service takes.


def _serve(options: dict[str, Any]) -> int:
    from sessions import serve

    chosen = settings.load(options)
    logging.configure(chosen.log_level, chosen.log_format)
    return serve.run(chosen)


def _doctor(chosen: settings.Settings, options: dict[str, Any]) -> int:
    from sessions.doctor_command import Wish, run_doctor

    return asyncio.run(run_doctor(chosen, Wish(**options)))


def _answer(
    chosen: settings.Settings, command: str, operation: Any, options: dict[str, Any]
) -> Any:
    from sessions.erase_command import run_erase
    from sessions.keys_command import Operation, run_keys

    if command == "erase":
        return asyncio.run(run_erase(chosen, options["session"]))
    return asyncio.run(run_keys(chosen, Operation(operation, options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sessiond", description="The book of record of sessions.")
    commands = parser.add_subparsers(dest="command", required=True)
    _serve_options(commands.add_parser("serve", help="run the service"))
    add_options(commands.add_parser("work", help="run a command for each session that waits"))
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    operations = keys.add_subparsers(dest="operation", required=True)
    create = operations.add_parser("create", help="make a key; it is shown once")
    create.add_argument("--name", required=True, help="whose key it is")
    create.add_argument("--tenant", help="whose sessions it opens")
    scopes = get_args(Scope)
    create.add_argument("--scopes", nargs="+", choices=scopes, help="what it may do")
    create.add_argument("--prefix", help="what the key begins with, such as gsk_")
    operations.add_parser("list", help="list all keys, without their secrets")
    revoke = operations.add_parser("revoke", help="close a key for good")
    revoke.add_argument("id", help="the id of the key, as `list` shows it")
    erase = commands.add_parser("erase", help="destroy the secrets of a session, for good")
    erase.add_argument("session", help="the id of the session")
    doctor = commands.add_parser("doctor", help="say what works on this host, and what does not")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.add_argument("--prepare", action="store_true", help="build what is missing or old")
    doctor.add_argument("--packages", metavar="DIR", help="a folder of Debian packages to build of")
    for each in (*operations.choices.values(), erase, doctor):
        each.add_argument("--data", help="the data folder")
    return parser


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", help="a TOML file with settings")
    for field in msgspec.structs.fields(settings.Settings):
        if field.name in settings.SECRET_FIELDS:
            continue
        option = "--" + field.name.replace("_", "-")
        default = "" if field.default is None else f"default {field.default}"
        if field.default is msgspec.NODEFAULT:
            default = "a JSON object"
        extra: dict[str, Any] = {"help": default, "default": None}
        if field.type is bool:
            extra["action"] = argparse.BooleanOptionalAction
        parser.add_argument(option, **extra)
