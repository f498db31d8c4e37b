"""Proofs over configurations of four makers: what is kept apart, what passes and by which lines, and what nobody can say."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from anzhang.engines.isolation import Area, Port, Scope, Text, prove

AREAS = (
    Area("BIZ", ("10.20.0.0/16",)), Area("OFF", ("10.30.0.0/16",)), Area("DMZ", ("10.90.0.0/24",)), Area("internet", (), outside=True),
)  # fmt: skip
OUT, IN = ("BIZ", "internet"), ("internet", "BIZ")
USG = """#
sysname FW1
#
ip address-set servers type object
 address 0 10.20.1.0 mask 24
ip address-set all type group
 address 0 address-set servers
 address 1 range 10.20.9.1 10.20.9.9
#
ip service-set web type object
 service 0 protocol tcp destination-port 80 443 8000 to 8010
#
interface GigabitEthernet1/0/1
 undo shutdown
 ip address 10.20.0.1 255.255.0.0
#
interface GigabitEthernet1/0/2
 undo shutdown
 ip address 203.0.113.2 255.255.255.0
#
firewall zone trust
 set priority 85
 add interface GigabitEthernet1/0/1
#
firewall zone untrust
 set priority 5
 add interface GigabitEthernet1/0/2
#
{more}
#
security-policy
{rules}#
ip route-static 0.0.0.0 0.0.0.0 203.0.113.1
#
return
"""


def rule(name, *said, action="permit"):
    return f" rule name {name}\n" + "".join(f"  {each}\n" for each in said) + (f"  action {action}\n" if action else "")


def usg(*rules, more="", base=USG):
    return Text("FW1", base.format(rules="".join(rules), more=more), "huawei")


def graded(*texts, pair=OUT, ports=(), approved=None):
    return prove(texts, AREAS, ports, [pair], approved or {}).verdicts[pair]


def passes(verdict):
    return [(row.source, row.target, row.protocol, row.first_port, row.last_port) for row in verdict.rows]


def test_a_firewall_that_denies_by_default_keeps_apart_and_one_rule_ends_it():
    assert graded(usg()).grade == "isolated"
    verdict = graded(usg(rule("web", "source-zone trust", "destination-zone untrust", "source-address address-set all", "service web")))
    assert verdict.grade == "connected"
    (witness,) = verdict.witnesses
    assert (str(IPv4Address(witness.packet.source)).startswith("10.20."), witness.packet.protocol, witness.certain) == (True, 6, True)
    (hop,) = witness.hops
    assert (hop.device, hop.come, hop.go) == ("FW1", "GigabitEthernet1/0/1", "GigabitEthernet1/0/2")
    assert hop.lines == ((32, "rule name web"),)
    assert {row[0] for row in passes(verdict)} >= {"10.20.1.0/24"}
    assert {row[3:] for row in passes(verdict)} <= {(80, 80), (443, 443), (8000, 8007), (8008, 8009), (8010, 8010)} | {
        (port, port) for port in range(8000, 8011)
    }
    assert graded(usg(rule("web", "source-zone trust", "destination-zone untrust")), pair=IN).grade == "isolated", "not the other way"


@pytest.mark.parametrize(
    ("rules", "grade"),
    [
        ([" default action permit\n"], "connected"),
        ([rule("off", "source-zone trust", "disable"), " default action deny\n"], "isolated"),
        ([rule("no", "source-zone trust", action="deny"), rule("all")], "isolated"),
        ([rule("no", "source-zone trust", "application app BitTorrent", action="deny"), rule("all")], "unproved"),
        ([rule("may", "source-zone trust", "time-range work")], "unproved"),
        ([rule("may", "source-zone trust", "user user-group /default/staff")], "unproved"),
        ([rule("gone", "source-address address-set nowhere")], "unproved"),
        ([rule("other", "source-zone dmz")], "isolated"),
        ([rule("any zone", "service protocol udp destination-port 53")], "connected"),
        ([rule("inside", "source-zone trust", "destination-zone trust")], "isolated"),
        ([rule("hole", "source-address 10.20.0.5 0.0.255.0")], "connected"),
        ([rule("elsewhere", "source-address 10.30.0.0 mask 255.255.0.0")], "isolated"),
        ([rule("profile", "source-zone trust", "profile av default")], "connected"),
        ([rule("but", "source-zone trust", "source-address-exclude 10.20.0.0 mask 255.255.0.0")], "connected"),
        ([rule("but", "source-address 10.20.0.0 mask 255.255.0.0", "source-address-exclude 10.20.0.0 mask 16")], "isolated"),
        ([rule("no action", "source-zone trust", action="")], "unproved"),
    ],
)  # fmt: skip
def test_rules_of_a_security_policy(rules, grade):
    verdict = graded(usg(*rules))
    assert verdict.grade == grade, verdict.doubts


def test_a_server_behind_a_translation_is_reached_where_the_policy_lets_its_inner_address_pass():
    nat = " nat server web protocol tcp global 203.0.113.10 445 inside 10.20.1.5 22 no-reverse"
    told = usg(
        rule("block", "destination-address 203.0.113.10 mask 32", "service protocol tcp destination-port 445", action="deny"),
        rule("in", "source-zone untrust", "destination-zone trust", "service protocol tcp destination-port 22"),
        more=nat,
    )
    verdict = graded(told, pair=IN)
    assert verdict.grade == "connected"
    through = next(each for each in verdict.witnesses if each.packet.target_port == 445)
    assert (str(IPv4Address(through.packet.target)), str(IPv4Address(through.hops[-1].packet.target))) == ("203.0.113.10", "10.20.1.5")
    assert through.hops[-1].packet.target_port == 22
    assert any("nat server" in text for _line, text in through.hops[-1].lines)


@pytest.mark.parametrize(
    "line",
    ["policy-based-route back permit node 5", "nat server x protocol tcp global interface G1/0/9 80 inside 10.20.1.5 80", "l2tp enable",
     "ip route-static 10.0.0.0 lost", "ip vpn-instance"],
)  # fmt: skip
def test_what_may_let_pass_and_is_not_read_is_a_doubt(line):
    verdict = graded(usg(more=line))
    if line == "ip vpn-instance":
        assert verdict.grade == "isolated"
    else:
        assert verdict.grade == "unproved"
        assert verdict.doubts[0].text == line
        assert verdict.doubts[0].line == 29


def test_ipv6_and_addresses_nobody_knows_are_doubts():
    six = USG.replace(" undo shutdown\n ip address 10.20", " undo shutdown\n ipv6 enable\n ip address 10.20")
    assert [doubt.why for doubt in graded(usg(base=six)).doubts] == ["ipv6"]
    leased = USG.replace("ip address 203.0.113.2 255.255.255.0", "ip address dhcp-alloc")
    assert "address" in {doubt.why for doubt in graded(usg(base=leased)).doubts}
    assert graded(Text("X", "what is this", "unknown")).grade == "unproved"


def test_an_area_that_no_device_leads_to_is_a_doubt_and_an_internet_that_none_leads_to_is_not():
    verdict = graded(usg(), pair=("OFF", "internet"))
    assert (verdict.grade, [(doubt.text, doubt.why) for doubt in verdict.doubts]) == ("unproved", [("OFF", "area_without_port")])
    base = USG.replace("203.0.113.2", "10.90.0.1").replace("ip route-static 0.0.0.0 0.0.0.0 203.0.113.1\n", "")
    assert graded(usg(rule("all"), base=base)).grade == "isolated"
    with pytest.raises(ValueError, match="NOWHERE"):
        graded(usg(), pair=("NOWHERE", "BIZ"))


ROUTER = """#
sysname R1
#
acl number 3001
 rule 10 permit tcp source 10.30.0.0 0.0.255.255 destination 10.20.1.5 0 destination-port eq 443
 rule 5 deny tcp source 10.30.9.0 0.0.0.255
 rule 20 deny ip
