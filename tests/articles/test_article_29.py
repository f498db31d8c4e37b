"""Art. 29: logs stay six months, whoever deletes them earlier is found."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from anzhang.engines.vault import Batch, Vault
from anzhang.engines.vault.places import locate
from anzhang.monitoring.models import VaultSegment
from anzhang.monitoring.procedures import record_segment
from anzhang.permissions import Via, system
from anzhang.systems.models import System
from tests.articles.stories import measure, opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
A29_7 = "A29.7"


def seal(vault: Vault, at, *sources: str) -> VaultSegment:
    with vault.writer() as writer:
        for source in sources:
            writer.append(Batch(source=source, data=b"<38>Nov 24 09:00:01 h app: one line\n", received_at=at))
        sealed = writer.seal(at)
    return record_segment(system("collector", Via.DAEMON), sealed, at)


def test_logs_that_were_never_heard_are_unknown_and_heard_ones_are_kept(clock, vault):
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, "JYC"), verdict(A29_7, "JYC").why["code"]) == ("unknown", "source_never_heard")
    seal(vault, clock.now, "SSH-JY01")
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "met"


def test_a_system_that_no_source_watches_is_unknown(bureau, clock, vault):
    bureau.source["SSH-JY01"].__class__.objects.filter(code="SSH-JY01").update(system=None)
    seal(vault, clock.now, "SSH-JY01")
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, "JYC"), verdict(A29_7, "JYC").why["code"]) == ("unknown", "no_log_source")


def test_a_segment_deleted_behind_our_back_turns_its_units_red_until_it_is_back(clock, vault, tmp_path):
    lost = seal(vault, clock.now, "SSH-JY01")
    seal(vault, clock.advance(hours=1), "SSH-JY01", "SSH-SB01")
    System.objects.filter(code="AZ01").update(state="planned")  # nobody watches it: unknown ground of its own
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, "JYC"), state(A29_7, "IC")) == ("met", "met")
    folder = locate(vault.root)[lost.name]
    shutil.move(folder, tmp_path / "aside")
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, "JYC"), verdict(A29_7, "JYC").why["code"]) == ("breach", "deleted_inside_floor")
    assert state(A29_7, "IC") == "met", "the unit whose lines were elsewhere is not concerned"
    assert len(opened(A29_7, "JYC")) == 1
    shutil.move(tmp_path / "aside", folder)
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "met"
    assert opened(A29_7, "JYC") == []


def test_a_segment_row_deleted_with_its_files_is_remembered_by_the_ledger(clock, vault):
    lost = seal(vault, clock.now, "SSH-JY01")
    seal(vault, clock.advance(hours=1), "SSH-JY01")
    shutil.rmtree(locate(vault.root)[lost.name])
    VaultSegment.objects.filter(number=lost.number).delete()
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "breach"


def test_a_segment_gone_after_the_floor_is_nobodys_breach(clock, vault):
    old = seal(vault, clock.now, "SSH-JY01")
    seal(vault, clock.advance(hours=1), "SSH-JY01")
    clock.now = old.sealed_at + timedelta(days=185)
    shutil.rmtree(locate(vault.root)[old.name])
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "met"
    clock.now = old.sealed_at + timedelta(days=183, hours=23)
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "breach"


def test_the_oldest_kept_segment_may_be_young_only_while_it_is_the_first(clock, vault):
    first = seal(vault, clock.now, "SSH-JY01")
    clock.advance(days=200)
    kept = seal(vault, clock.now, "SSH-JY01")
    VaultSegment.objects.filter(pk=first.pk).update(state="deleted", deleted_at=clock.now)
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, "JYC"), verdict(A29_7, "JYC").why["code"]) == ("breach", "kept_too_short")
    clock.now = kept.sealed_at + timedelta(days=184)
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "met"


def test_a_disk_that_fills_before_the_floor_is_a_breach_of_the_vault(clock, vault, monkeypatch):
    seal(vault, clock.now, "SSH-JY01")
    seal(vault, clock.advance(days=2), "SSH-JY01")
    measure(clock, A29_7, vault=vault)
    assert state(A29_7, "JYC") == "met"
    monkeypatch.setattr(shutil, "disk_usage", lambda _root: shutil._ntuple_diskusage(10_000, 5_000, 5_000))
    measure(clock, A29_7, vault=vault)
    assert (state(A29_7, None), verdict(A29_7, None).why["code"]) == ("breach", "disk_fills_first")
