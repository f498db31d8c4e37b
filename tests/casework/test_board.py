"""The board: aggregation, units, staleness, wording, JSON."""

import json
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import translation

from anzhang import permissions
from anzhang.casework import reconciliation, wording
from anzhang.casework.board import board
from anzhang.casework.models import Verdict

JUDGE = permissions.system("reconcile")


def stands(bureau, clock):
    """The checks have run once."""
    reconciliation.run(JUDGE, clock.now)


def square(found, obligation):
    return next(square for square in found.squares if square.obligation.id == obligation)


def test_it_shows_36_articles_and_152_obligations_in_two_queries(bureau, clock, django_assert_num_queries):
    with django_assert_num_queries(2):
        found = board(clock.now)
        texts = [square.text for square in found.squares]
    assert (len(found.articles), len(found.squares), sum(found.counts.values())) == (36, 152, 152)
    assert all(texts)
    with django_assert_num_queries(2):
        board(clock.now, bureau.unit["JYC"])


@pytest.mark.usefixtures("bureau")
def test_a_square_shows_its_worst_unit_and_the_share_without_breach(clock):
    found = square(board(clock.now), "A05.3")
    assert (found.state, found.units, found.units_without_breach, found.population, found.breaches) == ("breach", 4, 1, 4, 3)
    assert found.why.code == "in_units"


@pytest.mark.usefixtures("bureau")
def test_an_article_is_breach_before_unknown_before_met(clock):
    found = board(clock.now)
    assert found.article(5).state == "breach"
    assert found.article(17).state == "unknown"
    Verdict.objects.filter(obligation__in=["A03.1", "A03.2"]).update(state="met")
    assert board(clock.now).article(3).state == "met"
    Verdict.objects.filter(obligation__in=["A03.1", "A03.2"]).update(state="not_applicable")
    assert board(clock.now).article(3).state == "scope"


def test_the_board_of_a_unit_is_its_own(bureau, clock):
    center, division = board(clock.now, bureau.unit["IC"]), board(clock.now, bureau.unit["JYC"])
    assert (square(center, "A05.3").state, square(division, "A05.3").state) == ("met", "breach")
    assert (square(center, "A06.1").state, square(division, "A06.1").why.code) == ("met", "not_this_unit")
    assert square(division, "A12.4").state == "unknown"  # nobody has looked, so it is not green for the unit either
    assert len(division.squares) == 152


@pytest.mark.usefixtures("bureau")
def test_nothing_is_green_that_nobody_has_looked_at_for_two_days(clock):
    clock.advance(days=2)
    assert square(board(clock.now), "A05.1").state == "met"
    clock.advance(seconds=1)
    stale = square(board(clock.now), "A05.1")
    assert (stale.state, {verdict.why.code for verdict in stale.by_unit}) == ("unknown", {"stale"})


@pytest.mark.usefixtures("bureau")
def test_before_the_first_run_everything_is_unknown(clock):
    Verdict.objects.all().delete()
    found = board(clock.now)
    assert found.counts["met"] == 0
    assert square(found, "A05.3").why.code == "not_run"


@pytest.mark.usefixtures("bureau")
def test_the_json_says_everything_of_each_obligation(capsys):
    call_command("board", as_json=True)
    found = json.loads(capsys.readouterr().out)
    rows = [row for article in found["articles"] for row in article["obligations"]]
    assert (found["counts"]["articles"], len(rows)) == (36, 152)
    for row in rows:
        assert row["verdict"] in {"met", "breach", "unknown", "not_applicable"}
        assert row["proof_class"] in {"events", "register", "attested", "informative"}
        assert row["checked_at"]
        assert row["why"]["code"]
        assert row["why"]["zh"]
        assert row["why"]["en"]
        assert isinstance(row["population"], int)


@pytest.mark.usefixtures("bureau")
def test_check_exits_one_while_something_is_in_breach(capsys):
    with pytest.raises(SystemExit) as stop:
        call_command("board", check=True)
    assert stop.value.code == 1
    assert "in breach" in capsys.readouterr().err


@pytest.mark.usefixtures("bureau")
def test_an_unknown_unit_is_bad_input(capsys):
    with pytest.raises(SystemExit) as stop:
        call_command("board", unit="XX")
    assert stop.value.code == 2
    assert "'XX'" in capsys.readouterr().err


@pytest.mark.usefixtures("bureau")
def test_the_reconcile_verb_says_what_changed(capsys):
    call_command("reconcile", "A05.3", as_json=True)
    assert json.loads(capsys.readouterr().out)["verdicts_written"] == 0
    with pytest.raises(SystemExit) as stop:
        call_command("reconcile", "A99.9")
    assert stop.value.code == 2


@pytest.mark.parametrize("code", sorted(wording.WORDING))
def test_every_reason_has_words_for_what_the_checks_give(code):
    names = set(re.findall(r"%\((\w+)\)s", str(wording.WORDING[code])))
    with translation.override("zh-hans"):
        said = wording.text({"code": code, "params": dict.fromkeys(names, "某")})
    assert code not in said
    assert "%(" not in said


def test_a_reason_without_words_is_shown_as_it_is():
    assert wording.text({"code": "strange", "params": {"n": 1}}) == "strange {'n': '1'}"


@pytest.mark.usefixtures("bureau")
def test_old_squares_keep_their_first_sight(clock):
    first = square(board(clock.now), "A05.3").by_unit[1].since
    clock.now += timedelta(hours=1)
    reconciliation.run(JUDGE, clock.now)
    assert square(board(clock.now), "A05.3").by_unit[1].since == first
