"""The checker of evidence stays one short file that needs only Python and one package."""

import ast
import sys

from tests.support.evidence import SCRIPT

SOURCE = SCRIPT.read_text(encoding="utf-8")
LINES_MAX = 300


def test_it_imports_nothing_but_the_standard_library_and_cryptography():
    imported = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert "hashlib" in imported
    assert imported <= sys.stdlib_module_names | {"cryptography"}


def test_it_is_python_of_3_9():
    ast.parse(SOURCE, feature_version=(3, 9))
    assert "datetime import UTC" not in SOURCE


def test_it_is_short_enough_to_be_read():
    assert len(SOURCE.splitlines()) < LINES_MAX