#
interface GigabitEthernet0/0/1
 ip address 10.30.0.1 255.255.0.0
 traffic-filter inbound acl 3001
#
interface GigabitEthernet0/0/2
 ip address 10.20.0.2 255.255.0.0
#
"""


def test_filters_of_a_router_in_the_order_of_their_numbers():
    verdict = graded(Text("R1", ROUTER, "huawei"), pair=("OFF", "BIZ"))
    assert verdict.grade == "connected"
    assert passes(verdict)[0][1:] == ("10.20.1.5/32", "tcp", 443, 443)
    sources = [row[0] for row in passes(verdict)]
    assert "10.30.9.0/24" not in sources
    assert "10.30.128.0/17" in sources
    assert graded(Text("R1", ROUTER, "huawei"), pair=("BIZ", "OFF")).grade == "connected", "nothing filters that way"
    auto = ROUTER.replace("acl number 3001", "acl number 3001 match-order auto")
    assert graded(Text("R1", auto, "huawei"), pair=("OFF", "BIZ")).grade == "unproved"
    open_ended = ROUTER.replace(" rule 20 deny ip\n", "")
    assert any(row[2] == "udp" for row in passes(graded(Text("R1", open_ended, "huawei"), pair=("OFF", "BIZ"))))


def test_what_is_approved_is_taken_off_from_either_end():
    scope = Scope(("10.30.0.0/16",), ("10.20.1.5/32",), (("tcp", 443, 443),))
    text = Text("R1", ROUTER, "huawei")
    assert graded(text, pair=("OFF", "BIZ"), approved={("OFF", "BIZ"): [scope]}).grade == "isolated"
    assert graded(text, pair=("OFF", "BIZ"), approved={("BIZ", "OFF"): [Scope(scope.far, scope.near, scope.ports)]}).grade == "isolated"
    narrow = Scope(("10.30.1.0/24",), ("10.20.1.5/32",), (("tcp", 443, 443),))
    left = graded(text, pair=("OFF", "BIZ"), approved={("OFF", "BIZ"): [narrow]})
    assert left.grade == "connected"
    assert "10.30.1.0/24" not in {row[0] for row in passes(left)}


def test_only_routes_keep_apart_where_filters_would_let_pass():
    core = """#
