"""The tools that judge the code agree with it, so that a green test run means a clean tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, "-m", "ruff", "check", "."], id="ruff-check"),
        pytest.param([sys.executable, "-m", "ruff", "format", "--check", "."], id="ruff-format"),
        pytest.param(
            [sys.executable, "-m", "mypy"],
            id="mypy",
            marks=pytest.mark.slow(reason="without its cache it reads a thousand files for long"),
        ),
        pytest.param([LINT_IMPORTS], id="import-linter"),
    ],
)
def test_the_tool_has_no_complaint(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
