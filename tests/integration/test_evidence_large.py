"""Evidence from a log of a million events: small, whatever lies between its commits."""

import itertools

import pytest

from eventstore.checkpoint import Signer
from eventstore.commit import START, Position, record
from eventstore.heads import KEY_FILE
from eventstore.sqlite.bulkload import BulkLoad
from eventstore.sqlite.log import FILE_NAME
from projections.folds.session import PREFIX
from scripts.audit import export
from scripts.bench.events import Facts, wish
from sessions import ids
from tests.support.evidence import audited

EVENTS = 1_000_000
SESSIONS = 1_000
BYTES_MAX = 1 << 20
PAGE = 10_000
EPOCH = "a1"
SEED = 3


def spread(streams):
    """A history in which every session has 1,000 commits, as far from one another as can be."""
    facts = Facts(SEED)
    for number in range(EVENTS):
        stream = streams[number % SESSIONS]
        later = facts.later[number // SESSIONS % len(facts.later)]
        event = facts.created[0] if number < SESSIONS else later
        previous = Position(max(number + 1 - SESSIONS, START))
        yield record(wish(stream, event), Position(number + 1), previous, 1_700_000_000_000_000)


@pytest.mark.slow
def test_1000_commits_of_a_million_make_a_bundle_of_less_than_a_mebibyte(tmp_path, capsys):
    """Slow, as a log of a million commits is made."""
    streams = [PREFIX + ids.uuid7() for _ in range(SESSIONS)]
    commits = spread(streams)
    load = BulkLoad(tmp_path / FILE_NAME, EPOCH, 0)
    while page := list(itertools.islice(commits, PAGE)):
        load.append(page)
    assert load.finish().size == EVENTS
    signer = Signer.from_seed(f"sessiond/{EPOCH}", bytes(32))
    (tmp_path / KEY_FILE).write_text(signer.private_line())
    session, bundle = streams[SESSIONS // 2].removeprefix(PREFIX), tmp_path / "evidence"
    given = ["--data", str(tmp_path), "--session", session, "--to", str(bundle)]
    assert export.main([*given, "--evidence"]) == 0
    assert "1000 commits under the head at position 1000000" in capsys.readouterr().out
    content = bundle.read_bytes()
    assert len(content) < BYTES_MAX, len(content)
    code, told = audited(tmp_path, content, "--key", signer.verifier.vkey)
    assert (code, told["size"], len(told["history"])) == (0, EVENTS, 1000)
