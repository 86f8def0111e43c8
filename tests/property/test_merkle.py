"""The tree is RFC 9162's, and its proofs prove what they say and nothing else."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.merkle import (
    Tree,
    consistency_proof,
    consistent,
    frontier_positions,
    inclusion_proof,
    leaf_hash,
    looked_up,
    root_from_inclusion,
    subtree_root,
)
from tests.support.trees import path, proof, root_of_bodies, tree_hash

# The inputs and roots of the Certificate Transparency reference tests.
CT_INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = range(1, 41)
BODIES = [f"body {number}".encode() for number in range(71)]


@dataclass
class Stored:
    """What a log stores of its tree: one node and one leaf per position."""

    nodes: list[bytes]

    def node_at(self, position):
        """The hash that the log stores at a position."""
        return self.nodes[position - 1]

    def leaf_at(self, position):
        """The leaf hash at a position."""
        return leaf_hash(BODIES[position - 1])


def grow(size):
    """The tree of the first `size` bodies and what was stored on the way."""
    tree = Tree()
    return tree, Stored([tree.append(leaf_hash(body)) for body in BODIES[:size]])


STORED = grow(len(BODIES))[1]
ROOTS = [tree_hash(BODIES[:size]) for size in range(len(BODIES) + 1)]


def inclusion(position, size):
    """The proof as the log makes it."""
    return inclusion_proof(position, size, STORED.node_at, STORED.leaf_at)


def consistency(old, size):
    """The proof as the log makes it."""
    return consistency_proof(old, size, STORED.node_at, STORED.leaf_at)


def included(body, position, size, root, proof_path):
    """True if the path leads from the body to the root."""
    try:
        return root_from_inclusion(leaf_hash(body), position, size, proof_path) == root
    except ValueError:
        return False


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size):
    inputs = [bytes.fromhex(text) for text in CT_INPUTS[:size]]
    tree = Tree()
    for body in inputs:
        tree.append(leaf_hash(body))
    assert tree.root().hex() == CT_ROOTS[size]
    assert tree_hash(inputs).hex() == CT_ROOTS[size]


@pytest.mark.parametrize("size", range(71))
def test_the_root_is_the_recursive_definition(size):
    assert grow(size)[0].root() == ROOTS[size] == root_of_bodies(BODIES[:size])


@pytest.mark.parametrize("size", range(71))
def test_a_tree_is_taken_up_again_from_its_frontier(size):
    tree = Tree(size, [STORED.node_at(position) for position in frontier_positions(size)])
    assert tree.root() == ROOTS[size]
    tree.append(leaf_hash(b"next"))
    assert tree.root() == tree_hash([*BODIES[:size], b"next"])


def test_a_frontier_of_another_size_is_refused():
    with pytest.raises(ValueError, match="3 leaves has 2 open nodes"):
        Tree(3, [bytes(32)])


def test_a_copy_grows_by_itself():
    tree = grow(5)[0]
    copy = tree.copy()
    copy.append(leaf_hash(b"only there"))
    assert (tree.size, tree.root()) == (5, ROOTS[5])


@given(st.integers(0, 1 << 40))
def test_the_frontier_is_log2_positions_and_ends_at_the_size(size):
    places = frontier_positions(size)
    assert len(places) == size.bit_count()
    assert places == sorted(set(places))
    assert places[-1:] == [size][: size.bit_length()]


@pytest.mark.parametrize("size", SIZES)
def test_every_subtree_that_the_rfc_splits_off_is_found(size):
    root = subtree_root(0, size, STORED.node_at, STORED.leaf_at)
    assert root == ROOTS[size]


@given(st.integers(1, 1 << 40))
def test_a_past_root_needs_no_more_than_its_frontier(size):
    nodes, leaves = looked_up(lambda node, leaf: subtree_root(0, size, node, leaf))
    assert nodes | leaves == set(frontier_positions(size))


@given(st.data())
def test_a_proof_needs_few_look_ups_however_long_the_log(data):
    size = data.draw(st.integers(1, 1 << 40))
    position = data.draw(st.integers(1, size))
    for proof_of in (inclusion_proof, consistency_proof):

        def prover(node, leaf, proof_of=proof_of):
            return proof_of(position, size, node, leaf)

        nodes, leaves = looked_up(prover)
        levels = size.bit_length()
        assert len(nodes | leaves) <= levels**2
        assert len(leaves) <= 2 * levels


@pytest.mark.parametrize("size", SIZES)
def test_an_inclusion_proof_is_the_rfcs_and_verifies(size):
    for position in range(1, size + 1):
        found = inclusion(position, size)
        assert found == path(position - 1, BODIES[:size])
        assert included(BODIES[position - 1], position, size, ROOTS[size], found)


@pytest.mark.parametrize("size", SIZES)
def test_an_inclusion_proof_proves_no_other_body_position_or_tree(size):
    for position in range(1, size + 1):
        found, body = inclusion(position, size), BODIES[position - 1]
        assert not included(body + b"!", position, size, ROOTS[size], found)
        for other in range(size + 2):
            assert other == position or not included(body, other, size, ROOTS[size], found)
        for other in range(1, 50):
            assert other == size or not included(body, position, other, ROOTS[other], found)


@pytest.mark.parametrize("size", SIZES)
def test_an_inclusion_proof_that_was_altered_fails(size):
    for position in range(1, size + 1):
        for altered in alterations(inclusion(position, size)):
            assert not included(BODIES[position - 1], position, size, ROOTS[size], altered)


@pytest.mark.parametrize("size", SIZES)
def test_a_consistency_proof_is_the_rfcs_and_verifies(size):
    for old in range(1, size + 1):
        found = consistency(old, size)
        assert found == proof(old, BODIES[:size])
        assert consistent(old, ROOTS[old], size, ROOTS[size], found)


@pytest.mark.parametrize("size", SIZES)
def test_a_consistency_proof_proves_nothing_of_other_trees(size):
    for old in range(1, size + 1):
        found = consistency(old, size)
        for other in range(50):
            if other != old:
                assert not consistent(other, ROOTS[other], size, ROOTS[size], found)
            if other != size:
                assert not consistent(old, ROOTS[old], other, ROOTS[other], found)


@pytest.mark.parametrize("size", SIZES)
def test_a_consistency_proof_that_was_altered_fails(size):
    for old in range(1, size + 1):
        found = consistency(old, size)
        for altered in alterations(found):
            assert not consistent(old, ROOTS[old], size, ROOTS[size], altered)
        assert not consistent(old, flipped(ROOTS[old]), size, ROOTS[size], found)
        assert not consistent(old, ROOTS[old], size, flipped(ROOTS[size]), found)


@pytest.mark.parametrize("size", SIZES)
def test_a_proof_of_another_length_does_not_fit_the_size(size):
    # A forger may claim any size for a root that he has a proof for.
    for old in range(1, size + 1):
        found = consistency(old, size)
        for other in range(old + 1, 50):
            if len(proof(old, BODIES[:other])) != len(found):
                assert not consistent(old, ROOTS[old], other, ROOTS[size], found)
        found = inclusion(old, size)
        for other in range(old, 50):
            if len(path(old - 1, BODIES[:other])) != len(found):
                assert not included(BODIES[old - 1], old, other, ROOTS[size], found)


@pytest.mark.parametrize(("position", "size"), [(0, 3), (4, 3), (1, 0), (-1, 3)])
def test_there_is_no_inclusion_proof_outside_the_tree(position, size):
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion(position, size)
    with pytest.raises(ValueError, match="is not in a tree"):
        root_from_inclusion(bytes(32), position, size, [])


@pytest.mark.parametrize(("old", "size"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_consistency_proof_to_an_older_tree(old, size):
    with pytest.raises(ValueError, match="there is no proof"):
        consistency(old, size)
    assert not consistent(old, bytes(32), size, bytes(32), [])


@given(st.data())
def test_flipping_any_bit_of_a_proof_breaks_it(data):
    size = data.draw(st.integers(2, 70))
    position = data.draw(st.integers(1, size))
    found = inclusion(position, size)
    index = data.draw(st.integers(0, len(found) - 1))
    found[index] = flipped(found[index], data.draw(st.integers(0, 255)))
    assert not included(BODIES[position - 1], position, size, ROOTS[size], found)


def flipped(node, bit=0):
    """The hash with one bit turned."""
    changed = bytearray(node)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def alterations(found):
    """The proof with one node changed, missing, doubled, added or moved."""
    for index, node in enumerate(found):
        yield [*found[:index], flipped(node), *found[index + 1 :]]
        yield [*found[:index], *found[index + 1 :]]
        yield [*found[: index + 1], *found[index:]]
    for index in range(len(found) - 1):
        yield [*found[:index], found[index + 1], found[index], *found[index + 2 :]]
    yield [*found, bytes(32)]
    yield [bytes(32), *found]
