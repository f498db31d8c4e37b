"""The approvals of Art. 8 to 14 in a real browser: asked for and decided by the people whom their routes name, and refusals that help."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from anzhang import clock
from tests.articles.test_story_officer import Desk, decide, file
from tests.web.browsers import chromium
from tests.web.site import Site, serving

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(900)]
OFFICE, HEAD = ("zhengkai",), ("zhouwei",)
GROUP = (*OFFICE, "gaojianguo", "hemin")  # the Office, then a majority of the leading group


def minute(**later: float) -> str:
    """Return an instant from now on as a form takes it."""
    return (clock.now() + timedelta(**later)).astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")


def day(later: int) -> str:
    """Return a day from now on."""
    return f"{clock.day_of(clock.now()) + timedelta(days=later)}"


LASTS = {"opens_at": minute(minutes=-1), "closes_at": minute(days=30)}
LINK = {
    "code": "LL20", "name": "测试网取数", "person": "李明", "near_zone": "测试网", "near_prefixes": "10.50.1.0/24", "far_zone": "办公网",
    "far_prefixes": "10.30.0.0/16", "ports": "tcp/443", "carrier": "自建", "purpose": "测试验收", **LASTS,
}  # fmt: skip
CONNECTION = {
    "code": "HL20", "name": "失业金代发专线", "person": "李明", "partner": "海河银行社保部", "purpose": "代发失业金", "level": "3",
    "standard": "网络安全等级保护基本要求", "scheme_title": "代发专线互联方案", "scheme_on": day(-20), "peers": "172.31.20.0/28",
    "inner": "10.21.0.0/16", "ports": "tcp/443", "daily_mb": "100", **LASTS,
}  # fmt: skip
CHANGE = {
    "kind": "网络配置", "devices": "JH0001", "what": "新增 VLAN 40", "window_from": minute(minutes=-1), "window_to": minute(hours=2),
    "rollback": "删除 VLAN 40", "executor": "郭磊",
}  # fmt: skip
EXCEPTION = {
    "system": "社会保险核心业务系统",
    "person": "赵强",
    "effective_on": day(0),
    "last_on": day(2),
    "reason": "紧急修复，开发人员现场处置",
}
WALKS = (
    ("link", LINK, GROUP), ("link_closing", {"link": "测试网取数", "reason": "验收结束"}, OFFICE), ("interconnection", CONNECTION, GROUP),
    ("interconnection_closing", {"interconnection": "失业金代发专线", "reason": "业务下线"}, OFFICE), ("change_order", CHANGE, HEAD),
    ("developer_operates", EXCEPTION, HEAD),
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo, served."""
    with serving(Path(tmp_path_factory.mktemp("approvals")) / "home") as running:
        yield running


class Desks(dict[str, Desk]):
    """Everybody's window, opened when first wanted: to log in costs more than to look."""

    def __init__(self, site: Site, browser: Browser) -> None:
        super().__init__()
        self.site, self.browser = site, browser

    def __missing__(self, name: str) -> Desk:
        self[name] = Desk(self.site, self.browser, name)
        return self[name]


@pytest.fixture(scope="module")
def desks(site: Site) -> Iterator[Desks]:
    """One browser for all."""
    with chromium() as running:
        yield Desks(site, running)


def test_each_is_asked_for_and_decided_by_those_it_names(desks: Desks) -> None:
    asking = desks["liming"]
    for route, form, deciders in WALKS:
        number = file(asking, route, **form)
        for name in deciders:
            decide(desks[name], number, "同意")
        asking.open(f"/cases/{number}/")
        said = asking.page.locator("main").inner_text()
        assert "已办结" in said, f"{route}: {said}"


@pytest.mark.parametrize(
    ("path", "missing", "leads"),
    [
        ("/network/?inner=10.21.1.10&outer=172.30.9.9&port=tcp/443", "没有批准", "/cases/new/interconnection/"),
        ("/configurations/JH0002/", "没有批准变更", "/cases/new/change_order/"),
        ("/projects/XM09/", "没有领导小组的批准", "/cases/new/project_approval/"),
    ],
)
def test_a_refusal_says_what_is_missing_and_leads_to_the_form(path: str, missing: str, leads: str, desks: Desks) -> None:
    desk = desks["wujie"]
    desk.open(path)
    main = desk.page.locator("main")
    assert missing in main.inner_text()
    main.locator(f"a[href^='{leads}']").first.click()
    assert desk.page.url.startswith(desk.site.address + leads)
    assert desk.page.locator("main form").count()


