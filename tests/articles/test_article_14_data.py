"""Art. 14: data is changed by business acts or by order (A14.5), exported in bulk by order (A14.4)."""

from __future__ import annotations

import json
from datetime import UTC, timedelta

import pytest

from anzhang.casework import where
from anzhang.casework.models import Verdict
from anzhang.engines.vault import Batch
from anzhang.permissions import Actor, Via
from anzhang.systems import procedures
from tests.articles import stories
from tests.articles.stories import opened, state, verdict

CHANGED, EXPORTED = "A14.5", "A14.4"
SETUP = Actor(id="setup", via=Via.SETUP)
SB01 = "system:SB01"
pytestmark = pytest.mark.usefixtures("bureau")


def stands(bureau, clock):
    """SB01 alone is in service, and sbapp is the account by which its application works."""
    for code, system in bureau.system.items():
        if code != "SB01":
            procedures.change_system(SETUP, system, at=clock.now, state="planned")
    procedures.open_account(
        SETUP, at=clock.now, system=bureau.system["SB01"], name="sbapp", person=bureau.person["P012"], of_application=True
    )


@pytest.fixture
def told(vault, clock):
    """Return what seals events of SB01's hosts and measures an obligation a second later: codes by account."""

    def seal(obligation: str, *events: tuple) -> dict[str, str]:
        lines = []
        for stream, at, said in sorted(events, key=lambda each: each[1]):
            host = "sbdb01" if stream == "db_event" else "sbapp01"
            stamp = at.astimezone(UTC)
            body = json.dumps({"stream": stream, "time": stamp.isoformat(), "result": "success", **said}, ensure_ascii=False)
            lines.append(f"<30>1 {stamp:%Y-%m-%dT%H:%M:%SZ} {host} netwatch 1 - - {body}\n")
        if lines:
            with vault.writer() as writer:
                writer.append(Batch("SSH-SB01", "".join(lines).encode(), clock.now))
                writer.seal(clock.now)
        clock.advance(seconds=1)
        stories.measure(clock, obligation, vault=vault)
        return {finding.reason["params"]["account"]: finding.reason["code"] for finding in opened(obligation)}

    return seal


def change(at, user="sbapp", command="UPDATE", rows=1, **values):
    return "db_event", at, {"user": user, "action": "write", "command": command, "object_name": "fund.account", "rows": rows, **values}


def act(at, user="liming", action="update", **values):
    return "app_event", at, {"user": user, "action": action, "function": "参保登记", **values}


def test_a_change_beside_the_application_is_found_and_names_who_did_it(told, clock):
    at = clock.now - timedelta(hours=2)
    found = told(CHANGED, act(at), change(at), change(at, "wangfang", rows=12), change(at + timedelta(minutes=1), "postgres", "DELETE"))
    assert found == {"wangfang": "data_changed_beside_application", "postgres": "data_changed_by_nobody"}
    finding = next(each for each in opened(CHANGED) if each.reason["params"]["account"] == "wangfang")
    assert (finding.subject, finding.person.code, finding.unit.code, finding.severity) == (SB01, "P012", "IC", "critical")
    said = finding.reason["params"]
    assert (said["times"], said["at"], said["object"]) == (1, "2026-11-24 07:30", "UPDATE fund.account")
    assert [each.split(":")[0] for each in finding.evidence] == ["line", "account"]
    assert state(CHANGED, "IC") == "breach"
    clock.advance(days=30)  # the window has passed
    assert told(CHANGED, act(clock.now), change(clock.now)) == {}
    assert state(CHANGED, "IC") == "met"
    assert not Verdict.objects.filter(obligation=CHANGED, current=True).exclude(state="met").exists()


