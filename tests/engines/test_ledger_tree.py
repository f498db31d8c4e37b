"""The Merkle trees agree with the published values and refuse every altered proof."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anzhang.engines.crypto import SHA256, SM3, SUITES
from anzhang.engines.ledger import tiles, tree

# The reference inputs of the Certificate Transparency tests (RFC 6962 implementations; transparency-dev/merkle).
INPUTS = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
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


def store(suite, leaves):
    """Return (reader of subtrees, stored tiles) over entries, grown in two steps."""
    stored: dict[tuple[int, int], bytes] = {}

    def read(level, index):
        return stored.get((level, index), b"")

    hashes = [suite.leaf(leaf) for leaf in leaves]
    half = len(hashes) // 3
    for start, part in ((0, hashes[:half]), (half, hashes[half:])):
        stored |= tiles.extend(suite, start, part, read)
    return tiles.subtree(suite, read), stored


@pytest.mark.parametrize("size", range(9))
def test_it_computes_the_published_roots(size):
    assert tree.root_of(SHA256, INPUTS[:size]).hex() == ROOTS[size]


def test_it_hashes_sm3_as_the_standard_shows():
    # GB/T 32905-2016, A.1 and A.2
    assert SM3.digest(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert SM3.digest(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_it_makes_the_published_consistency_proof():
    # transparency-dev/merkle, testdata/consistency/2: sizes 6 and 8
    read, _ = store(SHA256, INPUTS)
    proof = tree.consistency(SHA256, read, 6, 8)
    assert [base64.b64encode(part).decode() for part in proof] == [
        "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
        "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    ]
    tree.verify_consistency(SHA256, 6, 8, proof, bytes.fromhex(ROOTS[6]), bytes.fromhex(ROOTS[8]))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
@given(st.integers(1, 700), st.data())
@settings(max_examples=40, deadline=None)
def test_it_proves_every_entry_and_every_prefix_from_tiles(suite, size, data):
    leaves = [f"entry {number}".encode() for number in range(size)]
    read, stored = store(suite, leaves)
    root = tree.root_of(suite, leaves)
    assert tree.range_root(suite, read, 0, size) == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = tree.inclusion(suite, read, index, size)
    tree.verify_inclusion(suite, suite.leaf(leaves[index]), index, size, path, root)
    old_root = tree.root_of(suite, leaves[:old])
    proof = tree.consistency(suite, read, old, size)
    tree.verify_consistency(suite, old, size, proof, old_root, root)
    assert {place: len(hashes) // 32 for place, hashes in stored.items()} == {(level, at): width for level, at, width in tiles.layout(size)}


@given(st.integers(2, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_it_refuses_a_proof_with_any_bit_flipped(size, data):
    leaves = [str(number).encode() for number in range(size)]
    read, _ = store(SHA256, leaves)
    root = tree.root_of(SHA256, leaves)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(SHA256, read, index, size)
    part, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    path[part] = (int.from_bytes(path[part]) ^ (1 << bit)).to_bytes(32)
    with pytest.raises(tree.ProofError):
        tree.verify_inclusion(SHA256, SHA256.leaf(leaves[index]), index, size, path, root)


@pytest.mark.parametrize("change", ["short", "long", "other_index", "other_size"])
def test_it_refuses_a_proof_of_the_wrong_shape(change):
    read, _ = store(SHA256, INPUTS)
    path, index, size, root = tree.inclusion(SHA256, read, 5, 8), 5, 8, bytes.fromhex(ROOTS[8])
    if change == "short":
        path = path[:-1]
    elif change == "long":
        path = [*path, path[0]]
    elif change == "other_index":
        index = 4
    else:
        size = 16
    with pytest.raises(tree.ProofError):
        tree.verify_inclusion(SHA256, SHA256.leaf(INPUTS[5]), index, size, path, root)


@given(st.integers(0, 5000))
@settings(max_examples=50, deadline=None)
def test_a_frontier_packs_and_unpacks(size):
    hashes = [hashlib.sha256(str(at).encode()).digest() for at in range(size.bit_count())]
    frontier = tree.Frontier(SHA256, size, hashes)
    assert tree.Frontier.unpack(SHA256, size, frontier.pack()).root() == frontier.root()


def test_a_frontier_that_does_not_fit_its_size_is_refused():
    with pytest.raises(ValueError, match="size 3"):
        tree.Frontier(SHA256, 3, [b"x" * 32])


def test_tiles_lie_where_the_specification_says():
    # C2SP tlog-tiles: index 1234067 and the partial tiles of a tree of 70,000
    assert str(tiles.path(0, 1234067)) == "tile/0/x001/x234/067"
    assert str(tiles.path("entries", 5, 12)) == "tile/entries/005.p/12"
    partial = [(level, width) for level, _, width in tiles.layout(70_000) if width < 256]
    assert partial == [(0, 112), (1, 17), (2, 1)]
