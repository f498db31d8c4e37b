"""The outbox and inbox of notices."""

import pytest

from anzhang.casework import notices
from anzhang.casework.models import Notice
from anzhang.demo.bureau import SETUP
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError


@pytest.fixture
def notice(bureau, clock):
    params = {"title": "任命", "number": "2026-0001"}
    return notices.notify(SETUP, bureau.named("张华"), "case_returned", params, "/cases/2026-0001/", clock.now)


def test_a_notice_says_what_happened_and_where(notice, bureau):
    assert notices.text(notice) == "您提出的 任命（2026-0001）被退回，请修改后重新提交"
    assert list(notices.inbox(bureau.named("张华").pk)) == [notice]
    assert notices.unread(bureau.named("张华").pk) == 1


def test_a_notice_is_in_the_ledger(notice):
    assert Entry.objects.get(object_type="notice").after == row_digest(notice)


def test_reading_is_noted_once_and_leaves_the_ledger_alone(notice, acting, clock):
    notices.mark_read(acting("zhanghua"), notice, clock.now)
    first = clock.now
    notices.mark_read(acting("zhanghua"), notice, clock.advance(hours=1))
    row = Notice.objects.get()
    assert row.read_at == first
    assert Entry.objects.get(object_type="notice").after == row_digest(row)


def test_only_the_addressee_reads(notice, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        notices.mark_read(acting("liuyang"), notice, clock.now)
    assert refusal.value.code == "not_your_notice"


def test_reading_everything_touches_only_the_own_inbox(notice, bureau, acting, clock):
    params = {"title": "任命", "number": "2026-0002"}
    notices.notify(SETUP, bureau.named("刘洋"), "case_returned", params, "/cases/2026-0002/", clock.now)
    assert notices.mark_all_read(acting("zhanghua"), clock.now) == 1
    assert notices.unread(bureau.named("刘洋").pk) == 1
    assert notices.mark_all_read(SETUP, clock.now) == 0


@pytest.mark.parametrize(("code", "params"), [("no_such_code", {}), ("case_returned", {"title": "任命"})])
def test_a_notice_that_cannot_be_worded_is_not_sent(code, params, bureau, clock):
    with pytest.raises(notices.UnknownNoticeError):
        notices.notify(SETUP, bureau.named("张华"), code, params, "/", clock.now)
    assert not Notice.objects.exists()
