"""Rules: which text is in force, what a change must satisfy, what is kept between runs, acts approved later, trials on the past."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from anzhang import permissions
from anzhang.casework import findings, forms, procedures, reconciliation, rule_history, rule_versions, rules
from anzhang.casework.models import Approval, Finding
from anzhang.casework.rule_runs import run as rule_runs
from anzhang.casework.rule_runs import trials
from anzhang.casework.rule_runs.tables import Tables, box
from anzhang.casework.rules import RuleError
from anzhang.casework.tables import RuleDay, RuleVersion
from anzhang.engines.vault import Batch, Vault
from anzhang.network import procedures as network
from anzhang.network.models import Device
from anzhang.regulation.checks import Context
from anzhang.regulation.verdicts import Breach, Outcome, Subject, Why
from tests.articles.stories import measure, opened, state
from tests.casework.paths import walk

pytestmark = pytest.mark.usefixtures("bureau")
NAME = "expired_devices_gone"
MAC = "00:1a:2b:3c:4d:5e"
HEAD = (
    '/* +++\nname = "x"\ntitle = "t"\nstreams = ["sighting_event"]\nregisters = ["unit"]\nparameters = []\nwindow_days = 1\n{more}+++ */\n'
)
JUDGE = (
    "SELECT 'subject' AS kind, 'unit:' || code AS key, name AS label, code AS unit, NULL AS person, '' AS code, NULL AS params,"
    " NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail FROM unit"
)
FACTS = "SELECT source_mac AS mac, min(timestamp) AS first_at, max(timestamp) AS last_at FROM sighting_event GROUP BY ALL"


def text(body: str = JUDGE, more: str = "", **changes: str) -> str:
    whole = HEAD.format(more=more) + body
    for before, after in changes.items():
        whole = whole.replace(before, after)
    return whole


def parsed(whole: str) -> rules.Rule:
    return rules.parse_text(whole, Path("x.sql"))


# The file


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        (text(more='mode = "sometimes"\n'), "mode: must be snapshot, append or window"),
        (text(more='mode = "append"\n'), "holds 1 statements; mode 'append' wants 2"),
        (text(f"{FACTS};\n{JUDGE}"), "holds 2 statements; mode 'snapshot' wants 1"),
        (text(more='entity = ["source_mac"]\n'), "entity: does not go with mode 'snapshot'"),
        (text(f"{FACTS};\n{JUDGE}", more='mode = "window"\n'), "entity: is missing"),
        (text(f"{FACTS};\n{JUDGE}", more='mode = "append"\ngroup_by = ["mac"]\n'), "go together"),
        (text(more='group_by = ["mac"]\nepisode_gap_minutes = 5\n'), "group_by: does not go"),
        (text().replace("window_days = 1", "window_days = 0"), "window_days: must be 1 to 184"),
        (text().replace("window_days = 1", "window_days = true"), "window_days: must be int"),
        (text().replace('["sighting_event"]', '["weather_event"]'), "weather_event: is no event stream"),
        (text().replace('["sighting_event"]', "[1]"), "streams: must be a list of names"),
        (text(JUDGE + " WHERE code = $unit"), r"\$unit: is no parameter"),
        (text(f"{FACTS.replace('GROUP', 'WHERE timestamp > $at GROUP')};\n{JUDGE}", more='mode = "append"\n'), "depend on no parameter"),
        (text(f"{FACTS.replace('sighting_event', 'unit')};\n{JUDGE}", more='mode = "append"\n'), "unit: is no table"),
        (text(f"{FACTS};\n{JUDGE.replace('FROM unit', 'FROM sighting_event')}", more='mode = "append"\n'), "sighting_event: is no table"),
        (text("SELECT * FROM read_text('/etc/passwd')"), "read_text"),
        (text("DROP TABLE unit"), "not a SELECT"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(whole, why):
    with pytest.raises(RuleError, match=why):
        parsed(whole)


def test_every_shipped_rule_reads_as_one():
    assert len(rules.bound()) >= 3
    assert not any("-- part: " in rule.text for rule in rules.bound().values()), "what rules share is put in"
    for rule in rules.bound().values():
        assert rules.parse(rule.path).name == rule.name


def test_what_it_returns_must_be_what_it_owes(clock, vault):
    with pytest.raises(RuleError, match="it owes kind, key"):
        rule_runs.run(parsed(text("SELECT 1 AS one")), Context(clock.now, {}))
    with pytest.raises(RuleError, match="kind 'maybe'"):
        rule_runs.run(parsed(text(JUDGE.replace("'subject'", "'maybe'"))), Context(clock.now, {}))
    facts = FACTS.replace("max(timestamp) AS last_at", "1 AS one")
    lacking = parsed(text(f"{facts};\n{JUDGE}", more='mode = "append"\n'))
    with pytest.raises(RuleError, match="its facts have no last_at"):
        rule_runs.run(lacking, Context(clock.now, {}, vault))


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "vault")


def test_its_population_is_counted_without_making_each(clock):
    outcome = rule_runs.run(parsed(text()), Context(clock.now, {})).outcome
    listed = list(outcome.population)
    assert len(listed) == len(outcome.population) == sum(outcome.population.by_unit().values())
    assert {subject.unit for subject in listed} == set(outcome.population.by_unit())


# What is kept between runs


@pytest.fixture
def expired(bureau, acting, clock):
    row = network.register_device(
        acting("liming"), at=clock.now, code="D1", name="旧服务器", kind="server", unit=bureau.unit["IC"], person=bureau.person["P011"],
        in_service_on=date(2024, 1, 1), state="retired", retired_on=date(2026, 11, 20),
    )  # fmt: skip
    network.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=MAC, addresses=[])
    return row


def seal(vault, at, mac=MAC) -> None:
    line = f"<30>1 {at:%Y-%m-%dT%H:%M:%SZ} dhcp01 dhcpd 1 - - DHCPACK on 10.20.1.7 to {mac} via eth1\n"
    with vault.writer() as writer:
        writer.append(Batch("DHCP", line.encode(), at))
        writer.seal(at)


def test_registers_are_read_again_only_where_the_ledger_says_that_they_changed(expired, acting, clock):
    tables = Tables()
    tables.refresh()
    before = {name: tables.register(name).token for name in ("device", "unit")}
    tables.refresh()
    assert {name: tables.register(name).token for name in before} == before
    expired.refresh_from_db()
    network.change_device(acting("liming"), expired, at=clock.now, name="换了名字")
    tables.refresh()
    assert tables.register("device").token != before["device"]
    assert tables.register("unit").token == before["unit"]
    held = tables.register("device")
    assert "换了名字" in held.load()["name"].to_pylist()


def test_a_run_with_kept_registers_finds_what_a_fresh_one_finds(expired, vault, acting, clock):
    tables = Tables()
    seal(vault, clock.now)
    clock.advance(minutes=1)
    for change in ({}, {"approved_end_on": date(2027, 1, 1)}, {"state": "in_service", "retired_on": None}):
        if change:
            expired.refresh_from_db()
            network.change_device(acting("liming"), expired, at=clock.now, **change)
        tables.refresh()
        for given in (tables, None):
            reconciliation.run(permissions.system("reconcile"), clock.now, vault, ["A09.6"], tables=given)
            assert len(opened("A09.6")) == (0 if "state" in change else 1)


def test_a_day_of_runs_is_one_row(expired, vault, clock):
    seal(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, "A09.6", vault=vault)
    measure(clock, "A09.6", vault=vault)
    row = RuleDay.objects.get(rule=NAME)
    assert (row.runs, row.fresh, row.population, row.hits) == (2, 1, 1, 1)
    assert row.slowest_ms >= row.average_ms > 0
    clock.advance(days=401)
    measure(clock, "A09.6", vault=vault)
    assert [each.day for each in rule_history.days(NAME)] == [row.day + timedelta(days=401)]


# Acts that were approved afterwards


def test_what_is_approved_afterwards_is_regularized_and_red_again_when_that_ends(bureau, clock):
    obligation = next(each for each in reconciliation.parameters.catalog().obligations if each.id == "A09.6")
    subject = Subject("device:D1", "设备", "IC", "P011")
    red = Breach(subject, Why("device_seen_after_retirement", {}), (), clock.now)

    def synced(**found):
        outcome = Outcome((subject,), **found)
        with reconciliation.transaction.atomic():
            tally = findings.sync(permissions.system("reconcile"), [(obligation, outcome)], {obligation.severity: 5}, clock.now)
        return tally, Finding.objects.order_by("pk").last()

    tally, finding = synced(breaches=(red,))
    assert (tally.opened, finding.state) == ([finding.number], "open")
    tally, finding = synced(regularized=(red,))
    assert (tally.regularized, tally.closed, finding.state) == ([finding.number], [], "regularized")
    assert synced(regularized=(red,))[0].regularized == []
    tally, finding = synced(breaches=(red,))
    assert (tally.reopened, finding.state) == ([finding.number], "open")
    synced(regularized=(red,))
    tally, finding = synced()
    assert (tally.closed, finding.state) == ([finding.number], "closed")
    tally, finding = synced(regularized=(red,))
    assert (tally.opened, tally.reopened, finding.state) == ([], [], "closed")


def test_what_was_approved_before_anybody_looked_is_on_record_too(clock):
    obligation = next(each for each in reconciliation.parameters.catalog().obligations if each.id == "A09.6")
    subject = Subject("device:D2", "设备", "IC", None)
    late = Breach(subject, Why("device_seen_after_retirement", {}), (), clock.now)
    with reconciliation.transaction.atomic():
        tally = findings.sync(
            permissions.system("reconcile"), [(obligation, Outcome((subject,), regularized=(late,)))], {obligation.severity: 5}, clock.now
        )
    assert len(tally.opened) == len(tally.regularized) == 1
    assert Finding.objects.get().state == "regularized"


# A changed text


def changed(acting, bureau, clock, whole: str, *, approve: bool = True):
    person = bureau.user["liming"].person
    form = {"rule": NAME, "text": whole, "reason": "按实际调整"}
    case = procedures.file_case(acting("liming"), rule_versions.ROUTE, person.unit, person, "", form, clock.now)
    if approve:
        walk(case, bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)
    return case


def test_a_changed_rule_judges_from_its_approval_on_and_the_shipped_one_comes_back(expired, vault, acting, bureau, clock):
    shipped = rules.bound()[NAME]
    lenient = shipped.text.replace("h.first_at >= g.gone_at", "h.first_at >= g.gone_at + INTERVAL 30 DAY")
    assert lenient != shipped.text
    seal(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, "A09.6", vault=vault)
    assert len(opened("A09.6")) == 1
    case = changed(acting, bureau, clock, lenient, approve=False)
    measure(clock, "A09.6", vault=vault)
    assert len(opened("A09.6")) == 1, "nothing changes before it is approved"
    walk(case, bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)
    measure(clock, "A09.6", vault=vault)
    assert (opened("A09.6"), state("A09.6", "IC")) == ([], "met")
    clock.advance(minutes=1)
    changed(acting, bureau, clock, "")
    measure(clock, "A09.6", vault=vault)
    assert len(opened("A09.6")) == 1
    assert [row.version for row in RuleVersion.objects.filter(superseded_at=None)] == [2, 1]
    assert rule_versions.standing(shipped, clock.now).text.strip() == shipped.text.strip()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda whole: whole, "没有改动"),
        (lambda whole: whole.replace(f'name = "{NAME}"', 'name = "other"'), "keeps its name"),
        (lambda whole: whole.replace("FROM gone g JOIN", "FROM nowhere g JOIN"), "nowhere"),
        (lambda whole: whole.replace("g.gone_at\n", "g.never_at\n"), "never_at"),
        (lambda whole: whole.replace('["service_life_years"]', '["service_life_years", "made_up"]'), "made_up"),
        (lambda whole: whole.replace("ORDER BY ALL", "ORDER BY getenv('HOME')"), "getenv"),
        (lambda whole: whole.replace('mode = "append"\n', ""), "2 statements"),
        (lambda _whole: "SELECT 1", "front matter"),
    ],
)
def test_what_is_no_rule_is_not_filed(edit, why, acting, bureau, clock):
    with pytest.raises(forms.FormError) as caught:
        changed(acting, bureau, clock, edit(rules.bound()[NAME].text))
    assert why in caught.value.faults["text"]
    assert not RuleVersion.objects.exists()


def test_a_standing_text_that_no_longer_runs_leaves_its_obligation_unknown_and_closes_nothing(expired, vault, acting, bureau, clock):
    seal(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, "A09.6", vault=vault)
    approval = Approval.objects.first() or _approval(acting, bureau, clock)
    RuleVersion.objects.create(
        rule=NAME, version=1, text="SELECT 1", basis=approval, valid_from=clock.now, recorded_at=clock.now
    )  # fmt: skip
    summary = measure(clock, "A09.6", vault=vault)
    assert summary.failed == ["A09.6"]
    assert state("A09.6", None) == "unknown"
    assert len(opened("A09.6")) == 1


def _approval(acting, bureau, clock) -> Approval:
    shipped = rules.bound()[NAME]
    changed(acting, bureau, clock, shipped.text.replace("INTERVAL 8 HOUR", "INTERVAL  8 HOUR"))
    RuleVersion.objects.all().delete()
    return Approval.objects.get()


# Trials


def test_a_trial_says_day_by_day_what_would_have_been_found_and_keeps_nothing(expired, vault, clock):
    shipped = rules.bound()[NAME]
    seal(vault, clock.now - timedelta(days=3, hours=2))
    clock.advance(minutes=1)
    found = trials.trial(shipped, 6, clock.now, vault)
    assert found.complete
    assert [(day.hits, len(day.new)) for day in found.days] == [(0, 0), (0, 0), (1, 1), (0, 0), (0, 0), (0, 0)]
    assert [each.subject.key for each in found.days[2].samples] == ["device:D1"]
    assert not (vault.root / "facts").exists()
    assert not Finding.objects.exists()
    assert not RuleDay.objects.exists()


def test_a_trial_stops_when_its_time_is_used_up(vault, clock):
    found = trials.trial(rules.bound()[NAME], 30, clock.now, vault, budget_seconds=0)
    assert (found.complete, len(found.days)) == (False, 1)


def test_rules_run_in_one_process_without_files():
    box().run("SELECT 1 AS one", {})
    assert "files" in box().locks


def test_devices_of_no_vault_are_unknown(expired, clock):
    outcome = rules.evaluate(rules.bound()[NAME], Context(clock.now, {"service_life_years": 6}))
    assert [ground.why.code for ground in outcome.unknown] == ["no_sightings"]
    assert Device.objects.count() == 1
