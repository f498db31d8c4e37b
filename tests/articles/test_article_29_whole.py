"""Art. 29: logs are whole. A silent, fast, slow or flooding source and a broken segment turn red; near misses do not."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from anzhang import jobs
from anzhang.casework import procedures as cases
from anzhang.engines.vault import Batch, Sealed, Vault, succession
from anzhang.engines.vault.places import locate
from anzhang.journal.queries import segment_seals
from anzhang.monitoring import procedures, redactions
from anzhang.monitoring.models import LogSource, VaultSegment
from anzhang.monitoring.succession import record_successor
from anzhang.permissions import Via, system
from anzhang.web import evidence
from tests.articles.stories import measure, opened, state, verdict
from tests.casework.paths import walk

pytestmark = pytest.mark.usefixtures("bureau")
A29_6 = "A29.6"
JY = "SSH-JY01"


def line(at) -> bytes:
    return f"<38>1 {at:%Y-%m-%dT%H:%M:%S}Z jyapp01 app 1 - - one line\n".encode()


def seal(vault: Vault, at, *lines: bytes, source: str = JY) -> VaultSegment:
    with vault.writer() as writer:
        writer.append(Batch(source=source, data=b"".join(lines) or line(at), received_at=at))
        sealed = writer.seal(at)
    return procedures.record_segment(system("collector", Via.DAEMON), sealed, at)


def verify(vault: Vault, clock) -> None:
    """Keep the result of a verification, as the worker's daily job does."""
    faults = [{"segment": f.segment, "part": f.part, "why": f.what} for f in vault.verify()]
    procedures.record_check(system("vault"), faults, segments=1, seconds=0.1, at=clock.now)


def codes(unit: str | None = "JYC") -> set[str]:
    return {finding.reason["code"] for finding in opened(A29_6, unit)}


