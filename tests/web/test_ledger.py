"""The ledger page: it works, keeps to the reader's scope, hides payloads, refuses bad input, and asks the database little."""

import re
import subprocess
import sys

import pytest
from django.db import connection, transaction
from django.test import Client

from anzhang.casework.models import Schedule
from anzhang.demo.bureau import SETUP
from anzhang.engines.crypto import SHA256, SM3
from anzhang.engines.ledger.proof import Proof
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal import export, heads, keys, procedures
from anzhang.journal.models import Entry, HeadConfirmation, LedgerCheck
from anzhang.organization.models import TrainingRecord
from anzhang.permissions import Actor, Via
from anzhang.registers.rights import Sight
from anzhang.web import acts, entries, evidence, ledger
from tests import world
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")


@pytest.fixture
def home(tmp_path, settings):
    """A data directory with the ledger's key."""
    settings.HOME = Home(tmp_path / "home")
    keys.create(settings.HOME)
    return settings.HOME


@pytest.fixture
def signed(bureau, home, clock):
    """The bureau, its ledger signed."""
    procedures.sign_heads(clock.now)
    return bureau


@pytest.fixture
def reader(signed):
    """Return a client of a user."""
    return lambda username: enter(Client(), signed.user[username])


def entry_of(kind: str, row: object) -> Entry:
    """Return the last entry about a row."""
    return Entry.objects.filter(object_type=kind, object_key=str(row.pk)).order_by("-index").first()


def indexes(page) -> list[int]:
    """Return the entries that a page lists."""
    return [int(index) for index in re.findall(r'href="/ledger/(\d+)/">\d+</a></td>', page.text)]


def test_it_shows_heads_and_says_that_nothing_is_confirmed_outside(reader):
    page = reader("chenjing").get("/ledger/")
    assert page.status_code == 200
    assert heads.latest(SHA256).root in page.text
    assert heads.latest(SM3).root in page.text
    assert "还没有任何树头在本机之外得到确认" in page.text
    assert indexes(page)[0] == Entry.objects.count() - 1


@pytest.mark.parametrize("username", ["chenjing", "guolei", "wujie", "liuyang"])
def test_it_needs_at_most_twelve_queries_however_many_rows(reader, signed, clock, username, django_assert_max_num_queries):
    for _ in range(200):
        procedures.write(SETUP, Event.ROW_CHANGE, signed.person["P020"], at=clock.now)
    procedures.sign_heads(clock.now)
    client = reader(username)
    one = f"/ledger/{entry_of('person', signed.person['P020']).index}/"
    narrow = f"/ledger/?kind=person&key={signed.person['P020'].pk}&act=registers:row:create"
    for path in (narrow, "/ledger/", "/ledger/?actor=liuyang&since=2026-11-01&until=2026-11-24", one):
        client.get(path)
        with django_assert_max_num_queries(12):
            client.get(path)


def test_a_reader_sees_the_entries_of_the_own_unit_and_no_others(reader, signed):
    own, foreign = entry_of("person", signed.person["P021"]), entry_of("person", signed.person["P031"])
    head = reader("liuyang")
    assert head.get(f"/ledger/{own.index}/").status_code == 200
    for path in (f"/ledger/{foreign.index}/", f"/ledger/{foreign.index}/proof/sha256/", "/ledger/99999999/", f"/ledger/{2**70}/"):
        assert head.get(path).status_code == 404
    assert indexes(head.get(f"/ledger/?kind=person&key={foreign.object_key}")) == []
    for username in ("wujie", "gaojianguo", "guolei", "chenjing"):
        assert indexes(reader(username).get(f"/ledger/?kind=person&key={foreign.object_key}")) == [foreign.index]


def test_a_reader_sees_no_log_ins_of_others_but_their_own(reader, signed, acting, clock):
    with transaction.atomic():
        for name in ("liuyang", "wujie"):
            procedures.record(acting(name), Event.VAULT_QUERY, ("vault", "query"), at=clock.now, payload={"query": {"q": "秘密"}})
    mine, theirs = (Entry.objects.get(act=Event.VAULT_QUERY, actor=f"user:{name}") for name in ("liuyang", "wujie"))
    assert indexes(reader("wujie").get("/ledger/?kind=vault")) == [theirs.index]
    assert reader("wujie").get(f"/ledger/{mine.index}/").status_code == 404
    assert "秘密" not in reader("guolei").get(f"/ledger/{mine.index}/").text
    assert "秘密" in reader("chenjing").get(f"/ledger/{mine.index}/").text


