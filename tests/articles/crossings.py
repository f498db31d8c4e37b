"""What the stories of links and interconnections share: zones, cases walked to their end, sealed flows, calls and sightings."""

from __future__ import annotations

import json
from datetime import UTC, date, timedelta

from anzhang import clock as clocks
from anzhang.assessment import procedures as assessments
from anzhang.casework.legal_basis import LegalBasis
from anzhang.engines.vault import Batch
from anzhang.network import procedures
from anzhang.network.models import Interconnection, Link
from anzhang.permissions import Actor, Via
from tests.articles.stories import file, measure, opened, through

ZONES = {
    "BIZ": ("业务专网", "business", ["10.20.0.0/16"]), "OFF": ("办公网", "office", ["10.30.0.0/16"]),
    "DMZ": ("对外服务区", "dmz", ["10.90.0.0/24"]), "NET": ("互联网", "internet", []),
}  # fmt: skip
SETUP = Actor(id="setup", via=Via.SETUP)
BANK, PEER = "172.31.5.16/28", "172.31.5.20"
STEPS = ("zhengkai", "gaojianguo", "hemin")  # the Office, then a majority of the leading group


def zones(bureau, acting, clock):
    """Register the zones of 信息中心, and a standard in force."""
    begun = date(2019, 12, 1)
    LegalBasis.objects.create(code="GB22239", title="等级保护基本要求", kind="standard", edition="2019 版", in_force_from=begun)
    return {
        code: procedures.register_zone(
            acting("liming"), at=clock.now, code=code, name=name, kind=kind, networks=networks, unit=bureau.unit["IC"]
        )
        for code, (name, kind, networks) in ZONES.items()
    }


def device(bureau, acting, clock, zone, **values):
    """Register a device of 就业促进处, in the charge of 孙丽, with one interface."""
    mac, addresses = values.pop("mac", ""), values.pop("addresses", [])
    given = {"code": "D1", "name": "前置机", "kind": "server", "unit": bureau.unit["JYC"], "person": bureau.person["P021"], **values}
    row = procedures.register_device(acting("liming"), at=clock.now, zone=zone, **given)
    procedures.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=mac, addresses=addresses)
    return row


def instant(at):
    """Return an instant as forms take it."""
    return at.astimezone(clocks.BEIJING).strftime("%Y-%m-%dT%H:%M")


def bank(clock, **changed):
    """Return the form of a connection with a bank."""
    return {
        "code": "HL01", "name": "代发银行专线", "person": "P021", "partner": "某银行", "purpose": "代发养老金", "level": "3",
        "standard": "GB22239", "scheme_title": "代发银行互联方案", "scheme_on": "2026-11-02", "peers": BANK, "inner": "10.20.1.0/24",
        "ports": "tcp/443\ntcp/8000-8010", "clients": "bank-a", "data_fields": "", "daily_mb": "100", "opens_at": instant(clock.now),
        "closes_at": instant(clock.now + timedelta(days=20)), **changed,
    }  # fmt: skip


def internet(clock, **changed):
    """Return the form of a link of the business network to the internet."""
    return {
        "code": "LL01", "name": "互联网出口", "person": "P021", "near_zone": "BIZ", "near_prefixes": "10.20.1.0/24", "far_zone": "NET",
        "far_prefixes": "203.0.113.0/29", "ports": "tcp/443", "carrier": "某电信", "line_number": "TJ-0001", "purpose": "数据交换",
        "opens_at": instant(clock.now), "closes_at": instant(clock.now + timedelta(days=20)), **changed,
    }  # fmt: skip


def approved(bureau, acting, clock, route, form, username="sunli"):
    """File a case and let the Office and the leading group decide it; return the row that it gave."""
    case = through(file(bureau, acting, clock, username, route, **form), acting, clock, *STEPS)
    assert case.state == "approved"
    return (Link if route == "link" else Interconnection).objects.get(basis__case=case, superseded_at=None)


def seal(vault, clock, *events):
    """Seal events as a probe tells them."""
    lines = []
    for stream, at, values in events:
        said = {"stream": stream, "time": at.astimezone(UTC).isoformat(), **values}
        lines.append(f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} fw01 netwatch 1 - - {json.dumps(said)}\n")
    with vault.writer() as writer:
        writer.append(Batch("PROBE", "".join(lines).encode(), clock.now))
        writer.seal(clock.now)


def found(obligation):
    """Return the findings that stand: subject and reason, by what they are about."""
    return {(finding.subject, finding.reason["code"]): finding.state for finding in opened(obligation)}


def telling(vault, clock, obligation):
    """Return what seals events, measures a minute later, and says what stands."""

    def tell(*events):
        if events:
            seal(vault, clock, *events)
        clock.advance(minutes=1)
        assert measure(clock, obligation, vault=vault).failed == []
        return found(obligation)

    return tell


def flow(at, source="10.20.1.7", target=PEER, port=443, outcome="success", protocol="tcp", **more):
    return "flow_event", at, {
        "source_ip": source, "destination_ip": target, "destination_port": port, "protocol": protocol, "result": outcome,
        "action": "allowed", **more,
    }  # fmt: skip


def call(at, source=PEER, client="bank-a", **more):
    return "api_event", at, {"source_ip": source, "client": client, "method": "POST", "url": "/pay", "result": "success", **more}


def sighting(at, **values):
    return "sighting_event", at, {"action": "seen", **values}


def assessed(bureau, clock, **values):
    """Register an assessment of the connection with the bank that passed an hour ago."""
    begun = date(2026, 11, 3)
    given = {
        "code": "PG01", "kind": "interconnection", "title": "代发银行专线评估", "unit": bureau.unit["JYC"], "subject": "HL01",
        "performed_from": begun, "performed_to": begun, "assessor": bureau.person["P011"], "result": "passed",
        "concluded_at": clock.now - timedelta(hours=1), **values,
    }  # fmt: skip
    return assessments.record_assessment(SETUP, at=clock.now, **given)
