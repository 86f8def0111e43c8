"""Every command of docs/api.md is run, each on a session of its own, and must be answered 2xx."""

import re

import pytest

from tests.support.reader import ROOT, Reader, free_port

KEY = "sdk_key_of_the_api_page_0123456789"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# A feed has no end of its own; whatever else is asked has one, and may take its time.
CURL = """curl() {
    local seconds=60
    [[ $* == *event-stream* ]] && seconds=5
    command curl -sS --fail-with-body --max-time $seconds "$@" || {
        [[ $? == 28 && $* == *event-stream* ]]
    }
}
"""
FRESH = """id=$(curl -H "$auth" $api/sessions -d '{"kind": "vm", "status": "running"}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
"""
ENDED = """curl -H "$auth" $api/sessions/$id/transitions -d '{"to": "completed"}' -o ended.json
"""


@pytest.fixture
def reader(tmp_path):
    someone = Reader(tmp_path, free_port())
    someone.serve(f"SESSIOND_ADMIN_KEY={KEY} scripts/serve --data ./data")
    yield someone
    someone.close()


@pytest.mark.slow(reason="every command of the page, by curl")
def test_every_command_of_the_page_is_answered(reader):
    first, *others = BLOCK.findall((ROOT / "docs" / "api.md").read_text())
    names = re.sub(r"key=\S+.*", f"key={KEY}", first)
    assert f"key={KEY}" in names
    assert len(others) > 5
    for position, block in enumerate(others, 1):
        before = ENDED if "wait=" in block and "$id" in block else ""
        moved = block.replace('If-Match: "42"', "If-Match: *")
        output = reader.run(CURL + names + FRESH + before + moved)
        assert output, (position, block)
