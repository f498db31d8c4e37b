"""Home, board, article, findings and inbox: they work, keep to the reader's units, and ask the database little."""

import pytest
from django.test import Client

from anzhang.casework import reconciliation
from anzhang.casework.models import Finding, Notice
from anzhang.permissions import system
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")


def stands(bureau, clock):
    """The checks have run once."""
    reconciliation.run(system("reconcile"), clock.now)


@pytest.fixture
def head(bureau):
    """刘洋, head of 就业促进处."""
    return enter(Client(), bureau.user["liuyang"])


@pytest.fixture
def office(bureau):
    """吴洁 of the Office, who sees the whole bureau."""
    return enter(Client(), bureau.user["wujie"])


def missing_officer(unit: str) -> Finding:
    """Return the finding that a unit has no officer."""
    return Finding.objects.get(obligation="A05.3", unit__code=unit)


def test_the_home_page_shows_36_squares_and_what_is_wrong(head):
    page = head.get("/").text
    assert page.count("/articles/") == 36
    assert missing_officer("JYC").number in page
    assert missing_officer("SBZX").number not in page


@pytest.mark.parametrize("path", ["/", "/board/", "/articles/5/", "/findings/", "/inbox/"])
def test_a_page_needs_at_most_twelve_queries(head, office, path, django_assert_max_num_queries):
    for client in (head, office):
        client.get(path)
        with django_assert_max_num_queries(12):
            assert client.get(path).status_code == 200


def test_the_board_differs_by_unit_and_hides_foreign_ones(head, office):
    assert office.get("/board/?unit=IC").text != office.get("/board/?unit=JYC").text
    assert head.get("/board/").status_code == 200
    assert head.get("/board/?unit=SBZX").status_code == 404
    assert office.get("/board/?unit=NONE").status_code == 404


def test_every_article_has_its_page(office):
    for number in range(1, 37):
        page = office.get(f"/articles/{number}/")
        assert page.status_code == 200
        assert f"A{number:02d}.1" in page.text
    assert office.get("/articles/37/").status_code == 404


def test_an_article_names_what_enforces_it(office):
    assert "officer_in_post" in office.get("/articles/5/").text


def test_a_finding_is_planned_by_its_unit_and_by_nobody_else(head, office):
    finding = missing_officer("JYC")
    assert 'name="plan"' not in office.get(f"/findings/{finding.number}/").text
    office.post(f"/findings/{finding.number}/", {"plan": "代为填写"})
    finding.refresh_from_db()
    assert finding.plan == ""
    head.post(f"/findings/{finding.number}/", {"plan": "本周任命张华"})
    finding.refresh_from_db()
    assert (finding.plan, finding.state) == ("本周任命张华", Finding.State.PLANNED)
    assert "本周任命张华" in head.get(f"/findings/{finding.number}/").text


def test_an_empty_plan_is_refused_with_its_reason(head):
    page = head.post(f"/findings/{missing_officer('JYC').number}/", {"plan": "  "})
    assert 'role="alert"' in page.text


def test_a_foreign_finding_does_not_exist(head):
    assert head.get(f"/findings/{missing_officer('SBZX').number}/").status_code == 404


def test_the_findings_are_filtered_by_the_address(office):
    finding = missing_officer("JYC")
    assert finding.number in office.get("/findings/?article=5&unit=JYC").text
    assert finding.number not in office.get("/findings/?article=4").text
    assert finding.number not in office.get("/findings/?state=closed").text
    assert office.get("/findings/?article=x&page=9&state=y&unit=%27").status_code == 200


def test_following_a_notice_marks_it_read(head, bureau):
    notice = Notice.objects.filter(person=bureau.person["P020"]).first()
    answer = head.post(f"/inbox/{notice.pk}/")
    assert answer["Location"] == notice.link
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert head.get(notice.link).status_code == 200


def test_a_foreign_notice_does_not_exist(bureau):
    notice = Notice.objects.filter(person=bureau.person["P020"]).first()
    assert enter(Client(), bureau.user["xubin"]).post(f"/inbox/{notice.pk}/").status_code == 404


def test_everything_is_marked_read_at_once(head, bureau):
    head.post("/inbox/read/")
    assert not Notice.objects.filter(person=bureau.person["P020"], read_at=None).exists()


def test_a_form_without_its_token_is_refused_in_words(bureau):
    client = enter(Client(enforce_csrf_checks=True), bureau.user["liuyang"])
    answer = client.post("/inbox/read/")
    assert answer.status_code == 403
    assert "页面已过期" in answer.text


def test_the_error_pages_say_what_to_do(head):
    assert "没有找到" in head.get("/findings/F1999-0001/").text
    assert head.get("/administration/users/").status_code == 403
    assert "无权办理" in head.get("/administration/users/").text


@pytest.mark.parametrize("path", ["/", "/board/", "/articles/5/", "/cases/", "/findings/", "/inbox/"])
def test_an_anonymous_reader_is_sent_to_log_in(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/account/login/")