# Art. 11, 13 and 14: what the page of a project, a system or a finding lacks leads to the form that gives it.

NEW, STRANGE = sha256(b"sbapp 2.0").hexdigest(), sha256(b"somebody else's").hexdigest()
SYSTEM, PLACE = "社会保险核心业务系统", "HJ-SB"


def main(desk: Desk) -> Locator:
    """Return what the page says."""
    return desk.page.locator("main")


def goes_to(desk: Desk, label: str, address: str) -> None:
    """Click a link of the page that leads to an address."""
    main(desk).locator(f"a[href^='{address}']").get_by_text(label, exact=True).first.click()
    assert desk.page.url.startswith(desk.site.address + address), desk.page.url


def enter(desk: Desk, **values: str) -> None:
    """Fill a register's form and save it."""
    for name, text in values.items():
        desk.put(f"main form [name={name}]", text)
    desk.press("保存")
    assert not main(desk).locator(".invalid-feedback, .az-note.error").count(), main(desk).inner_text()


def submit(desk: Desk, **values: str) -> str:
    """Fill the form of a case that a link led to; return the number, or what was refused."""
    for name, text in values.items():
        desk.fill(name, text)
    desk.press("提出")
    found = re.search(r"/cases/(\d{4}-\d+)/$", desk.page.url)
    return found[1] if found else main(desk).inner_text()


def agreed(desks: Desks, number: str, *deciders: str) -> None:
    """Let those who decide agree, each at their own desk."""
    for name in deciders:
        decide(desks[name], number, "同意")


def asked(desk: Desk, digest: str, person: str) -> str:
    """Ask the gate, on the page of the system, whether somebody may put a digest live now."""
    desk.open("/systems/SB01/")
    desk.put("#ask [name=environment]", SYSTEM)
    desk.put("#ask [name=digest]", digest)
    desk.put("#ask [name=person]", person)
    desk.page.locator("#ask form").first.get_by_role("button", name="判断").click()
    return answer(desk)


def loads(desk: Desk, source: str) -> str:
    """Ask the gate, on the page of the system, whether a source may load it now."""
    desk.open("/systems/SB01/")
    desk.put("#ask [name=load_environment]", SYSTEM)
    desk.put("#ask [name=source]", source)
    desk.page.locator("#ask form").last.get_by_role("button", name="判断").click()
    return answer(desk)


def answer(desk: Desk) -> str:
    """Return what the gate said."""
    return desk.page.locator("#ask [role=status]").inner_text()


def row(desk: Desk, register: str, text: str, *holds: str) -> None:
    """See that a register has a row with this."""
    desk.open(f"/registers/{register}/?q={text}")
    found = main(desk).locator("tbody tr")
    for each in holds:
        found = found.filter(has_text=each)
    assert found.count(), main(desk).inner_text()


def test_a_project_is_designed_checked_approved_and_then_moves_on(desks: Desks) -> None:
    asking = desks["liming"]
    asking.open("/projects/")
    goes_to(asking, "登记建设项目", "/registers/project/new/")
    enter(asking, code="XM20", name="档案影像系统改造", kind="信息系统改造", unit="信息中心", person="P011", protection_level="2")

    asking.open("/projects/XM20/")
    said = main(asking).inner_text()
    for lack in ("没有登记安全设计项", "没有两人签字的方案核对表", "没有领导小组的批准"):
        assert lack in said
    assert not main(asking).get_by_role("button", name="进入“已立项”").count(), "the stage is not offered"

    goes_to(asking, "申请立项审批", "/cases/new/project_approval/")
    assert "没有登记安全设计项。在安全设计项台账中登记" in submit(asking, summary="存储加密")

    asking.open("/projects/XM20/")
    goes_to(asking, "登记安全设计项", "/registers/design_item/new/")
    enter(asking, code="XM20-S1", name="影像加密存储", designed_on=day(-3))
    asking.open("/projects/XM20/")
    goes_to(asking, "编制核对表", "/registers/project_checklist/new/")
    points = "GB22239 8.1.4.1 符合 双因素登录"
    enter(asking, code="XM20-H1", scheme_title="影像改造方案", scheme_on=day(-2), standards="GB22239", points=points)
    for name in ("wangfang", "mali"):
        desks[name].open("/projects/XM20/")
        desks[name].press("签字")

    asking.open("/projects/XM20/")
    said = main(asking).inner_text()
    assert "没有两人签字" not in said
    assert "没有领导小组的批准" in said
    goes_to(asking, "申请立项审批", "/cases/new/project_approval/?project=XM20")
    number = submit(asking, summary="存储加密，操作留痕")
    agreed(desks, number, "zhouwei", "zhengkai", "gaojianguo", "hemin")

    asking.open("/projects/XM20/")
    asking.press("进入“已立项”")
    assert "项目已进入“已立项”" in main(asking).inner_text()
    row(asking, "project", "XM20", "档案影像系统改造", "已立项", number)


