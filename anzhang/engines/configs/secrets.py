"""Secrets of a configuration, replaced by tags: `<secret:5f0c…>`, an HMAC under a key that the caller holds.

A changed password is another tag, so it shows as a change; the password itself, hashed or ciphered by the device or plain, is never kept.
Rather too much is hidden than too little: what follows a word that announces a secret goes, and so does whatever looks like a cipher.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable

TAG = re.compile(r"<secret:[0-9a-f]{16}>")
WORD = r'(?:"[^"]*"|\S+)'

# Ciphers that say themselves that they are: $1$…, $c$3$…, $h$6$…, %^%#…%^%#, %@%@…%@%@, %$%$…%$%$, @%@%…@%@%. Every repetition here is
# bounded, so that no line costs more than its length times a constant.
CIPHER = re.compile(r"%\^%#.{0,512}?%\^%#|%@%@.{0,512}?%@%@|%\$%\$.{0,512}?%\$%\$|@%@%.{0,512}?@%@%|(?<!\S)\"?\$[0-9a-zA-Z]{1,2}\$\S+")
IN_ADDRESS = re.compile(r"(://[^\s:/]{0,128}:)(\S{1,256})(?=@)")  # up to the last @: a password, or a name, may hold one
# Words after which the very next word is a secret, wherever they stand.
STRONG = re.compile(
    rf"(?<![\w-])((?:irreversible-)?cipher|simple|plain|plaintext|ciphertext|pass-?phrase|wpa-psk (?:ascii|hex)(?: [0-9])?"
    rf"|key-string(?: [0-9])?|securityname|chap-secret)[ \t]+({WORD})",
    re.IGNORECASE,
)
NO_SECRET = re.compile(r"\b(?:(?:server|client) cipher|cipher-suite|ciphersuite|cipher-list)\b", re.IGNORECASE)
KINDS = r"(?:cipher|irreversible-cipher|simple|plain|hash|encrypted|[0-9]{1,2}|ascii|hex)"
# Words that announce a secret where the rest of the line says so; the last group is the secret.
ANNOUNCED: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"((?<![\w-])(?:password|passwd|secret|authentication-key|auth-key|shared-key|psk)(?: level \d+)?(?: {KINDS})?[ \t]+)({WORD})",
        (
            rf"((?<![\w-])(?:pre-shared-key|preshared-key)(?: (?:local|remote))?(?: (?:address|hostname|any) \S+(?: \d+\.\S+| \d{{1,3}})?)?"
            rf"(?: key)?(?: {KINDS})?[ \t]+)({WORD})"
        ),
        rf"(isakmp key(?: [06])?[ \t]+)({WORD})",
        rf"((?:radius|tacacs|hwtacacs|ldap|server-private|primary|secondary)\b.{{0,160}}? key(?: {KINDS})?[ \t]+)({WORD})",
        rf"(snmp-(?:server|agent) community(?: (?:read|write))?(?: {KINDS})?[ \t]+)({WORD})",
        rf"(snmp-server host \S+(?: (?:traps|informs))?(?: (?:version (?:1|2c)|vrf \S+)){{0,2}}[ \t]+(?!version|vrf))({WORD})",
        (
            rf"((?<![\w-])(?:authentication-mode|privacy-mode|auth|priv) (?:aes \d+|md5|sha[\d-]*|sm3|3?des\d*|aes[\d-]*|hmac-\S+)[ \t]+)"
            rf"((?!priv\b|privacy-mode|cipher|simple|plain|acl|access|\d{{1,3}}[ \t]){WORD})"
        ),
        rf"(message-digest-key \d+ \S+(?: [0-9])?[ \t]+)({WORD})",
        rf"(authentication-key \d+ (?:md5|sha\S*)[ \t]+)({WORD})",
        rf"(standby \d+ authentication(?: (?:md5 key-string|text))?(?: [0-9])?[ \t]+(?!md5))({WORD})",
        rf"(vrrp vrid \d+ authentication-mode (?:md5|simple)[ \t]+)({WORD})",
        rf"(authentication-mode (?:simple|md5|hmac-md5) (?:\d{{1,3}} )?(?:plain |cipher )?)({WORD})",
    )
)
SERVER_KEY = re.compile(rf"(\s+key(?: {KINDS})?[ \t]+)({WORD})\s*$", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,4}")
PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=]+|(?:Proc-Type|DEK-Info):.*)?")
HINTS = re.compile(
    r"pass|secret|key|cipher|simple|plain|hash|psk|communit|auth|priv|encrypted|security|\$|%@|@%|%\^|://|standby|snmp|cbc", re.IGNORECASE
)


def replace(lines: Iterable[str], key: bytes) -> list[str]:
    """Return lines with every secret replaced by a tag under `key`; as many lines as there were."""

    def tag(secret: str) -> str:
        bare = secret.strip('"')
        if not bare or TAG.fullmatch(bare):
            return secret
        return f"<secret:{hmac.digest(key, bare.encode(), hashlib.sha256).hex()[:16]}>"

    found: list[str] = []
    section = ""
    for line in _without_keys(lines, tag):
        if line[:1] not in {" ", "\t", ""}:
            section = line
        found.append(_replaced(line, section, tag) if HINTS.search(line) else line)
    return found


def _without_keys(lines: Iterable[str], tag: Callable[[str], str]) -> list[str]:
    """Return lines in which private keys in PEM are one tag, at the line where they begin; those of its body become empty."""
    found: list[str] = []
    block, began = "", -1
    for line in lines:
        if began >= 0 and (PEM_END.search(line) or PEM_BODY.fullmatch(line.strip())):
            block += line.strip()
            found.append("")
            if PEM_END.search(line):
                found[began], began = found[began] + tag(block), -1
            continue
        if began >= 0:  # it ends nowhere: what is no part of a key is kept
            found[began], began = found[began] + tag(block), -1
        if PEM.search(line):
            head, _found, block = line.partition("-----BEGIN")
            began = len(found)
            found.append(f"{head}-----BEGIN PRIVATE KEY----- ")
            if PEM_END.search(block):
                found[began], began = found[began] + tag(block), -1
        else:
            found.append(line)
    if began >= 0:
        found[began] += tag(block)
    return found


def _replaced(line: str, section: str, tag: Callable[[str], str]) -> str:
    line = CIPHER.sub(lambda match: tag(match[0]), line)
    line = IN_ADDRESS.sub(lambda match: match[1] + tag(match[2]), line)
    if not NO_SECRET.search(line):
        line = STRONG.sub(lambda match: match[0][: match.start(2) - match.start(0)] + tag(match[2]), line)
    for announced in ANNOUNCED:
        line = announced.sub(lambda match: match[1] + (match[2] if _goes_on(match) else tag(match[2])), line)
    match = SERVER_KEY.match(line)
    if match and not (NUMBER.fullmatch(match[2]) and "key" in section.split()[:2]):  # the number of a key in its chain
        line = line[: match.start(2)] + tag(match[2]) + line[match.end(2) :]
    return line


# What may follow such a word and is no secret: another word of the grammar.
GRAMMAR = frozenset({
    "cipher", "irreversible-cipher", "simple", "plain", "hash", "encrypted", "level", "md5", "sha", "read", "write", "text", "key",
    "address", "hostname", "local", "remote", "control", "policy", "expire", "modify", "lock", "alert", "history", "length", "local-user",
    "scheme", "aaa", "password", "authentication-mode", "enable",
})  # fmt: skip


def _goes_on(match: re.Match[str]) -> bool:
    """Whether what was taken for a secret is a word of the grammar that something follows."""
    return match[2].lower() in GRAMMAR and bool(match.string[match.end() :].strip())
