"""Configurations: read whatever bytes they are, kept without secrets, compared by section, asked for facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anzhang.engines import configs
from anzhang.engines.configs.telling import of_wildcard

SAMPLES = Path(__file__).parent / "configs"
KEY = b"k" * 32
NAMES = {"usg.txt": "huawei", "secpath.txt": "h3c", "ios.txt": "cisco", "host.rules": "iptables"}


def kept(text: str | bytes, key: bytes = KEY) -> configs.Kept:
    body = text if isinstance(text, bytes) else text.encode()
    return configs.read(body).kept(key)


def sample(name: str) -> configs.Kept:
    return kept((SAMPLES / name).read_bytes())


def rows(kept: configs.Kept, kind: str) -> list[tuple]:
    told = configs.facts(kept.text, kept.dialect)
    return [
        tuple(value for name, value in each.as_json().items() if name not in {"kind", "line"}) for each in told.facts if each.kind == kind
    ]


def changes(before, after) -> list[tuple[str, str, str]]:
    return [
        (each.sign, each.section[-1] if each.section else "", each.text)
        for each in configs.difference(before.text, after.text, after.dialect)
    ]


@pytest.mark.parametrize(("name", "dialect"), NAMES.items())
def test_the_dialect_is_told_from_the_text(name, dialect):
    assert sample(name).dialect == dialect


def test_what_is_none_of_them_is_unknown_and_wholly_unread():
    found = kept("set system host-name fw\nset interfaces ge-0/0/0 unit 0\n")
    assert found.dialect == "unknown"
    assert configs.facts(found.text, "unknown").unread == [1, 2]


def test_a_usg_export_with_its_traps():
    found = sample("usg.txt")
    assert rows(found, "address") == [
        ("GigabitEthernet1/0/0", "203.0.113.2/29"), ("GigabitEthernet1/0/0", "203.0.113.3/29", "secondary"),
        ("GigabitEthernet1/0/1", "10.20.0.1/16"), ("GigabitEthernet1/0/1", "2001:db8::1/64"),
    ]  # fmt: skip
    assert rows(found, "nat")[:2] == [("10.20.1.8", "203.0.113.5", "nat server"), ("10.20.1.9", "203.0.113.5", "nat server")]
    assert ("easy-ip", "source-nat rule name 上网") in rows(found, "nat"), "GBK beside UTF-8"
    assert rows(found, "zone") == [("GigabitEthernet1/0/0", "untrust"), ("GigabitEthernet1/0/2", "dmz2")]
    assert rows(found, "route")[0] == ("0.0.0.0/0", "203.0.113.1")
    assert rows(found, "neighbor") == [("203.0.113.1", "bgp")]
    assert rows(found, "log_host") == [("10.20.9.5",)]
    assert rows(found, "mirror") == [("observe-port 1 interface GigabitEthernet1/0/3",)]
    lines = found.text.split("\n")
    assert [lines[number - 1].strip() for number in configs.facts(found.text, "huawei").unread] == ["ip address dhcp-alloc"]
    assert " undo shutdown" in lines, "paging keeps the indentation"
    assert not any("More" in line or "<USG" in line or "Last configuration" in line for line in lines)
    assert configs.read((SAMPLES / "usg.txt").read_bytes()).names == ("USG-BORDER",)


def test_comware():
    found = sample("secpath.txt")
    assert rows(found, "address") == [("GigabitEthernet1/0/1", "198.51.100.2/30"), ("Vlan-interface20", "10.20.0.254/16")]
    assert rows(found, "zone") == [("GigabitEthernet1/0/1", "Untrust"), ("GigabitEthernet1/0/5", "Trust")]
    assert rows(found, "nat") == [
        ("GigabitEthernet1/0/1", "nat outbound"), ("GigabitEthernet1/0/1", "10.20.1.8", "198.51.100.2", "nat server"),
    ]  # fmt: skip
    assert rows(found, "route") == [("0.0.0.0/0", "198.51.100.1")]
    assert rows(found, "mirror")
    assert configs.facts(found.text, "h3c").unread == []


def test_ios():
    found = sample("ios.txt")
    assert rows(found, "address") == [
        ("GigabitEthernet0/0", "203.0.113.10/30"), ("GigabitEthernet0/1", "10.30.0.1/24"),
        ("GigabitEthernet0/1", "10.30.1.1/24", "secondary"),
    ]  # fmt: skip
    assert rows(found, "nat") == [
        ("GigabitEthernet0/0", "nat inside source"), ("10.30.0.5", "203.0.113.10", "nat inside source"),
    ]  # fmt: skip
    assert rows(found, "route") == [("0.0.0.0/0", "203.0.113.9"), ("10.9.0.0/16", "10.30.0.9", "vrf mgmt"), ("::/0", "2001:db8::1")]
    assert rows(found, "neighbor") == [("203.0.113.9", "bgp")]
    assert rows(found, "mirror") == [("monitor session 1 destination interface Gi0/2",)]
    assert rows(found, "log_host") == [("10.20.9.5",)]
    assert rows(found, "tunnel") == [("Tunnel0", "198.51.100.77")]
    assert not [line for line in found.text.split("\n") if "clock-period" in line or "Current configuration" in line]


def test_iptables():
    found = sample("host.rules")
    assert rows(found, "nat") == [
        ("eth0", "10.0.0.0/8", "MASQUERADE"), ("eth0", "10.20.1.0/24", "203.0.113.7", "SNAT"), ("10.20.1.9", "203.0.113.7", "DNAT"),
    ]  # fmt: skip
    again = kept((SAMPLES / "host.rules").read_text().replace("[12:34]", "[99:1234]").replace("09:00:00", "10:00:00"))
    assert again.digest == found.digest
    assert changes(found, again) == []


def test_a_difference_says_sign_line_and_section():
    before, text = sample("ios.txt"), (SAMPLES / "ios.txt").read_text()
    after = kept(text.replace(" ip address 10.30.0.1 255.255.255.0\n", " ip address 10.30.0.2 255.255.255.0\n"))
    (removed, added) = configs.difference(before.text, after.text, "cisco")
    assert (removed.sign, removed.section, removed.text) == ("-", ("interface GigabitEthernet0/1",), "ip address 10.30.0.1 255.255.255.0")
    assert added.number == removed.number == 1 + before.text.split("\n").index(" ip address 10.30.0.1 255.255.255.0")


def test_order_counts_in_filters_only():
    before = sample("ios.txt")
    text = (SAMPLES / "ios.txt").read_text()
    first, second = "access-list 101 permit tcp any any eq 443\n", "access-list 101 deny ip any any log\n"
    assert changes(before, kept(text.replace(first + second, second + first))) == [
        ("-", "access-list 101", second.strip()), ("+", "access-list 101", second.strip()),
    ]  # fmt: skip
    one, two = "logging host 10.20.9.5\n", "ntp server 10.20.9.6\n"
    assert changes(before, kept(text.replace(one + two, two + one))) == []


def test_a_long_filter_in_which_much_moved_is_never_silent():
    rules = [f" rule {n} permit ip source 10.{n // 250}.{n % 250}.0 0.0.0.255" for n in range(1500)]
    before, after = ("sysname A\n#\nacl number 3000\n" + "\n".join(each) for each in (rules, rules[::-1]))
    assert configs.difference(before, after, "huawei")


SECRETS = [
    "local-user admin password irreversible-cipher {}", " password hash {}", "set authentication password cipher {}",
    "super password level 3 cipher {}", "snmp-agent community read {}", "snmp-agent community write cipher {}",
    "snmp-agent community read simple {} acl 2000", "snmp-server community {} RO 10", "snmp-server host 10.1.1.1 version 2c {}",
    "snmp-agent usm-user v3 u g authentication-mode md5 {} privacy-mode des56 abc", "snmp-server user u g v3 auth sha {} priv aes 128 k",
    "radius-server shared-key cipher {}", "radius-server shared-key {}", "radius-server host 10.1.1.1 auth-port 1812 key {}",
    "tacacs-server key 7 {}", " primary authentication 10.1.1.1 key cipher {}", " pre-shared-key {}", " pre-shared-key cipher {}",
    " pre-shared-key address 10.1.1.1 255.255.255.255 key simple {}", "crypto isakmp key {} address 10.1.1.1", "enable secret 5 {}",
    "enable password {}", "username u privilege 15 secret 9 {}", "username u password {}", " neighbor 10.1.1.1 password {}",
    " peer 10.1.1.1 password cipher {}", " ip ospf message-digest-key 1 md5 {}", " ospf authentication-mode md5 1 cipher {}",
    " ospf authentication-mode simple {}", " ip ospf authentication-key {}", "ntp authentication-key 1 md5 {} 7", " wpa-psk ascii 0 {}",
    " security wpa2 psk pass-phrase {} aes", " key-string 7 {}", " key {}", " key 7 {}", "archive path ftp://u:{}@10.1.1.1/x",
    " vrrp vrid 1 authentication-mode md5 {}", " standby 1 authentication md5 key-string {}", "hwtacacs-server shared-key {}",
    "snmp-agent target-host trap address udp-domain 10.1.1.1 params securityname {} v2c", " ppp chap password simple {}",
    "x $6$salt${}", "y %^%#{}%^%#",
]  # fmt: skip


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_is_replaced_and_its_change_is_seen(line):
    one, same, other = (kept(f"hostname a\nradius server x\n{line.format(word)}\n") for word in ("Tr0ub4dor", "Tr0ub4dor", "Tr0ub4dor9"))
    assert "Tr0ub" not in one.text
    assert one.digest == same.digest != other.digest
    assert len(changes(one, other)) == 2  # one removed, one added
    assert kept(f"hostname a\nradius server x\n{line.format('Tr0ub4dor')}\n", b"other").text != one.text


def test_private_keys_and_nothing_else_of_a_certificate_are_replaced():
    text = "hostname a\ncrypto x\n-----BEGIN RSA PRIVATE KEY-----\nMIIabc\nZZZ\n-----END RSA PRIVATE KEY-----\ninterface Gi0/1\n shutdown\n"
    found = kept(text)
    assert "MIIabc" not in found.text
    assert "interface Gi0/1" in found.text
    assert found.digest != kept(text.replace("ZZZ", "ZZY")).digest


def test_what_is_no_secret_stays():
    for line in (
        "password-policy",
        " key 1",
        "aaa new-model",
        " description key of the house",
        "ssh server cipher aes256_ctr",
        "stp mode rstp",
    ):
        assert line in kept(f"hostname a\nkey chain K\n{line}\n").text


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "empty"), (b" \r\n", "empty"), (b"\x7fELF\0\0", "binary"), (b"\x01\x02\x03abc", "binary"), (b"a\n" * 200_001, "too_many_lines"),
     (b"a" * 20_001, "line_too_long"), (b"a" * (configs.LARGEST + 1), "too_large"), ("接口".encode("gb18030"), "")],
)  # fmt: skip
def test_what_nobody_should_keep_is_told(body, code):
    assert configs.fault(body) == code


def test_wildcards():
    assert of_wildcard("10.1.2.3", "0") == "10.1.2.3/32"
    assert of_wildcard("10.1.2.3", "0.0.0.255") == "10.1.2.0/24"
    with pytest.raises(ValueError, match=r"0\.0\.255\.0"):
        of_wildcard("10.1.2.3", "0.0.255.0")


SAID = (
    "interface ip address route-static nat server global inside 10.1.1.1 255.0.0.0 0 # ! peer as-number password cipher key \" ' $ %^%# "
    "-A POSTROUTING -j SNAT --to-source *nat firewall zone add name vpn-instance ---- More \x1b[42D neighbor logging host"
)
WORDS = st.sampled_from([*SAID.split(), "\r", ""])
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=12).map("\n".join)
ANY = st.one_of(st.binary(max_size=300), TEXTS.map(str.encode), st.text(max_size=200).map(lambda text: text.encode("gb18030", "ignore")))


@settings(max_examples=150, deadline=None)
@given(ANY, ANY)
def test_no_bytes_are_too_strange(one, two):
    configs.fault(one)
    before, after = kept(one), kept(two)
    for dialect in (*NAMES.values(), "unknown"):
        assert configs.difference(before.text, before.text, dialect) == []
        configs.difference(before.text, after.text, dialect)
        configs.facts(before.text, dialect)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SECRETS), st.text("abcXYZ0189!@#%^&*()_+-={}[]:;,.?/|~$", min_size=8, max_size=24))
def test_no_secret_is_kept(line, secret):
    found = kept(f"hostname a\nradius server x\n{line.replace('{}', secret)}\n")
    core = secret.strip("\"'")
    assert core not in found.text
    told = configs.facts(found.text, "cisco").facts + configs.facts(found.text, "huawei").facts
    assert core not in repr([each.as_json() for each in told])
