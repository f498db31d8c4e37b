"""The words of the ledger: what an act, an object and a way in are called. One line per event, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang.events import Event
from anzhang.journal.rows import ledgered
from anzhang.permissions import Via

ACTS: Mapping[Event, Promise] = {
    Event.INSTALLATION_INIT: _("初始化安装"),
    Event.USER_CREATE: _("新建用户"),
    Event.USER_CHANGE: _("变更用户"),
    Event.USER_LOGIN: _("登录"),
    Event.USER_LOGIN_FAIL: _("登录失败"),
    Event.USER_LOGOUT: _("退出登录"),
    Event.USER_LOCK: _("锁定用户"),
    Event.USER_UNLOCK: _("解除锁定"),
    Event.FACTOR_ADD: _("绑定第二因素"),
    Event.FACTOR_RESET: _("重置第二因素"),
    Event.TOKEN_ISSUE: _("签发接口令牌"),
    Event.TOKEN_REVOKE: _("吊销接口令牌"),
    Event.IDENTITY_REQUEST: _("发起用户事项"),
    Event.IDENTITY_CONFIRM: _("确认用户事项"),
    Event.IDENTITY_REFUSE: _("否决用户事项"),
    Event.ROW_CREATE: _("新增台账行"),
    Event.ROW_CHANGE: _("修改台账行"),
    Event.ROW_IMPORT: _("导入台账"),
    Event.ROW_EXPORT: _("导出台账"),
    Event.ROW_EXPORT_REFUSED: _("拒绝导出台账"),
    Event.ATTACHMENT_ADD: _("添加附件"),
    Event.ATTACHMENT_REMOVE: _("撤下附件"),
    Event.RULE_CHANGE: _("更换核对规则文本"),
    Event.POSTURE_RECEIVE: _("收到安全状态报告"),
    Event.MEASURE_PROVE: _("登记措施落实"),
    Event.MOVE_AUTHORIZE: _("批准设备进出机房"),
    Event.MOVE_CARRY_OUT: _("登记设备进出机房"),
    Event.ROOM_CHANGE: _("修改机房"),
    Event.ROOM_REGISTER: _("登记机房"),
    Event.VISIT_AUTHORIZE: _("批准出入机房"),
    Event.VISIT_ENTER: _("登记进入机房"),
    Event.VISIT_LEAVE: _("登记离开机房"),
    Event.SHIFT_CHANGE: _("修改值班安排"),
    Event.SHIFT_HAND_OVER: _("值班交接"),
    Event.SHIFT_ROSTER: _("安排值班"),
    Event.SHIFT_SIGN_IN: _("值班签到"),
    Event.CODE_SCAN: _("导入代码扫描结果"),
    Event.DEVELOPER_EXCEPT: _("批准开发人员操作"),
    Event.BUSINESS_EXCEPT: _("批准超常规办理业务"),
    Event.CHECK_PLAN_REGISTER: _("登记检查计划"),
    Event.CHECK_PLAN_CHANGE: _("更改检查计划"),
    Event.CHECK_RUN_SIGN: _("签署检查记录"),
    Event.CHECK_RUN_RECORD: _("补录检查记录"),
    Event.LOAD_TEST_AUTHORIZE: _("批准压测"),
    Event.DOSSIER_OPEN: _("建立运维档案"),
    Event.DOSSIER_CHANGE: _("更改运维档案"),
    Event.ENVIRONMENT_CHANGE: _("修改运行环境"),
    Event.ENVIRONMENT_REGISTER: _("登记运行环境"),
    Event.GO_LIVE_AUTHORIZE: _("批准上线"),
    Event.GO_LIVE_DONE: _("登记上线执行"),
    Event.RELEASE_CHANGE: _("修改版本"),
    Event.RELEASE_GO_LIVE: _("版本上线"),
    Event.RELEASE_REGISTER: _("登记版本"),
    Event.TEST_REPORT: _("登记测试报告"),
    Event.CONFIG_RECEIVE: _("收到配置快照"),
    Event.CONFIG_COMPARE: _("重新比较配置快照"),
    Event.CHANGE_ORDER_OPEN: _("登记变更单"),
    Event.LINK_ACTIVATE: _("开通链路"),
    Event.LINK_CLOSE: _("关闭链路"),
    Event.MEASURES_ADOPT: _("采用规则集给出的防护措施"),
    Event.PROJECT_REGISTER: _("登记建设项目"),
    Event.PROJECT_CHANGE: _("修改建设项目"),
    Event.PROJECT_APPROVE: _("批准建设项目"),
    Event.PROJECT_ADVANCE: _("建设项目进入下一阶段"),
    Event.CHECKLIST_PREPARE: _("编制方案核对表"),
    Event.CHECKLIST_SIGN: _("签署方案核对表"),
    Event.GRADING_RECORD: _("登记等级保护定级"),
    Event.ASSESSMENT_RECORD: _("登记安全评估"),
    Event.INTERCONNECTION_OPEN: _("开通对外互联"),
    Event.INTERCONNECTION_CLOSE: _("关闭对外互联"),
    Event.CASE_FILE: _("提出事项"),
    Event.CASE_AGREE: _("同意"),
    Event.CASE_REFUSE: _("不同意"),
    Event.CASE_SEND_BACK: _("退回事项"),
    Event.CASE_RESUBMIT: _("重新提交事项"),
    Event.CASE_WITHDRAW: _("撤回事项"),
    Event.CASE_DELEGATE: _("转办事项"),
    Event.CASE_TAKE_BACK: _("收回转办"),
    Event.CASE_ADD_SIGNER: _("加签"),
    Event.CASE_REVOKE: _("撤销事项的批准"),
    Event.CASE_APPROVE: _("事项办结"),
    Event.CASE_ADVANCE: _("事项流转"),
    Event.APPROVAL_RECORD: _("记录批准"),
    Event.APPROVAL_REGULARIZE: _("补批"),
    Event.APPROVAL_ENTER: _("补录纸质批准"),
    Event.APPROVAL_REVOKE: _("撤销批准"),
    Event.APPROVAL_WARN: _("提醒批准将到期"),
    Event.APPROVAL_EXPIRE: _("批准到期"),
    Event.ROUTE_CHANGE: _("调整单位流程"),
    Event.FINDING_OPEN: _("发现问题"),
    Event.FINDING_CLOSE: _("问题消除"),
    Event.FINDING_REOPEN: _("问题再次发现"),
    Event.FINDING_PLAN: _("填写整改措施"),
    Event.FINDING_WAIVE: _("豁免问题"),
    Event.FINDING_RESUME: _("豁免结束"),
    Event.FINDING_REGULARIZE: _("问题已补批"),
    Event.EVIDENCE_ADD: _("添加佐证"),
    Event.EVIDENCE_REMOVE: _("撤下佐证"),
    Event.VERDICT_CHANGE: _("落实情况变化"),
    Event.NOTICE_SEND: _("发出通知"),
    Event.NOTICE_DELIVER: _("送达通知"),
    Event.NOTICE_FAIL: _("通知未能送达"),
    Event.DOCUMENT_PRINT: _("打印单据"),
    Event.INTERPRETATION_SIGN: _("签署解释"),
    Event.REGULATION_IMPORT: _("导入办法原文"),
    Event.OFFICER_APPOINT: _("任命信息安全管理人员"),
    Event.OFFICER_LEAVE: _("信息安全管理人员离任"),
    Event.FILING_RECEIVE: _("接收备案"),
    Event.POLICY_ISSUE: _("发布制度"),
    Event.POLICY_REVIEW: _("复审制度"),
    Event.STATEMENT_ISSUE: _("下发责任书"),
    Event.STATEMENT_SIGN: _("签署责任书"),
    Event.STATEMENT_COUNTERSIGN: _("上一级签署责任书"),
    Event.STATEMENT_ENTER: _("补录纸质责任书"),
    Event.DECISION_RECORD: _("形成决议"),
    Event.DECISION_MINUTES: _("登记会议纪要"),
    Event.DIRECTIVE_ISSUE: _("下达工作部署"),
    Event.DIRECTIVE_REPORT: _("报送办理结果"),
    Event.DIRECTIVE_RETURN: _("退回办理结果"),
    Event.DIRECTIVE_FINISH: _("部署办结"),
    Event.DIRECTIVE_WITHDRAW: _("撤销工作部署"),
    Event.DIRECTIVE_REMIND: _("督办"),
    Event.PLAN_ADD: _("登记规划事项"),
    Event.PLAN_COMPLETE: _("规划事项完成"),
    Event.PLAN_POSTPONE: _("调整规划期限"),
    Event.PLAN_DROP: _("调出规划"),
    Event.INSPECTION_RECORD: _("登记监督检查"),
    Event.INSPECTION_NOTIFY: _("下达整改通知"),
    Event.INSPECTION_REPLY: _("回复整改通知"),
    Event.INSPECTION_RETURN: _("退回回复"),
    Event.INSPECTION_ACCEPT: _("认可回复"),
    Event.LAW_REVIEW: _("复核上位依据"),
    Event.PERSON_LEAVE: _("人员离岗"),
    Event.ASSIGNMENT_START: _("任职开始"),
    Event.ASSIGNMENT_END: _("任职结束"),
    Event.DELEGATION_START: _("授权代签开始"),
    Event.DELEGATION_END: _("授权代签结束"),
    Event.MEMBER_SEAT: _("进入领导小组"),
    Event.MEMBER_LEAVE: _("退出领导小组"),
    Event.TRAINING_RECORD: _("登记培训"),
    Event.SYSTEM_REGISTER: _("登记信息系统"),
    Event.SYSTEM_CHANGE: _("变更信息系统"),
    Event.ACCOUNT_OPEN: _("开通账号"),
    Event.ACCOUNT_CLOSE: _("停用账号"),
    Event.SOURCE_REGISTER: _("登记日志源"),
    Event.SOURCE_CHANGE: _("变更日志源"),
    Event.HOLD_PLACE: _("保全证据"),
    Event.HOLD_CHANGE: _("变更证据保全"),
    Event.HOLD_RELEASE: _("解除证据保全"),
    Event.SEGMENT_SEAL: _("封存日志段"),
    Event.SEGMENT_DELETE: _("处置日志段"),
    Event.SEGMENT_DELETE_REFUSED: _("拒绝处置日志段"),
    Event.SEGMENT_MERGE: _("合并日志段"),
    Event.SEGMENT_GIVE_WAY: _("日志段并入后段"),
    Event.SEGMENT_REDACT: _("隐去日志行"),
    Event.REDACTION_APPROVE: _("批准日志隐去"),
    Event.REDACTION_REVOKED: _("日志隐去因撤销批准而不执行"),
    Event.REDACTION_DONE: _("执行日志隐去"),
    Event.VAULT_QUERY: _("检索日志"),
    Event.VAULT_COPY: _("异地复制日志库"),
    Event.VAULT_VERIFY: _("检验日志库"),
    Event.LEDGER_CONFIRM: _("确认外存树头"),
    Event.LEDGER_CHECK: _("检验存证"),
    Event.BACKUP_MAKE: _("备份"),
    Event.BACKUP_RESTORE: _("恢复"),
    Event.UPGRADE: _("升级"),
    Event.CLOCK_ADVANCE: _("拨动演示时钟"),
}
# Objects that are no row of a table; every other kind is called what its table is called.
OBJECTS: Mapping[str, Promise] = {
    "backup": _("备份"),
    "clock": _("时钟"),
    "document": _("单据"),
    "head": _("签名树头"),
    "installation": _("安装"),
    "ledger": _("存证"),
    "obligation": _("义务"),
    "register": _("台账"),
    "second_factor": _("第二因素"),
    "session": _("登录会话"),
    "software": _("软件"),
    "vault": _("日志库"),
}
WAYS: Mapping[Via, Promise] = {
    Via.BROWSER: _("浏览器"),
    Via.API: _("接口"),
    Via.CLI: _("命令行"),
    Via.DAEMON: _("采集进程"),
    Via.JOB: _("定时任务"),
    Via.SETUP: _("初始化"),
}
SYSTEM: Mapping[str, Promise] = {  # the platform's own jobs and daemons
    "approvals": _("系统（批准到期）"),
    "cases": _("系统（事项核对）"),
    "collector": _("系统（日志采集）"),
    "deadlines": _("系统（时限）"),
    "notices": _("系统（通知发送）"),
    "reconcile": _("系统（持续核对）"),
    "vault": _("系统（日志保全）"),
}
_BY_CODE = {str(event): word for event, word in ACTS.items()}
_BY_WAY = {str(via): word for via, word in WAYS.items()}


def act_word(code: str) -> str:
    """Return the word of an act; the code itself when this release does not know it."""
    return str(_BY_CODE.get(code, code))


def way_word(code: str) -> str:
    """Return the word of a way in."""
    return str(_BY_WAY.get(code, code))


def actor_word(actor: str) -> str:
    """Return who acted: the word of the platform's own job, a log-in name, or the actor's id for what is neither."""
    kind, _colon, name = actor.partition(":")
    if kind == "system":
        return str(SYSTEM.get(name, actor))
    return name if kind == "user" else actor


def object_word(kind: str) -> str:
    """Return the word of an object type."""
    return str(objects().get(kind, kind))


@cache
def objects() -> Mapping[str, str | Promise]:
    """Return the word of every object type: tables of ledgered rows, and what is no row."""
    return {kind: model._meta.verbose_name or kind for kind, model in ledgered().items()} | dict(OBJECTS)


@cache
def act_choices(_language: str | None) -> tuple[tuple[str, str], ...]:
    """Return code and word of every act, in the language that is in force."""
    return tuple((str(event), str(word)) for event, word in ACTS.items())


@cache
def object_choices(_language: str | None) -> tuple[tuple[str, str], ...]:
    """Return code and word of every object type by word, in the language that is in force."""
    return tuple(sorted(((kind, str(word)) for kind, word in objects().items()), key=lambda pair: pair[1]))
