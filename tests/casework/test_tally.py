"""The tally that home and board draw says what the board says, whatever the verdicts are."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from anzhang import permissions
from anzhang.casework import parameters, reconciliation
from anzhang.casework.board import board
from anzhang.casework.models import Verdict
from anzhang.casework.tally import tally

JUDGE = permissions.system("reconcile")
STATES = ("met", "breach", "unknown", "not_applicable")


def agree(at, unit=None):
    found, whole = tally(at, unit), board(at, unit)
    assert [tile.number for tile in found.tiles] == [article.number for article in whole.articles]
    for tile, article in zip(found.tiles, whole.articles, strict=True):
        assert (tile.state, dict(tile.counts)) == (article.state, article.counts), article.number
        assert tile.provisional == any(square.provisional for square in article.squares), article.number
        assert dict(tile.proofs) == Counter(each.obligation.proof for each in article.squares if each.state == "met"), article.number
        if unit is None:
            verdicts = [v for square in article.squares for v in square.by_unit if v.code and v.state != "not_applicable"]
            bad = {v.code for v in verdicts if v.state == "breach"}
            every = {v.code for v in verdicts}
            assert (tile.units, tile.units_without_breach) == (len(every), len(every - bad)), article.number
    assert found.met_by_proof == whole.met_by_proof
    return found


def test_it_says_what_the_board_says_of_the_bureau_everyone_knows(bureau, clock):
    reconciliation.run(JUDGE, clock.now)
    found = agree(clock.now)
    assert found.totals["breach"]
    for code in ("IC", "JYC", "HRSS"):
        agree(clock.now, bureau.unit[code])


@pytest.mark.parametrize("seed", range(4))
def test_it_says_what_the_board_says_of_any_verdicts(seed, bureau, clock):
    draw = random.Random(seed)
    units = [None, *bureau.unit.values()]
    Verdict.objects.bulk_create(
        Verdict(
            obligation=obligation.id, unit=unit, state=draw.choice(STATES), proof=obligation.proof,
            why={"code": "all_met", "params": {"count": 1}}, population=1, provisional=draw.random() < 0.2,
            since=clock.now, checked_at=clock.now - timedelta(hours=draw.choice((1, 47, 49, 480))),
        )
        for obligation in parameters.catalog().by_id.values()
        if draw.random() < 0.8
        for unit in units
        if draw.random() < 0.4
    )  # fmt: skip
    agree(clock.now)
    for code in ("IC", "JYC"):
        agree(clock.now, bureau.unit[code])


def test_it_asks_two_questions_however_many_units(bureau, clock, django_assert_num_queries):
    reconciliation.run(JUDGE, clock.now)
    with django_assert_num_queries(2):
        tally(clock.now)
    with django_assert_num_queries(2):
        tally(clock.now, bureau.unit["IC"])
