"""A legal hold keeps logs beyond their time, and only somebody else ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from anzhang.demo.bureau import Bureau
from anzhang.engines.vault import Vault
from anzhang.journal.models import Entry
from anzhang.monitoring import holds, procedures
from anzhang.monitoring.models import LegalHold, VaultSegment
from anzhang.permissions import Actor, RefusedError, Via, system
from tests.engines.logs import AT, lines
from tests.engines.test_vault import fill
from tests.monitoring.test_procedures import COLLECTOR, SECOND, Files, Sealed
from tests.world import START, Clock

Acting = Callable[[str], Actor]
THIRD = replace(SECOND, number=3, name="s3", first_seq=21, last_seq=30, root_sha256="a3" * 32, previous_sha256="a2" * 32)
OFFICE, OTHER = "liming", "zhengkai"


def place(acting: Acting, clock: Clock, **values: Any) -> LegalHold:
    return holds.place_hold(acting(OFFICE), at=clock.now, **{"code": "BQ01", "reason": "案件调查", **values})


def code_of(call: Callable[..., object], *arguments: Any, **values: Any) -> str:
    with pytest.raises(RefusedError) as refusal:
        call(*arguments, **values)
    return refusal.value.code


def test_a_held_segment_stays_and_the_attempt_is_kept_until_somebody_else_ends_the_hold(
    acting: Acting, clock: Clock, bureau: Bureau
) -> None:
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    hold = place(acting, clock, sources=["SSH-SB01"])
    clock.advance(days=200)
    files = Files()
    assert code_of(procedures.dispose_segment, acting("guolei"), segment, clock.now, files) == "legal_hold"
    assert files.gone == []
    refused = Entry.objects.get(act="monitoring:vault_segment:delete_refused")
    assert b'"legal_hold"' in bytes(refused.payload.body)
    assert code_of(holds.change_hold, acting(OFFICE), hold, at=clock.now, release_reason="结案") == "own_hold"
    ended = holds.change_hold(acting(OTHER), hold, at=clock.now, release_reason="结案")
    assert ended.released_at == clock.now
    assert Entry.objects.get(act="monitoring:legal_hold:release").actor == f"user:{OTHER}"
    procedures.dispose_segment(acting("guolei"), segment, clock.now, files)
    assert files.gone == ["s1"]
    assert code_of(holds.change_hold, acting(OTHER), ended, at=clock.now, release_reason="另一理由") == "hold_over"


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({}, True),
        ({"sources": ["SSH-SB01"]}, True),
        ({"sources": ["SSH-JY01"]}, False),
        ({"since": START, "until": START}, True),
        ({"until": START - timedelta(seconds=1)}, False),
        ({"since": START + timedelta(seconds=1)}, False),
        ({"since": START - timedelta(days=3), "until": START + timedelta(days=3), "sources": ["SSH-JY01", "SSH-SB01"]}, True),
    ],
)
def test_a_hold_keeps_what_may_hold_a_line_of_it_and_nothing_else(
    values: dict[str, Any], held: bool, acting: Acting, clock: Clock, bureau: Bureau
) -> None:
    segment = procedures.record_segment(COLLECTOR, Sealed(), clock.now)
    place(acting, clock, **values)
    refusal = procedures.log_disposal(segment, clock.now + timedelta(days=190))
    assert (refusal.code if refusal else None) == ("legal_hold" if held else None)


def test_a_line_whose_clock_ran_wrong_is_held_by_when_it_came(acting: Acting, clock: Clock, bureau: Bureau) -> None:
    past = replace(Sealed(), min_at=START - timedelta(days=900), max_at=START - timedelta(days=800))
    segment = procedures.record_segment(COLLECTOR, past, clock.now)
    place(acting, clock, since=START - timedelta(hours=1), until=START + timedelta(hours=1))
    assert procedures.log_disposal(segment, clock.now + timedelta(days=190)) is not None


def test_a_hold_may_be_widened_and_never_narrowed(acting: Acting, clock: Clock, bureau: Bureau) -> None:
    day = timedelta(days=1)
    hold = place(acting, clock, sources=["SSH-SB01"], since=START - day, until=START + day)
    for narrower in ({"since": START}, {"until": START}, {"sources": ["SSH-JY01"]}):
        assert code_of(holds.change_hold, acting(OTHER), hold, at=clock.now, **narrower) == "hold_narrowed"
    hold = holds.change_hold(acting(OFFICE), hold, at=clock.now, sources=["SSH-SB01", "SSH-JY01"], until=START + 2 * day)
    hold = holds.change_hold(acting(OFFICE), hold, at=clock.now, sources=[], since=None, until=None)
    assert code_of(holds.change_hold, acting(OTHER), hold, at=clock.now, sources=["SSH-SB01"]) == "hold_narrowed"
    assert hold.version == 3


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"sources": ["NOPE"]}, "source_unknown"),
        ({"sources": "SSH-SB01"}, "sources_wrong"),
        ({"since": START, "until": START - timedelta(days=1)}, "span_wrong"),
        ({"release_reason": "x"}, "not_placed"),
        ({"reason": ""}, "invalid"),
    ],
)
def test_a_wrong_hold_is_refused(values: dict[str, Any], code: str, acting: Acting, clock: Clock, bureau: Bureau) -> None:
    assert code_of(place, acting, clock, **values) == code
    assert not LegalHold.objects.exists()


def test_a_sweep_passes_over_what_is_held(acting: Acting, clock: Clock, bureau: Bureau) -> None:
    for sealed in (Sealed(), replace(SECOND, sources={"SSH-JY01": 10}), THIRD):
        procedures.record_segment(COLLECTOR, sealed, clock.now)
    place(acting, clock, sources=["SSH-JY01"])
    files, guolei = Files(), acting("guolei")
    clock.advance(days=183)
    assert procedures.dispose_expired(guolei, files, clock.now, keep=timedelta(days=1)) == ([], []), "no setting lowers the floor"
    clock.advance(days=10)
    assert procedures.dispose_expired(guolei, files, clock.now, keep=timedelta(days=400)) == ([], [])
    gone, stayed = procedures.dispose_expired(guolei, files, clock.now, keep=timedelta(days=190))
    assert ([segment.name for segment in gone], files.gone, files.held) == (["s1", "s3"], ["s1", "s3"], ["s2"])
    assert [refusal.code for refusal in stayed] == ["legal_hold"]
    assert not Entry.objects.filter(act="monitoring:vault_segment:delete_refused").exists()
    assert code_of(procedures.dispose_expired, acting(OFFICE), files, clock.now, keep=timedelta(days=190)) == "not_permitted"
    assert (
        code_of(procedures.dispose_expired, Actor(id="os:root@host", via=Via.CLI), files, clock.now, keep=timedelta(0)) == "not_permitted"
    )


def test_the_vault_keeps_an_older_segment_only_when_it_is_held(tmp_path: Path, clock: Clock, bureau: Bureau) -> None:
    vault = Vault(tmp_path / "vault")
    fill(vault, lines(60), per_batch=20, per_segment=1)
    for sealed in vault.segments():
        procedures.record_segment(system("collector", Via.DAEMON), sealed, AT)
    first, second, third = VaultSegment.objects.order_by("number")
    vault.dispose(second.name, AT + timedelta(days=185), [first.name])
    assert [sealed.number for sealed in vault.segments()] == [first.number, third.number]
    assert vault.verify() == []
    assert vault.line(second.name, second.first_seq) is None