def test_the_payload_is_for_the_auditor_and_for_who_sees_the_object(reader, signed, acting, clock):
    record = TrainingRecord(person=signed.person["P021"], topic="上岗培训", trained_on=clock.now.date(), hours=4)
    procedures.write(SETUP, Event.TRAINING_RECORD, record, at=clock.now, payload={"note": "成绩合格"})
    entry = Entry.objects.order_by("index").last()
    names = ("chenjing", "liuyang", "wujie", "guolei", "mali")
    shown = {name: "成绩合格" in reader(name).get(f"/ledger/{entry.index}/").text for name in names}
    assert shown == {"chenjing": True, "liuyang": True, "wujie": True, "guolei": False, "mali": False}


def test_the_address_is_the_filter(reader, signed, clock):
    client = reader("chenjing")
    person = signed.person["P021"]
    assert indexes(client.get(f"/ledger/?kind=person&key={person.pk}")) == [entry_of("person", person).index]
    assert set(indexes(client.get("/ledger/?act=organization:officer:appoint"))) == set(
        Entry.objects.filter(act=Event.OFFICER_APPOINT).values_list("index", flat=True)
    )
    assert indexes(client.get("/ledger/?actor=system:setup&since=2026-11-24&until=2026-11-24")) != []
    assert indexes(client.get("/ledger/?since=2026-11-25")) == []
    assert indexes(client.get("/ledger/?until=2026-11-23")) == []


BAD = ("act=nothing", "since=2026-13-01", "until=x", "since=9999-12-31", "before=-1", "before=1e3", f"after={10**30}", "key=%00")


