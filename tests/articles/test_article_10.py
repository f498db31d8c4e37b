"""Art. 10: outside bodies are connected as the leading group approved (A10.1), by a scheme that came first (A10.2), inside it (A10.4)."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from anzhang.casework import forms, procedures
from anzhang.casework.models import Approval, Case
from anzhang.directory import rows
from anzhang.events import Event
from anzhang.network import gate
from anzhang.network.models import Interconnection
from anzhang.permissions import RefusedError, system
from tests.articles import crossings
from tests.articles.crossings import PEER, STEPS, approved, bank, call, flow, instant, telling
from tests.articles.stories import file, measure, opened, state, through, verdict

pytestmark = pytest.mark.usefixtures("bureau")
PEERS, SCHEMES, SCOPE = "A10.1", "A10.2", "A10.4"
FRONT = ("device:D1", "outside_peer_unapproved")
BANK = "interconnection:HL01"
SETUP = system("test")


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def front(bureau, acting, clock, zones):
    return crossings.device(bureau, acting, clock, zones["BIZ"], addresses=["10.20.1.7"])


@pytest.fixture
def connect(bureau, acting, clock):
    """Return what walks a connection with the bank to its approval."""
    return lambda **changed: approved(bureau, acting, clock, "interconnection", bank(clock, **changed))


@pytest.fixture
def peers(vault, clock):
    return telling(vault, clock, PEERS)


@pytest.fixture
def scope(vault, clock):
    return telling(vault, clock, SCOPE)


# A10.1


def test_a_peer_that_nobody_approved_is_found_with_person_unit_and_line(front, peers, clock):
    assert peers(flow(clock.now)) == {FRONT: "open"}
    (finding,) = opened(PEERS, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", ["line:n1-000000001:1"])
    assert (finding.reason["params"]["peer"], finding.reason["params"]["service"]) == (PEER, "tcp/443")
    assert verdict(PEERS, "JYC").state == "breach"
    clock.advance(days=7)
    assert peers(flow(clock.now, target="10.30.1.1")) == {}, "what was not seen for a week is over"
    assert state(PEERS, "IC") == "met"


@pytest.mark.parametrize(
    "event",
    [
        lambda at: flow(at, outcome="failure"),
        lambda at: flow(at, target="10.30.1.1"),
        lambda at: flow(at, source="203.0.113.9", target="10.90.0.5"),
        lambda at: flow(at, source="172.31.5.1", target="172.31.5.2"),
        lambda at: flow(at, target="239.255.255.250", protocol="udp", port=1900),
        lambda at: flow(at, target="169.254.1.1"),
        lambda at: call(at, source="203.0.113.9", client=""),
        lambda at: call(at, source="10.30.1.1"),
    ],
    ids=["denied", "inside", "visitor of the dmz", "not ours", "multicast", "link-local", "visitor of an interface", "our own client"],
)
def test_what_is_no_connection_is_silent(event, front, peers, clock):
    assert peers(event(clock.now), flow(clock.now, target="10.30.1.1")) == {}


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (lambda at: flow(at, source="203.0.113.9", target="10.20.1.7"), "device:D1"),
        (lambda at: flow(at, source=PEER, target="10.90.0.5"), "address:10.90.0.5"),
        (lambda at: flow(at, source="10.90.0.5", target="203.0.113.9"), "address:10.90.0.5"),
        (lambda at: call(at, source="203.0.113.9"), "host:fw01"),
        (lambda at: call(at, client=""), "host:fw01"),
    ],
    ids=["from the internet inside", "by a line to the dmz", "out of the dmz", "a client that names itself", "a caller by a line"],
)
def test_every_connection_is_found(event, subject, front, peers, clock):
    assert peers(event(clock.now), flow(clock.now, target="10.30.1.1")) == {(subject, "outside_peer_unapproved"): "open"}


def test_an_approved_peer_is_silent_until_the_second_its_approval_ends(front, connect, peers, clock):
    row = connect()
    clock.now = row.valid_to + timedelta(hours=1)
    assert peers(flow(row.valid_to - timedelta(seconds=1)), flow(row.valid_to - timedelta(days=1), target="172.31.5.31")) == {}
    assert peers(flow(row.valid_to)) == {FRONT: "open"}
    (finding,) = opened(PEERS)
    assert finding.reason["params"]["times"] == 2


def test_a_neighbor_of_an_approved_network_is_found(front, connect, peers, clock):
    connect()
    assert peers(flow(clock.now), flow(clock.now, target="172.31.5.31")) == {}
    assert peers(flow(clock.now, target="172.31.5.32")) == {FRONT: "open"}


def test_the_carriers_side_of_an_approved_link_is_no_outside_body(front, bureau, acting, peers, clock):
    approved(bureau, acting, clock, "link", crossings.internet(clock))
    assert peers(flow(clock.now, target="203.0.113.1", port=179)) == {}
    assert peers(flow(clock.now, target="203.0.113.8", port=179)) == {FRONT: "open"}


def test_an_approval_afterwards_regularizes_and_is_no_silence(front, connect, peers, clock):
    at = clock.now
    assert peers(flow(at)) == {FRONT: "open"}
    clock.advance(hours=3)
    connect(opens_at=instant(at - timedelta(hours=1)))
    assert peers() == {FRONT: "regularized"}
    assert state(PEERS, "IC") == "met"
    assert peers(flow(clock.now)) == {FRONT: "regularized"}, "what flows now is approved"


def test_an_approval_that_begins_after_the_traffic_heals_nothing(front, connect, peers, clock):
    assert peers(flow(clock.now)) == {FRONT: "open"}
    clock.advance(hours=3)
    connect()
    assert peers() == {FRONT: "open"}


def test_what_was_approved_at_the_time_stays_so_after_its_revocation(front, connect, peers, acting, clock):
    row = connect()
    assert peers(flow(clock.now)) == {}
    clock.advance(hours=1)
    number = row.basis.case.number
    case = procedures.file_case(
        acting("sunli"), "revocation", row.unit, row.person, "", {"approval": number, "reason": "用途已变"}, clock.now
    )
    through(case, acting, clock, *STEPS)
    row.refresh_from_db()
    assert row.valid_to == clock.now
    assert peers() == {}
    assert peers(flow(clock.now)) == {FRONT: "open"}


def test_between_two_approvals_nobody_knows(front, connect, acting, bureau, peers, clock):
    connect()
    at = clock.now
    clock.advance(hours=1)
    case = file(bureau, acting, clock, "sunli", "interconnection_closing", interconnection="HL01", reason="检修")
    through(case, acting, clock, "zhengkai")
    clock.advance(hours=1)
    connect(code="HL02")
    assert peers(flow(at + timedelta(minutes=5)), flow(clock.now)) == {}
    assert "outside_traffic_across_pause" in json.dumps(verdict(PEERS, "JYC").why)


def test_many_peers_of_one_machine_are_one_finding(front, peers, clock):
    assert peers(*(flow(clock.now, target=f"203.0.113.{n}") for n in range(1, 25))) == {("device:D1", "outside_peers_unapproved"): "open"}
    (finding,) = opened(PEERS)
    assert finding.reason["params"]["peers"] == 24
    assert len(finding.evidence) == 20


def test_a_line_that_comes_a_day_late_is_found(front, peers, clock):
    assert peers(flow(clock.now, target="10.30.1.1")) == {}
    clock.advance(days=2)
    assert peers(flow(clock.now - timedelta(days=1))) == {FRONT: "open"}


def test_without_flows_nothing_is_green(front, peers, vault, clock):
    assert peers(call(clock.now, source="10.30.1.1")) == {}
    assert state(PEERS, "IC") == "unknown"
    assert "no_watch_of_outside" in json.dumps(verdict(PEERS, "IC").why)


def test_facts_kept_and_facts_made_anew_say_the_same(front, connect, peers, vault, clock):
    from anzhang.casework import reconciliation

    connect()
    for _round in range(3):
        peers(flow(clock.now), flow(clock.now, target="203.0.113.9"), flow(clock.now, port=9999, bytes_in=7))
        clock.advance(hours=5)
    kept = [(each.subject, each.reason, each.evidence) for each in opened(PEERS)]
    reconciliation.run(system("reconcile"), clock.now, vault=vault, obligations=[PEERS], anew=True)
    assert [(each.subject, each.reason, each.evidence) for each in opened(PEERS)] == kept


# A10.2


def test_a_scheme_and_a_standard_in_force_stand_behind_each_connection(connect, clock):
    measure(clock, SCHEMES)
    assert state(SCHEMES, None) == "not_applicable"
    row = connect()
    measure(clock, SCHEMES)
    assert state(SCHEMES, "JYC") == "met"
    row.standard.in_force_to = date(2026, 11, 25)
    row.standard.save()
    measure(clock, SCHEMES)
    assert opened(SCHEMES) == [], "in force to the end of its last day"
    clock.advance(days=1)
    measure(clock, SCHEMES)
    (finding,) = opened(SCHEMES, "JYC")
    assert (finding.reason["code"], finding.person.code) == ("standard_not_in_force", "P021")
    assert finding.evidence == [f"interconnection:{row.pk}", f"approval:{row.basis_id}"]
    row.standard.in_force_to = None
    row.standard.save()
    measure(clock, SCHEMES)
    assert (opened(SCHEMES), state(SCHEMES, "JYC")) == ([], "met")


def test_a_scheme_of_the_day_of_approval_is_in_time_and_one_of_the_next_day_is_not(connect, clock):
    row = connect(scheme_on="2026-11-24")
    measure(clock, SCHEMES)
    assert opened(SCHEMES) == []
    rows.amend(SETUP, Event.ROW_CHANGE, row, clock.now, scheme_on=date(2026, 11, 25))  # as a database that somebody changed
    measure(clock, SCHEMES)
    (finding,) = opened(SCHEMES)
    assert finding.reason["params"]["scheme_on"] == "2026-11-25"


def test_an_approval_on_paper_shows_no_scheme(connect, clock):
    case = connect().basis.case
    Approval.objects.filter(case=case).update(kind="other")
    Interconnection.objects.all().delete()
    Approval.objects.filter(case=case).update(kind="interconnection")
    measure(clock, SCHEMES)
    (finding,) = opened(SCHEMES, "JYC")
    assert (finding.subject, finding.reason["code"]) == (f"approval:{case.number}", "approval_without_scheme")
    Approval.objects.filter(case=case).update(valid_to=clock.now)
    measure(clock, SCHEMES)
    assert opened(SCHEMES) == []


# A10.4


def test_what_stays_inside_is_silent(connect, scope, clock):
    connect()
    at = clock.now
    inside = flow(at), flow(at, port=8000), flow(at, port=8010), flow(at, source="172.31.5.31", target="10.20.1.255"), call(at)
    assert scope(*inside, flow(at, port=22, outcome="failure"), flow(at, target="172.31.5.32", port=22)) == {}
    assert state(SCOPE, "JYC") == "unknown", "no source told how much"
    assert "volume_not_told" in json.dumps(verdict(SCOPE, "JYC").why)


def test_met_when_all_is_told(connect, scope, clock):
    connect()
    assert scope(flow(clock.now, bytes_in=1000, bytes_out=500)) == {}
    assert state(SCOPE, "JYC") == "met"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (lambda at: flow(at, port=8011), "interconnection_outside_ports"),
        (lambda at: flow(at, port=7999), "interconnection_outside_ports"),
        (lambda at: flow(at, protocol="udp"), "interconnection_outside_ports"),
        (lambda at: flow(at, protocol="icmp", port=8), "interconnection_outside_ports"),
        (lambda at: flow(at, source="10.20.2.1"), "interconnection_outside_addresses"),
        (lambda at: flow(at, source=PEER, target="10.90.0.5"), "interconnection_outside_addresses"),
        (lambda at: call(at, client="bank-b"), "interconnection_outside_client"),
        (lambda at: flow(at - timedelta(minutes=2)), "interconnection_outside_dates"),
    ],
    ids=["port", "below the range", "protocol", "ping", "inner address", "the dmz", "client", "before its time"],
)
def test_what_leaves_the_scope_is_found_with_person_unit_and_line(event, code, connect, scope, clock):
    connect()
    clock.advance(seconds=30)
    assert scope(event(clock.now)) == {(BANK, code): "open"}
    (finding,) = opened(SCOPE, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", ["line:n1-000000001:1"])


def test_one_second_decides_at_the_end(connect, scope, clock):
    row = connect()
    clock.now = row.valid_to + timedelta(hours=1)
    assert scope(flow(row.valid_to - timedelta(seconds=1))) == {}
    assert scope(flow(row.valid_to)) == {(BANK, "interconnection_outside_dates"): "open"}
    clock.advance(days=8)
    assert scope(flow(clock.now, target="10.30.1.1")) == {}


def test_the_volume_of_a_day_counts_both_ways_and_stops_at_the_limit(connect, scope, clock):
    connect(daily_mb="1")
    clock.advance(hours=1)
    assert scope(flow(clock.now, bytes_out=1_000_000, bytes_in=1_000_000)) == {}
    assert scope(flow(clock.now, bytes_out=999_999, bytes_in=1)) == {}, "three times what was approved, to the byte"
    assert scope(flow(clock.now, bytes_out=1)) == {(BANK, "interconnection_over_volume"): "open"}
    (finding,) = opened(SCOPE, "JYC")
    assert (finding.reason["params"]["mb"], finding.reason["params"]["approved_mb"]) == ("3.0", 1)
    clock.advance(days=8)
    assert scope(flow(clock.now, bytes_out=3_000_000)) == {}


def test_a_day_approved_afterwards_is_held_to_the_volume_that_was_approved_for_it(connect, scope, clock):
    at = clock.now
    clock.advance(hours=3)
    connect(opens_at=instant(at - timedelta(hours=1)))
    assert scope(flow(at, bytes_out=300_000_000)) == {(BANK, "interconnection_outside_dates"): "regularized"}
    assert scope(flow(at, bytes_out=1)) == {
        (BANK, "interconnection_outside_dates"): "regularized", (BANK, "interconnection_over_volume"): "open",
    }  # fmt: skip


def test_volumes_of_two_days_are_not_added(connect, scope, clock):
    connect(daily_mb="1")
    midnight = clock.now.replace(hour=16, minute=0)  # Beijing's
    clock.now = midnight + timedelta(hours=1)
    assert scope(flow(midnight - timedelta(seconds=1), bytes_out=3_000_000), flow(midnight, bytes_out=3_000_000)) == {}


def test_a_wider_scope_approved_afterwards_regularizes(connect, scope, clock):
    connect()
    clock.advance(hours=2)
    at = clock.now
    assert scope(flow(at, port=9000)) == {(BANK, "interconnection_outside_ports"): "open"}
    clock.advance(hours=3)
    first = Interconnection.objects.get(code="HL01", superseded_at=None)
    wider = connect(ports="tcp/9000\ntcp/443", opens_at=instant(at - timedelta(minutes=30)))
    first.refresh_from_db()
    assert first.valid_to == wider.valid_from
    assert scope(flow(at + timedelta(minutes=1))) == {(BANK, "interconnection_outside_ports"): "regularized"}


def test_fields_that_no_event_tells_are_never_green(connect, scope, clock):
    connect(data_fields="姓名\n金额")
    assert scope(flow(clock.now, bytes_out=1)) == {}
    assert state(SCOPE, "JYC") == "unknown"
    assert "fields_not_seen" in json.dumps(verdict(SCOPE, "JYC").why)


def test_without_flows_the_scope_is_unknown(connect, scope, clock):
    connect()
    assert scope(call(clock.now)) == {}
    assert "no_watch_of_interconnections" in json.dumps(verdict(SCOPE, "JYC").why)


# The route and the gate


def test_the_office_and_then_the_group_decide_and_revocation_shuts_the_gate(bureau, acting, clock):
    case = file(bureau, acting, clock, "sunli", "interconnection", **bank(clock))
    asked = gate.Passage("10.20.1.7", PEER, "tcp/443")
    assert [step["who"] for step in case.rules["step"]] == [["office"], ["leading_group"]]
    assert gate.link_activation(asked, clock.now).code == "interconnection_missing"
    case = through(case, acting, clock, "zhengkai", "gaojianguo")
    assert (case.state, Interconnection.objects.count()) == (Case.State.OPEN, 0)
    through(case, acting, clock, "hemin")
    row = Interconnection.objects.get()
    assert (row.peers, row.ports, row.daily_mb, row.unit.code) == (["172.31.5.16/28"], ["tcp/443", "tcp/8000-8010"], 100, "JYC")
    assert gate.link_activation(asked, clock.now).code == "assessment_missing"
    assert gate.link_activation(row, clock.now).code == "assessment_missing"
    crossings.assessed(bureau, clock)
    assert gate.link_activation(asked, clock.now) is None
    assert gate.link_activation(row, clock.now) is None
    closing = file(bureau, acting, clock, "sunli", "interconnection_closing", interconnection="HL01", reason="到期不再续")
    through(closing, acting, clock, "zhengkai")
    refused = gate.link_activation(row, clock.now)
    assert refused.code == "interconnection_missing"
    assert "对外互联申请" in refused.remedy
    again = file(bureau, acting, clock, "sunli", "interconnection_closing", interconnection="HL01", reason="再关一次")
    with pytest.raises(RefusedError, match="已经关闭或到期"):
        through(again, acting, clock, "zhengkai")


@pytest.mark.parametrize(
    ("inner", "outer", "port", "code"),
    [
        ("10.20.1.7", PEER, "tcp/443", None),
        ("10.20.1.7", "172.31.5.31", "tcp/8005", None),
        ("10.20.1.7", "10.20.9.9", "tcp/22", None),
        ("10.20.1.7", "172.31.5.32", "tcp/443", "interconnection_missing"),
        ("10.20.1.7", PEER, "tcp/22", "interconnection_missing"),
        ("10.20.1.7", PEER, "icmp", "interconnection_missing"),
        ("10.20.2.7", PEER, "tcp/443", "interconnection_missing"),
        ("10.20.1.7", "10.30.1.1", "tcp/443", "link_missing"),
        ("10.20.1.7", "203.0.113.9", "tcp/443", "link_missing"),
        ("10.90.0.7", "203.0.113.9", "tcp/443", "interconnection_missing"),
        ("192.168.9.9", PEER, "tcp/443", "zone_unknown"),
        ("10.20.1.7", "银行", "tcp/443", "address_unreadable"),
        ("10.20.1.7", PEER, "tcp/1-65535", "port_unreadable"),
        ("10.20.1.7", PEER, "443", "port_unreadable"),
    ],
)
def test_the_gate_lets_pass_what_is_plainly_approved(inner, outer, port, code, connect, bureau, clock):
    connect()
    crossings.assessed(bureau, clock)
    refused = gate.link_activation(gate.Passage(inner, outer, port), clock.now)
    assert (refused.code if refused else None) == code
    assert refused is None or (refused.message and refused.remedy)


def test_the_gate_refuses_where_zones_overlap(connect, acting, bureau, clock):
    from anzhang.network import procedures as network

    connect()
    network.register_zone(
        acting("liming"), at=clock.now, code="B2", name="重叠", kind="office", networks=["10.20.0.0/16"], unit=bureau.unit["IC"]
    )
    assert gate.link_activation(gate.Passage("10.20.1.7", PEER, "tcp/443"), clock.now).code == "zone_ambiguous"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"peers": "0.0.0.0/0"}, "peers"),
        ({"peers": "10.20.1.0/24"}, "peers"),
        ({"peers": "172.31.5.17/28"}, "peers"),
        ({"peers": "某银行"}, "peers"),
        ({"inner": "10.99.0.0/24"}, "inner"),
        ({"ports": "443"}, "ports"),
        ({"ports": "tcp/70000"}, "ports"),
        ({"ports": "tcp/90-80"}, "ports"),
        ({"level": "6"}, "level"),
        ({"daily_mb": "0"}, "daily_mb"),
        ({"scheme_on": "2026-11-25"}, "scheme_on"),
        ({"opens_at": "2026-09-01T08:00"}, "opens_at"),
        ({"closes_at": "2026-11-24T09:30"}, "closes_at"),
        ({"standard": "GB00000"}, "standard"),
        ({"clients": "长" * 101}, "clients"),
    ],
)
def test_a_form_that_cannot_be_carried_out_is_refused_in_chinese(changed, field, bureau, acting, clock):
    with pytest.raises(forms.FormError) as error:
        file(bureau, acting, clock, "sunli", "interconnection", **bank(clock, **changed))
    assert set(error.value.faults) == {field}
    assert any("\u4e00" <= letter <= "\u9fff" for letter in error.value.faults[field])


def test_a_code_belongs_to_one_unit_and_its_scopes_follow_each_other(connect, bureau, acting, clock):
    connect()
    for username, changed in (("liming", {}), ("sunli", {}), ("sunli", {"opens_at": instant(clock.now - timedelta(hours=1))})):
        with pytest.raises(forms.FormError) as error:
            file(bureau, acting, clock, username, "interconnection", **bank(clock, **changed))
        assert set(error.value.faults) == {"code"}


def test_an_effect_beside_its_case_writes_nothing(bureau, acting, clock):
    from anzhang.network import interconnections

    case = file(bureau, acting, clock, "sunli", "interconnection", **bank(clock))
    other = Approval(kind="interconnection", case=case, scope={}, authority="office", valid_from=clock.now, recorded_at=clock.now)
    for verb in (interconnections.open_interconnection, interconnections.close_interconnection):
        with pytest.raises(RefusedError) as error:
            verb(acting("sunli"), case, other, clock.now)
        assert error.value.code == "no_approval"
