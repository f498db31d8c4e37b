"""Another regulation, five articles of a school, runs without touching code: from `init` to board, case, interpretation and `where`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import resolve

from anzhang import jobs
from anzhang.casework import parameters, procedures, reconciliation, routes, where
from anzhang.casework import text as texts
from anzhang.casework.board import board
from anzhang.casework.models import Finding, Interpretation
from anzhang.home import Home
from anzhang.journal import keys
from anzhang.organization.models import Filing, Officer
from anzhang.permissions import Actor, Via, system
from anzhang.regulation import catalog as catalogs
from anzhang.regulation.parameters import PLATFORM
from tests.documents.sheets import squeezed
from tests.web.visitors import enter

ROOT = Path(__file__).parents[1]
SCHOOL = ROOT / "tests/catalogs/school"
TEXT = ROOT / "tests/catalogs/school.txt"


def forget():
    parameters.catalog.cache_clear()
    routes.current.cache_clear()


@pytest.fixture
def school(tmp_path, settings, bureau):
    """The people and units of the bureau under the school's rules."""
    home = Home(tmp_path / "home")
    keys.create(home)
    home.settings_file.write_text(f'[bureau]\nname = "小河中学"\ncatalog = "{SCHOOL}"\n', encoding="utf-8")
    settings.HOME = Home(home.path)
    forget()
    yield bureau
    forget()


def judge(clock):
    reconciliation.run(system("reconcile"), clock.now)
    return board(clock.now)


def square(found, obligation):
    return next(each for each in found.squares if each.obligation.id == obligation)


def import_text(clock):
    return texts.import_text(Actor(id="system:setup", via=Via.SETUP), TEXT.read_bytes(), clock.now)


def appoint(acting, clock, bureau):
    made = procedures.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )
    procedures.agree(acting("wujie"), made, "", clock.advance(hours=1))
    made.refresh_from_db()
    procedures.agree(acting("fengxue"), made, "", clock.advance(hours=1))
    made.refresh_from_db()
    return made


def test_the_board_is_the_schools(school, clock):
    found = judge(clock)
    assert (found.catalog, len(found.articles), len(found.squares)) == ("school", 5, 7)
    assert {each.obligation.id: str(each.state) for each in found.squares} == {
        "S01.1": "not_applicable",
        "S02.1": "breach",  # 就业处 and two others have had nobody for a year
        "S02.2": "breach",  # 李明 was never put on file
        "S03.1": "met",
        "S04.1": "unknown",
        "S05.1": "not_applicable",  # nothing is signed yet
        "S05.2": "unknown",
    }
    assert found.article(1).state == "scope"


def test_the_schools_own_numbers_decide(school, clock):
    """Twenty days without an officer, three hundred between two readings: not the seven and the year of the reference."""
    Officer.objects.update(valid_to=clock.now)
    clock.advance(days=19)
    assert "IC" not in breached(judge(clock), "S02.1")
    clock.advance(days=2)
    assert "IC" in breached(judge(clock), "S02.1")
    clock.advance(days=190)  # 90 + 19 + 2 + 190 = 301 days since the papers were read
    assert str(square(judge(clock), "S03.1").state) == "breach"


def breached(found, obligation):
    return {verdict.code for verdict in square(found, obligation).by_unit if str(verdict.state) == "breach"}


def test_its_text_is_aligned_and_shown(school, clock):
    report = import_text(clock)
    assert (report.articles, report.sentences, report.is_aligned) == (5, 8, True)
    page = enter(Client(), school.user["zhengkai"]).get("/articles/2/").text
    assert "安全员上任或者换人，十天内到校办登记。" in page


def test_an_altered_text_is_reported_by_article_and_sentence(school, clock):
    text = TEXT.read_text(encoding="utf-8").replace("十天内", "三十天内")
    report = texts.import_text(Actor(id="system:setup", via=Via.SETUP), text.encode(), clock.now)
    assert [(each.kind, each.article, each.sentence) for each in report.alignment.differences] == [("altered", 2, 2)]


def test_the_pages_speak_of_five_articles(school, clock):
    judge(clock)
    reader = enter(Client(), school.user["zhengkai"])
    for address in (
        "/",
        "/board/",
        "/findings/",
        "/registers/",
        "/cases/new/",
        "/registers/officer/",
        *(f"/articles/{n}/" for n in range(1, 6)),
    ):
        page = reader.get(address)
        assert page.status_code == 200, address
        assert "/articles/6/" not in page.text, address
        assert "/articles/35/" not in page.text, address
    assert reader.get("/articles/6/").status_code == 404
    assert reader.get("/").text.count('href="/articles/') >= 5
    assert "网络安全员上任" in reader.get("/cases/new/").text
    assert 'href="/articles/2/"' in reader.get("/registers/officer/").text


