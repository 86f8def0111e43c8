"""Which tests a folder holds: by its manifest, or by what its files are called and include."""

import json
import os

import pytest

from sessions.dialects.wave.selection import Test
from sessions.testset import manifest, scripts, testset
from sessions.testset.discovery import discover
from sessions.testset.listing import URL_CHARS_MAX, TestSetError
from sessions.testset.testset import TestSet, load
from tests.support.wave_tests import ALL, MANUAL, manifest_of, page, put, write_tests


def parse(items, **more):
    return manifest.parse(json.dumps({"version": 8, "items": items, **more}).encode())


def urls(found):
    return [entry.url for entry in found.entries]


def leaf(*items):
    return ["0" * 40, *([item, {}] for item in items)]


@pytest.mark.parametrize("with_manifest", [False, True])
def test_a_folder_gives_the_same_tests_with_and_without_a_manifest(tmp_path, with_manifest):
    """Contract section 3.1."""
    found = load(str(write_tests(tmp_path, manifest=with_manifest)))
    assert {test.path for test in found.tests} == ALL
    assert {test.path for test in found.tests if test.manual} == {MANUAL}
    assert found.apis == ("apiOne", "apiTwo", "bigApi")
    assert found.folder == tmp_path


def test_every_url_of_an_item_is_a_test():
    """Contract section 3.1: also those that the original drops."""
    found = parse(
        {
            "testharness": {
                "dom": {
                    "a.html": leaf(None),
                    "b.html": leaf("dom/b.html?1-10", "dom/b.html?11-last"),
                    "c.any.js": leaf("dom/c.any.html", "dom/c.any.worker.html?x=[1]"),
                    "deep": {"d.window.js": leaf("dom/deep/d.window.html")},
                    "e.htm": leaf(None),
                    "f.xhtml": leaf("dom/f.xhtml"),
                }
            }
        }
    )
    assert urls(found) == [
        *("/dom/a.html", "/dom/b.html?1-10", "/dom/b.html?11-last"),
        *("/dom/c.any.html", "/dom/c.any.worker.html?x=%5B1%5D", "/dom/deep/d.window.html"),
        *("/dom/e.htm", "/dom/f.xhtml"),
    ]
    assert not found.skipped


def test_what_is_manual_and_what_needs_tls(tmp_path):
    """Contract sections 3.1 and 3.6."""
    for path in ("/a/x.html", "/a/x-manual.html", "/a/manual/y.html", "/a/z.https.html"):
        put(tmp_path, path, page(""))
    items = {"testharness": {"a": {"manual": {"y.html": leaf(None)}, "z.https.html": leaf(None)}}}
    items["manual"] = {"a": {"x.html": leaf(None), "x-manual.html": leaf(None)}}
    put(tmp_path, "/MANIFEST.json", json.dumps({"version": 8, "items": items}))
    found = {test.path: (test.manual, test.https) for test in load(str(tmp_path)).tests}
    assert found == {
        "/a/manual/y.html": (True, False),
        "/a/x-manual.html": (True, False),
        "/a/x.html": (True, False),
        "/a/z.https.html": (False, True),
    }


def test_other_kinds_of_tests_are_left_alone():
    """Contract section 3.1."""
    tree = {"a": {"x.html": leaf(None)}}
    found = parse({"reftest": tree, "crashtest": tree, "support": tree, "wdspec": tree})
    assert not found.entries
    assert not found.skipped


