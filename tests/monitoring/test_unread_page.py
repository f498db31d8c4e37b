"""The page of lines that no parser knows: counted by shape, masked, with the way to the line; only what the reader may search."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from anzhang.engines.vault import Batch, Vault
from anzhang.home import Home
from anzhang.monitoring import procedures
from anzhang.permissions import Via, system
from anzhang.web.unread import longest_word
from tests.world import enter


@pytest.fixture
def browser(bureau, client):
    def open_as(username: str):
        enter(client, bureau.user[username])
        return client

    return open_as


@pytest.fixture
def sealed(bureau, clock, tmp_path, monkeypatch):
    """Lines of two sources: log-ins that are read, and others that nobody knows, one with a citizen's number in it."""
    lines = [f"<13>Nov 24 09:30:{k:02d} h widget[7]: turned 110101199003078515 {k} times" for k in range(20)]
    lines += [f"<38>Nov 24 09:30:{k:02d} h sshd[7]: Invalid user u{k} from 10.0.0.1" for k in range(5)]
    monkeypatch.setattr(settings, "HOME", Home(tmp_path))
    vault = Vault(settings.HOME.vault)
    with vault.writer() as writer:
        for code, wanted in (("SSH-SB01", lines), ("SSH-JY01", ["<13>Nov 24 09:30:00 h other: nobody knows this"])):
            writer.append(Batch(code, "".join(f"{line}\n" for line in wanted).encode(), clock.now))
        segment = writer.seal(clock.now)
    assert segment is not None
    procedures.record_segment(system("collector", Via.DAEMON), segment, clock.now)
    return vault


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


@pytest.mark.usefixtures("sealed")
def test_it_counts_lines_by_shape_masks_them_and_leads_to_them(browser, django_assert_max_num_queries):
    client = browser("chenjing")
    with django_assert_max_num_queries(12):
        shown = text_of(client.get("/sources/unread/"))
    assert "turned &lt;*&gt; &lt;*&gt; times" in shown
    assert "110101199003078515" not in shown
    assert "80.00%" in shown
    assert "20.00%" in shown  # five of twenty-five lines are read
    assert "/search/?source=SSH-SB01&amp;app=widget" in shown
    only = text_of(client.get("/sources/unread/?source=SSH-JY01&days=30"))
    assert "nobody knows this" in only
    assert "widget" not in only


def test_with_nothing_sealed_it_says_so(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", Home(tmp_path))
    assert "这段时间没有封存的日志" in text_of(browser("chenjing").get("/sources/unread/"))


@pytest.mark.usefixtures("sealed")
def test_a_reader_sees_the_sources_of_their_units_only(browser):
    shown = text_of(browser("zhanghua").get("/sources/unread/"))
    assert "SSH-SB01" not in shown
    assert "nobody knows this" in shown


def test_who_is_not_logged_in_is_sent_to_the_entrance(client):
    assert client.get("/sources/unread/").status_code == 302


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("odd", ["?days=0", "?days=x&page=zz", "?source=NONE", "?page=-4", "?source=%00"])
def test_what_no_form_sends_gives_a_page_all_the_same(browser, odd):
    assert browser("chenjing").get(f"/sources/unread/{odd}").status_code in {200, 400}


def test_old_segments_leave_the_page(browser, clock, sealed):
    clock.now += timedelta(days=40)
    assert "widget" not in text_of(browser("chenjing").get("/sources/unread/?days=30"))
    assert "widget" in text_of(browser("chenjing").get("/sources/unread/?days=184"))
    assert sealed.coverage()["SSH-SB01"].unread == 20


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ("turned <*> of <*> times", "turned"),
        ("<*> a longer piece <*> b", "a longer piece"),
        ("no blank at all", "no blank at all"),
        ("", ""),
    ],
)
def test_the_search_is_for_the_longest_piece_that_every_line_has(shape, word):
    assert longest_word(shape) == word