@pytest.mark.parametrize("query", [*BAD, "key=" + "x" * 200])
def test_a_filter_that_makes_no_sense_is_refused_in_words(reader, query):
    answer = reader("chenjing").get(f"/ledger/?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_the_pages_cover_every_entry_once_in_both_directions(reader, signed, clock):
    for _ in range(2 * entries.PAGE_SIZE):
        procedures.write(SETUP, Event.ROW_CHANGE, signed.person["P020"], at=clock.now)
    client, seen, path, pages = reader("chenjing"), [], "/ledger/", []
    while path:
        page = client.get(path)
        pages.append(indexes(page))
        seen += pages[-1]
        found = re.search(r'rel="next" href="(\?[^"]+)"', page.text)
        path = f"/ledger/{found[1]}" if found else ""
    assert seen == list(range(Entry.objects.count()))[::-1]
    back = re.search(r'rel="prev" href="(\?[^"]+)"', page.text)
    assert indexes(client.get(f"/ledger/{back[1]}")) == pages[-2]


def test_a_proof_verifies_with_the_standalone_verifier(reader, signed, home, tmp_path):
    signer = keys.load(home)
    (tmp_path / "verify.py").write_text(export.source(), encoding="utf-8")
    for suite in (SHA256, SM3):
        answer = reader("chenjing").get(f"/ledger/7/proof/{suite.name}/")
        assert answer["Content-Disposition"].endswith('.tlog-proof"')
        verifier = signer.verifier.named(keys.origin(signer, suite))
        assert Proof.parse(answer.text).verify(suite, verifier).size == heads.latest(suite).size
        (tmp_path / "proof").write_text(answer.text, encoding="utf-8")
        (tmp_path / "key").write_text(verifier.text() + "\n", encoding="ascii")
        command = [sys.executable, "verify.py", "--proof", "proof", "--key", "key"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert reader("chenjing").get("/ledger/7/proof/md5/").status_code == 404


def test_an_entry_that_is_not_signed_yet_has_no_proof(reader, signed, clock):
    procedures.write(SETUP, Event.ROW_CHANGE, signed.person["P020"], at=clock.now)
    entry = Entry.objects.order_by("index").last()
    client = reader("chenjing")
    assert "尚未签名" in client.get(f"/ledger/{entry.index}/").text
    assert client.get(f"/ledger/{entry.index}/proof/sha256/").status_code == 409


def test_the_auditor_confirms_a_head_kept_outside(reader, signed, clock):
    client = reader("chenjing")
    kept = client.get("/ledger/head/").text
    size = heads.latest().size
    clock.advance(days=3, hours=2)
    client = reader("chenjing")
    answer = client.post("/ledger/confirm/", {"head": kept})
    assert (answer.status_code, answer["Location"]) == (302, "/ledger/")
    assert HeadConfirmation.objects.get().size == size
    entry = Entry.objects.order_by("-index").first()
    assert (entry.act, entry.object_key, entry.actor) == (Event.LEDGER_CONFIRM, str(size), "user:chenjing")
    page = client.get("/ledger/").text
    assert f"前 {size} 条" in page
    assert "签名于 3 天 2 小时前" in page


def test_a_file_confirms_too_and_a_wrong_one_is_refused(reader, signed, tmp_path):
    client = reader("chenjing")
    kept = client.get("/ledger/head/").content
    for content in (b"", b"\xff\xfe", b"x" * 70_000, kept.replace(b"anzhang/", b"anzhang/x")):
        (tmp_path / "head.txt").write_bytes(content)
        with (tmp_path / "head.txt").open("rb") as file:
            answer = client.post("/ledger/confirm/", {"file": file})
        assert answer.status_code == 409
        assert 'role="alert"' in answer.text
    assert not HeadConfirmation.objects.exists()
    (tmp_path / "head.txt").write_bytes(kept)
    with (tmp_path / "head.txt").open("rb") as file:
        assert client.post("/ledger/confirm/", {"file": file}).status_code == 302


def test_a_head_of_entries_that_were_cut_is_refused(reader, signed, clock):
    client = reader("chenjing")
    kept = client.get("/ledger/head/").text
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM anzhang_head WHERE size = %s", [heads.latest().size])
        cursor.execute("UPDATE anzhang_frontier SET size = 0, hashes = ''")
    answer = client.post("/ledger/confirm/", {"head": kept})
    assert answer.status_code == 409
    assert "截去" in answer.text


@pytest.mark.parametrize("path", ["/ledger/confirm/", "/ledger/check/"])
@pytest.mark.parametrize("username", ["guolei", "mali", "wujie", "liuyang"])
def test_only_the_auditor_confirms_and_verifies(reader, path, username):
    assert reader(username).post(path, {"head": "x"}).status_code == 403
    assert not LedgerCheck.objects.exists()


@pytest.mark.parametrize("path", ["/ledger/confirm/", "/ledger/check/"])
def test_an_old_second_factor_is_asked_for_again(reader, clock, path):
    client = reader("chenjing")
    clock.advance(minutes=16)
    answer = client.post(path, {"head": "x"})
    assert answer.status_code == 302
    assert "/account/" in answer["Location"]
    assert not LedgerCheck.objects.exists()


def test_a_verification_names_what_was_changed(reader, signed, acting):
    client = reader("chenjing")
    assert "全部相符" in client.post("/ledger/check/", follow=True).text
    assert Entry.objects.order_by("-index").first().act == Event.LEDGER_CHECK
    person = signed.person["P021"]
    type(person).objects.filter(pk=person.pk).update(post="处长")
    page = client.post("/ledger/check/", follow=True).text
    assert f"person:{person.pk}" in page
    other = reader("liuyang").get("/ledger/").text
    assert "发现 1 处不符" in other
    assert f"person:{person.pk}" not in other


def test_a_long_verification_is_left_to_the_worker(reader, clock, monkeypatch):
    monkeypatch.setattr(ledger, "AT_ONCE", 10)
    Schedule.objects.create(key="ledger", next_at=clock.advance(hours=5))
    reader("chenjing").post("/ledger/check/")
    assert Schedule.objects.get(key="ledger").next_at == clock.now
    assert not LedgerCheck.objects.exists()


def test_verifying_by_get_is_refused(reader):
    assert reader("chenjing").get("/ledger/check/").status_code == 405


@pytest.mark.parametrize("place", ["", "1/", "1/proof/sha256/", "head/", "confirm/", "check/"])
def test_an_anonymous_reader_is_sent_to_log_in(client, place):
    answer = client.get(f"/ledger/{place}")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/account/login/")


def test_every_act_way_and_object_has_a_word():
    assert set(acts.ACTS) == set(Event)
    assert set(acts.objects()) >= {"person", "case", "head", "vault"}
    assert acts.act_word("no:such:act") == "no:such:act"


def test_evidence_leads_to_its_entry():
    assert evidence.of(["entry:12"])[0].href == "/ledger/12/"


def test_the_prepared_scope_is_the_scope_for_every_reader_and_for_one_without_unit(bureau, clock):
    for username in bureau.user:
        sight = Sight(world.actor(bureau, username), clock.now)
        if sight.actor.administrator is None:
            assert set(entries.seen(sight)) == set(entries._walked(Entry.objects.all()).filter(entries._scope(sight))), username
    nobody = Sight(Actor("user:nobody", Via.BROWSER, user_id=999_999), clock.now)
    assert nobody.path == ""
    assert not entries.seen(nobody).filter(object_type__in=["case", "finding", "user"]).exists()