def sarif() -> bytes:
    """Return the result of a scan that found nothing."""
    run = {"tool": {"driver": {"name": "semgrep", "semanticVersion": "1.2.3"}}, "results": []}
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def test_a_release_goes_live_by_its_operator_inside_its_window_and_not_otherwise(desks: Desks) -> None:
    asking, operator = desks["liming"], desks["wangfang"]
    assert "不属于" in asked(asking, NEW, "P012")
    goes_to(asking, "登记版本发布", "/registers/release/new/")
    enter(asking, code="FB-SB-9", label="2.0", artifact="sbapp.jar", digests=NEW, developers="P090", built_on=day(-1))

    assert "没有在" in asked(asking, NEW, "王芳")  # no approval
    goes_to(asking, "申请上线", "/cases/new/go_live/?")
    window = {"window_from": minute(hours=2), "window_to": minute(hours=4)}
    refused = submit(asking, operator="王芳", reason="二期功能", **window)
    for lack in ("没有功能测试报告", "没有安全测试报告", "没有代码扫描结果", "安全设计项“经办操作留痕”没有通过的测试"):
        assert lack in refused

    for number, kind in enumerate(("功能测试", "安全测试")):
        asking.open("/systems/SB01/")
        goes_to(asking, "补登测试报告", "/registers/test_report/new/")
        asking.page.locator("main form [name=passed]").check()
        report = {"code": f"FB-SB-9-{number}", "kind": kind, "digests": NEW, "tested_on": day(0), "tester": "P014", "cases": "SJ-SB-1"}
        enter(asking, **report)
    asking.open("/systems/SB01/")
    mine = main(asking).locator("#releases tbody tr").filter(has_text="FB-SB-9")
    mine.locator("[type=file]").set_input_files({"name": "scan.sarif", "mimeType": "application/json", "buffer": sarif()})
    mine.get_by_role("button", name="导入扫描结果").click()
    mine = main(asking).locator("#releases tbody tr").filter(has_text="FB-SB-9")
    assert "齐备" in mine.inner_text()
    mine.get_by_role("link", name="申请上线").click()
    number = submit(asking, environment=SYSTEM, operator="王芳", reason="二期功能", **window)
    agreed(desks, number, "zhouwei")
    assert "现在还没有到" in asked(operator, NEW, "王芳")  # outside its window
    goes_to(operator, "申请上线", "/cases/new/go_live/?environment=HJ-SB")

    assert "还没有到" in asked(asking, NEW, "王芳")
    goes_to(asking, "申请上线", "/cases/new/go_live/?environment=HJ-SB")
    number = submit(asking, operator="王芳", reason="提前上线", window_from=minute(minutes=-2), window_to=minute(hours=1))
    agreed(desks, number, "zhouwei")
    for digest, who, lacks, leads in (
        (STRANGE, "王芳", f"不是获准上线的那一份：{number}", "登记版本发布"),
        (NEW, "赵强", "赵强 是“社会保险核心业务系统”的开发人员", "申请上线"),
        (NEW, "李明", f"{number} 批准由王芳上线，不是李明", "申请上线"),
        (before(asking), "李明", "获准的上线时间已于", "申请上线"),
    ):
        assert lacks in asked(asking, digest, who)
        assert main(asking).locator("#ask").get_by_role("link", name=leads).count()
    assert "人员台账中没有“王方”" in asked(asking, NEW, "王方")
    assert "王芳 此刻可以上线" in asked(asking, NEW, "王芳")
    assert not main(asking).get_by_role("button", name="登记上线").count(), "it is noted by the operator alone"

    operator.open("/systems/SB01/")
    operator.press("登记上线")
    assert "已登记上线" in main(operator).inner_text()
    assert "已上线" in main(operator).locator("#releases tbody tr").filter(has_text="FB-SB-9").inner_text()
    row(operator, "go_live", "FB-SB-9", "sbapp.jar 2.0", "王芳", day(0))


