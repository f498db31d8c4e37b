"""Art. 8: every change of a network device has an order behind it (A08.1). Red on a planted change, silent on near-misses, green after
the remedy, unknown without a configuration; the gate `config_change` refuses what nobody ordered.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from anzhang.casework import revocation, wording
from anzhang.directory import tokens
from anzhang.journal import verify
from anzhang.network import change_gate, procedures, snapshots
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder, ConfigSnapshot, ConfigText
from anzhang.organization import projects as papers
from anzhang.organization.tables import Project
from anzhang.permissions import RefusedError
from tests.articles import crossings, works
from tests.articles.crossings import instant
from tests.articles.stories import file, measure, opened, state, through, verdict
from tests.world import actor_of_machine

pytestmark = pytest.mark.usefixtures("bureau")
ORDERED = "A08.1"
BASE = """hostname R1
!
enable secret 5 {secret}
interface GigabitEthernet0/0
 ip address 10.20.0.1 255.255.0.0
{more}!
ip route 10.9.0.0 255.255.0.0 10.20.0.9
logging host 10.20.9.5
end
"""


def text(more: str = "", secret: str = "$1$aaaa$bbbb") -> bytes:  # no secret of ours
    return BASE.format(more=f" {more}\n" if more else "", secret=secret).encode()


STRANGE = text().replace(b"R1", b"R9").replace(b"10.20.0.1", b"10.20.0.8")


@pytest.fixture
def router(bureau, acting, clock):
    zones = crossings.zones(bureau, acting, clock)
    return crossings.device(
        bureau, acting, clock, zones["BIZ"], code="SW-R1", name="核心路由器", kind="router", hosts=["r1"], addresses=["10.20.0.1"]
    )


def receive(body: bytes, at: datetime, collected_at: datetime | None = None, device: str = "") -> ConfigSnapshot:
    return snapshots.receive_snapshot(actor_of_machine(), body, at, device=device, collected_at=collected_at)


def form(begin: datetime, hours: float = 2, **changed: str) -> dict[str, str]:
    return {
        "kind": "network", "devices": "SW-R1", "environment": "", "what": "调整接口", "window_from": instant(begin),
        "window_to": instant(begin + timedelta(hours=hours)), "rollback": "恢复原配置", "executor": "P022", **changed,
    }  # fmt: skip


def ordered(bureau, acting, clock, begin: datetime, hours: float = 2, **changed: str) -> ChangeOrder:
    """Let 孙丽 of 就业促进处 ask and its head agree."""
    case = through(file(bureau, acting, clock, "sunli", "change_order", **form(begin, hours, **changed)), acting, clock, "liuyang")
    return ChangeOrder.objects.get(basis__case=case)


def tell(clock) -> dict[str, str]:
    """Measure a minute later and return the findings that stand."""
    clock.advance(minutes=1)
    assert measure(clock, ORDERED).failed == []
    return {finding.reason["code"]: finding.state for finding in opened(ORDERED)}


@pytest.fixture
def changed(router, clock):
    """Return a device that was changed within the last day, collected before and after."""
    receive(text(), clock.now)
    clock.advance(hours=24)
    return receive(text("shutdown"), clock.now)


# A08.1


def test_a_change_without_an_order_is_found_with_device_person_lines_and_both_snapshots(changed, clock):
    assert tell(clock) == {"config_change_unordered": "open"}
    (finding,) = opened(ORDERED, "JYC")
    assert (finding.subject, finding.person.code) == ("device:SW-R1", "P021")
    assert finding.evidence == [f"config_snapshot:{changed.pk}", f"config_snapshot:{changed.previous_id}"]
    said = wording.text(finding.reason)
    for part in ("核心路由器", "2026-11-24 09:30", "2026-11-25 09:30", "+6 interface GigabitEthernet0/0: shutdown", "新增 1 行、删除 0 行"):
        assert part in said
    assert state(ORDERED, "JYC") == "breach"


def test_an_order_in_force_covers_it(router, bureau, acting, clock):
    receive(text(), clock.now)
    ordered(bureau, acting, clock, clock.now + timedelta(hours=20))
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now)
    assert tell(clock) == {}
    assert state(ORDERED, "JYC") == "met"


def test_an_order_of_another_time_or_device_covers_nothing(router, bureau, acting, clock):
    zone = router.zone
    crossings.device(bureau, acting, clock, zone, code="SW-R2", name="备用路由器", kind="router")
    receive(text(), clock.now)
    ordered(bureau, acting, clock, clock.now + timedelta(hours=20), devices="SW-R2")
    ordered(bureau, acting, clock, clock.now - timedelta(hours=27))  # over a day and an hour before the first collection
    ordered(bureau, acting, clock, clock.now + timedelta(hours=49))
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now)
    assert tell(clock) == {"config_change_unordered": "open"}


@pytest.mark.parametrize(("begin", "covers"), [(-25.9, True), (-26.1, False), (47.9, True), (48.1, False)])
def test_the_margin_is_that_of_the_parameter(begin, covers, router, bureau, acting, clock):
    receive(text(), clock.now)
    ordered(bureau, acting, clock, clock.now + timedelta(hours=begin))
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now)
    assert (tell(clock) == {}) is covers


def test_an_approval_afterwards_regularizes_and_closes_what_was_red(changed, bureau, acting, clock):
    assert tell(clock) == {"config_change_unordered": "open"}
    order = ordered(bureau, acting, clock, clock.now - timedelta(hours=12), hours=20)
    assert order.is_late
    assert tell(clock) == {"config_change_ordered_later": "regularized"}
    assert state(ORDERED, "JYC") == "met"
    revocation.revoke(acting("liuyang"), order.basis.case, "写错设备", clock.now)
    assert tell(clock) == {"config_change_ordered_later": "regularized"}, "it was approved until it was withdrawn"


def test_a_second_collection_that_finds_the_same_proves_that_somebody_looked(router, clock):
    first = receive(text(), clock.now)
    clock.advance(hours=24)
    second = receive(b"R1#show run\r\nBuilding configuration...\r\n" + text().replace(b"\n", b"\r\n") + b"R1#", clock.now)
    assert (second.previous_id, second.digest, second.text_id, second.is_changed) == (first.pk, first.digest, first.text_id, False)
    assert tell(clock) == {}
    assert state(ORDERED, "JYC") == "met"
    assert receive(text(), clock.now, second.collected_at).pk == second.pk, "the same of the same instant is one snapshot"
    assert (ConfigSnapshot.objects.count(), ConfigText.objects.count()) == (2, 1)


def test_a_password_that_changed_is_a_change_and_is_kept_nowhere(router, clock):
    receive(text(secret="OldSecret77"), clock.now)
    clock.advance(hours=1)
    row = receive(text(secret="NewSecret88"), clock.now)
    assert (row.added, row.removed) == (1, 1)
    assert tell(clock) == {"config_change_unordered": "open"}
    kept = snapshots.body_of(row.text) + json.dumps([row.sample, opened(ORDERED)[0].reason])
    assert "Secret77" not in kept
    assert "Secret88" not in kept


def test_without_a_configuration_or_a_fresh_one_nothing_is_green(router, bureau, acting, clock):
    crossings.device(bureau, acting, clock, None, code="SRV", name="服务器", kind="server")  # no network device
    assert tell(clock) == {}
    assert verdict(ORDERED, "JYC").why["code"] == "device_without_snapshot"
    receive(text(), clock.now)
    assert tell(clock) == {}
    assert state(ORDERED, "JYC") == "met"
    clock.advance(hours=48)
    assert tell(clock) == {}
    assert verdict(ORDERED, "JYC").why["code"] == "snapshot_stale"
    procedures.change_device(acting("liming"), Device.objects.get(code="SW-R1"), at=clock.now, state="stock")
    tell(clock)
    assert verdict(ORDERED, None).state == "unknown"


def test_a_late_snapshot_takes_its_place_and_the_next_is_compared_anew(router, clock):
    start = clock.now
    first = receive(text(), start)
    clock.advance(days=2)
    third = receive(text("shutdown"), clock.now)
    second = receive(text("mtu 1400"), clock.now, start + timedelta(days=1))
    third.refresh_from_db()
    assert (second.previous_id, third.previous_id) == (first.pk, second.pk)
    assert (third.added, third.removed) == (1, 1)
    earliest = receive(text(), clock.now, start - timedelta(days=1))
    first.refresh_from_db()
    assert (first.previous_id, first.is_changed) == (earliest.pk, False)
    assert tell(clock) == {"config_change_unordered": "open"}
    assert len(opened(ORDERED)) == 2  # of the second and of the third
    assert not [fault for fault in verify.check(clock.now).faults if fault["subject"].startswith(("config", "change"))]


def test_a_device_that_is_changed_all_the_time_is_told_once(router, clock):
    for number in range(12):
        receive(text(f"mtu {1400 + number}"), clock.now)
        clock.advance(hours=1)
    assert tell(clock) == {"config_changes_unordered": "open"}
    assert opened(ORDERED)[0].reason["params"]["times"] == 11
    clock.advance(days=91)
    receive(text("mtu 1411"), clock.now)
    assert tell(clock) == {}


def test_a_network_project_covers_its_devices_while_it_is_built_and_closes_reviewed(router, bureau, acting, clock):
    row = works.ready(bureau, acting, clock, kind="network", devices=["SW-R1"])
    row = works.approved(bureau, acting, clock, row)
    receive(text(), clock.now)
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now)
    assert tell(clock) == {"config_change_unordered": "open"}, "approved, but the works have not begun"
    row = works.advanced(acting, clock, row, "initiated", "under_construction")
    assert tell(clock) == {}
    assert state(ORDERED, "JYC") == "met"
    row = works.advanced(acting, clock, row, "accepted")
    clock.advance(days=1)
    with pytest.raises(RefusedError):
        works.advanced(acting, clock, row, "closed")
    Project.objects.filter(pk=row.pk).update(stage="closed", ended_on=works.today(clock))  # as an import of former years would have it
    assert tell(clock) == {"project_closed_unreviewed": "open"}
    assert [(each.subject, each.person.code) for each in opened(ORDERED)] == [("project:XM01", "P021")]
    reviewed = {"review_result": "passed", "reviewer": bureau.person["P022"]}
    for result, found in (("failed", "open"), ("passed", "regularized")):
        clock.advance(days=1)
        Project.objects.filter(pk=row.pk).update(review_on=works.today(clock), **{**reviewed, "review_result": result})
        assert set(tell(clock).values()) == {found}
    Project.objects.filter(pk=row.pk).update(review_on=row.accepted_on)
    assert tell(clock) == {}
    clock.advance(days=3)
    receive(text("mtu 1400"), clock.now)
    clock.advance(days=1)
    receive(text("mtu 1300"), clock.now)
    assert tell(clock) == {"config_change_unordered": "open"}, "the project has ended"

    with pytest.raises(RefusedError) as refusal:
        papers.change_project(acting("sunli"), row, at=clock.now, devices=["SW-R9"])
    assert refusal.value.code == "device_unknown"


# Receiving


@pytest.mark.parametrize(
    ("body", "device", "code"),
    [
        (b"", "", "config_unreadable"), (b"\x7fELF\0\0\0", "SW-R1", "config_unreadable"), (b"R1#show run\n", "SW-R1", "config_unreadable"),
        (b"a" * 30_000, "SW-R1", "config_unreadable"), (STRANGE, "", "config_device_unknown"),
        (text(), "NONE", "config_device_unknown"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_leaves_nothing(body, device, code, router, clock):
    with pytest.raises(RefusedError) as error:
        receive(body, clock.now, device=device)
    assert error.value.code == code
    assert (ConfigSnapshot.objects.count(), ConfigText.objects.count()) == (0, 0)


def test_a_device_is_known_by_code_name_or_address_and_never_guessed(router, bureau, acting, clock):
    assert receive(text().replace(b"hostname R1", b"hostname OTHER"), clock.now).device == router, "by its address"
    twin = crossings.device(
        bureau, acting, clock, router.zone, code="SW-R2", name="双机", kind="router", hosts=["R1"], addresses=["10.20.0.2"]
    )
    clock.advance(minutes=1)
    assert receive(text(), clock.now).device == router, "of two with the name the one with the address"
    assert receive(text().replace(b"10.20.0.1 ", b"10.20.0.2 "), clock.now).device == twin
    with pytest.raises(RefusedError) as error:
        receive(text().replace(b"10.20.0.1 ", b"10.77.0.2 "), clock.now)
    assert (error.value.code, "SW-R1、SW-R2" in error.value.message) == ("config_device_ambiguous", True)
    with pytest.raises(RefusedError) as ahead:
        receive(text(), clock.now, clock.now + timedelta(minutes=10), "SW-R1")
    assert ahead.value.code == "config_ahead"
    with pytest.raises(RefusedError) as taken:
        receive(text("shutdown"), clock.now, None, "SW-R1")
    assert taken.value.code == "config_instant_taken"


def test_who_may_not_write_the_devices_of_the_unit_brings_nothing(router, bureau, acting, clock):
    for username, code in (("sunli", "writer_role_missing"), ("xubin", "foreign_unit")):
        with pytest.raises(RefusedError) as error:
            snapshots.receive_snapshot(acting(username), text(), clock.now)
        assert error.value.code == code
    assert snapshots.receive_snapshot(acting("liuyang"), text(), clock.now).collector == "user:liuyang"


# The gate


def refused(clock, device="SW-R1"):
    found = change_gate.config_change(device, clock.now)
    return found.code if found else None


def test_the_gate_opens_for_the_window_of_an_order_alone(router, bureau, acting, clock):
    assert (refused(clock, "NONE"), refused(clock)) == ("device_unknown", "order_missing")
    assert "变更单" in change_gate.config_change(router, clock.now).remedy
    crossings.device(bureau, acting, clock, router.zone, code="SW-R2", name="备用路由器", kind="router")
    ordered(bureau, acting, clock, clock.now, devices="SW-R2")
    assert (refused(clock), refused(clock, "SW-R2")) == ("other_device", None)
    order = ordered(bureau, acting, clock, clock.now + timedelta(hours=1))
    assert (order.number, order.executor.code, order.is_late) == (order.basis.case.number, "P022", False)
    early = change_gate.config_change(router, clock.now)
    assert (early.code, "10:30 至 2026-11-24 12:30" in early.message) == ("window_not_open", True)
    clock.advance(hours=1)
    assert refused(clock) is None
    clock.advance(minutes=119, seconds=59)
    assert refused(clock) is None
    clock.advance(seconds=1)
    late = change_gate.config_change(router, clock.now)
    assert (late.code, "2026-11-24 12:30" in late.message) == ("window_over", True)
    again = ordered(bureau, acting, clock, clock.now)
    assert refused(clock) is None
    revocation.revoke(acting("liuyang"), again.basis.case, "业务高峰", clock.now)
    assert refused(clock) == "approval_ended"
    procedures.change_device(acting("liming"), Device.objects.get(code="SW-R1"), at=clock.now, state="stock")
    assert refused(clock) == "device_not_in_service"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"devices": ""}, "devices"), ({"devices": "NONE"}, "devices"), ({"kind": "production"}, "devices"),
        ({"executor": "P020"}, "executor"), ({"window_to": "2026-11-24 09:00"}, "window_to"),
        ({"window_to": "2026-12-24 09:00"}, "window_to"),
        ({"window_from": "2026-08-01 09:00", "window_to": "2026-08-01 10:00"}, "window_from"), ({"rollback": ""}, "rollback"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_carried_out_is_refused(changed, field, router, bureau, acting, clock):
    with pytest.raises(RefusedError) as error:
        file(bureau, acting, clock, "sunli", "change_order", **form(clock.now, **changed))
    assert field in error.value.faults


def test_a_foreign_device_is_changed_by_its_unit_or_the_information_center(router, bureau, acting, clock):
    with pytest.raises(RefusedError) as error:
        file(bureau, acting, clock, "xubin", "change_order", **form(clock.now))
    assert "由该单位或信息中心提出" in error.value.faults["devices"]
    case = through(file(bureau, acting, clock, "liming", "change_order", **form(clock.now)), acting, clock, "zhouwei")
    assert case.state == "approved"


def test_who_carries_it_out_does_not_decide(router, bureau, acting, clock):
    with pytest.raises(RefusedError) as error:
        file(bureau, acting, clock, "sunli", "change_order", **form(clock.now, executor="P020"))
    assert "审批人" in error.value.faults["executor"]


# Faces


def test_the_command_line_receives_and_asks(router, clock, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("anzhang.directory.tickets.cli_actor", lambda _verb="": actor_of_machine())
    path = Path(tmp_path / "r1.cfg")
    path.write_bytes(text())
    out = StringIO()
    call_command("config", "receive", str(path), "--collected-at", "2026-11-24T09:00", "--json", stdout=out)
    (told,) = json.loads(out.getvalue())
    assert (told["device"], told["dialect"], told["added"]) == ("SW-R1", "cisco", 0)
    with pytest.raises(SystemExit) as refused_:
        call_command("config", "check", "SW-R1")
    assert refused_.value.code == 3
    assert "order_missing" in capsys.readouterr().err
    (tmp_path / "bad.bin").write_bytes(b"\0\0")
    with pytest.raises(SystemExit) as bad:
        call_command("config", "receive", str(tmp_path / "bad.bin"), "--device", "SW-R1")
    assert bad.value.code == 1
    with pytest.raises(SystemExit) as gone:
        call_command("config", "receive", str(tmp_path / "none.cfg"))
    assert gone.value.code == 2


def test_a_collectors_token_brings_the_devices_of_its_unit(router, bureau, acting, clock):
    def token(unit: str, *scopes: str) -> dict[str, str]:
        _row, secret = tokens.issue(
            acting("mali"), name="采集", user=None, unit=bureau.unit[unit], scopes=scopes, address="127.0.0.1", days=30, at=clock.now
        )
        return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}

    client = Client()
    post = lambda head: client.post("/api/configs", text(), content_type="text/plain", **head)  # noqa: E731
    assert post({}).status_code == 401
    assert post(token("JYC", "read")).json()["code"] == "token_scope"
    assert post(token("IC", "write:configs")).json()["code"] == "foreign_unit"
    answer = post(token("JYC", "write:configs"))
    assert (answer.status_code, answer.json()["device"]) == (201, "SW-R1")
    asked = client.get("/api/configs/gate?device=SW-R1", **token("JYC", "read:configs")).json()
    assert (asked["allowed"], asked["code"]) == (False, "order_missing")
