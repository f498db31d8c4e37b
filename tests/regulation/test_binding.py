"""The catalog and the code name each other: nothing is bound to nothing, nothing judges without its story."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from django.urls import resolve

from anzhang.casework import parameters, reconciliation, rules, where
from anzhang.regulation.binding import unbound
from anzhang.regulation.checks import CHECKS, BindingError, check

ROOT = Path(__file__).resolve().parents[2]


def bound() -> Iterable[str]:
    return [o.id for o in parameters.catalog().obligations if o.check]


def test_every_name_in_the_catalog_is_carried():
    assert list(unbound(parameters.catalog())) == []


def test_every_check_is_bound_by_the_catalog():
    assert set(CHECKS) == {o.check for o in parameters.catalog().obligations if o.check}


@pytest.mark.parametrize("obligation", bound())
def test_what_is_judged_has_a_story_a_page_and_a_place(obligation):
    (found,) = where.where(obligation)
    assert found.tests, f"no test tells the story of {obligation}"
    assert resolve(found.pages[0].place)
    file, line = found.check.place.rsplit(":", 1)
    assert (ROOT / file).is_file()
    assert int(line) >= 1
    assert all(procedure.place for procedure in found.procedures)


def test_what_is_not_judged_is_exactly_what_the_catalog_leaves_open():
    judged = {"A01.2", "A03.2", "A04.3", "A04.4", "A04.5", "A04.6", "A04.7", "A34.1"}
    judged |= {"A06.2", "A31.2"}
    judged |= {"A03.1", "A04.1", "A04.2", "A05.1", "A05.2", "A05.3", "A05.4", "A06.1", "A29.6", "A29.7", "A35.1", "A36.1"}
    judged |= {"A07.1", "A08.1", "A08.2", "A08.3", "A09.1", "A09.2", "A09.3", "A09.6", "A09.7", "A10.1", "A10.2", "A10.3", "A10.4"}
    judged |= {*(f"A11.{n}" for n in range(1, 6)), "A12.1", "A12.2", "A12.3", *(f"A13.{n}" for n in range(1, 7))}
    judged |= {"A14.1", "A14.3", "A14.4", "A14.5"}
    judged |= {f"A16.{n}" for n in range(1, 9)}
    judged |= {"A06.2", "A31.2", "A09.4", "A09.5", "A14.2", "A14.6", "A14.7", "A14.8", *(f"A15.{number}" for number in range(1, 8))}
    catalog = parameters.catalog()
    assert {o.id for o in catalog.obligations if not o.check} == set(catalog.by_id) - judged


OWN_GROUND = {1, 2, 3, 4, 5, 6, 34, 35, 36}  # what the bureau needs to govern itself


def test_the_articles_of_the_bureaus_own_order_are_judged_or_say_which_later_thing_they_wait_for():
    catalog = parameters.catalog()
    waiting = {}
    for obligation in catalog.obligations:
        if obligation.article in OWN_GROUND and not obligation.check and not obligation.is_informative:
            waiting[obligation.id] = {each["en"] for each in reconciliation.waits_for(catalog, obligation).params.get("missing", ())}
    assert waiting == {"A02.1": {"incident"}}


def test_where_knows_articles_and_obligations():
    assert [e.obligation for e in where.where("5")] == ["A05.1", "A05.2", "A05.3", "A05.4"]
    for nothing in ("0", "37", "A99.1", "five"):
        with pytest.raises(where.NothingThereError):
            where.where(nothing)


def test_a_name_is_bound_once():
    with pytest.raises(BindingError, match="officer_in_post"):
        check("officer_in_post")(lambda _context: None)


GOOD = '/* +++\nname = "x"\ntitle = "t"\nstreams = []\nregisters = ["unit"]\nparameters = []\nwindow_days = 1\n+++ */\nSELECT 1'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT 1", "front matter"),
        (GOOD.replace('title = "t"', "title = "), "front matter"),
        (GOOD.replace("window_days = 1\n", ""), "window_days"),
        (GOOD.replace('"unit"', '"spaceship"'), "'spaceship' has no table"),
        (GOOD.replace("window_days = 1", "window_days = 1\ncolour = 1"), "colour"),
    ],
)
def test_a_broken_rule_file_is_named(tmp_path, text, why):
    path = tmp_path / "broken.sql"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(rules.RuleError, match=why):
        rules.parse(path)
