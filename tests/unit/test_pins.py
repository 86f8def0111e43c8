"""What constraints.txt pins can be installed on every Python that README.md names."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
OLDEST = "3.11.0"
PINS = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_the_oldest_python_is_the_one_of_the_project():
    assert (
        f'requires-python = ">={OLDEST.rpartition(".")[0]}"'
        in (ROOT / "pyproject.toml").read_text()
    )


def test_no_pin_wants_a_newer_python_than_the_oldest():
    refused = []
    looked_at = 0
    for name, version in PINS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # one of another extra
        looked_at += 1
        assert found.version == version, name
        wanted = str(found.metadata.json.get("requires_python", ""))
        if OLDEST not in SpecifierSet(wanted):
            refused.append(f"{name} {version} wants {wanted}")
    assert looked_at > len(PINS) / 2
    assert not refused
