"""What the leading group of the full demo has resolved, and the year's plan that rests on it (Art. 4)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework import procedures as cases
from anzhang.demo.bureau import Bureau
from anzhang.organization import decisions, planning
from anzhang.organization.models import Decision
from anzhang.permissions import Actor, Via

MATTER, PROPOSAL = "审议网络信息安全年度规划", "同意年度规划所列事项，由领导小组办公室按季督办。"
MINUTES = "会议听取了办公室关于年度规划的说明，审议了各事项的牵头单位、责任人和期限，一致同意。"
# unit, owner, title, content, days until due (of the year's last day where None), how it was completed
ITEMS = (
    ("IC", "P011", "业务专网边界防护改造", "更换到期的边界设备，完成业务专网与办公网的隔离复核。", None, ""),
    ("IC", "P012", "数据库审计全覆盖", "第三级以上系统的数据库全部接入审计，日志进入日志库。", 90, ""),
    ("JYC", "P021", "就业系统账号清理", "核对账号与岗位，停用多余账号。", None, "账号核对 214 个，停用 17 个。"),
    ("SBZX", "P031", "经办网点终端准入试点", "三个网点的终端纳入准入管理。", 120, ""),
)  # fmt: skip


def resolve(bureau: Bureau, now: datetime) -> Decision:
    """Let the group resolve on the plan, take the minutes, enter its items. Runs in the caller's transaction."""
    clerk, at = _hand(bureau, "P005"), clock.start_of(clock.day_of(now) - timedelta(days=20)) + timedelta(hours=9)
    person = bureau.person["P005"]
    case = cases.file_case(clerk, "group_resolution", person.unit, person, "", {"matter": MATTER, "proposal": PROPOSAL}, at)
    for number, code in enumerate(("P004", "P001", "P002"), 1):  # in the course of a morning
        case = cases.agree(_hand(bureau, code), case, "同意", at + timedelta(hours=number))
    decided = at + timedelta(days=1)
    decision = decisions.take_minutes(
        clerk, case.decision, held_on=clock.day_of(at), chair=bureau.person["P001"],
        present=[bureau.person["P002"], bureau.person["P003"]], minutes=MINUTES, at=decided,
    )  # fmt: skip
    for unit, owner, title, content, days, result in ITEMS:
        due_on = clock.day_of(now) + timedelta(days=days) if days else date(clock.day_of(now).year, 12, 31)
        item = planning.add_plan_item(
            clerk, year=clock.day_of(now).year, title=title, content=content, unit=bureau.unit[unit], owner=bureau.person[owner],
            due_on=due_on, basis=decision, at=decided,
        )  # fmt: skip
        if result:
            planning.complete_plan_item(_hand(bureau, owner), item, result, "验收单 YS-07", decided + timedelta(days=10))
    return decision


def _hand(bureau: Bureau, code: str) -> Actor:
    """Return somebody of the cast in a browser session with its second factor."""
    person = bureau.person[code]
    user = next(user for user in bureau.user.values() if user.person_id == person.pk)
    return Actor(
        id=f"user:{user.username}", via=Via.BROWSER, user_id=user.pk, person_id=person.pk, unit_id=person.unit_id, second_factor=True
    )
