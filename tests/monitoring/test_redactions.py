"""Segments that stand for others, and lines whose text a case lets be taken out, from the register to the ledger (Art. 29; ADR 0017)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework import revocation
from anzhang.casework.forms import FormError
from anzhang.casework.models import Case
from anzhang.demo.bureau import Bureau
from anzhang.engines.vault import Query, Sealed, SealedSegment, Vault, succession
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.journal.queries import segment_seals
from anzhang.monitoring import holds, procedures, redactions
from anzhang.monitoring.completeness import _below_rate, _chain, _not_redacted
from anzhang.monitoring.models import LogRedaction, LogSource, VaultSegment
from anzhang.monitoring.obligations import _rows_gone, _too_young, losses
from anzhang.monitoring.succession import is_recorded, record_successor
from anzhang.permissions import Actor, Administrator, RefusedError, Via, system
from anzhang.regulation.checks import Context
from tests.casework.paths import walk
from tests.engines.logs import lines
from tests.engines.test_vault import fill
from tests.world import Clock

Acting = Callable[[str], Actor]
COLLECTOR, JOB = system("collector", Via.DAEMON), system("redactions")
SECRET = "张晓明的身份证号写错了地方"


@pytest.fixture
def vault(tmp_path: Path, bureau: Bureau, clock: Clock) -> Vault:
    """Eight small segments of one source, recorded."""
    made = lines(400)
    made[122] = f"<38>Nov 24 09:10:00 sbapp01 hrss[9]: {SECRET}".encode()
    vault = Vault(tmp_path / "vault")
    fill(vault, made, per_batch=50, per_segment=1, source="SSH-SB01", at=clock.now)
    for sealed in vault.segments():
        procedures.record_segment(COLLECTOR, sealed, clock.now)
    return vault


def merge(vault: Vault, clock: Clock) -> SealedSegment:
    with vault.writer() as writer:
        (run,) = succession.mergeable(vault.segments(), clock.now.date() + timedelta(days=2))
        made = writer.merge(run, clock.now, lambda sealed: record_successor(COLLECTOR, sealed, clock.now))
    assert made is not None
    return made


def ask(bureau: Bureau, acting: Acting, clock: Clock, text: str = "123", reason: str = "误收个人信息", who: str = "luona") -> Case:
    person = bureau.user[who].person
    form = {"lines": text, "reason": reason}
    return cases.file_case(acting(who), "log_redaction", person.unit, person, "", form, clock.now)


def approve(bureau: Bureau, acting: Acting, clock: Clock, text: str = "123") -> Case:
    return walk(ask(bureau, acting, clock, text), bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)


def heads() -> list[Sealed]:
    return [Sealed(seal.number, seal.name, seal.root, seal.first_number) for seal in segment_seals()]


def stands_in_ledger(row: VaultSegment | LogRedaction) -> bool:
    kind = "vault_segment" if isinstance(row, VaultSegment) else "log_redaction"
    newest = Entry.objects.filter(object_type=kind, object_key=str(row.pk)).order_by("-index")[0]
    return bool(newest.after == row_digest(row))


# Merging


def test_a_merged_segment_and_those_it_stands_for_are_recorded(vault: Vault, clock: Clock) -> None:
    roots = [sealed.root_sha256 for sealed in vault.segments()]
    made = merge(vault, clock)
    rows = list(VaultSegment.objects.order_by("number"))
    assert [row.state for row in rows] == ["merged"] * 7 + ["sealed"]
    assert {row.merged_into for row in rows[:7]} == {8}
    assert (rows[7].name, rows[7].first_number, rows[7].first_seq, rows[7].rows, rows[7].root_sha256) == (
        "n1-000000008.1", 1, 1, 400, made.root_sha256,
    )  # fmt: skip
    assert rows[7].chain_sha256 == roots[7]
    assert all(stands_in_ledger(row) for row in rows)
    assert is_recorded(made)
    assert vault.verify(heads()) == []
    assert record_successor(COLLECTOR, made, clock.now).pk == 8  # twice is once
    assert Entry.objects.filter(act="monitoring:vault_segment:merge").count() == 1


def test_the_chain_and_what_is_counted_go_on_as_before(vault: Vault, bureau: Bureau, clock: Clock) -> None:
    source = LogSource.objects.get(code="SSH-SB01")
    source.daily_lines = 400
    clock.advance(hours=23)
    source.activity.first_seen_at = clock.now - timedelta(days=2)
    merge(vault, clock)
    fill(vault, lines(50), per_batch=50, per_segment=1, source="SSH-SB01", at=clock.now)
    for sealed in vault.segments(after=8):
        procedures.record_segment(COLLECTOR, sealed, clock.now)
    assert list(_chain()) == []
    assert list(_rows_gone()) == []
    context = Context(clock.now, {}, vault)  # type: ignore[arg-type]
    assert list(losses(context)) == []
    assert list(_below_rate([source], clock.now)) == []
    source.daily_lines = 451  # all 450 of the day, none twice
    assert [breach.why.params["lines"] for breach in _below_rate([source], clock.now)] == [450]
    assert list(_too_young(clock.now, timedelta(days=184), [source])) == []
    VaultSegment.objects.filter(number=9).update(previous_sha256="0" * 64)
    assert [breach.why.code for breach in _chain()] == ["segment_out_of_chain"]


def test_what_is_not_recorded_so_is_not_replaced(vault: Vault, clock: Clock) -> None:
    VaultSegment.objects.filter(number=3).update(root_sha256="0" * 64)
    with pytest.raises(procedures.ChainError, match="n1-000000003"):
        merge(vault, clock)
    assert len(vault.segments()) == 8
    assert VaultSegment.objects.filter(state="merged").count() == 0


def test_a_merged_segment_is_disposed_of_as_one(vault: Vault, acting: Acting, clock: Clock) -> None:
    merge(vault, clock)
    clock.advance(days=190)
    gone, stayed = procedures.dispose_expired(acting("guolei"), vault, clock.now, keep=timedelta(days=184))
    assert ([row.number for row in gone], stayed) == ([8], [])
    assert vault.segments() == []
    assert vault.verify(heads()) == []


# Redaction


def test_office_and_auditor_let_a_line_be_taken_out(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    case = ask(bureau, acting, clock)
    walk(case, bureau.named("郑凯"), at=clock.now)
    assert redactions.carry_out(JOB, vault, clock.now) == "0 redactions done, 0 waiting"
    assert vault.search(Query(term=SECRET)).total == 1
    case.refresh_from_db()
    walk(case, bureau.user["chenjing"].person, at=clock.now)
    case.refresh_from_db()
    assert case.state == Case.State.APPROVED
    redaction = LogRedaction.objects.get()
    assert (redaction.state, redaction.lines, redaction.code) == ("waiting", [[123, 123]], case.number)
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 0 waiting"
    assert redactions.carry_out(JOB, vault, clock.now) == "0 redactions done, 0 waiting"
    redaction.refresh_from_db()
    assert (redaction.state, redaction.trouble, redaction.done_at) == ("done", "", clock.now)
    assert stands_in_ledger(redaction)
    assert vault.search(Query(term=SECRET)).total == 0
    row = VaultSegment.objects.get(number=3)
    assert (row.name, row.redacted_lines, row.state) == ("n1-000000003.1", 1, "sealed")
    assert stands_in_ledger(row)
    assert vault.verify(heads()) == []
    assert list(_chain()) == []
    hit = vault.line("n1-000000003", 123)
    assert hit is not None
    assert case.number in hit.line
    assert "误收个人信息" in hit.line
    line = f"<38>Nov 24 09:10:00 sbapp01 hrss[9]: {SECRET}".encode()
    assert [seq for seq, _digest in redactions.matching(vault, redaction, line)] == [123]
    assert redactions.matching(vault, redaction, line + b" ") == []
    said = b"".join(bytes(entry.payload.body) for entry in Entry.objects.select_related("payload"))
    assert redaction.salt.encode() not in said
    assert SECRET.encode() not in said


def test_the_auditor_decides_here_and_nobody_in_their_place(bureau: Bureau, acting: Acting, clock: Clock, vault: Vault) -> None:
    case = ask(bureau, acting, clock)
    walk(case, bureau.named("郑凯"), at=clock.now)
    case.refresh_from_db()
    assert acting("chenjing").administrator is Administrator.AUDITOR
    for other in ("wujie", "zhengkai", "mali"):
        with pytest.raises(RefusedError):
            cases.agree(acting(other), case, "", clock.now)
    cases.refuse(acting("chenjing"), case, "理由不足", clock.now)
    case.refresh_from_db()
    assert case.state == Case.State.REFUSED
    assert LogRedaction.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "必填"), ("abc", "不是行的序号"), ("12-", "不是行的序号"), ("9-3", "起止序号"), ("0", "起止序号"), ("1-20000", "最多"),
        ("401", "401"), ("395-405", "401"), ("99999999999999999", "99999999999999999"),
    ],
)  # fmt: skip
def test_it_names_what_is_wrong_with_the_lines(
    text: str, words: str, vault: Vault, bureau: Bureau, acting: Acting, clock: Clock
) -> None:  # fmt: skip
    with pytest.raises(FormError) as wrong:
        ask(bureau, acting, clock, text)
    assert words in wrong.value.faults["lines"]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("123", ((123, 123),)), ("5-9,12", ((5, 9), (12, 12))), ("12，5–9；10", ((5, 10), (12, 12))), ("1 - 3、 7 至 9", ((1, 3), (7, 9))),
        ("4\n5\n6", ((4, 6),)), ("1-5, 3-4", ((1, 5),)),
    ],
)  # fmt: skip
def test_lines_are_named_as_people_write_them(text: str, runs: Any) -> None:
    assert redactions.parse(text) == runs


def test_a_reason_of_two_lines_is_refused(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    with pytest.raises(FormError) as wrong:
        ask(bureau, acting, clock, reason="一\n二")
    assert "reason" in wrong.value.faults


def test_evidence_under_a_hold_stays_whoever_decided(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    approve(bureau, acting, clock)
    hold = holds.place_hold(acting("liming"), at=clock.now, code="BQ01", reason="案件调查")
    with pytest.raises(FormError):
        ask(bureau, acting, clock, "200")
    assert redactions.carry_out(JOB, vault, clock.now) == "0 redactions done, 1 waiting"
    redaction = LogRedaction.objects.get()
    assert "BQ01" in redaction.trouble
    assert stands_in_ledger(redaction)
    clock.advance(days=2)
    assert [breach.why.code for breach in _not_redacted(clock.now)] == ["redaction_waits"]
    holds.change_hold(acting("zhengkai"), hold, at=clock.now, release_reason="结案")
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 0 waiting"
    assert list(_not_redacted(clock.now)) == []


def test_a_revoked_approval_is_not_carried_out(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    case = approve(bureau, acting, clock)
    revocation.revoke(acting("wujie"), case, "不必了", clock.advance(minutes=1))
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 0 waiting"
    assert LogRedaction.objects.get().state == "revoked"
    assert vault.search(Query(term=SECRET)).total == 1


def test_a_damaged_segment_is_named_and_waits(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    approve(bureau, acting, clock)
    file = next((vault.root / "segments").glob("day=*/n1-000000003/rows.parquet"))
    sound = file.read_bytes()
    file.write_bytes(sound[:60] + bytes([sound[60] ^ 1]) + sound[61:])
    assert redactions.carry_out(JOB, vault, clock.now) == "0 redactions done, 1 waiting"
    assert "n1-000000003 is not what was sealed" in LogRedaction.objects.get().trouble
    file.write_bytes(sound)
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 0 waiting"


def test_what_the_database_does_not_know_so_is_said_and_the_other_redactions_go_on(
    vault: Vault, bureau: Bureau, acting: Acting, clock: Clock
) -> None:
    approve(bureau, acting, clock)
    approve(bureau, acting, clock, "200")
    VaultSegment.objects.filter(number=3).update(root_sha256="0" * 64)
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 1 waiting"
    stuck, done = LogRedaction.objects.order_by("pk")
    assert (stuck.state, done.state) == ("waiting", "done")
    assert "not what is recorded" in stuck.trouble
    assert vault.search(Query(term=SECRET)).total == 1


def test_a_redaction_goes_on_after_its_segment_was_merged(vault: Vault, bureau: Bureau, acting: Acting, clock: Clock) -> None:
    approve(bureau, acting, clock, "50-51, 123")
    merge(vault, clock)
    redactions.carry_out(JOB, vault, clock.now)
    row = VaultSegment.objects.get(number=8)
    assert (row.name, row.redacted_lines, row.first_number) == ("n1-000000008.2", 3, 1)
    assert vault.verify(heads()) == []
    assert sorted(hit.seq for hit in vault.search(Query(term="redacted", limit=9)).hits if hit.redacted) == [50, 51, 123]


def test_a_kill_after_the_ledger_was_told_is_made_good(
    vault: Vault, bureau: Bureau, acting: Acting, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger holds the successor, the vault what it replaces: that is a fault, until it is finished."""
    approve(bureau, acting, clock)

    def killed(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(succession, "_take_over", killed)
    with pytest.raises(KeyboardInterrupt):
        redactions.carry_out(JOB, vault, clock.now)
    monkeypatch.undo()
    assert any(str(fault).endswith("and what was replaced still stands") for fault in vault.verify(heads()))
    assert redactions.carry_out(JOB, vault, clock.now) == "1 redactions done, 0 waiting"
    assert vault.search(Query(term=SECRET)).total == 0
    assert vault.verify(heads()) == []
