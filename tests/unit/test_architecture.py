"""The shape of the code: pure modules stay pure, files and functions short, names telling."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PURE = [
    "eventstore/commit.py",
    "eventstore/cloudevents.py",
    "eventstore/codec.py",
    "eventstore/evidence.py",
    "eventstore/merkle.py",
    "eventstore/sealed.py",
    "eventstore/verification.py",
    "eventstore/checkpoint.py",
    "projections/events/**/*.py",
    "projections/evidence.py",
    "projections/folds/**/*.py",
    "projections/story.py",
    "projections/machine_story.py",
    "projections/browser_story.py",
    "projections/work_story.py",
    "projections/evaluation_story.py",
    "projections/marks.py",
    "projections/telling.py",
    "projections/wording.py",
    "sessions/domain/**/*.py",
    "sessions/browser_addresses.py",
    "sessions/browser_network.py",
    "sessions/dialects/*/wire.py",
    "sessions/dialects/wave/addresses.py",
    "sessions/dialects/wave/outcomes.py",
    "sessions/dialects/wave/selection.py",
    "sessions/dialects/*/wire_devices.py",
    "sessions/dialects/*/wire_events.py",
    "sessions/dialects/*/wire_sessions.py",
    "sessions/dialects/*/wire_results.py",
    "sessions/dialects/*/wire_tests.py",
    "sessions/dialects/*/wire_imports.py",
    "sessions/dialects/native/wire_work.py",
    "sessions/work_leases.py",
    "sessions/dialects/multipart.py",
    "sessions/dialects/queries.py",
    "sessions/dialects/uuids.py",
    "sessions/dialects/devin/attached.py",
    "sessions/dialects/devin/ids.py",
    "sessions/dialects/devin/v3/wire*.py",
    "sessions/dialects/devin/wire_*.py",
    "sessions/dialects/galtea/changes.py",
    "sessions/dialects/galtea/entities.py",
    "sessions/dialects/galtea/openapi.py",
    "sessions/dialects/galtea/room.py",
    "sessions/dialects/galtea/operations.py",
    "sessions/dialects/galtea/simulator.py",
    "sessions/dialects/galtea/wire_*.py",
    "sessions/turn_messages.py",
    "sessions/dialects/instavm/wire_*.py",
    "sessions/dialects/notte/wire_*.py",
    "sessions/dialects/notte/early_spaces.py",
    "sessions/dialects/notte/viewer.py",
    "sessions/dialects/wave/archives.py",
    "sessions/dialects/wave/report_page.py",
    "sessions/dialects/wave/viewer.py",
    "sessions/testset/listing.py",
    "sessions/testset/manifest.py",
    "sessions/testset/scripts.py",
    "sessions/dialects/wave/wire_catalog.py",
    "sessions/observe/protocol.py",
    "sessions/runtimes/browser/mp4.py",
    "sessions/runtimes/browser/page/destinations.py",
    "sessions/runtimes/browser/page/markdown.py",
    "sessions/runtimes/browser/page/model.py",
    "sessions/runtimes/browser/page/outcomes.py",
    "sessions/runtimes/browser/addresses.py",
    "sessions/runtimes/browser/http_heads.py",
    "sessions/runtimes/browser/explained.py",
    "sessions/runtimes/browser/cdp_rules.py",
    "sessions/runtimes/browser/cdp_messages.py",
    "sessions/runtimes/browser/cdp_filter.py",
    "sessions/runtimes/browser/cdp_replay.py",
    "sessions/runtimes/exit_codes.py",
    "sessions/runtimes/browser/argv.py",
    "sessions/runtimes/worker/claim.py",
    "sessions/runtimes/worker/environment.py",
    "sessions/runtimes/worker/lease.py",
    "sessions/runtimes/worker/lines.py",
    "sessions/runtimes/worker/mask.py",
    "sessions/runtimes/worker/plan.py",
    "sessions/runtimes/vm/frames.py",
    "sessions/runtimes/vm/printing.py",
    "sessions/runtimes/vm/argv.py",
    "sessions/runtimes/vm/cpio.py",
    "sessions/runtimes/vm/endings.py",
]
WORLD = ["aiohttp", "aiosqlite", "asyncio", "os", "pathlib", "sqlite3", "structlog"]
CLOCK_AND_CHANCE = ["random", "secrets", "time", "uuid"]
IMPURE = frozenset([*WORLD, *CLOCK_AND_CHANCE])
CLOCK_READS = frozenset({"now", "today", "utcnow"})
VAGUE = frozenset({"base", "helper", "helpers", "manager", "managers", "util", "utils"})

SHIPPED = ["eventstore", "projections", "sessions", "scripts"]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                imported = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0):
                imported = [module]
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in CLOCK_READS:
                yield node.lineno, f"reads the clock: {attr}()"
                continue
            case _:
                continue
        for name in imported:
            if name.partition(".")[0] in IMPURE:
                yield node.lineno, f"imports {name}"


def fail_if_any(offences: list[str], rule: str) -> None:
    if offences:
        pytest.fail("\n  ".join([f"{rule}:", *offences]), pytrace=False)


@pytest.mark.parametrize("pattern", PURE)
def test_pure_modules_touch_neither_clock_nor_chance_nor_the_outside(pattern: str) -> None:
    paths = sorted(ROOT.glob(pattern))
    if not paths:
        pytest.fail(f"no file matches {pattern}: the rule would guard nothing", pytrace=False)
    offences = [
        f"{path.relative_to(ROOT)}:{line} {offence}"
        for path in paths
        for line, offence in impurities(parse(path))
    ]
    fail_if_any(offences, "pure modules take time, ids and bytes as arguments")


@pytest.mark.parametrize("folder", [*SHIPPED, "tests"])
def test_no_file_is_too_long(folder: str) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(folder)}
    offences = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path, length in lengths.items()
        if length > FILE_LINES_MAX
    ]
    fail_if_any(offences, f"a file has at most {FILE_LINES_MAX} lines")


@pytest.mark.parametrize("folder", SHIPPED)
def test_no_function_is_too_long(folder: str) -> None:
    offences = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines"
        for path in modules(folder)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    fail_if_any(offences, f"a function has at most {FUNCTION_LINES_MAX} lines")


@pytest.mark.parametrize("folder", [*SHIPPED, "tests"])
def test_no_module_has_a_vague_name(folder: str) -> None:
    offences = [
        str(path.relative_to(ROOT))
        for path in modules(folder)
        if VAGUE.intersection(path.relative_to(ROOT).with_suffix("").parts)
    ]
    fail_if_any(offences, f"a module is named for what it does, not one of {sorted(VAGUE)}")
