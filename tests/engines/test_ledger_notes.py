"""Signed heads, proofs and canonical bytes follow their published formats."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from anzhang.engines.crypto import SHA256, EnvelopeError, seal, unseal
from anzhang.engines.ledger import note, tiles, tree
from anzhang.engines.ledger.canonical import CanonicalError, canonical
from anzhang.engines.ledger.note import Checkpoint, NoteError, Signer, Verifier
from anzhang.engines.ledger.proof import Proof

SIGNER = Signer("anzhang/test", bytes(range(32)))
HEAD = Checkpoint("anzhang/test", 8, b"\x07" * 32)

# The key and note of golang.org/x/mod/sumdb/note, a published pair for the signed-note format.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_it_verifies_a_published_signed_note():
    with pytest.raises(NoteError, match="not a checkpoint"):  # the signature holds; the text is no tree head
        Verifier.parse(GO_KEY).open(GO_NOTE)
    with pytest.raises(NoteError, match="does not hold"):
        Verifier.parse(GO_KEY).open(GO_NOTE.replace("answer", "Answer"))


def test_it_opens_what_it_signed():
    assert SIGNER.verifier.open(SIGNER.sign(HEAD)) == HEAD
    assert Verifier.parse(SIGNER.verifier.text()) == SIGNER.verifier
    assert Signer.parse(SIGNER.text()) == SIGNER


@pytest.mark.parametrize("line", range(5))
def test_it_refuses_a_head_with_any_line_changed(line):
    lines = SIGNER.sign(HEAD).split("\n")
    lines[line] = {
        0: "anzhang/other",
        1: "9",
        2: lines[2].replace("B", "C"),
        3: "x",
        4: lines[4][:-20] + ("A" if lines[4][-20] != "A" else "B") + lines[4][-19:],
    }[line]
    with pytest.raises(NoteError):
        SIGNER.verifier.open("\n".join(lines))


def test_it_refuses_the_same_head_under_the_other_trees_name():
    with pytest.raises(NoteError, match="no signature"):
        SIGNER.verifier.named("anzhang/test/sm3").open(SIGNER.sign(HEAD))


def test_it_splits_a_file_of_several_heads():
    first, second = SIGNER.sign(HEAD), SIGNER.named("anzhang/test/sm3").sign(Checkpoint("anzhang/test/sm3", 8, b"\x08" * 32))
    assert note.split(first + "\n" + second) == [first, second]
    assert note.split(first + second) == [first, second]
    assert note.split("nothing here\n") == []


def test_a_proof_file_stands_by_itself():
    entries = [f"{number}".encode() for number in range(300)]
    stored = tiles.extend(SHA256, 0, (SHA256.leaf(entry) for entry in entries), lambda _level, _index: b"")
    read = tiles.subtree(SHA256, lambda level, index: stored.get((level, index), b""))
    signed = SIGNER.sign(Checkpoint("anzhang/test", 300, tree.root_of(SHA256, entries)))
    proof = Proof(entries[7], 7, tuple(tree.inclusion(SHA256, read, 7, 300)), signed)
    assert Proof.parse(proof.text()) == proof
    assert proof.verify(SHA256, SIGNER.verifier).size == 300
    for forged in (Proof(b"other", 7, proof.path, signed), Proof(proof.entry, 8, proof.path, signed)):
        with pytest.raises(tree.ProofError):
            forged.verify(SHA256, SIGNER.verifier)
    with pytest.raises(tree.ProofError, match="not a proof"):
        Proof.parse("c2sp.org/tlog-proof@v2\n\n")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=126), max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_it_writes_the_canonical_json_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [1, 0.5]}, r"\$\.a\[1\]: float"),
        ({"键": 1}, "not ASCII"),
        ({1: 2}, "not ASCII text"),
        ({"n": 2**53}, r"\$\.n: 9007199254740992"),
        ({"s": {1, 2}}, "set"),
        ({"at": datetime(2026, 1, 1)}, "no time zone"),
        ({"bad": "\ud800"}, "surrogate|UTF-8|utf-8"),
    ],
)
def test_it_refuses_what_has_no_canonical_form(value, named):
    with pytest.raises(CanonicalError, match=named):
        canonical(value)


def test_one_instant_has_one_spelling():
    beijing = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=8)))
    assert canonical(beijing) == canonical(datetime(2026, 11, 24, 1, 30, tzinfo=UTC)) == b'"2026-11-24T01:30:00.000000+00:00"'


def test_an_envelope_opens_with_its_passphrase_only():
    envelope = seal(b"secret", "correct horse")
    assert unseal(envelope, "correct horse") == b"secret"
    for wrong, words in ((envelope, "other"), (envelope[:-1] + bytes([envelope[-1] ^ 1]), "correct horse"), (b"", "x")):
        with pytest.raises(EnvelopeError):
            unseal(wrong, words)
