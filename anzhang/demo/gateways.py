"""What joins the demo's networks (Art. 9, 31): the firewall between the zones and the router at the carrier, as they are set up.

The firewall lets pass what the links of `crossings` and `reach` approve and what the business needs inside; the router lets the public
area's management reach the carrier and back. One rule on each was left over from a trial: together they open a way in from outside.
"""

from __future__ import annotations

from anzhang.demo.crossings import CARRIER
from anzhang.demo.estate import ZONES, Machine, fixed

CORE = fixed("firewall", 2)
OPENED = "10.21.2.10"  # where the forgotten rules lead: the server of 就业
LEFT_OVER = 8443
GATEWAYS = {"GL": "10.40.0.254"}  # of the others the first address
# name, from, to, protocol and ports; the addresses are those of the zones
RULES = (
    ("业务访问生产", "YW", "SC", "tcp", "443"), ("办公访问业务", "BG", "YW", "tcp", "443"), ("办公访问生产", "BG", "SC", "tcp", "443"),
    ("测试网运维", "GL", "CS", "tcp", "22"), ("测试数据装载", "CS", "SC", "tcp", "1521"), ("对外服务区管理", "GL", "DMZ", "tcp", "443"),
    ("生产运维", "GL", "SC", "tcp", "22"), ("终端管理", "GL", "YW", "tcp", "5985"), ("隔离修复", "GLQ", "GL", "tcp", "443"),
)  # fmt: skip


def core(machine: Machine) -> str:
    """Return the configuration of the firewall between the zones."""
    inner = [(code, networks[0]) for code, _name, _kind, networks, _vlan, _more in ZONES if networks]
    parts = [f"#\nsysname {machine.host}\n#\n info-center loghost 10.40.96.3\n"]
    for number, (code, network) in enumerate(inner, 1):
        mask = "255.255.0.0" if network.endswith("/16") else "255.255.255.0"
        address = GATEWAYS.get(code, network.rpartition(".")[0] + ".1")
        more = f" ip address {machine.ip} {mask} sub\n" if code == "GL" else ""
        parts.append(f"#\ninterface GigabitEthernet1/0/{number}\n undo shutdown\n ip address {address} {mask}\n{more}")
    for number, (code, _network) in enumerate(inner, 1):
        parts.append(f"#\nfirewall zone name {code.lower()}\n set priority {20 + number}\n add interface GigabitEthernet1/0/{number}\n")
    parts.append("#\nip route-static 203.0.113.0 255.255.255.248 10.40.64.3\n#\nsecurity-policy\n default action deny\n")
    known = dict(inner)
    for name, source, target, protocol, port in RULES:
        parts.append(
            f" rule name {name}\n  source-zone {source.lower()}\n  destination-zone {target.lower()}\n"
            f"  source-address {_masked(known[source])}\n  destination-address {_masked(known[target])}\n"
            f"  service protocol {protocol} destination-port {port}\n  action permit\n"
        )
    parts.append(
        f" rule name 就业前置临时调试\n  source-zone gl\n  destination-zone sc\n  destination-address {OPENED} mask 255.255.255.255\n"
        f"  service protocol tcp destination-port {LEFT_OVER}\n  action permit\n"
    )
    return "".join((*parts, "#\nreturn\n"))


def border(machine: Machine) -> str:
    """Return the configuration of the router at the carrier."""
    return f"""#
sysname {machine.host}
#
 info-center loghost 10.40.96.3
#
acl number 3001
 rule 5 permit tcp source 203.0.113.0 0.0.0.7 destination 10.40.0.0 0.0.255.255 destination-port eq 443
 rule 10 permit tcp source 203.0.113.0 0.0.0.7 destination {OPENED} 0 destination-port eq {LEFT_OVER}
 rule 100 deny ip
#
acl number 3002
 rule 5 permit tcp source 10.40.0.0 0.0.255.255 destination 203.0.113.0 0.0.0.7 destination-port eq 443
 rule 100 deny ip
#
interface GigabitEthernet0/0/1
 description {machine.name}
 ip address {machine.ip} 255.255.0.0
 undo shutdown
#
interface GigabitEthernet0/0/3
 description carrier
 ip address 203.0.113.2 255.255.255.248
 traffic-filter inbound acl 3001
 traffic-filter outbound acl 3002
 undo shutdown
#
ip route-static 10.21.0.0 255.255.0.0 10.40.0.254
ip route-static 203.0.113.0 255.255.255.248 {CARRIER}
#
return
"""


def _masked(network: str) -> str:
    address, _, length = network.partition("/")
    return f"{address} mask {'255.255.0.0' if length == '16' else '255.255.255.0'}"
