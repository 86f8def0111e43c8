"""Every bench still runs and ends with a well-formed line; nothing is asserted of its figures."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from scripts.bench.command import BENCHES
from scripts.bench.table import page

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "scripts" / "bench" / "run.py"
SECONDS_MAX = 240


class Line(msgspec.Struct, kw_only=True):
    """The last line of a bench: the fields that readers of its figures rely on."""

    name: str
    value: float
    limit: float
    ratio: float
    unit: str
    target: str
    ok: bool
    rounds: list[tuple[float, float]]
    load_before: float
    load_after: float
    fsync_p50_us: tuple[float, float]
    versions: dict[str, str]
    git: str
    seed: int
    smoke: bool


# Many processes, one after the other, and logs of some size; one of them is quick.
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in BENCHES if name != "append"]


@pytest.mark.parametrize("name", ["append", *SLOW])
def test_a_bench_ends_with_its_figures_as_json(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), name, "--smoke", "--seed", "7", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stderr
    if name in ("vm", "browser") and done.stderr.startswith(f"{name}: not run: "):
        pytest.skip(done.stderr)
    line = msgspec.json.decode(done.stdout.splitlines()[-1], type=Line)
    assert (line.name, line.seed, line.smoke) == (name, 7, True)
    assert line.value > 0
    assert line.limit > 0
    assert line.ratio > 0
    assert line.unit
    assert line.target
    assert len(line.rounds) == 1
    assert f"\n| {name} | " in page(done.stdout.splitlines())


def test_json_alone_and_a_name_that_is_none(tmp_path: Path) -> None:
    command = [sys.executable, str(RUN), "nothing", "--json", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX)
    assert done.returncode == 2
    assert "NAME|all" in done.stderr
