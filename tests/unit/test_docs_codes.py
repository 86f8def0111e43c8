"""docs/api.md and the OpenAPI document name the stable codes that the code has, and no others."""

import ast
import re
from pathlib import Path

import pytest

from projections.events.status import ENDED, STATUSES
from sessions import failure
from sessions.dialects.native.problems import CODES
from sessions.dialects.native.routes import ROUTES
from sessions.domain.policy import TRANSITIONS
from sessions.domain.rejections import Rejection

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
OTHER_DIALECTS = re.compile(r"sessions/(dialects/(?!native/)|runtimes/)")


def native_modules():
    for path in sorted((ROOT / "sessions").rglob("*.py")):
        if not OTHER_DIALECTS.match(path.relative_to(ROOT).as_posix()):
            yield ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(tree):
    """Each function with its name, for a constructor that of its class, and its parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    yield node.name, inner, inner.args.args[1:]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node, node.args.args


def literal(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def called(call):
    return getattr(call.func, "id", None) or getattr(call.func, "attr", None)


def codes_of(trees):
    """Every text that goes into a parameter called `code`, which all failures get theirs from."""
    places = {}
    for tree in trees:
        for name, node, parameters in functions(tree):
            names = [parameter.arg for parameter in parameters]
            if "code" in names:
                places[name] = names.index("code")
                defaults = dict(zip(reversed(names), reversed(node.args.defaults), strict=False))
                yield literal(defaults.get("code"))
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or called(node) not in places:
                continue
            place = places[called(node)]
            yield from (literal(argument) for argument in node.args[place : place + 1])
            yield from (literal(given.value) for given in node.keywords if given.arg == "code")


def rejections(base=Rejection):
    for kind in base.__subclasses__():
        yield kind
        yield from rejections(kind)


def table(heading):
    """The rows of the table whose first column has this heading."""
    _, _, rest = PAGE.partition(f"| {heading} |")
    rows = []
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_page_has_every_code_and_no_other():
    written = set(filter(None, codes_of(list(native_modules()))))
    assert {"no_such_route", "bad_cursor", "bad_position", "invalid_query"} < written
    known = written | {kind.code for kind in rejections()}
    assert known == CODES.keys()
    shown = [(code.strip("`"), int(status)) for code, status, _ in table("Code")]
    assert sorted(shown) == sorted((code, meaning.status) for code, meaning in CODES.items())


@pytest.mark.parametrize("kind", list(rejections()), ids=lambda kind: kind.code)
def test_a_rejection_comes_with_the_status_that_is_documented(kind):
    assert failure._STATUS[kind] == CODES[kind.code].status


def test_the_page_has_every_operation_and_no_other():
    shown = re.findall(r"^\| `([A-Z]+ /\S+)` \|", PAGE, re.MULTILINE)
    assert sorted(shown) == sorted(f"{route.method} {route.path}" for route in ROUTES)


def test_the_page_names_the_scope_of_every_operation():
    for route in ROUTES:
        row = f"| `{route.method} {route.path}` |"
        line = next(line for line in PAGE.splitlines() if line.startswith(row))
        scope = "none" if route.doc.scope is None else f"`{route.doc.scope}`"
        assert line.endswith(f"| {scope} |")


def test_the_page_has_the_status_machine():
    shown = {was.strip("`"): set(re.findall(r"`(\w+)`", to)) for was, to in table("From")}
    assert shown == {s: TRANSITIONS[s] - ENDED for s in STATUSES if s not in ENDED}
