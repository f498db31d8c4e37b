"""The Merkle ledger: canonical bytes, trees, tiles, signed heads, proofs, and a verifier that needs nothing of ours.

Formats are those of RFC 6962 and C2SP (tlog-tiles, tlog-checkpoint, signed-note, tlog-proof); `docs/formats/ledger.md`
says what is ours. A second tree over the same entries uses SM3 under the origin `<origin>/sm3`.
"""
