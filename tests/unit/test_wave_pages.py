"""The pages of WAVE as text: for old engines, on their own, consistent in themselves.

They are what section 1.7 of the WAVE contract lists.
"""

import re

import pytest

from sessions.dialects.wave.pages import FOLDER
from sessions.testset.files import REPORT_FILE

SCRIPT_BYTES_MAX = 60_000
SHARED = {"wave-service", "page"}
HTML = sorted(FOLDER.glob("*.html"))
SCRIPTS = sorted((FOLDER / "lib").glob("*.js"))
CALL = r"Page\.byId\(([^()]*)\)"

TOKENS = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<regex>(?<=[(,=:!&|?]\s|.[(,=:!&|?])
          /(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[gim]*)
      | (?P<word>[A-Za-z_$][\w$]*)
      | (?P<number>\d[\w.]*)
      | (?P<mark>=>|\.\.\.|\*\*|\?\?|\?\.(?!\d)|`|[^\s])""",
    re.VERBOSE | re.DOTALL,
)
NEW_WORDS = {
    *("let", "const", "class", "async", "await", "of", "import", "export", "yield", "super"),
    *("fetch", "Promise", "Symbol", "Map", "Set", "WeakMap", "Proxy", "Reflect", "URLSearchParams"),
    *("startsWith", "endsWith", "includes", "padStart", "padEnd", "repeat", "assign", "entries"),
    *("values", "from", "find", "findIndex", "closest", "remove", "append", "prepend", "matches"),
    *("replaceAll", "globalThis", "isInteger", "eval", "Function", "innerHTML"),
}
NEW_MARKS = {"=>", "...", "**", "??", "?.", "`"}
# `.from` and the like are only new as a member or a call; a variable may be called so.
MEMBERS = {"entries", "values", "from", "find", "remove", "append", "matches", "assign", "repeat"}


def newer_than_es5(script):
    """What in the script an engine of ES5 does not know, in order."""
    found = []
    before = ""
    for token in TOKENS.finditer(script):
        kind, said = token.lastgroup, token.group()
        if kind == "comment":
            continue
        known = kind == "word" and said in NEW_WORDS and (said not in MEMBERS or before == ".")
        if known or (kind == "mark" and said in NEW_MARKS):
            found.append(said)
        before = said
    return found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("var a = b => b;", ["=>"]),
        ("let a = 1; const b = `x`;", ["let", "const", "`", "`"]),
        ("f(...list); a?.b ?? c", ["...", "?.", "??"]),
        ("fetch(x); new Promise(f);", ["fetch", "Promise"]),
        ("for (var a of b) { a.includes(c); }", ["of", "includes"]),
        ("node.innerHTML = a; Array.from(b)", ["innerHTML", "from"]),
        ('var s = "let `x` =>"; // const\n/* => */ var from = /a`=>[/]b/g;', []),
        ("var share = a / b; var c = d ? .5 : e / 2;", []),
    ],
)
def test_the_check_tells_new_words_from_texts(script, found):
    assert newer_than_es5(script) == found


@pytest.mark.parametrize("path", [*SCRIPTS, REPORT_FILE], ids=lambda path: path.name)
def test_scripts_are_es5_and_make_no_markup_from_text(path):
    assert newer_than_es5(path.read_text(encoding="utf-8")) == []


def test_scripts_are_small():
    assert SCRIPTS
    assert sum(path.stat().st_size for path in SCRIPTS) < SCRIPT_BYTES_MAX


def scripts_of(html):
    return re.findall(r'<script src="lib/([a-z-]+)\.js"></script>', html)


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_a_page_has_every_element_that_its_scripts_ask_for(path):
    html = path.read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    asked = set()
    assert scripts_of(html)[:2] == ["wave-service", "page"]
    for name in scripts_of(html):
        script = (FOLDER / "lib" / f"{name}.js").read_text(encoding="utf-8")
        calls = re.findall(CALL if name not in SHARED else r'\bbyId\(("[^()]*)\)', script)
        for call in calls:
            # A literal, or one of the areas and types that the configuration names by variable.
            literals = re.findall(r'"([a-z_]+)"', call)
            assert literals or call == "id", (name, call)
            asked.update(literals)
        asked.update(re.findall(r'\barea\("([a-z_]+)"\)', script))
    assert asked - set(ids) == set()
    labels = re.findall(r'<label for="([^"]+)"', html)
    assert set(labels) <= set(ids)


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_pages_hold_no_script_or_style_of_their_own(path):
    """The policy forbids them, so they would silently do nothing."""
    html = path.read_text(encoding="utf-8")
    assert re.findall(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|javascript:", html) == []
    assert re.search(r'<html lang="en">', html)
    assert re.search(r"<title>[^<]+</title>", html)
    assert 'name="viewport"' in html


@pytest.mark.parametrize(
    "path",
    [*HTML, *SCRIPTS, *sorted((FOLDER / "css").glob("*.css"))],
    ids=lambda path: path.name,
)
def test_nothing_is_asked_of_another_host(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://[\w.]|[\"'(]//\w|@import|\burl\(", text) == []


def test_every_script_belongs_to_a_page():
    used = {name for path in HTML for name in scripts_of(path.read_text(encoding="utf-8"))}
    assert {path.stem for path in SCRIPTS} == used


def test_nothing_is_shown_by_hovering_only():
    for path in (FOLDER / "css").glob("*.css"):
        assert ":hover" not in path.read_text(encoding="utf-8")
