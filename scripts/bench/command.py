"""The command line: one process per bench, so that none inherits the heap of another."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from scripts.bench import (
    appends,
    audits,
    browsers,
    devin,
    exports,
    fanout,
    galtea,
    machines,
    pasts,
    rebuilds,
    replays,
    requests,
    waves,
    workers,
)
from scripts.bench.report import CannotRun, Options, Result, environment, human_lines, moment

Bench = Callable[[Options], Result]
BENCHES: Final[dict[str, Bench]] = {
    "append": appends.append,
    "create": requests.create,
    "get": requests.get,
    "list": requests.list_,
    "rebuild": rebuilds.rebuild,
    "replay": replays.replay,
    "export": exports.export,
    "verify": audits.verify_log,
    "fanout": fanout.fanout,
    "start": rebuilds.start,
    "asof": pasts.asof,
    "wave": waves.wave,
    "vm": machines.vm,
    "browser": browsers.browser,
    "worker": workers.worker,
    "galtea": galtea.galtea,
    "devin": devin.devin,
}
SECONDS_MAX: Final = 1200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name; 0 unless a bench could not run."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("names", nargs="+", choices=[*BENCHES, "all"], metavar="NAME|all")
    parser.add_argument("--smoke", action="store_true", help="small sizes, a few seconds each")
    parser.add_argument("--rounds", type=int, help="how often each side is measured (default 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the JSON lines only")
    parser.add_argument("--folder", type=Path, help="where logs are made and kept (default: temp)")
    given = parser.parse_args(arguments)
    names = list(BENCHES) if "all" in given.names else list(dict.fromkeys(given.names))
    rounds = given.rounds or (1 if given.smoke else 3)
    if given.folder is not None:
        return _run(names, given, Options(given.smoke, rounds, given.seed, given.folder))
    with tempfile.TemporaryDirectory(prefix="sessiond-bench-") as folder:
        return _run(names, given, Options(given.smoke, rounds, given.seed, Path(folder)))


def _run(names: Sequence[str], given: argparse.Namespace, options: Options) -> int:
    if len(names) == 1:
        _one(names[0], options, quiet=given.json)
        return 0
    return max(_child(name, given, options) for name in names)


def _one(name: str, options: Options, *, quiet: bool) -> None:
    before = moment(options.folder)
    try:
        result = BENCHES[name](options)
    except CannotRun as why:
        print(f"{name}: not run: {why}", file=sys.stderr)
        return
    record = {
        **msgspec.to_builtins(result),
        **environment(options, before, moment(options.folder)),
    }
    if not quiet:
        for line in human_lines(result):
            print(line)
    print(msgspec.json.encode(record).decode(), flush=True)


def _child(name: str, given: argparse.Namespace, options: Options) -> int:
    command = [sys.executable, str(Path(__file__).with_name("run.py")), name]
    command += ["--folder", str(options.folder), "--seed", str(options.seed)]
    command += ["--rounds", str(options.rounds)]
    command += [flag for flag, on in (("--smoke", given.smoke), ("--json", given.json)) if on]
    return subprocess.run(command, timeout=SECONDS_MAX, check=False).returncode
