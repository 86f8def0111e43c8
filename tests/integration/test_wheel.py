"""What is installed from a wheel is all there is in the tree: pages, scripts, statements."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from sessions.dialects.wave.pages import FOLDER
from tests.support.process import ROOT, serving
from tests.support.wave import few_tests

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def in_tree():
    """Every file of the packages by its path, but for what Python leaves behind."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*"))
    files = (path.relative_to(ROOT) for path in paths if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [made] = folder.glob("*.whl")
    return made


def test_nothing_of_the_packages_is_left_out_by_a_rule():
    """The wheel has what git would take: no pattern of files to ignore may name one of them."""
    build = PROJECT["tool"]["hatch"]["build"]
    assert not {"exclude", "only-include", "include"} & {*build, *build["targets"]["wheel"]}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    # One that begins with a slash is at the root, where no package is; the rest are caches.
    patterns = [each for each in ignored if not each.startswith("/")]
    assert all(re.fullmatch(r"\.[a-z_]+/?|__pycache__/", each) for each in patterns)
    assert not {each.strip("/") for each in ignored} & {*PACKAGES}


@pytest.mark.slow  # it packs and starts the service
def test_a_wheel_holds_every_file_of_the_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == in_tree()
    assert {Path(name).suffix for name in names} >= {".py", ".html", ".css", ".js", ".sql"}


@pytest.mark.slow  # it packs and starts the service
async def test_a_service_from_a_wheel_serves_its_own_pages(wheel, tmp_path):
    """WAVE, section 1.7: every page and script, and the one that reports; none of the tree."""
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    pages = installed / FOLDER.relative_to(ROOT)
    landing = pages / "index.html"
    landing.write_bytes(landing.read_bytes() + b"<!-- of the wheel -->\n")
    environ = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(installed)}
    options = ["--wave-tests", few_tests(tmp_path)]
    async with (
        serving(tmp_path / "data", *options, environ=environ) as service,
        service.client() as client,
    ):
        files = sorted(path.relative_to(pages).as_posix() for path in pages.rglob("*.*"))
        assert len(files) > 20
        for name in files:
            async with client.get(f"/_wave/{name}") as answer:
                assert (answer.status, await answer.read()) == (200, (pages / name).read_bytes())
        async with client.get("/_wave/") as answer:
            assert await answer.read() == landing.read_bytes()
        async with client.get("/resources/testharnessreport.js") as answer:
            script = installed / "sessions/testset/testharnessreport.js"
            assert (answer.status, await answer.read()) == (200, script.read_bytes())
        await service.stop()
