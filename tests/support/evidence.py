"""The checker of bundles as an auditor has it: one file, somewhere else, and nothing of ours."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.reader import ROOT

SCRIPT = ROOT / "scripts" / "verify_evidence.py"


def audited(folder: Path, bundle: bytes, *options: str) -> tuple[int, Any]:
    """Exit code and answer of a copy of the script in `folder`, from where it sees no project."""
    copy, file = folder / "check.py", folder / "bundle"
    copy.write_bytes(SCRIPT.read_bytes())
    file.write_bytes(bundle)
    done = subprocess.run(
        [sys.executable, "-I", str(copy), str(file), "--json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECKER = _module()


def refusal(bundle: bytes, key: str | None = None) -> str:
    """Why the bundle does not hold; empty if it does. As `audited`, without a process."""
    try:
        CHECKER.check(io.BytesIO(bundle), key)
    except (CHECKER.Broken, ValueError) as why:
        return str(why) or "no reason"
    return ""