BAD_ENTRIES = {
    "no item": ["0" * 40],
    "no list": "0" * 40,
    "a number": leaf(5),
    "null": None,
    "an empty item": ["0" * 40, []],
    "an object as item": ["0" * 40, {"url": "x"}],
    "another page": leaf("a/other.html"),
    "a step up": leaf("a/../x.html"),
    "a host": leaf("/example.org/x.html"),
    "a shell": ["0" * 40, ["a/bad.html", {"jsshell": True}]],
    "a fragment": leaf("a/bad.html?x#y"),
    "a control character": leaf("a/bad.html?\x00"),
    "too long": leaf("a/bad.html?" + "x" * URL_CHARS_MAX),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_is_left_out_with_a_reason(name):
    found = parse({"testharness": {"a": {"bad.html": BAD_ENTRIES[name], "good.html": leaf(None)}}})
    assert urls(found) == ["/a/good.html"]
    (skipped,) = found.skipped
    assert skipped.reason


@pytest.mark.parametrize("name", ["..", ".", "", "api", "_wave", "a\\b", "a\x00b", "a\nb", "a#b"])
def test_a_bad_name_is_left_out_with_a_reason(name):
    tree = {name: {"x.html": leaf(None)}, "a": {"good.html": leaf(None)}}
    found = parse({"testharness": tree})
    assert urls(found) == ["/a/good.html"]
    assert len(found.skipped) == 1


def test_a_test_in_no_folder_has_no_api_and_is_left_out():
    """Contract section 3.1: the first folder names the API."""
    found = parse({"testharness": {"x.html": leaf(None)}})
    assert not found.entries
    assert len(found.skipped) == 1


BROKEN = {
    "empty": b"",
    "not JSON": b"hello",
    "cut off": b'{"version": 8, "items": {',
    "an array": b"[]",
    "no version": b'{"items": {}}',
    "no items": b'{"version": 8}',
    "version 7": b'{"version": 7, "items": {}}',
    "a word as version": b'{"version": "8", "items": {}}',
    "items as array": b'{"version": 8, "items": []}',
    "a list of tests": b'{"version": 8, "items": {"testharness": []}}',
    "another base": b'{"version": 8, "items": {}, "url_base": "/_other/"}',
    "no UTF-8": b'{"version": 8, "items": {"testharness": {"\xff": {}}}}',
    "very deep": b'{"version": 8, "items": ' + b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_manifest_is_refused_in_one_sentence_that_names_it(tmp_path, name):
    (tmp_path / "MANIFEST.json").write_bytes(BROKEN[name])
    with pytest.raises(TestSetError, match=r"MANIFEST\.json") as refusal:
        load(str(tmp_path))
    assert "\n" not in str(refusal.value)


def test_a_manifest_that_is_a_folder_or_far_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "MANIFEST.json").mkdir()
    with pytest.raises(TestSetError, match=r"MANIFEST\.json: it cannot be read"):
        load(str(tmp_path))
    (tmp_path / "MANIFEST.json").rmdir()
    monkeypatch.setattr(testset, "MANIFEST_BYTES_MAX", 40)
    put(tmp_path, "/MANIFEST.json", f'{{"version": 8, "items": {{}}{" " * 15}}}')
    with pytest.raises(TestSetError, match="larger than"):
        load(str(tmp_path))


def test_a_tree_may_be_deep():
    tree = leaf(None)
    for _ in range(100):
        tree = {"a": tree}
    assert urls(parse({"testharness": tree})) == ["/a" * 100]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with pytest.raises(TestSetError, match=name):
            load(str(tmp_path / name))


def test_an_entry_whose_file_is_missing_is_left_out(tmp_path):
    put(tmp_path, "/a/there.html", page(""))
    gone = manifest_of(["/a/there.html", "/a/gone.html", "/a/gone.any.html"])
    put(tmp_path, "/MANIFEST.json", json.dumps(gone))
    assert [test.path for test in load(str(tmp_path)).tests] == ["/a/there.html"]


NO_TESTS = [
    *("/a/resources/x.html", "/a/support/x.html", "/a/references/x.html", "/a/tools/x.html"),
    *("/a/reference/x.html", "/common/x.html", "/resources/x.html", "/.git/x.html"),
    *("/a/x-ref.html", "/a/x-notref.html", "/a/x-ref-2.html", "/a/ref1-x.html", "/a/.x.html"),
    *("/a/x-support.html", "/a/x-crash.html", "/a/x.txt", "/a/x.js", "/x.html", "/a/x?y.html"),
]


def test_discovery_passes_over_what_is_no_test(tmp_path):
    for path in NO_TESTS:
        put(tmp_path, path, page(""))
    put(tmp_path, "/a/plain.html", "<!doctype html>testharness.js")
    put(tmp_path, "/a/test.html", page(""))
    assert urls(discover(tmp_path)) == ["/a/test.html"]


@pytest.mark.parametrize(
    "include",
    [
        "<script src='/resources/testharness.js'></script>",
        "<script src=/resources/testharness.js></script>",
        '<script src = "../resources/testharness.js?x"></script>',
        '<h:script xlink:href="/resources/testharness.js"/>',
    ],
)
def test_discovery_knows_a_test_by_the_harness(tmp_path, include):
    for name in ("x.html", "x.htm", "x.xhtml", "x.svg"):
        put(tmp_path, f"/a/{name}", include)
    assert len(discover(tmp_path).entries) == 4


def test_discovery_does_not_wait_at_a_pipe_or_follow_a_circle(tmp_path):
    put(tmp_path, "/a/test.html", page(""))
    os.mkfifo(tmp_path / "a" / "pipe.html")
    (tmp_path / "a" / "circle.html").symlink_to("circle.html")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert urls(discover(tmp_path)) == ["/a/test.html"]


SCRIPTS = [
    ("x.any.js", "", ["x.any.html", "x.any.worker.html"]),
    ("x.any.js", "// META: global=window", ["x.any.html"]),
    ("x.any.js", "// META: global=sharedworker, window", ["x.any.sharedworker.html", "x.any.html"]),
    (
        "x.any.js",
        "// META: global=worker,jsshell",
        ["x.any.worker.html", "x.any.sharedworker.html", "x.any.serviceworker.html"],
    ),
    ("x.any.js", "// META: global=shadowrealm", []),
    (
        "x.window.js",
        "// META: variant=?a\n// META: variant=?b",
        ["x.window.html?a", "x.window.html?b"],
    ),
    ("x.https.worker.js", "", ["x.https.worker.html"]),
    ("x.window.js", "go();\n// META: variant=?late", ["x.window.html"]),
    ("x.js", "", []),
    ("x.extension.js", "", []),
]


@pytest.mark.parametrize(("name", "text", "pages"), SCRIPTS)
def test_a_script_stands_for_the_pages_that_run_it(name, text, pages):
    """Contract section 3.1."""
    assert list(scripts.urls_of(name, text)) == pages
    for each in pages:
        assert scripts.script_behind(each.partition("?")[0]) == name


def test_what_a_script_says_cannot_break_out_of_its_page():
    evil = "\"></script><script>evil()</script>'"
    text = f"// META: title={evil}\n// META: script={evil}\n"
    for end in (".any.html", ".any.worker.html", ".any.sharedworker.html", ".worker.html"):
        made = scripts.generated(f"/a/{evil}{end}", text)
        assert "evil()</script>" not in made
        assert "<script>evil" not in made


def test_tests_are_listed_by_api_and_first_what_needs_nobody():
    """Contract section 1.3."""
    names = ["/b/x.html", "/A/y-manual.html", "/A/z.https.html", "/A/z.html", "/a/x.html"]
    found = TestSet(Test(name, manual="manual" in name, https="https" in name) for name in names)
    assert [test.path for test in found.tests] == [names[3], names[2], names[1], names[4], names[0]]
    assert found.apis == ("A", "a", "b")