def test_whole_logs_of_a_verified_vault_are_met(clock, vault):
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    assert (state(A29_6, None), verdict(A29_6, None).why["code"]) == ("unknown", "vault_not_verified")
    verify(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert (state(A29_6, "JYC"), state(A29_6, None)) == ("met", "met")
    assert (state(A29_6, "IC"), verdict(A29_6, "IC").why["code"]) == ("unknown", "source_never_heard")


def test_silence_is_found_after_the_limit_and_ends_with_the_next_line(clock, vault):
    seal(vault, clock.now)
    clock.advance(minutes=60)
    measure(clock, A29_6, vault=vault)
    assert codes() == set(), "to the minute it is not too long"
    clock.advance(seconds=1)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    assert (finding.reason["code"], finding.person.name) == ("source_silent", "刘洋")
    assert finding.reason["params"]["minutes"] == 60
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    assert opened(A29_6, "JYC") == []


def test_a_source_may_have_a_limit_of_its_own_and_a_closed_one_owes_nothing(clock, vault):
    LogSource.objects.filter(code=JY).update(silence_minutes=24 * 60)
    seal(vault, clock.now)
    clock.advance(hours=24)
    measure(clock, A29_6, vault=vault)
    assert codes() == set()
    clock.advance(minutes=1)
    measure(clock, A29_6, vault=vault)
    assert codes() == {"source_silent"}
    LogSource.objects.filter(code=JY).update(state="closed")
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def test_a_source_over_its_quota_is_found_until_a_whole_hour_went_well(clock, vault):
    seal(vault, clock.now)
    procedures.note_quota(JY, clock.now)  # 09:30 in Beijing
    measure(clock, A29_6, vault=vault)
    assert codes() == {"source_over_quota"}
    clock.advance(minutes=89)
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    assert codes() == {"source_over_quota"}
    seal(vault, clock.advance(minutes=1))
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


@pytest.mark.parametrize(("seconds", "code"), [(61, "clock_ahead"), (60, ""), (-60, ""), (-62, "clock_behind")])
def test_a_clock_is_off_beyond_the_tolerance(clock, vault, seconds, code):
    seal(vault, clock.now, line(clock.now + timedelta(seconds=seconds)))
    measure(clock, A29_6, vault=vault)
    assert codes() == ({code} if code else set())
    seal(vault, clock.advance(minutes=1), line(clock.now))
    measure(clock, A29_6, vault=vault)
    assert codes() == set(), "the newest segment shows a clock that was set"


def test_a_clock_that_runs_behind_makes_every_line_equally_late(clock, vault):
    with vault.writer() as writer:
        for second in range(0, 50, 10):
            at = clock.now + timedelta(seconds=second)
            writer.append(Batch(source=JY, data=line(at - timedelta(minutes=5)), received_at=at))
        sealed = writer.seal(clock.advance(minutes=1))
    procedures.record_segment(system("collector", Via.DAEMON), sealed, clock.now)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    assert (finding.reason["code"], finding.reason["params"]["seconds"]) == ("clock_behind", 300)


def test_lines_that_waited_are_no_slow_clock_and_one_wrong_line_is_no_fast_one(clock, vault):
    for youngest in (0, 1):  # the last line may be as old as it likes: what was kept is of different age
        late = [line(clock.now - timedelta(hours=hours)) for hours in range(48, youngest - 1, -1)]
        seal(vault, clock.now, *late)
        measure(clock, A29_6, vault=vault)
        assert codes() == set()
    seal(vault, clock.advance(minutes=1), line(clock.now), line(clock.now + timedelta(days=3650)), line(clock.now))
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def test_a_segment_that_fails_verification_is_the_finding_of_whoever_has_lines_in_it(clock, vault):
    broken = seal(vault, clock.now)
    seal(vault, clock.now, source="SSH-SB01")
    rows = locate(vault.root)[broken.name] / "rows.parquet"
    whole = rows.read_bytes()
    for place in range(4, len(whole), len(whole) // 12):  # wherever it is: in what is read or in how it is read
        rows.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        verify(vault, clock)
        measure(clock, A29_6, vault=vault)
        assert (place, codes()) == (place, {"segment_fault"})
    assert codes("IC") == set()
    rows.write_bytes(whole)
    verify(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def test_a_missing_segment_and_a_cut_chain_are_found_without_waiting_for_a_verification(clock, vault, tmp_path):
    first, second, third = (seal(vault, clock.now) for _ in range(3))
    folder = locate(vault.root)[second.name]
    shutil.move(folder, tmp_path / "aside")
    measure(clock, A29_6, vault=vault)
    assert codes() == {"segment_missing"}
    shutil.move(tmp_path / "aside", folder)
    measure(clock, A29_6, vault=vault)
    assert codes() == set()
    VaultSegment.objects.filter(number=third.number).update(first_seq=third.first_seq + 1, last_seq=third.last_seq + 1)
    measure(clock, A29_6, vault=vault)
    assert {finding.reason["code"] for finding in opened(A29_6)} == {"segment_out_of_chain"}
    assert first.number == 1


def test_the_daily_job_verifies_what_the_check_reads(clock, vault, settings):
    assert {"vault", "reconcile"} <= {job.key for job in jobs.JOBS}
    seal(vault, clock.now)
    verify(vault, clock)
    clock.advance(days=2, seconds=1)
    measure(clock, A29_6, vault=vault)
    assert verdict(A29_6, None).why["code"] == "vault_not_verified"


def test_lost_datagrams_are_a_finding_until_a_day_went_without(clock, vault):
    seal(vault, clock.now)
    procedures.note_loss(JY, 7, clock.now)
    procedures.note_loss(JY, 5, clock.now)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    assert (finding.reason["code"], finding.reason["params"]["lost"]) == ("source_lossy", 12)
    clock.advance(hours=24)
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def test_a_source_whose_certificate_is_refused_is_found_even_if_it_was_never_heard(clock, vault):
    procedures.note_refusal(JY, "certificate_expired", 3, clock.now)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    assert (finding.reason["code"], finding.reason["params"]["why"]) == ("source_refused", "certificate_expired")


def test_a_source_below_its_registered_rate_is_found_after_its_first_day(clock, vault):
    LogSource.objects.filter(code=JY).update(daily_lines=3, silence_minutes=3000)
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    assert codes() == set(), "in the first day nothing can be said"
    clock.advance(hours=25)
    seal(vault, clock.now)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    assert (finding.reason["code"], finding.reason["params"]["lines"]) == ("source_below_rate", 1)
    seal(vault, clock.now, line(clock.now) * 2)
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def test_a_device_whose_clock_is_not_set_is_not_judged_by_it(clock, vault):
    LogSource.objects.filter(code=JY).update(clock="unset")
    seal(vault, clock.now, line(clock.now + timedelta(seconds=600)))
    measure(clock, A29_6, vault=vault)
    assert codes() == set()


def verify_with_ledger(vault: Vault, clock) -> None:
    heads = [Sealed(seal.number, seal.name, seal.root, seal.first_number) for seal in segment_seals()]
    faults = [{"segment": f.segment, "part": f.part, "why": f.what} for f in vault.verify(heads)]
    procedures.record_check(system("vault"), faults, segments=1, seconds=0.1, at=clock.now)


def test_merged_segments_leave_the_articles_as_they_were(clock, vault):
    """A source heard in the first of them, one in the last, both kept; a finding about one of them leads to where its lines are."""
    for hour in range(4):
        seal(vault, clock.now, source=JY if hour < 3 else "SSH-SB01")
        clock.advance(minutes=5)
    clock.advance(hours=23)
    seal(vault, clock.now)
    seal(vault, clock.now, source="SSH-SB01")
    with vault.writer() as writer:
        (run,) = succession.mergeable(vault.segments(), clock.now.date())
        writer.merge(run, clock.now, lambda sealed: record_successor(system("collector", Via.DAEMON), sealed, clock.now))
    verify_with_ledger(vault, clock)
    measure(clock, A29_6, vault=vault)
    measure(clock, "A29.7", vault=vault)
    assert (state(A29_6, "JYC"), state(A29_6, "IC"), state(A29_6, None)) == ("met", "met", "met")
    assert (opened("A29.7", "JYC"), opened("A29.7", "IC")) == ([], [])
    assert [piece.href for piece in evidence.of(["line:n1-000000002:2"])] == ["/search/2/2/"]
    assert vault.line("n1-000000002", 2).segment == "n1-000000004.1"
    shutil.rmtree(locate(vault.root)["n1-000000004.1"])
    measure(clock, A29_6, vault=vault)
    assert {finding.reason["code"] for finding in opened(A29_6, "JYC")} == {"segment_missing"}


def test_a_redaction_that_is_not_carried_out_is_found_until_it_is(clock, vault, bureau, acting):
    seal(vault, clock.now, line(clock.now), b"<38>Nov 24 09:10:00 jyapp01 app: what was not to be kept\n")
    person = bureau.user["luona"].person
    case = cases.file_case(acting("luona"), "log_redaction", person.unit, person, "", {"lines": "2", "reason": "误收"}, clock.now)
    walk(case, bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)
    clock.advance(hours=25)
    seal(vault, clock.now)
    verify_with_ledger(vault, clock)
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, None)
    assert (finding.reason["code"], finding.reason["params"]["case"]) == ("redaction_waits", case.number)
    redactions.carry_out(system("redactions"), vault, clock.now)
    verify_with_ledger(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert (state(A29_6, None), opened(A29_6, None)) == ("met", [])


def test_the_text_put_back_is_found(clock, vault, bureau, acting, tmp_path):
    seal(vault, clock.now, line(clock.now), b"<38>Nov 24 09:10:00 jyapp01 app: what was not to be kept\n")
    shutil.copytree(vault.root, tmp_path / "before")
    person = bureau.user["luona"].person
    given = {"lines": "2", "reason": "误收"}
    case = cases.file_case(acting("luona"), "log_redaction", person.unit, person, "", given, clock.now)
    walk(case, bureau.named("郑凯"), bureau.user["chenjing"].person, at=clock.now)
    redactions.carry_out(system("redactions"), vault, clock.now)
    shutil.rmtree(vault.root)
    shutil.copytree(tmp_path / "before", vault.root)
    verify_with_ledger(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert "segment_fault" in codes() | codes(None)


def test_a_gap_in_the_senders_own_numbers_is_found_and_ends_after_a_whole_day(clock, vault):
    def numbered(*numbers: int) -> bytes:
        text = '<38>1 {at:%Y-%m-%dT%H:%M:%S}Z jyapp01 app 1 - [meta sequenceId="{n}"] line\n'
        return "".join(text.format(at=clock.now, n=n) for n in numbers).encode()

    seal(vault, clock.now, numbered(1, 2, 3, 7, 8))
    verify(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert codes() == set(), "the missing ones may still wait to be sealed"
    clock.advance(minutes=6)
    seal(vault, clock.now, numbered(9, 11))
    measure(clock, A29_6, vault=vault)
    (finding,) = opened(A29_6, "JYC")
    told = finding.reason["params"]
    assert (finding.reason["code"], told["host"], told["missing"], told["numbers"]) == ("source_gap", "jyapp01", 3, "4–6")
    clock.advance(minutes=6)
    seal(vault, clock.now, numbered(12))
    measure(clock, A29_6, vault=vault)
    assert codes() == {"source_gap"}
    for _ in range(25):
        clock.advance(hours=1)
        seal(vault, clock.now)
    verify(vault, clock)
    measure(clock, A29_6, vault=vault)
    assert opened(A29_6, "JYC") == []