def test_the_applications_own_change_needs_a_business_act_within_the_tolerance(told, clock):
    at, near = clock.now - timedelta(hours=2), timedelta(seconds=60)
    far = timedelta(hours=1)
    assert told(
        CHANGED, change(at), act(at + near), change(at + far), act(at + far - near),
        *(change(at + timedelta(minutes=90), rows=0) for _ in range(2)), change(at + timedelta(minutes=90), "wangfang", result="failure"),
    ) == {}  # fmt: skip
    assert state(CHANGED, "IC") == "met"
    alone = clock.now - timedelta(minutes=50)
    assert told(CHANGED, change(alone), act(alone - timedelta(seconds=61)), act(alone + timedelta(seconds=61))) == {
        "sbapp": "data_changed_without_act"
    }
    assert opened(CHANGED)[0].person.code == "P010"  # nobody's own deed: the head answers
    assert told(CHANGED, act(alone + timedelta(seconds=1), result="failure")) == {"sbapp": "data_changed_without_act"}
    assert told(CHANGED, act(alone - timedelta(seconds=2))) == {}  # the late line of an act
    assert state(CHANGED, "IC") == "met"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"action": "statement", "command": "INSERT", "rows": None}, True),
        ({"action": "statement", "command": "WITH", "statement": "with x as (select 1) delete from fund.account", "rows": None}, True),
        ({"action": "statement", "command": "COPY", "statement": "COPY fund.account (id) FROM stdin", "rows": None}, True),
        ({"action": "write", "command": "TRUNCATE TABLE", "rows": None}, True),
        ({"action": "merge", "command": None}, True),
        ({"action": "statement", "command": "COPY", "statement": "copy (select * from fund.account) to stdout", "rows": None}, False),
        ({"action": "statement", "command": "WITH", "statement": "with x as (select 1) select * from x", "rows": None}, False),
        ({"action": "read", "command": "SELECT"}, False),
        ({"action": "ddl", "command": "ALTER TABLE"}, False),
        ({"action": "write", "command": "INSERT", "object_name": "pg_temp_3.t"}, False),
    ],
)
def test_what_writes_rows_is_a_change_however_it_is_told(told, clock, said, found):
    at = clock.now - timedelta(minutes=5)
    assert bool(told(CHANGED, change(at, "wangfang", **said))) == found


def test_an_account_that_is_put_on_file_as_the_applications_closes_the_finding(told, bureau, acting, clock):
    at = clock.now - timedelta(minutes=5)
    assert told(CHANGED, change(at, "sbbatch"), act(at)) == {"sbbatch": "data_changed_by_nobody"}
    given = {"system": bureau.system["SB01"], "name": "sbbatch", "person": bureau.person["P012"]}
    row = procedures.open_account(acting("liming"), at=clock.now, **given)
    assert set(told(CHANGED)) == {"sbbatch"}  # now beside the application
    procedures.change_account(acting("liming"), row, at=clock.now, of_application=True)
    assert told(CHANGED) == {}


def test_what_is_not_told_is_unknown(told, clock, vault):
    at = clock.now - timedelta(minutes=5)
    for obligation, events, code in (
        (CHANGED, (), "database_not_told"),
        (EXPORTED, (), "application_not_told"),
        (CHANGED, (change(at),), "application_not_told"),  # whether its own account had a reason, nobody says
        (EXPORTED, (act(at, action="导出"),), "export_not_counted"),
    ):
        assert told(obligation, *events) == {}
        assert (state(obligation, "IC"), verdict(obligation, "IC").why["code"]) == ("unknown", code)


def test_a_bulk_export_without_order_is_found(told, clock):
    at = clock.now - timedelta(hours=1)
    assert told(
        EXPORTED, act(at, "luona", "export", record_count=100), act(at, "luona", "query", record_count=5000),
        act(at, "luona", "export", record_count=900, result="failure"),
    ) == {}  # fmt: skip
    assert state(EXPORTED, "IC") == "met"
    for action, user in (("export", "luona"), ("批量导出", "liming"), ("download", "stranger")):
        told(EXPORTED, act(at, user, action, record_count=101), act(at + timedelta(minutes=1), user, action, record_count=1200))
    found = {each.reason["params"]["account"]: each for each in opened(EXPORTED)}
    assert {name: each.person.code for name, each in found.items()} == {"luona": "P031", "liming": "P011", "stranger": "P010"}
    said = found["luona"].reason["params"]
    assert (said["records"], said["times"], said["rows"], said["function"]) == (1200, 2, 100, "参保登记")
    assert (found["luona"].subject, found["luona"].severity, len(found["luona"].evidence)) == (SB01, "critical", 3)
    clock.advance(days=31)
    assert told(EXPORTED, act(clock.now)) == {}
    assert (state(EXPORTED, "IC"), state(EXPORTED, None)) == ("met", "unknown")
    assert {each["en"] for each in verdict(EXPORTED, None).why["params"]["missing"]} == {"extraction", "extraction copy", "copy event"}


def test_where_finds_what_enforces_it():
    assert "data_changes_ordered.sql" in str(where.where(CHANGED))
    assert "exports_ordered.sql" in str(where.where(EXPORTED))
