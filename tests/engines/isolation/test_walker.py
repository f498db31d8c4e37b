"""The sets and the walker, which share no code, say the same of random networks (soundness of every verdict)."""

from __future__ import annotations

import random

import pytest

from anzhang.engines.isolation import Area, Text, proof, prove
from anzhang.engines.isolation.packets import Packet
from anzhang.engines.isolation.walker import walk

AREAS = (Area("A", ("10.1.0.0/16",)), Area("B", ("10.2.0.0/16",)), Area("C", ("10.3.0.0/16",)), Area("internet", (), outside=True))
NETS = ("10.1.0", "10.2.0", "10.3.0", "203.0.113", "10.9.0", "10.9.1")
PORTS = (22, 80, 443, 3389)


def _ends(chance: random.Random) -> str:
    words = []
    for side in ("source", "destination"):
        if chance.random() < 0.7:
            base = chance.choice(NETS).rsplit(".", 1)
            kind = chance.randrange(4)
            address = f"{base[0]}.{base[1]}.{chance.randrange(4)}" if kind == 3 else f"{base[0]}.0.0"
            words.append(f"{side} {address} {('0.0.255.255', '0.255.255.255', '0.0.254.255', '0')[kind]}")
    return " ".join(words)


def _acl(chance: random.Random, number: int) -> str:
    lines = [f"acl number {number}"]
    for place in range(chance.randrange(1, 9)):
        action = chance.choice(("permit", "deny"))
        kind = chance.choice(("ip", "tcp", "udp", "icmp"))
        ports = (
            f" destination-port {chance.choice(('eq', 'gt', 'lt', 'neq'))} {chance.choice(PORTS)}"
            if kind in {"tcp", "udp"} and chance.random() < 0.6
            else ""
        )
        if chance.random() < 0.15 and kind == "tcp":
            ports = f" destination-port range {PORTS[0]} {chance.choice(PORTS[1:])}"
        lines.append(f" rule {chance.randrange(100) * 10 + place} {action} {kind} {_ends(chance)}{ports}")
    if chance.random() < 0.6:
        lines.append(" rule 2000 deny ip")
    return "\n".join(lines)


def network(chance: random.Random) -> list[Text]:
    """Return a few routers joined by the networks of NETS, with filters, translations and routes."""
    texts = []
    for number in range(chance.randrange(1, 5)):
        parts = [f"#\nsysname R{number}"]
        nets = chance.sample(NETS, chance.randrange(2, 4))
        for place, net in enumerate(nets):
            acl = 3000 + place * 2
            parts += [f"#\n{_acl(chance, acl)}", f"#\n{_acl(chance, acl + 1)}"] if chance.random() < 0.7 else []
            filters = (
                f" traffic-filter inbound acl {acl}\n traffic-filter outbound acl {acl + 1}\n"
                if len(parts) > 1 and chance.random() < 0.7
                else ""
            )
            parts.append(f"#\ninterface GE0/0/{place}\n ip address {net}.{number + 1} 255.255.255.0\n{filters}")
        for _ in range(chance.randrange(4)):
            hop = f"{chance.choice(NETS)}.{chance.randrange(1, 6)}"
            parts.append(
                f"#\nip route-static {chance.choice(NETS).rsplit('.', 1)[0]}.0.0 16 {hop}"
                if chance.random() < 0.7
                else f"#\nip route-static 0.0.0.0 0 {hop}"
            )
        if chance.random() < 0.4:
            outer, inner = f"{chance.choice(NETS)}.9", f"{chance.choice(NETS)}.{chance.randrange(1, 9)}"
            parts.append(f"#\nnat server s protocol tcp global {outer} {chance.choice(PORTS)} inside {inner} {chance.choice(PORTS)}")
        if chance.random() < 0.2:
            parts.append(f"#\nnat server w global {chance.choice(NETS)}.8 inside {chance.choice(NETS)}.7")
        texts.append(Text(f"R{number}", "\n".join(parts) + "\n", "huawei"))
    return texts