interface Vlanif1
 ip address 10.20.0.1 255.255.0.0
#
interface Vlanif2
 ip address 10.99.0.1 255.255.255.252
#
"""
    edge = """#
interface GE0/0/1
 ip address 10.99.0.2 255.255.255.252
#
interface GE0/0/2
 ip address 203.0.113.2 255.255.255.0
#
{more}
"""
    texts = Text("C", core, "huawei"), Text("E", edge.format(more="ip route-static 10.20.0.0 16 10.99.0.1"), "huawei")
    assert graded(*texts).grade == "routes_only"
    assert graded(*texts, pair=IN).grade == "connected"
    routed = Text("C", core + "ip route-static 0.0.0.0 0 10.99.0.2\n", "huawei")
    assert graded(routed, Text("E", edge.format(more="ip route-static 0.0.0.0 0 203.0.113.1"), "huawei")).grade == "connected"
    learned = Text("C", core + "#\nospf 1\n area 0.0.0.0\n", "huawei")
    assert graded(learned, texts[1]).grade == "unproved", "nobody knows what it learned"
    lost = graded(Text("C", core + "ip route-static 10.30.0.0 16 10.20.0.9\n", "huawei"), texts[1])
    assert "next_hop" in {doubt.why for doubt in lost.doubts}


SECPATH = """
#
 sysname FW2
#
interface GigabitEthernet1/0/1
 port link-mode route
 ip address 10.20.0.1 255.255.0.0
#
interface GigabitEthernet1/0/2
 port link-mode route
 ip address 203.0.113.2 255.255.255.0
 nat outbound 3000
#
object-group ip address servers
 0 network host address 10.20.1.5
 10 network subnet 10.20.2.0 255.255.255.0
#
security-zone name Trust
 import interface GigabitEthernet1/0/1
#
security-zone name Untrust
 import interface GigabitEthernet1/0/2
#
{policy}
#
 ip route-static 0.0.0.0 0 203.0.113.1
#
return
"""

FIRST = "security-policy ip\n rule 0 name a\n "
OUTWARD = "#\nzone-pair security source Trust destination Untrust\n"


@pytest.mark.parametrize(
    ("policy", "grade"),
    [
        (f"{FIRST} action pass\n  source-zone Trust\n  destination-zone Untrust\n  source-ip servers\n", "connected"),
        (f"{FIRST} source-zone Trust\n  destination-zone Untrust\n", "unproved"),
        (f"{FIRST} action drop\n rule 1 name b\n  action pass\n", "isolated"),
        (f"{FIRST} action pass\n  source-zone Untrust\n", "isolated"),
        (f"{FIRST} action pass\n  source-ip-subnet 10.20.3.0 255.255.255.0\n  service-port tcp destination eq 22\n", "connected"),
        (f"{FIRST} action pass\n  service dns\n  disable\n", "isolated"),
        (f"acl advanced 3100\n rule 0 permit tcp destination-port eq 443\n{OUTWARD} packet-filter 3100\n", "connected"),
        (f"acl advanced 3100\n rule 0 permit tcp established\n{OUTWARD} packet-filter 3100\n", "isolated"),
        (f"object-policy ip p\n rule 0 pass source-ip servers service https\n{OUTWARD} object-policy apply ip p\n", "connected"),
        ("", "isolated"),
    ],
)  # fmt: skip
def test_a_secpath(policy, grade):
    verdict = graded(Text("FW2", SECPATH.format(policy=policy), "h3c"))
    assert verdict.grade == grade, verdict


IOS = """
hostname r9
!
object-group network SRV
 host 10.20.1.5
 10.20.2.0 255.255.255.0
