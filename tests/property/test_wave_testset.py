"""Whatever a path or a manifest says, nothing outside the folder is found, and nothing crashes."""

import contextlib
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sessions.testset import manifest
from sessions.testset.files import REPORT_FILE, find
from sessions.testset.listing import TestSetError
from tests.support.facts import json_values
from tests.support.wave_tests import put

PARTS = [
    *(
        "/",
        "//",
        "..",
        ".",
        "%2e",
        "%2F",
        "%5c",
        "\\",
        "%00",
        "\x00",
        "%",
        "%25",
        "%ff",
        "\udcff",
        "\ud800",
    ),
    *("a", "b.html", "x.any.html", "x.any.worker.js", "out", "secret", "~", ":", "resources"),
    *("testharnessreport.js", "etc", "passwd", "\u00fc", "%C3%BC", " "),
]
paths = st.lists(st.sampled_from(PARTS) | st.text(max_size=3)).map("".join)
leaves = st.lists(json_values | st.lists(st.text(max_size=8) | st.none(), max_size=3), max_size=3)
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.text(max_size=6), inner, max_size=3))


@given(paths.map("/".__add__) | paths)
def test_a_path_finds_a_file_of_the_folder_or_nothing(path):
    """WAVE contract section 1.7."""
    with tempfile.TemporaryDirectory() as name:
        outside = Path(name).resolve()
        folder = outside / "a"
        put(outside, "/secret", "secret")
        for file in ("/b.html", "/x.any.js", "/a/b.html", "/resources/x"):
            put(folder, file, "inside")
        (folder / "out").symlink_to(outside)
        found = find(folder, path)
        if found is not None and found.file is not None:
            assert found.file == REPORT_FILE or found.file.is_relative_to(folder)
            assert found.file.is_file()
        assert found is None or "secret" not in found.text


@given(st.dictionaries(st.sampled_from(["testharness", "manual", "x"]), trees | json_values))
def test_a_manifest_is_read_or_refused(items):
    """WAVE contract section 3.1."""
    raw = msgspec.json.encode({"version": 8, "items": items})
    try:
        found = manifest.parse(raw)
    except TestSetError:
        return
    urls = [entry.url for entry in found.entries]
    assert len(set(urls)) == len(urls)
    assert all(url.startswith("/") and len(url.split("/")) > 2 for url in urls)
    assert all(skipped.reason for skipped in found.skipped)


@given(st.binary())
def test_bytes_are_read_or_refused(raw):
    """WAVE contract section 3.1."""
    with contextlib.suppress(TestSetError):
        manifest.parse(raw)
