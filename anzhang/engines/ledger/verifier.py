"""Verify an exported ledger of anzhang, or a single proof, with Python's standard library and nothing else.

    python3 verify.py FOLDER [--key KEYFILE] [--since HEADFILE]
    python3 verify.py --proof FILE.tlog-proof --key KEYFILE
    python3 verify.py --line FILE.zip --key KEYFILE

Take the key file from where you trust it (the init protocol, an earlier export), not from the folder under suspicion.
FOLDER is what `anzhang ledger export` wrote. For the SHA-256 tree and then for the SM3 tree:

1. The newest head (`checkpoint`) is signed by the key.
2. Every entry of the bundles is hashed; the hashes are those of the level-0 tiles; every higher tile hash is the root of
   the tile below it.
3. They lead to the root of every head in `heads`, each signed by the key, of the checkpoint, and of a head kept elsewhere.
4. With payloads: every payload is the one that its entry commits to.

A line's proof (`anzhang vault prove`) is followed from its row group to the segment's roots and from the ledger's entry about
the segment to the signed heads. Whether the row group holds the line takes a reader of Parquet; the output says how to ask one.

Exit code 0: everything holds. 1: something does not, and it is named. 2: the input cannot be read.
Formats: RFC 6962; C2SP tlog-tiles, tlog-checkpoint, signed-note, tlog-proof. Ed25519: RFC 8032. SM3: GB/T 32905-2016.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

Digest = Callable[[bytes], bytes]
Point = tuple[int, int, int, int]
Head = tuple[str, int, bytes]  # origin, size, root
Payloads = dict[int, tuple[bytes, bytes]]  # index: salt, body


class WrongError(Exception):
    """A proof does not hold; the message names what."""


# Ed25519 verification, RFC 8032, section 5.1, in extended coordinates.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def recover_x(y: int, sign: int) -> int | None:
    """Return the x of a point, or None when there is no such point."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def add(p: Point, q: Point) -> Point:
    """Add two points."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(number: int, point: Point) -> Point:
    """Return number times point."""
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def decompress(content: bytes) -> Point | None:
    """Return the point that 32 bytes name, or None."""
    y = int.from_bytes(content, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0) or 0
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of the message holds under the public key (32 bytes)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    return all((left[at] * right[2] - right[at] * left[2]) % P == 0 for at in (0, 1))


# SM3 (GB/T 32905-2016) for Pythons whose hashlib has none.
def rotate(value: int, bits: int) -> int:
    """Rotate 32 bits to the left."""
    bits %= 32
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF


SM3_START = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)
SM3_T = [rotate(0x79CC4519 if j < 16 else 0x7A879D8A, j) for j in range(64)]


def slow_sm3(content: bytes) -> bytes:
    """Return the SM3 of bytes."""
    state = list(SM3_START)
    padded = content + b"\x80" + bytes((55 - len(content)) % 64) + (8 * len(content)).to_bytes(8, "big")
    for block in range(0, len(padded), 64):
        w = [int.from_bytes(padded[block + at : block + at + 4], "big") for at in range(0, 64, 4)]
        for j in range(16, 68):
            x = w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15)
            w.append((x ^ rotate(x, 15) ^ rotate(x, 23)) ^ rotate(w[j - 13], 7) ^ w[j - 6])
        a, b, c, d, e, f, g, h = state
        for j in range(64):
            ss1 = rotate((rotate(a, 12) + e + SM3_T[j]) & 0xFFFFFFFF, 7)
            ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
            gg = e ^ f ^ g if j < 16 else (e & f) | (~e & g)
            tt1 = (ff + d + (ss1 ^ rotate(a, 12)) + (w[j] ^ w[j + 4])) & 0xFFFFFFFF
            tt2 = (gg + h + ss1 + w[j]) & 0xFFFFFFFF
            a, b, c, d, e, f, g, h = tt1, a, rotate(b, 9), c, tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17), e, rotate(f, 19), g
        state = [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return b"".join(word.to_bytes(4, "big") for word in state)


def sha256(content: bytes) -> bytes:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).digest()


def sm3(content: bytes) -> bytes:
    """Return the SM3 of bytes."""
    return hashlib.new("sm3", content).digest() if "sm3" in hashlib.algorithms_available else slow_sm3(content)


class Edge:
    """The right edge of a tree (RFC 6962)."""

    def __init__(self, digest: Digest) -> None:
        """Start empty."""
        self.digest, self.size = digest, 0
        self.hashes: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        bits = self.size
        while bits & 1:
            leaf = self.digest(b"\x01" + self.hashes.pop() + leaf)
            bits >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        if not self.hashes:
            return self.digest(b"")
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = self.digest(b"\x01" + left + value)
        return value


def follow(digest: Digest, leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root to which an audit path leads (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise WrongError(f"entry {index} is not among the first {size}")
    fn, sn = index, size - 1
    for part in path:
        if sn == 0 or len(part) != 32:
            raise WrongError("the path is too long or malformed")
        if fn & 1 or fn == sn:
            leaf = digest(b"\x01" + part + leaf)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            leaf = digest(b"\x01" + leaf + part)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise WrongError("the path is too short")
    return leaf


def read_keys(text: str) -> dict[str, bytes]:
    """Return {origin: 32-byte key} from lines of the form name+id+base64."""
    keys: dict[str, bytes] = {}
    for line in text.split():
        name, _, rest = line.partition("+")
        key_id, _, encoded = rest.partition("+")
        key = unbase64(encoded)
        if key[:1] != b"\x01" or len(key) != 33 or sha256(name.encode() + b"\n" + key)[:4].hex() != key_id:
            raise ValueError(f"not an Ed25519 key: {line[:60]}")
        keys[name] = key[1:]
    return keys


def unbase64(text: str) -> bytes:
    """Return the bytes of base64. Raises ValueError."""
    return base64.b64decode(text, validate=True)


def open_head(note: str, keys: dict[str, bytes]) -> Head:
    """Return (origin, size, root) of a signed head. Raises WrongError when the signature does not hold."""
    text, gap, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3 or not lines[1].isdecimal():
        raise ValueError("not a signed head")
    origin, text = lines[0], text + "\n"
    for line in signatures.splitlines():
        if not line.startswith(f"\u2014 {origin} ") or origin not in keys:
            continue
        raw = unbase64(line.rpartition(" ")[2])
        if raw[:4] == sha256(origin.encode() + b"\n\x01" + keys[origin])[:4] and ed25519(keys[origin], text.encode(), raw[4:]):
            return origin, int(lines[1]), unbase64(lines[2])
    raise WrongError(f"the head {origin} {lines[1]} has no signature that holds under a key given")


def split_heads(text: str) -> list[str]:
    """Return the signed notes of a file."""
    notes: list[str] = []
    lines: list[str] = []
    signed = False
    for line in text.split("\n"):
        if signed and not line.startswith("\u2014 "):
            notes.append("\n".join(lines) + "\n")
            lines, signed = [], False
            if not line:
                continue
        signed = signed or line.startswith("\u2014 ")
        lines.append(line)
    return [*notes, "\n".join(lines) + "\n"] if signed else notes


def tile_path(level: int | str, index: int, width: int) -> str:
    """Return where a tile or bundle lies."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    name = "/".join(["tile", str(level), *parts])
    return name if width == 256 else f"{name}.p/{width}"


