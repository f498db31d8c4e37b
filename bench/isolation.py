"""Proof of isolation: 200 devices, 10,000 rules of filters, 40,000 routes: read, and proved between the inside and the internet, cold.

Goal: 3 seconds on two cores. No peer that reads Huawei configurations is in the lock, so none is measured beside it.
`python -m bench.isolation [DEVICES]`
"""

from __future__ import annotations

import random
import sys
import time

from anzhang.engines.isolation import Area, Text, prove, reading

GOAL = 3.0
PORTS = (22, 80, 443, 1521, 3306, 3389)


def networks(devices: int) -> list[Text]:
    """Return routers in a ring, five networks of users behind each, two borders."""
    chance, texts = random.Random(5), []
    for number in range(devices):
        parts = [f"#\nsysname R{number}\n#\nacl number 3001"]
        for place in range(48):
            source = f"10.{20 + chance.randrange(60)}.{chance.randrange(256)}.0 0.0.0.255"
            target = f"10.{20 + chance.randrange(60)}.0.0 0.0.255.255"
            kind, action = chance.choice(("tcp", "udp")), chance.choice(("permit", "deny"))
            parts.append(
                f" rule {place * 5} {action} {kind} source {source} destination {target} destination-port eq {chance.choice(PORTS)}"
            )
        parts.append(" rule 900 permit ip source 10.0.0.0 0.255.255.255 destination 10.0.0.0 0.255.255.255\n rule 1000 deny ip")
        for place in range(5):
            k = number * 5 + place
            parts.append(f"#\ninterface Vlanif{place + 1}\n ip address 10.{20 + k // 256}.{k % 256}.1 24\n traffic-filter inbound acl 3001")
        before = (number - 1) % devices
        parts.append(f"#\ninterface GE0/0/1\n ip address 172.16.{number}.1 30\n#\ninterface GE0/0/2\n ip address 172.16.{before}.2 30\n#")
        for place in range(200):
            k, hop = chance.randrange(devices * 5), f"172.16.{number}.2" if place % 2 else f"172.16.{before}.1"
            parts.append(f"ip route-static 10.{20 + k // 256}.{k % 256}.0 24 {hop}")
        parts.append(f"ip route-static 0.0.0.0 0 172.16.{number}.2")
        if number in {0, devices // 2}:
            parts.append(
                "#\nacl number 3900\n rule 5 permit tcp destination 10.20.0.0 0.0.255.255 destination-port eq 443\n rule 10 deny ip"
            )
            parts.append(f"#\ninterface GE0/0/9\n ip address 203.0.113.{1 + number % 200} 30\n traffic-filter inbound acl 3900\n#")
        texts.append(Text(f"R{number}", "\n".join(parts) + "\n", "huawei"))
    return texts


def main() -> None:
    """Read, prove, print."""
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    texts = networks(devices)
    areas = [Area("inside", tuple(f"10.{k}.0.0/16" for k in range(20, 24))), Area("internet", (), outside=True)]
    begun = time.perf_counter()
    for each in texts:
        reading.read(each.device, each.text, each.dialect)
    read = time.perf_counter() - begun
    begun = time.perf_counter()
    proof = prove(texts, areas, [], [("inside", "internet"), ("internet", "inside")])
    whole = time.perf_counter() - begun
    rules, routes = (sum(each.text.count(word) for each in texts) for word in (" rule ", "route-static"))
    print(f"{devices} devices, {rules:,} rules, {routes:,} routes: read {read:.1f} s, read and proved {whole:.1f} s (goal {GOAL:.0f} s)")
    for (source, target), verdict in proof.verdicts.items():
        print(f"  {source} to {target}: {verdict.grade}, {len(verdict.witnesses)} ways walked")


if __name__ == "__main__":
    main()
