"""Art. 1: superior law in force, reviewed after every change. A01.2."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.casework import legal_basis as law
from anzhang.casework.models import Finding
from anzhang.permissions import RefusedError
from tests.articles.stories import measure, opened, state, verdict


@pytest.fixture
def today(bureau, clock):
    return wall.day_of(clock.now)


@pytest.fixture
def old(acting, clock, today):
    """A standard in force for years, on which two articles rest."""
    return law.register_legal_basis(
        acting("wujie"), at=clock.now, code="STD-1", title="基本要求", kind="standard", edition="2008 版",
        in_force_from=today - timedelta(days=3000), articles=["8", "9"],
    )  # fmt: skip


def replace(acting, clock, old, begins, **more):
    return law.register_legal_basis(
        acting("wujie"), at=clock.now, code="STD-2", title="基本要求", kind="standard", edition="2019 版", in_force_from=begins,
        replaces=old, articles=["8", "9"], **more,
    )  # fmt: skip


@pytest.mark.usefixtures("bureau")
def test_without_any_basis_nobody_has_looked(clock):
    measure(clock, "A01.2")
    assert (state("A01.2", None), verdict("A01.2", None).why["code"]) == ("unknown", "no_legal_basis")


def test_replaced_law_unreviewed_is_a_breach_from_the_day_after_the_limit_until_reviewed(acting, clock, old, today):
    measure(clock, "A01.2")
    assert (state("A01.2", None), verdict("A01.2", None).population) == ("met", 1)
    new = replace(acting, clock, old, today - timedelta(days=90))
    old.refresh_from_db()
    assert old.in_force_to == new.in_force_from
    measure(clock, "A01.2")
    assert state("A01.2", None) == "met"  # the ninetieth day is inside the limit
    clock.advance(days=1)
    measure(clock, "A01.2")
    assert verdict("A01.2", None).why["code"] == "law_replaced"
    assert verdict("A01.2", None).why["params"]["articles"] == ["8", "9"]
    assert [finding.subject for finding in opened("A01.2")] == ["legal_basis:STD-1"]
    law.review_legal_basis(acting("wujie"), new, "两条均无须修改。", clock.now)
    measure(clock, "A01.2")
    assert state("A01.2", None) == "met"
    assert Finding.objects.get(obligation="A01.2").state == "closed"


def test_a_review_before_the_replacement_does_not_count(acting, clock, old, today):
    law.review_legal_basis(acting("wujie"), old, "照旧。", clock.now)
    new = replace(acting, clock, old, today + timedelta(days=10))
    clock.advance(days=101)
    measure(clock, "A01.2")
    assert verdict("A01.2", None).why["params"]["since"] == new.in_force_from.isoformat()


def test_law_that_no_article_rests_on_owes_no_review(acting, clock, today):
    law.register_legal_basis(
        acting("wujie"), at=clock.now, code="X", title="旧规章", kind="rule", edition="1999", in_force_from=today - timedelta(days=900),
        in_force_to=today - timedelta(days=400), articles=[],
    )  # fmt: skip
    measure(clock, "A01.2")
    assert verdict("A01.2", None).why["code"] == "no_legal_basis"


def test_repealed_law_counts_as_changed(acting, clock, old, today):
    law.change_legal_basis(acting("wujie"), old, at=clock.now, in_force_to=today - timedelta(days=91))
    measure(clock, "A01.2")
    assert verdict("A01.2", None).why["code"] == "law_repealed"


@pytest.mark.parametrize(
    ("who", "opinion", "code"),
    [("liuyang", "照旧", "not_the_office"), ("wujie", "  ", "opinion_needed"), ("chenjing", "照旧", "not_the_office")],
)
def test_a_review_needs_the_office_and_an_opinion(acting, clock, old, who, opinion, code):
    with pytest.raises(RefusedError) as refusal:
        law.review_legal_basis(acting(who), old, opinion, clock.now)
    assert refusal.value.code == code


def test_an_article_that_does_not_exist_is_refused(acting, clock, today):
    with pytest.raises(RefusedError) as refusal:
        law.register_legal_basis(
            acting("wujie"), at=clock.now, code="X", title="某法", kind="law", edition="1", in_force_from=today, articles=["37"]
        )
    assert refusal.value.code == "unknown_article"