def test_every_place_of_the_navigation_opens(school, clock):
    import_text(clock)
    judge(clock)
    places = set()
    for username in ("zhengkai", "liuyang", "guolei", "mali", "chenjing"):
        reader = enter(Client(), school.user[username])
        for href in re.findall(r'<a href="(/[^"]*)" data-place', reader.get("/").text):
            page = reader.get(href, follow=True)
            assert page.status_code == 200, (username, href)
            assert "第35条" not in page.text, href
            places.add(href)
    assert len(places) >= 12


def test_every_number_that_pages_and_sweeps_read_needs_no_catalog():
    read = r"""(?:parameters\.values\(\w+\)|\bvalues)\["([a-z_]+)"\]"""
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "anzhang").rglob("*.py"))
    columns = {"closed_on", "left_on"}  # of rows that happen to be called values
    assert set(re.findall(read, code)) - columns <= set(PLATFORM)


@pytest.mark.usefixtures("school")
def test_every_job_runs_under_the_schools_rules(clock):
    for job in jobs.JOBS:
        if job.key not in {"imports", "vault"}:  # one reads no rules, the other needs a log vault
            assert job.run(clock.now)


def test_a_verdict_on_an_open_word_names_the_schools_own_article(school, clock):
    judge(clock)
    page = enter(Client(), school.user["zhengkai"]).get("/articles/2/").text
    assert "尚未由办公室作出解释（第5条）" in page
    assert "第35条" not in page


def test_a_case_takes_the_schools_way_and_turns_the_square_green(school, acting, clock):
    case = appoint(acting, clock, school)
    assert case.state == "approved"
    assert [step["key"] for step in case.rules["step"]] == ["office", "filing"]
    assert Filing.objects.get(case=case).officer.person.code == "P022"
    assert "JYC" not in breached(judge(clock), "S02.1")


def test_its_sheet_can_be_printed(school, acting, clock):
    case = appoint(acting, clock, school)
    reader = enter(Client(), school.user["sunli"])
    text = squeezed(reader.get(f"/cases/{case.number}/sheet.pdf").content)
    assert "小河中学" in text
    assert "网络安全员上任审批单" in text
    assert "1.校办同意" in text


def test_the_office_signs_a_value_and_it_governs(school, acting, clock):
    judged = judge(clock)
    assert square(judged, "S02.1").provisional
    for name, value in (("unit_kinds", "subordinate_unit"), ("vacancy_days", "400")):
        form = {"parameter": name, "value": value, "reason": "开学初人手不足"}
        case = procedures.file_case(acting("wujie"), "interpretation", school.unit["LGO"], school.person["P005"], "", form, clock.now)
        procedures.agree(acting("fengxue"), case, "", clock.advance(hours=1))
    assert Interpretation.objects.count() == 2
    signed = square(judge(clock), "S02.1")
    assert not signed.provisional
    assert {verdict.code for verdict in signed.by_unit if str(verdict.state) != "not_applicable"} <= {"IC", "SBZX"}
    assert not breached(judge(clock), "S02.1")


def test_a_value_that_the_text_fixes_is_not_interpreted(school, acting, clock):
    form = {"parameter": "filing_days", "value": "99", "reason": "嫌短"}
    with pytest.raises(procedures.RefusedError):
        procedures.file_case(acting("wujie"), "interpretation", school.unit["LGO"], school.person["P005"], "", form, clock.now)


def test_where_says_what_enforces_it(school):
    found = {each.obligation: each for each in where.where("2")}
    assert set(found) == {"S02.1", "S02.2"}
    assert found["S02.1"].check.name == "officer_in_post"
    assert found["S02.1"].check.place.startswith("anzhang/organization/obligations.py:")
    assert [each.name for each in found["S02.2"].procedures] == ["receive_filing"]
    resolve("/")  # the pages bind their names when the addresses are read
    names = {each.name for each in where.where("S02.2")[0].pages}
    assert {"article", "register", "case", "filing_form"} <= names
    assert "search" not in names
    assert "search" in {each.name for each in where.where("S04.1")[0].pages}
    with pytest.raises(where.NothingThereError):
        where.where("6")


def test_findings_take_the_schools_days_to_mend(school, clock):
    judge(clock)
    finding = Finding.objects.filter(obligation="S02.1").first()
    assert (finding.due_at - finding.opened_at).days == 7  # five working days; the reference gives thirty