!
interface GigabitEthernet0/0
 ip address 10.20.0.1 255.255.0.0
 ip nat inside
!
interface GigabitEthernet0/1
 ip address 203.0.113.2 255.255.255.0
 ip access-group {list} in
 ip access-group OUT out
 ip nat outside
!
{more}
ip access-list extended OUT
 deny ip any any
!
ip route 0.0.0.0 0.0.0.0 203.0.113.1
end
"""

WWW = "ip access-list extended IN\n permit tcp any host 203.0.113.9 eq www\n"


@pytest.mark.parametrize(
    ("more", "grade"),
    [
        ("ip access-list extended IN\n 10 permit tcp any host 10.20.1.5 eq 443\n", "connected"),
        ("ip access-list extended IN\n 20 permit ip any any\n 10 deny ip any any\n", "isolated"),
        ("ip access-list extended IN\n permit tcp any any established\n", "isolated"),
        ("ip access-list extended IN\n remark nothing\n", "connected"),  # a list without entries filters nothing
        ("ip access-list extended IN\n permit tcp any object-group SRV range 20 25\n", "connected"),
        ("ip access-list extended IN\n permit tcp any object-group LOST eq 80\n", "unproved"),
        (f"{WWW}ip nat inside source static tcp 10.20.1.5 8080 203.0.113.9 80\n", "connected"),
        (f"{WWW}ip nat inside source static tcp 10.20.1.5 8080 interface Gi0/1 80\n", "unproved"),
        ("ip access-list extended IN\n deny ip any any\ncrypto map VPN 10 ipsec-isakmp\n", "unproved"),
        ("ip access-list extended IN\n permit icmp any any echo\n", "unproved"),
    ],
)  # fmt: skip
def test_a_cisco_router(more, grade):
    verdict = graded(Text("R9", IOS.format(more=more, list="IN"), "cisco"), pair=IN)
    assert verdict.grade == grade, verdict
    assert graded(Text("R9", IOS.format(more=more, list="IN"), "cisco")).grade == (
        "unproved" if "crypto" in more or "LOST" in more or "interface Gi0" in more else "isolated"
    )


TABLES = """*filter
:INPUT ACCEPT [0:0]
:FORWARD {policy} [0:0]
:OUTPUT ACCEPT [0:0]
:ways - [0:0]
{rules}
COMMIT
"""
HOST = (Port("gw", "eth0", "BIZ"), Port("gw", "eth1", "internet"))


@pytest.mark.parametrize(
    ("policy", "rules", "grade"),
    [
        ("DROP", "", "isolated"),
        ("ACCEPT", "", "unproved"),  # no route is known
        ("ACCEPT", "-A FORWARD -i eth0 -o eth1 -j DROP", "isolated"),
        ("DROP", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "isolated"),
        ("DROP", "-A FORWARD -i eth0 -j ways\n-A ways -p tcp -m multiport --dports 80,443 -j ACCEPT", "unproved"),
        ("DROP", "-A FORWARD -i eth0 -j ways\n-A ways -s 10.20.0.0/16 -j RETURN\n-A ways -j ACCEPT", "unproved"),  # a stranger's address
        ("DROP", "-A FORWARD -i eth1 -j ACCEPT", "isolated"),
        ("DROP", "-A FORWARD -i eth2 -j ACCEPT", "unproved"),  # where is eth2?
        ("ACCEPT", "-A FORWARD ! -i eth1 -j REJECT --reject-with icmp-port-unreachable", "isolated"),
    ],
)  # fmt: skip
def test_an_iptables_host(policy, rules, grade):
    verdict = graded(Text("gw", TABLES.format(policy=policy, rules=rules), "iptables"), ports=HOST)
    assert verdict.grade == grade, verdict


def test_a_device_that_joins_nothing_is_no_doubt_and_no_way():
    switch = Text(
        "SW", "#\nsysname SW\n#\npolicy-based-route x permit node 1\n#\ninterface Vlanif1\n ip address 10.20.0.9 255.255.0.0\n#\n", "huawei"
    )
    assert graded(usg(), switch).grade == "isolated"


@pytest.mark.parametrize(
    ("base", "rules", "grade"),
    [
        (USG, [rule("a", "source-zone trust"), " group name g\n", "  disable\n"], "connected"),  # the group is off, not the rule
        (USG, [rule("a", "source-address 0.0.0.0 0.0.0.0")], "unproved"),  # everything, or one address
        (USG.replace("add interface GigabitEthernet1/0/1", "add interface GE1/0/1"), [rule("a", "source-zone trust")], "unproved"),
        (USG.replace("security-policy\n", "firewall interzone trust untrust\n"), [" packet-filter 3001 outbound\n"], "unproved"),
        (USG.replace(" ", "").replace("\n\n", "\n"), [], "unproved"),  # an export that lost every blank
        (USG, ["rule name orphan\n action permit\n"], "unproved"),
    ],
)  # fmt: skip
def test_what_might_be_read_too_kindly_is_never_called_isolated(base, rules, grade):
    verdict = graded(usg(*rules, base=base))
    assert verdict.grade == grade, verdict


def test_an_export_without_indentation_reads_as_the_one_with_it():
    rules = (rule("web", "source-zone trust", "destination-zone untrust", "service web"), rule("off", "disable"))
    flat = Text("FW1", "\n".join(line.strip() for line in USG.format(rules="".join(rules), more="").split("\n")), "huawei")
    assert graded(flat).grade == graded(usg(*rules)).grade == "connected"
    assert set(passes(graded(flat))) == set(passes(graded(usg(*rules))))
    policy = "object-policy ip p\nrule 0 pass\n#\nzone-pair security source Trust destination Untrust\nobject-policy apply ip p\n"
    flat = "\n".join(line.strip() for line in SECPATH.format(policy=policy).split("\n"))
    assert graded(Text("FW2", flat, "h3c")).grade != "isolated"


def test_a_public_network_behind_a_device_on_no_register_is_the_internet():
    base = USG.replace("203.0.113.2 255.255.255.0", "172.16.0.1 255.255.255.252").replace(
        "0.0.0.0 0.0.0.0 203.0.113.1", "{route} 172.16.0.2"
    )
    for route in ("0.0.0.0 0.0.0.0", "128.0.0.0 128.0.0.0", "198.51.100.0 255.255.255.0"):
        assert graded(usg(rule("all"), base=base.replace("{route}", route))).grade == "connected", route
    assert graded(usg(rule("all"), base=base.replace("{route}", "172.31.0.0 255.255.0.0"))).grade == "isolated", "a partner's"


def test_a_source_translated_on_its_way_out_passes_a_filter_for_the_translated_address():
    list_out = "ip access-list extended OUT\n permit tcp host 203.0.113.9 any eq 443\n"
    text = IOS.replace("ip access-list extended OUT\n deny ip any any\n", list_out)
    nat = "ip access-list extended IN\n deny ip any any\nip nat inside source static 10.20.1.5 203.0.113.9\n"
    assert graded(Text("R9", text.format(more=nat, list="IN"), "cisco")).grade != "isolated"
    plain = nat.partition("ip nat")[0]
    named = text.replace("ip access-list extended OUT", "ip access-list OUT").replace("host 203.0.113.9", "10.20.1.0/24")
    assert graded(Text("R9", named.format(more=plain, list="IN"), "cisco")).grade == "connected"


def test_networks_of_two_vrfs_are_apart_until_routes_of_one_come_into_the_other():
    router = ROUTER.replace("ip address 10.30", "ip binding vpn-instance off\n ip address 10.30").replace(
        " traffic-filter inbound acl 3001\n", ""
    )
    assert graded(Text("R1", router, "huawei"), pair=("OFF", "BIZ")).grade == "isolated"
    leaking = router + "#\nip vpn-instance off\n ipv4-family\n  vpn-target 1:1 import-extcommunity\n"
    assert graded(Text("R1", leaking, "huawei"), pair=("OFF", "BIZ")).grade != "isolated"


def test_a_next_hop_shared_by_two_routers_is_known():
    core = "#\ninterface Vlanif1\n ip address 10.20.0.1 16\n#\ninterface Vlanif2\n ip address 10.99.0.1 24\n#\n"
    core += "ip route-static 0.0.0.0 0 10.99.0.9\n"
    edge = "#\ninterface GE0/0/1\n ip address 10.99.0.2 24\n{vrrp}#\ninterface GE0/0/2\n ip address 203.0.113.2 24\n#\n"
    out = "ip route-static 0.0.0.0 0 203.0.113.1\n"
    shared = edge.format(vrrp=" vrrp vrid 1 virtual-ip 10.99.0.9\n") + out
    assert graded(Text("C", core, "huawei"), Text("E", shared, "huawei")).grade == "connected"