def read(path: Path) -> bytes:
    """Return a file's bytes."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongError(f"missing: {path} ({error.strerror})") from None


def bundles(root: Path, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (tile number, list of entries) of a tree's folder."""
    for tile in range((size + 255) // 256):
        width = min(256, size - 256 * tile)
        content, entries, at = read(root / tile_path("entries", tile, width)), [], 0
        while at < len(content):
            length = int.from_bytes(content[at : at + 2], "big")
            entries.append(content[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(content) or len(entries) != width:
            raise WrongError(f"entry bundle {tile}: {len(entries)} entries or a torn end, {width} are signed")
        yield tile, entries


def fold(digest: Digest, hashes: list[bytes]) -> bytes:
    """Return the root of a full tile."""
    while len(hashes) > 1:
        hashes = [digest(b"\x01" + hashes[at] + hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def wanted(origin: str, size: int, heads: list[Head]) -> dict[int, set[bytes]]:
    """Return the roots that a tree must meet, by size; a head beyond its end means that it was cut."""
    expected: dict[int, set[bytes]] = {}
    for name, count, root in heads:
        if name == origin and count > size:
            raise WrongError(f"cut: a head of {origin} covers {count} entries, the folder {size}")
        if name == origin:
            expected.setdefault(count, set()).add(root)
    return expected


def verify_tree(root: Path, digest: Digest, keys: dict[str, bytes], saved: list[Head], payloads: Payloads | None) -> tuple[str, int, int]:
    """Verify one tree's folder; return (origin, size, number of heads)."""
    newest = open_head(read(root / "checkpoint").decode(), keys)
    origin, size, _ = newest
    heads = [open_head(note, keys) for note in split_heads(read(root / "heads").decode())]
    expected, edge, level = wanted(origin, size, [*heads, *saved, newest]), Edge(digest), []
    for tile, entries in bundles(root, size):
        stored = read(root / tile_path(0, tile, len(entries)))
        for offset, entry in enumerate(entries):
            leaf = digest(b"\x00" + entry)
            if stored[32 * offset : 32 * offset + 32] != leaf:
                raise WrongError(f"entry {edge.size} does not hash to its place in {root / tile_path(0, tile, len(entries))}")
            if payloads is not None:
                check_payload(edge.size, entry, payloads)
            edge.append(leaf)
            if edge.size in expected and expected[edge.size] != {edge.root()}:
                raise WrongError(f"entries 0-{edge.size - 1} do not lead to the head of {origin} of size {edge.size}")
        if len(entries) == 256:
            level.append(fold(digest, [stored[at : at + 32] for at in range(0, 8192, 32)]))
    verify_upper(root, digest, level)
    return origin, size, len(heads)


def verify_upper(root: Path, digest: Digest, level: list[bytes]) -> None:
    """Check that every tile above level 0 holds the roots of the full tiles below it."""
    number = 1
    while level:
        above: list[bytes] = []
        for tile in range((len(level) + 255) // 256):
            part = level[256 * tile : 256 * tile + 256]
            if read(root / tile_path(number, tile, len(part))) != b"".join(part):
                raise WrongError(f"tile {number}/{tile} does not hold the roots of the tiles below it")
            if len(part) == 256:
                above.append(fold(digest, part))
        number, level = number + 1, above


def check_payload(index: int, entry: bytes, payloads: Payloads) -> None:
    """Check one payload against the commitment in its entry."""
    if index not in payloads:
        raise WrongError(f"payload {index} is missing")
    salt, body = payloads[index]
    if sha256(salt + body).hex() != json.loads(entry)["payload"]:
        raise WrongError(f"payload {index} is not the one that entry {index} commits to")


def verify_folder(folder: Path, keys: dict[str, bytes], since: str | None) -> Iterator[str]:
    """Verify an export; yield a line per tree."""
    saved = [open_head(note, keys) for note in split_heads(since)] if since is not None else []
    if since is not None and not saved:
        raise ValueError("no signed head in the --since file")
    payloads = None
    if (folder / "payloads.jsonl").exists():
        lines = map(json.loads, (folder / "payloads.jsonl").read_text("utf-8").splitlines())
        payloads = {line["index"]: (bytes.fromhex(line["salt"]), line["body"].encode()) for line in lines}
    sizes: set[int] = set()
    for root, digest, name in ((folder, sha256, "SHA-256"), (folder / "sm3", sm3, "SM3")):
        origin, size, heads = verify_tree(root, digest, keys, saved, payloads if digest is sha256 else None)
        sizes.add(size)
        yield f"ok: {origin}: {size} entries, {heads} heads ({name})"
    if len(sizes) != 1:
        raise WrongError("the two trees have different sizes")


def verify_proof(text: str, keys: dict[str, bytes]) -> str:
    """Verify a proof file; return a line about its entry."""
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    marks = ["c2sp.org/tlog-proof@v1", "extra ", "index "]
    if not gap or [lines[0], *(line[:6] for line in lines[1:3])] != marks or not lines[2][6:].isdecimal():
        raise ValueError("not a proof")
    origin, size, root = open_head(note, keys)
    digest = sm3 if origin.endswith("/sm3") else sha256
    entry, index = unbase64(lines[1][6:]), int(lines[2][6:])
    if follow(digest, digest(b"\x00" + entry), index, size, [unbase64(line) for line in lines[3:]]) != root:
        raise WrongError(f"entry {index} is not under the signed head of size {size}")
    return f"ok: {origin}: entry {index} of {size}: {entry.decode('utf-8', 'replace')}"


def verify_line(content: bytes, keys: dict[str, bytes]) -> Iterator[str]:
    """Verify a line's proof as far as hashes go; yield what holds."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        if len(file.infolist()) > 64 or sum(each.file_size for each in file.infolist()) > 1 << 30:
            raise ValueError("not a proof of a line: too large")
        files = {name: file.read(name) for name in file.namelist()}
    said, header = json.loads(files["proof.json"]), json.loads(files["header.json"])
    group, size = int(said["group"]), int(said["leaves"])
    body, salt = files["seal/payload.json"], bytes.fromhex(files["seal/salt"].decode())
    sealed = json.loads(body)
    for name, digest in (("sha256", sha256), ("sm3", sm3)):
        for part, leaf in (("header.json", 0), ("rows.bin", group + 1), ("footer.bin", size - 4)):
            path = [bytes.fromhex(step) for step in said["paths"][name][part]]
            if not group + 1 < size - 4 or follow(digest, digest(b"\x00" + files[part]), leaf, size, path).hex() != sealed[f"root_{name}"]:
                raise WrongError(f"{part} does not lead to the {name} root that the ledger holds for {sealed['name']}")
        text = files[f"seal/{name}.tlog-proof"].decode()
        entry = json.loads(unbase64(text.split("\n")[1].removeprefix("extra ")))
        if (entry["payload"], entry["object"][0]) != (sha256(salt + body).hex(), "vault_segment"):
            raise WrongError("seal/payload.json is not what the ledger's entry commits to")
        yield verify_proof(text, keys)
    if (header["number"], header["name"]) != (sealed["number"], sealed["name"]):
        raise WrongError("the header is that of another segment")
    line = files["line.bin"].decode("utf-8", "replace")
    yield f"ok: row group {group} of segment {header['name']}, sealed {header['sealed_at']}"
    yield f"claimed to be line {said['seq']} of it (zeros between the pieces of footer.bin and rows.bin make the Parquet file): {line}"


def main(arguments: list[str]) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="verify an exported ledger or a proof")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--key", type=Path, help="public keys; default FOLDER/key, which proves nothing about who signed")
    parser.add_argument("--since", type=Path, help="a head kept elsewhere")
    parser.add_argument("--proof", type=Path, help="a .tlog-proof file")
    parser.add_argument("--line", type=Path, help="a proof of one log line (.zip)")
    options = parser.parse_args(arguments)
    if [options.folder, options.proof, options.line].count(None) != 2 or (options.folder or options.key) is None:
        parser.error("give a FOLDER, or --proof or --line with --key")
    try:
        keys = read_keys((options.key or options.folder / "key").read_text("ascii"))
        if options.proof is not None:
            said = [verify_proof(options.proof.read_text("utf-8"), keys)]
        elif options.line is not None:
            said = list(verify_line(options.line.read_bytes(), keys))
        else:
            said = list(verify_folder(options.folder, keys, options.since.read_text("utf-8") if options.since else None))
    except WrongError as error:
        sys.stderr.write(f"WRONG: {error}\n")
        return 1
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"cannot read: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
