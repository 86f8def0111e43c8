"""Every command of these pages is run, in order, and its output compared with what stands there.

Ids and times differ from run to run and are compared by shape. SESSIOND_UPDATE_DOCS=1 writes the
output that was seen into the page.
"""

import os
import re

import pytest

from tests.support.browsers import LACKING
from tests.support.reader import PORT, ROOT, Reader, free_port
from tests.support.vm import needs_qemu

BLOCK = re.compile(r"<!-- (run|serve|output) -->\n```\w+\n(.*?)```", re.DOTALL)

VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\binferenceResult_[a-z0-9]{26,33}\b"), "inferenceResult_ID"),
    (re.compile(r"\b(product|version|test|testCase|session)_[a-z0-9]{25}\b"), r"\1_ID"),
    (re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b"), "HEX"),
    (re.compile(r"\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}"), "VKEY"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+]00:00)?"), "TIME"),
    (re.compile(r"PT[\d.]+S|\+[\d.]+ (ms|s|us|min( \d+ s)?)\b"), "DURATION"),
    (re.compile(r"expires=\d+&token=[\w-]+"), "TOKEN"),
    # How many facts a browser brings depends on how far it got.
    (re.compile(r"\b\d+ commits, root\b"), "COUNT commits, root"),
    (re.compile(r"sealed:v1:[A-Za-z0-9+/]+"), "SEALED"),
    (re.compile(r" +"), " "),
)


def shape(text: str) -> str:
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


@pytest.fixture
def reader(tmp_path):
    someone = Reader(tmp_path, free_port())
    yield someone
    someone.close()


# They start services and scripts, one after the other; one page is quick. Machines and browsers are
# real, and the machines may be the first ones of this host.
MACHINES = "docs/instavm.md"
BROWSERS = ("README.md", "docs/audit.md", "docs/notte.md")
EVALUATED = "docs/galtea.md"
WORKED = ("docs/devin.md", "docs/worker.md")
SLOW = [
    pytest.param(page, marks=pytest.mark.slow) for page in (*BROWSERS, MACHINES, *WORKED, EVALUATED)
]


@pytest.mark.parametrize("page", [*SLOW, "docs/wave.md"])
def test_the_page_does_what_it_says(reader, page):
    if page == MACHINES:
        needs_qemu()
        reader.patience_s = 900
    if page in BROWSERS and LACKING is not None:
        pytest.skip(" ".join(LACKING))
    text = (ROOT / page).read_text()
    seen = ""
    for kind, block in BLOCK.findall(text):
        if kind == "serve":
            reader.serve(block)
        elif kind == "run":
            seen = reader.run(block).replace(f":{reader.port}", f":{PORT}")
        elif os.environ.get("SESSIOND_UPDATE_DOCS"):
            marked = f"<!-- output -->\n```{_language(text, block)}\n"
            text = text.replace(f"{marked}{block}```", f"{marked}{_lines(seen)}```", 1)
            (ROOT / page).write_text(text)
        else:
            assert shape(_lines(seen)) == shape(block)


def _lines(seen: str) -> str:
    """Answers of the native API end without a newline: one line each makes them readable."""
    return seen.strip("\n").replace("}{", "}\n{") + "\n"


def _language(text: str, block: str) -> str:
    found = re.search(r"<!-- output -->\n```(\w+)\n" + re.escape(block) + "```", text)
    assert found is not None
    return found.group(1)
