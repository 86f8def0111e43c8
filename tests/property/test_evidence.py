"""Bundles of evidence: what leads from any commits of any log to its head, and how small it is."""

import itertools
import random
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.checkpoint import Signer
from eventstore.commit import START, Position, record
from eventstore.errors import BadCheckpoint, EvidenceImpossible
from eventstore.evidence import (
    Chain,
    Contents,
    SharedNodes,
    body_line,
    first_line,
    gaps,
    last_words,
    nodes_of_tree,
    own_note,
    root_of,
)
from eventstore.merkle import HASH_BYTES, Tree, inclusion_proof, leaf_hash, subtree_root
from tests.support.evidence import refusal
from tests.support.logs import wish
from tests.support.trees import tree_hash

SIGNER = Signer.from_seed("sessiond/a1", bytes(range(32)))


def some_of(size):
    return st.sets(st.integers(1, size), min_size=1).map(lambda found: (size, sorted(found)))


shown = st.integers(1, 70).flatmap(some_of)


def of_bodies(bodies):
    """The stored nodes and the leaves of a log."""
    tree = Tree()
    nodes = [tree.append(leaf_hash(body)) for body in bodies]
    return lambda at: nodes[at - 1], lambda at: leaf_hash(bodies[at - 1])


@given(shown)
def test_the_hashes_lead_to_the_root_and_every_one_of_them_is_needed(case):
    size, positions = case
    bodies = [b"%d" % number for number in range(size)]
    node_at, leaf_at = of_bodies(bodies)
    nodes = nodes_of_tree(positions, size, node_at, leaf_at)
    leaves = {at: leaf_at(at) for at in positions}
    assert root_of(leaves, size, nodes) == tree_hash(bodies)
    for at in range(0, len(nodes), HASH_BYTES):
        changed = nodes[:at] + bytes([nodes[at] ^ 1]) + nodes[at + 1 :]
        assert root_of(leaves, size, changed) != tree_hash(bodies)
    for at in positions:
        assert root_of({**leaves, at: bytes(32)}, size, nodes) != tree_hash(bodies)


@given(shown)
def test_the_same_hashes_come_out_of_inclusion_proofs(case):
    size, positions = case
    node_at, leaf_at = of_bodies([b"%d" % number for number in range(size)])
    shared = SharedNodes(positions, size)
    for position in positions:
        shared.add(position, inclusion_proof(position, size, node_at, leaf_at))
    assert shared.nodes() == nodes_of_tree(positions, size, node_at, leaf_at)


@given(shown)
def test_the_gaps_and_the_positions_are_the_whole_log(case):
    size, positions = case
    covered = sorted([*((at - 1, at) for at in positions), *gaps(positions, size)])
    assert covered[0][0] == 0
    assert covered[-1][1] == size
    assert all(one[1] == other[0] for one, other in itertools.pairwise(covered))


def bodies_of(streams):
    """The commits of a log whose n-th commit is of the n-th stream."""
    last: dict[str, Position] = {}
    bodies = []
    for number, stream in enumerate(streams, 1):
        one = wish(stream, id=number.to_bytes(16, "big"), data=[{"n": number}])
        position = Position(number)
        bodies.append(record(one, position, last.get(stream, START), 1_700_000_000_000_000).body)
        last[stream] = position
    return bodies


def bundle_of(bodies, chains, *, said=None, session="s"):
    size, positions = len(bodies), sorted(at for chain in chains for at in chain.positions)
    node_at, leaf_at = of_bodies(bodies)
    said = last_words(chains) if said is None else said
    contents = Contents(
        session=session,
        note=SIGNER.sign(size, subtree_root(0, size, node_at, leaf_at), said),
        key=SIGNER.verifier.vkey,
        chains=chains,
        nodes=nodes_of_tree(positions, size, node_at, leaf_at),
    )
    ordered = [at for chain in chains for at in chain.positions]
    return first_line(contents) + b"".join(body_line(bodies[at - 1]) for at in ordered)


STREAMS = ["session/s", "session/t", "session/s", "vm/v", "session/s"]


@pytest.mark.parametrize(
    ("chains", "why"),
    [
        pytest.param([Chain("session/s", [1, 3, 5])], "", id="whole"),
        pytest.param([Chain("session/s", [1, 3])], "", id="its last one left out"),
        pytest.param([Chain("session/s", [1, 5])], "missing before position 5", id="a gap"),
        pytest.param([Chain("session/s", [3, 5])], "missing before position 3", id="no first"),
        pytest.param([Chain("session/s", [1, 5, 3])], "missing before position 5", id="order"),
        pytest.param([Chain("session/t", [2])], "does not belong", id="another session"),
        pytest.param(
            [Chain("session/s", [1]), Chain("session/t", [2])], "does not belong", id="two sessions"
        ),
        pytest.param(
            [Chain("session/s", [1]), Chain("vm/v", [4])], "does not belong", id="no machine of it"
        ),
    ],
)
def test_a_list_with_a_gap_or_a_stranger_does_not_hold(chains, why):
    bundle = bundle_of(bodies_of(STREAMS), chains)
    assert why in refusal(bundle)
    assert bool(refusal(bundle)) == bool(why)


def test_a_head_that_names_another_last_commit_refutes_the_list():
    shortened = bundle_of(
        bodies_of(STREAMS), [Chain("session/s", [1, 3])], said=["last session/s 5"]
    )
    assert "other last commits" in refusal(shortened)


def test_without_such_words_the_list_may_have_gone_on():
    assert refusal(bundle_of(bodies_of(STREAMS), [Chain("session/s", [1, 3])], said=[])) == ""


def test_a_commit_of_more_than_one_line_makes_no_bundle():
    with pytest.raises(EvidenceImpossible):
        body_line(b'{"a":\n1}')


def test_words_that_would_be_more_than_a_line_are_not_signed():
    with pytest.raises(BadCheckpoint):
        SIGNER.sign(1, bytes(32), ["last session/x\n5"])


def test_signatures_of_others_are_left_out_of_a_bundle():
    note = SIGNER.sign(3, bytes(32))
    witnessed = f"{note}\u2014 witness.example/w AAAAAAAA\n"
    assert own_note(witnessed, SIGNER.verifier.name) == note


@pytest.mark.parametrize("spread", ["even", "random", "together"])
def test_1000_commits_of_a_log_of_a_million_take_less_than_a_mebibyte(spread):
    """The hashes do not depend on what is hashed, so that a made-up tree shows how many there are.

    Bodies are as those of a session that is used a lot: 400 bytes each.
    """
    size, count = 1_000_000, 1000
    chosen = {
        "even": range(500, size, size // count),
        "random": random.Random(7).sample(range(1, size + 1), count),
        "together": range(size - count, size),
    }
    positions = sorted(chosen[spread])
    assert len(positions) == count
    made_up = {span: sha256(repr(span).encode()).digest() for span in gaps(positions, size)}
    leaves = {at: leaf_hash(b"x" * 400) for at in positions}
    nodes = b"".join(made_up.values())
    contents = Contents(
        session="s" * 36,
        note=SIGNER.sign(size, root_of(leaves, size, nodes), ["last " + "x" * 60]),
        key=SIGNER.verifier.vkey,
        chains=[Chain("session/s", positions)],
        nodes=nodes,
    )
    total = len(first_line(contents)) + count * 401
    assert total < 1 << 20, total
    assert msgspec.json.decode(first_line(contents))["commits"] == count