def some_packet(chance: random.Random, source: str, target_area: str) -> Packet:
    nets = {"A": NETS[0], "B": NETS[1], "C": NETS[2], "internet": NETS[3]}
    own = nets[source] if source != "internet" else None
    first = f"{own}.{chance.randrange(256)}" if own else f"{chance.choice(NETS)}.{chance.randrange(256)}"
    target = f"{nets[target_area] if chance.random() < 0.6 else chance.choice(NETS)}.{chance.randrange(12)}"
    kind = chance.choice((6, 6, 17, 1))
    port = chance.choice((*PORTS, 8080)) if kind != 1 else 0
    return Packet(kind, _number(first), _number(target), 50000 if kind != 1 else 0, port)


def _number(text: str) -> int:
    return int.from_bytes(bytes(int(each) for each in text.split(".")), "big")


def compared(seed: int, packets: int) -> tuple[int, int]:
    """Hold every verdict of a random network against walks of random packets; return how many packets there were and how many arrived."""
    chance = random.Random(seed)
    texts = network(chance)
    pairs = [(one.name, other.name) for one in AREAS for other in AREAS if one != other]
    prover = proof._Prover([proof.reading.read(each.device, each.text, each.dialect) for each in texts], AREAS, [], {})
    verdicts = prover.prove(pairs).verdicts
    devices = {device.code: device for device in prover.joining}
    asked = arrived = 0
    for pair, verdict in verdicts.items():
        for witness in verdict.witnesses:
            assert verdict.grade == ("connected" if witness.certain else "unproved")
        starts = [node for node, names in prover.faces.items() if pair[0] in names]
        arrives = prover._arrives(pair)
        for _ in range(packets if starts else 0):
            packet, node = some_packet(chance, *pair), chance.choice(starts)
            walked = walk(devices, node, packet, arrives)
            asked += 1
            arrived += walked is not None
            if walked is not None:
                assert verdict.grade not in {"isolated", "routes_only"}, (seed, pair, packet, walked)
                if walked.certain:
                    reached = prover._flood(pair, prover._allowed(pair), routed=True)
                    last = walked.hops[-1]
                    sent = [step.sent for step in reached.steps if step.node[0] == last.device and step.out == last.go and step.leaves]
                    assert any(prover.packets.holds(each, last.packet) for each in sent), (seed, pair, packet)
                    assert verdict.grade == "connected", (seed, pair, packet, verdict)
    return asked, arrived


@pytest.mark.parametrize("seed", range(60))
def test_no_packet_walks_where_the_proof_says_that_none_passes(seed):
    compared(seed, 40)


def test_enough_of_the_packets_arrive_for_the_comparison_to_mean_something():
    counts = [compared(seed, 20) for seed in range(100, 112)]
    asked, arrived = sum(each[0] for each in counts), sum(each[1] for each in counts)
    assert arrived > asked / 50
    assert asked > arrived


@pytest.mark.long
def test_a_million_packets():
    asked = arrived = 0
    for seed in range(1000, 100_000):
        one, other = compared(seed, 150)
        asked, arrived = asked + one, arrived + other
        if asked > 1_000_000:
            break
    assert arrived > asked / 100


@pytest.mark.parametrize("seed", range(200, 212))
def test_the_order_of_devices_does_not_matter_and_a_denial_adds_nothing(seed):
    chance = random.Random(seed)
    texts = network(chance)
    pairs = [(one.name, other.name) for one in AREAS for other in AREAS if one != other]
    grades = {pair: each.grade for pair, each in prove(texts, AREAS, [], pairs).verdicts.items()}
    assert grades == {pair: each.grade for pair, each in prove(texts[::-1], AREAS, [], pairs).verdicts.items()}
    shut = [Text(each.device, each.text.replace(" rule ", " rule 0 deny ip\n rule ", 1), each.dialect) for each in texts]
    for pair, each in prove(shut, AREAS, [], pairs).verdicts.items():
        assert grades[pair] != "isolated" or each.grade == "isolated", pair