def before(desk: Desk) -> str:
    """Return the digest of the release of the demo whose window is over."""
    desk.open("/systems/SB01/")
    return str(main(desk).locator("#releases tbody tr").filter(has_text="FB-SB-2").locator("[name=digest] option").get_attribute("value"))


def test_a_load_test_in_production_is_evaluated_approved_and_open_to_its_source_alone(desks: Desks) -> None:
    asking = desks["liming"]
    assert "没有经评估批准的压测方案" in loads(asking, "10.50.1.9")
    goes_to(asking, "申请压测", "/cases/new/load_test/?environment=HJ-SB")
    assert asking.page.locator("#field-sources").input_value() == "10.50.1.9"
    assert "sbapp01" in asking.page.locator("#field-targets").input_value()
    plan = {
        "window_from": f"{minute()[:-2]}00", "window_to": f"{minute(hours=3)[:-2]}00", "expected_factor": "5", "scheme": "申报高峰压测",
        "risk": "夜间无业务", "rollback": "停止压测程序", "watching": "监测平台专人值守", "evaluator": "郭磊",
    }  # fmt: skip
    assert "两名评估人不能是同一人" in submit(asking, **plan, second_evaluator="郭磊")
    number = submit(asking, second_evaluator="王芳")
    agreed(desks, number, "zhouwei")
    assert "此刻可以压测" in loads(asking, "10.50.1.9")
    assert "没有列出来源 10.50.1.10" in loads(asking, "10.50.1.10")
    goes_to(asking, "申请压测", "/cases/new/load_test/?environment=HJ-SB")
    assert "不是 IP 地址" in loads(asking, "压测机")
    row(asking, "load_test", "HJ-SB", "申报高峰压测", "郭磊", "王芳")


@pytest.mark.parametrize(
    ("finding", "asks", "lacks", "leads", "form", "deciders", "effect", "then"),
    [
        (
            ("A14.1", "luona"), "luona", "没有“超常规办理业务”批准", "超常规办理业务",
            {"person": "罗娜", "what": "代办待遇核定", "effective_on": day(-5), "last_on": day(0), "reason": "同事病假"}, ("xubin",),
            ("business_exception", "罗娜", SYSTEM), "事后已经补批",
        ),
        (
            ("A11.4", "失业保险处"), "p1046", "维护操作规程", "建设制度和规程发布",
            {"kind": "维护操作规程", "title": "维护操作规程", "edition": "第一版"}, ("p1011", *GROUP),
            ("policy_document", "维护操作规程", "失业保险处"), "问题已消除",
        ),
    ],
    ids=["business_exception", "construction_policy"],
)  # fmt: skip
def test_a_finding_leads_to_what_it_lacks_and_is_answered_once_that_is_granted(
    finding: tuple[str, str], asks: str, lacks: str, leads: str, form: dict[str, str], deciders: Sequence[str], effect: Sequence[str],
    then: str, desks: Desks,
) -> None:  # fmt: skip
    asking = desks[asks]
    obligation, about = finding
    asking.open(f"/findings/?article={int(obligation[1:3])}")
    main(asking).locator("tbody tr").filter(has_text=about).filter(has_text=lacks).locator("a").first.click()
    address = asking.page.url.removeprefix(asking.site.address)
    assert lacks in main(asking).inner_text()
    main(asking).get_by_role("link", name=leads, exact=True).click()
    number = submit(asking, **form)
    agreed(desks, number, *deciders)
    row(asking, *effect)
    head = desks[deciders[0]]
    head.open(address)
    head.press("立即核对")
    assert f"已核对：{then}" in main(head).inner_text()
