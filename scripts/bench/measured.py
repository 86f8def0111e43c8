"""An audit script in a process of its own: how long it took, and the most memory that it held."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

import msgspec

from scripts.bench.report import ROOT

SECONDS_MAX: Final = 600
# The kernel counts what the parent held before the exec into ru_maxrss, but not into VmHWM.
_PROGRAM: Final = """
import importlib, json, re, sys, time
from pathlib import Path
code = importlib.import_module("scripts.audit." + sys.argv[1]).main(sys.argv[2:])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps({"code": code, "peak_kib": int(peak[1]), "cpu_s": time.process_time()}))
"""


class _Said(msgspec.Struct, frozen=True):
    code: int
    peak_kib: int
    cpu_s: float


class Run(msgspec.Struct, frozen=True):
    """From the start of the process to its end."""

    seconds: float
    cpu_s: float
    peak_mib: float


def measured(script: str, *arguments: str) -> Run:
    """Run a script; raises RuntimeError unless it ends well."""
    command = [sys.executable, "-c", _PROGRAM, script, *arguments]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    seconds = time.perf_counter() - began
    said = msgspec.json.decode(done.stdout.splitlines()[-1], type=_Said)
    if said.code:
        raise RuntimeError(f"{script} ended with {said.code}: {done.stderr}")
    return Run(seconds, said.cpu_s, said.peak_kib / 1024)