def changed(folder, file, before, after):
    text = (folder / file).read_text(encoding="utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after), encoding="utf-8")


def copied(tmp_path, file, before, after):
    folder = tmp_path / "copy"
    shutil.copytree(SCHOOL, folder)
    changed(folder, file, before, after)
    return folder


@pytest.mark.usefixtures("school")
def test_a_check_that_misses_its_parameter_says_which(clock, tmp_path, settings):
    folder = copied(tmp_path, "obligations.toml", "{policy_review_days}", "many")
    changed(folder, "obligations.toml", 'params = ["policy_review_days"]', "params = []")
    parameter = (folder / "parameters.toml").read_text(encoding="utf-8").partition("[parameter.policy_review_days]")[2].partition("[")[0]
    changed(folder, "parameters.toml", f"[parameter.policy_review_days]{parameter}", "")
    settings.HOME.settings_file.write_text(f'[bureau]\ncatalog = "{folder}"\n', encoding="utf-8")
    settings.HOME = Home(settings.HOME.path)
    forget()
    found = square(judge(clock), "S03.1")
    assert str(found.state) == "unknown"
    assert "policy_review_days" in found.text


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("obligations.toml", 'severity = "low"', 'severity = "grave"', "severity"),
        ("obligations.toml", 'check = "officer_in_post"', 'check = "nobody_wrote_it"', "nobody_wrote_it"),
        ("routes.toml", 'who = ["office"]', 'who = ["head_teacher"]', "head_teacher"),
        ("parameters.toml", "[parameter.filing_days]", "[parameter.filing", "parameters.toml"),
    ],
)
def test_check_names_what_is_wrong_with_a_catalog(tmp_path, capsys, file, before, after, said):
    with pytest.raises(SystemExit) as stop:
        call_command("regulation", "check", str(copied(tmp_path, file, before, after)))
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_the_digests_of_a_new_catalog_come_from_its_text(capsys):
    call_command("regulation", "digest", str(TEXT))
    assert capsys.readouterr().out.split() == (SCHOOL / "sentences.toml").read_text(encoding="utf-8").split()


def test_a_name_is_the_packages_and_a_path_is_the_operators(tmp_path):
    assert catalogs.folder("tianjin-hrss", tmp_path) == catalogs.CATALOGS / "tianjin-hrss"
    assert catalogs.folder("rules/school", tmp_path) == tmp_path / "rules/school"
    assert catalogs.folder("/etc/rules", tmp_path) == Path("/etc/rules")


def anzhang(home, *words):
    own = {"ANZHANG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "anzhang.settings", "XDG_STATE_HOME": f"{home}-state"}
    command = [sys.executable, "-m", "anzhang", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own}, cwd=ROOT)


def ran(home, *words):
    done = anzhang(home, *words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_a_school_starts_from_nothing_by_the_command_line(tmp_path):
    home = tmp_path / "home"
    ran(home, "init", "--name", "小河中学", "--catalog", "tests/catalogs/school")
    assert f'catalog = "{SCHOOL}"' in (home / "anzhang.toml").read_text(encoding="utf-8")
    assert (
        "5 articles, 7 obligations, 2 routes"
        in {row["subject"]: row["seen"] for row in json.loads(ran(home, "doctor", "--json"))}["catalog"]
    )
    assert json.loads(ran(home, "regulation", "import", str(TEXT), "--published-on", "2026-09-01", "--json"))["aligned"]
    units = tmp_path / "units.csv"
    units.write_text("单位代码,单位名称,单位类别,上级单位,设立日期\nG1,初一年级,机关处室,BUREAU,2026-09-01\n", encoding="utf-8")
    ran(home, "import", "unit", str(units))
    ran(home, "reconcile")
    found = json.loads(ran(home, "board", "--json"))
    assert (found["catalog"], found["counts"]["articles"], found["counts"]["obligations"]) == ("school", 5, 7)
    states = {each["id"]: each["verdict"] for article in found["articles"] for each in article["obligations"]}
    assert states["S02.1"] == "breach"
    assert states["S05.2"] == "met"
    (enforced,) = json.loads(ran(home, "where", "4", "--json"))
    assert enforced["obligation"] == "S04.1"
    assert "search" in {each["name"] for each in enforced["pages"]}
    done = anzhang(home, "where", "6")
    assert done.returncode == 2
    assert "no article" in done.stderr


@pytest.mark.parametrize("which", ["tests/catalogs/nothing", "no-such-name"])
def test_init_refuses_a_catalog_that_cannot_be_read(tmp_path, which):
    done = anzhang(tmp_path / "home", "init", "--catalog", which)
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "home").exists()
