"""What a reason says: one table from code to a sentence with named parameters, rendered in the language of the moment.

Checks return codes; pages, the CLI and exports print sentences. `text` never raises: a code without a sentence is
printed with its parameters, and a test walks every code that the checks can return.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang import clock
from anzhang.regulation.verdicts import Why

WORDING: dict[str, str | Promise] = {
    # verdict arithmetic
    "all_met": _("%(count)s 个对象全部符合"),
    "none_observed": _("未见，覆盖率 %(percent)s%%"),
    "nothing_watched": _("没有任何对象处于监测之下"),
    "no_subject": _("目前没有需要履行此项义务的对象"),
    "not_this_unit": _("本单位不是此项义务的责任主体"),
    "informative": _("说明性条款，不单独核对"),
    "not_run": _("尚未核对"),
    "stale": _("最近一次核对在 %(checked_at)s，结论已过期"),
    "check_failed": _("核对程序出错（%(check)s：%(error)s）"),
    "parameter_missing": _("规则集没有给出核对规则 %(check)s 所需的参数 %(parameter)s"),
    "waits_for": _("尚不能核对：缺少%(missing)s"),
    "waits_for_check": _("所需台账和事件均已具备，核对规则尚未编写"),
    "breaches": _("%(count)s 种情形不符合：%(reasons)s"),
    "unknowns": _("%(count)s 项无法核对：%(reasons)s"),
    "in_units": _("%(count)s 个单位（%(units)s）：%(reasons)s"),
    # Art. 1
    "no_legal_basis": _("尚未登记上位依据，无从核对"),
    "law_replaced": _("第%(articles)s条所依据的%(law)s已于 %(since)s 被%(new)s代替，超过 %(days)s 天未复核"),
    "law_repealed": _("第%(articles)s条所依据的%(law)s已于 %(since)s 失效，超过 %(days)s 天未复核"),
    # Art. 3
    "unit_without_head": _("%(unit)s没有在任的单位负责人"),
    "unit_kind_unknown": _("%(unit)s的单位类别不在适用范围内"),
    "closed_unit_owns": _("%(unit)s已撤销，名下仍有%(objects)s"),
    "identity_unknown": _("%(place)s上的账号 %(account)s 自 %(at)s 起登录成功 %(count)s 次，超过 %(hours)s 小时查不到登记的人员"),
    # Art. 4
    "matter_without_decision": _("%(case)s 属于重大事项，自 %(since)s 起生效，没有领导小组决议"),
    "matter_before_decision": _("%(case)s 属于重大事项，自 %(since)s 起生效，早于领导小组决议"),
    "decision_without_minutes": _("%(case)s 属于重大事项，所依据的决议没有会议纪要"),
    "directive_overdue": _("%(unit)s承办的%(directive)s应于 %(due_on)s 前办结，尚未报送结果"),
    "directive_not_closed": _("%(unit)s已报送%(directive)s，期限 %(due_on)s 已过，办公室尚未办结"),
    "directive_without_evidence": _("%(unit)s承办的%(directive)s已办结，没有办结凭据"),
    "plan_item_overdue": _("%(unit)s牵头的%(item)s应于 %(due_on)s 前完成，尚未完成"),
    "plan_item_without_evidence": _("%(unit)s牵头的%(item)s已完成，没有完成凭据"),
    "system_without_keeper": _("%(system)s自 %(since)s 起没有在岗的责任人，超过 %(days)s 天"),
    "system_keeper_left": _("%(system)s的责任人%(person)s已于 %(since)s 离职，没有他人在岗"),
    "thing_without_keeper": _("“%(thing)s”自 %(since)s 起没有写明责任人，超过 %(days)s 天"),
    "thing_keeper_left": _("“%(thing)s”的责任人%(person)s已于 %(since)s 离职，没有换人"),
    "never_inspected": _("%(unit)s自 %(since)s 设立以来未经监督检查，超过 %(days)s 天"),
    "inspection_overdue": _("%(unit)s最近一次监督检查在 %(since)s，超过 %(days)s 天"),
    "notice_unanswered": _("%(unit)s应于 %(due_on)s 前回复整改通知 %(inspection)s，尚未回复"),
    "statement_missing": _("%(person)s（%(unit)s）没有责任书"),
    "statement_not_signed": _("%(person)s（%(unit)s）的责任书本人尚未签字"),
    "statement_not_countersigned": _("%(person)s（%(unit)s）的责任书上一级尚未签字"),
    "statement_expired": _("%(person)s（%(unit)s）的责任书由上一级签于 %(since)s，超过 %(days)s 天未续签"),
    "signer_out_of_term": _("%(case)s 由%(person)s签署，签署时不在领导小组任期内，也无授权"),
    "system_without_planning": _("%(system)s未标明是否统一规划"),
    "system_without_level": _("%(system)s未标明管理级别"),
    "system_without_both": _("%(system)s未标明是否统一规划，也未标明管理级别"),
    # Art. 5
    "policy_missing": _("%(unit)s没有现行有效的安全责任制度"),
    "policy_review_overdue": _("%(unit)s的安全责任制度最近复审于 %(reviewed_on)s，超过 %(days)s 天"),
    "login_after_leaving": _("%(person)s已于 %(left_on)s 离岗，账号 %(account)s 于 %(at)s 仍登录成功"),
    "login_without_post": _("%(person)s没有该系统的在岗登记，账号 %(account)s 于 %(at)s 登录成功"),
    "login_without_training": _("%(person)s在 %(days)s 天内没有培训记录，账号 %(account)s 于 %(at)s 登录成功"),
    "system_without_source": _("%(system)s没有接入日志，无法核对登录"),
    "system_silent": _("%(system)s的日志源没有收到任何日志，无法核对登录"),
    "no_login_heard": _("日志已接入，尚未见到%(unit)s人员登录"),
    "officer_missing": _("%(unit)s自 %(since)s 起没有信息安全管理人员，超过 %(days)s 天"),
    "officer_left": _("%(unit)s的信息安全管理人员%(person)s已于 %(since)s 离职，超过 %(days)s 天无人接任"),
    "appointment_not_filed": _("%(unit)s于 %(since)s 任命%(person)s为信息安全管理人员，超过 %(days)s 天未报备案"),
    "change_not_filed": _("%(unit)s的信息安全管理人员%(person)s于 %(since)s 变动，超过 %(days)s 天未报备案"),
    # cases that nobody can decide
    "case_too_few": _("“%(title)s”（%(case)s）在“%(step)s”环节无人可办：%(role)s中有权办理的只有 %(people)s 人，须有 %(need)s 人"),
    "case_seat_vacant": _("“%(title)s”（%(case)s）在“%(step)s”环节无人可办：%(role)s没有能办理的人"),
    "emergency_pending": _("“%(title)s”（%(case)s）已应急先行办理，须在 %(until)s 前补批"),
    "emergency_overdue": _("“%(title)s”（%(case)s）应急先行办理后，到 %(until)s 仍未补批"),
    "emergency_refused": _("“%(title)s”（%(case)s）应急先行办理后，补批未获同意"),
    "escalation_undelivered": _("%(sent)s 发给%(person)s的催办通知未能送达，本人也未在平台上阅读"),
    "role_unit_head": _("单位负责人"),
    "role_super_head": _("上级单位负责人"),
    "role_security_officer": _("信息安全管理人员"),
    "role_system_manager": _("系统管理人员"),
    "role_office": _("领导小组办公室人员"),
    "role_leading_group": _("领导小组成员"),
    "role_staff": _("本单位人员"),
    "role_room_keeper": _("机房专管员"),
    # Art. 6
    "responsible_is_not_center": _("%(system)s已纳入统一规划，安全责任单位却是%(unit)s"),
    "no_information_center": _("单位台账中没有信息中心"),
    # Art. 12
    "system_without_administrator": _("“%(system)s”自 %(since)s 起没有系统管理人员或运维人员，超过 %(days)s 天"),
    "system_administrator_gone": _("“%(system)s”的管理人员%(person)s已于 %(since)s 离任或离职，超过 %(days)s 天没有人接替"),
    "device_without_administrator": _("“%(device)s”自 %(since)s 起没有责任人，超过 %(days)s 天"),
    "device_administrator_gone": _("“%(device)s”的责任人%(person)s自 %(since)s 起不在职，超过 %(days)s 天没有换人"),
    "device_administrator_without_post": _("“%(device)s”的责任人%(person)s自 %(since)s 起没有任何岗位，超过 %(days)s 天"),
    "check_missed": _("检查“%(plan)s”应于 %(due)s 完成，超过 %(hours)s 小时没有记录（自 %(first)s 起漏做 %(times)s 次，由%(person)s检查）"),
    "system_without_check_plan": _("“%(system)s”没有登记检查计划，做没做检查无从核对"),
    "system_without_monitor": _("“%(system)s”没有任何监测，%(minutes)s 分钟内没有可用性事件"),
    "monitor_silent": _("“%(system)s”的监测最近一次是 %(last)s，超过 %(minutes)s 分钟没有可用性事件"),
    "nothing_heard": _("本平台没有连续 %(minutes)s 分钟以上收到日志，“%(system)s”的监测是否在运行无从核对"),
    "dossier_missing": _("“%(system)s”是第%(level)s级以上的系统，没有运维档案"),
    "dossier_silent": _("“%(system)s”的运维档案 %(days)s 天内没有任何记录"),
    "dossier_keeper_left": _("“%(system)s”的运维档案保管人%(person)s已不在职"),
    "dossier_without_source": _("台账 %(register)s 的记录还没有归入运维档案"),
    # Art. 13, load tests
    "load_without_test": _(
        "%(source)s 对“%(environment)s”的 %(target)s 一小时 %(load)s 次（%(at)s 起），超过 %(days)s 天内最高 %(peak)s 次的 %(factor)s 倍，"
        "没有“压测审批”"
    ),
    "load_outside_window": _(
        "%(source)s 对“%(environment)s”的 %(target)s 一小时 %(load)s 次（%(at)s 起），超过 %(days)s 天内最高 %(peak)s 次的 %(factor)s 倍，"
        "不在“压测审批”批准的时间内"
    ),
    "load_of_other_source": _(
        "%(source)s 对“%(environment)s”的 %(target)s 一小时 %(load)s 次（%(at)s 起），超过 %(days)s 天内最高 %(peak)s 次的 %(factor)s 倍，"
        "“压测审批”没有批准这个来源或目标"
    ),
    "load_approved_later": _("%(source)s 对“%(environment)s”的 %(target)s 一小时 %(load)s 次（%(at)s 起），之后才经“压测审批”批准（补批）"),
    "environment_without_addresses": _("“%(environment)s”没有登记主机名和地址，负载无从核对"),
    "load_not_watched": _("一天内没有日志说明谁在访问“%(environment)s”（流量或业务审计），负载无从核对"),
    "load_without_peak": _("“%(environment)s”的访问日志不足 %(days)s 天，还不知道平日最高负载，是否压测无从核对"),
    # Art. 14
    "endpoint_off_task": _("%(endpoint)s在 %(day)s 运行或访问清单外的程序、站点 %(times)s 次（%(names)s）"),
    "endpoint_without_class": _("%(endpoint)s没有登记所用的软件清单，无从核对"),
    "class_without_list": _("%(endpoint)s所用的软件清单“%(list)s”没有写明程序文件或站点，无从核对"),
    "programs_not_told": _("一天内没有日志说明%(endpoint)s运行了什么程序"),
    "sites_not_told": _("一天内没有日志说明%(endpoint)s查询了什么域名"),
    "no_business_computers": _("还没有登记业务专网的客户端"),
    "data_changed_beside_application": _(
        "%(person)s以账号 %(account)s 绕过应用更改了“%(system)s”的数据（%(times)s 次，最近 %(at)s，%(object)s），没有批准的数据工单"
    ),
    "data_changed_by_nobody": _(
        "“%(system)s”的账号台账中没有的 %(account)s 更改了数据（%(times)s 次，最近 %(at)s，%(object)s），没有批准的数据工单"
    ),
    "data_changed_without_act": _(
        "“%(system)s”的应用程序账号 %(account)s 更改了数据（%(times)s 次，最近 %(at)s，%(object)s），前后 %(seconds)s 秒内没有业务操作，"
        "也没有批准的数据工单"
    ),
    "database_not_told": _("三十天内没有日志说明“%(system)s”的数据库执行了什么语句，无从核对"),
    "application_not_told": _("三十天内没有日志说明“%(system)s”上办了什么业务，无从核对"),
    "export_without_order": _(
        "%(person)s以账号 %(account)s 从“%(system)s”的“%(function)s”一次导出 %(records)s 条"
        "（超过 %(rows)s 条的共 %(times)s 次，最近 %(at)s），没有批准的数据提取单"
    ),
    "export_not_counted": _("“%(system)s”有导出没有记录条数，无从核对"),
    "act_outside_functions": _(
        "%(person)s以账号 %(account)s 在“%(system)s”办理“%(function)s”（最近 %(at)s），不在其岗位的办理业务之内，没有“超常规办理业务”批准"
    ),
    "act_outside_jurisdiction": _(
        "%(person)s以账号 %(account)s 在“%(system)s”办理“%(area)s”的业务（最近 %(at)s），不在其岗位的办理辖区之内，没有“超常规办理业务”批准"
    ),
    "act_outside_hours": _(
        "%(person)s以账号 %(account)s 在“%(system)s”于 %(at)s 办理业务，不在其岗位的办理时段之内，没有“超常规办理业务”批准"
    ),
    "act_outside_post": _(
        "%(person)s以账号 %(account)s 在“%(system)s”于 %(at)s 办理的业务，不合其任何一个岗位的业务、辖区和时段，没有“超常规办理业务”批准"
    ),
    "volume_over_norm": _(
        "%(person)s以账号 %(account)s 在“%(system)s”于 %(day)s 办理 %(records)s 条，"
        "超过同岗位 %(days)s 天第 99 百分位（%(most)s 条）的 %(factor)s 倍，没有“超常规办理业务”批准"
    ),
    "user_without_post": _("%(person)s没有“%(system)s”的在岗登记，所办业务无从核对"),
    "post_without_scope": _("%(person)s使用“%(system)s”的岗位没有写明%(missing)s，这方面无从核对"),
    "act_without_scope": _("“%(system)s”的日志没有写明%(person)s所办业务的名称或辖区，无从核对"),
    "volume_without_norm": _("“%(system)s”的业务日志不足 %(days)s 天，或%(person)s的岗位先前办理的人日太少，数量是否正常无从核对"),
    # Art. 11, 13
    "system_without_release": _("“%(system)s”没有登记已上线的版本，无从核对"),
    "system_without_design": _("“%(system)s”没有登记安全设计项，无从核对"),
    "system_without_production": _("“%(system)s”没有登记生产环境，无从核对"),
    "environment_without_hosts": _("“%(environment)s”没有登记主机名，日志对不上，无从核对"),
    "environment_without_folders": _("“%(environment)s”没有登记程序目录，程序有没有被改动无从核对"),
    "environment_not_watched": _("“%(environment)s”一天内没有日志说明在运行什么（进程或文件的摘要），无从核对"),
    "environment_untold": _("“%(environment)s”没有日志说明谁登录、哪些文件被改动（一天内须有），无从核对"),
    "source_system_silent": _("“%(system)s”登记了日志源，但没有收到日志，无从核对"),
    "design_item_untested": _("“%(system)s”的版本 %(release)s 已上线，安全设计项“%(item)s”没有该版本通过的测试"),
    "release_untested": _("“%(system)s”的版本 %(release)s 自 %(since)s 上线，制品 %(digest)s… 在此之前没有%(kind)s报告"),
    "release_test_failed": _(
        "“%(system)s”的版本 %(release)s 自 %(since)s 上线，制品 %(digest)s… 在此之前最近一次%(kind)s（%(report)s）没有通过"
    ),
    "developer_operates": _(
        "%(person)s是“%(system)s”的开发人员，又以账号 %(account)s 操作该系统（%(times)s 次，最近 %(at)s），"
        "没有 %(days)s 天以内的“开发人员操作例外”批准"
    ),
    "artifact_unknown": _(
        "“%(environment)s”的 %(host)s 上运行或存放着 %(path)s（%(digest)s…，%(at)s 起，%(person)s），不属于“%(system)s”任何登记的版本"
    ),
    "artifact_unscanned": _("“%(system)s”的版本 %(release)s 的制品 %(digest)s… 没有代码扫描结果"),
    "artifact_with_open_results": _(
        "“%(system)s”的版本 %(release)s 的制品 %(digest)s… 经 %(tools)s 扫描，还有 %(count)s 个严重以上的问题未解决"
    ),
    "file_changed_in_production": _(
        "%(person)s在“%(environment)s”的 %(host)s 上改动了程序 %(object)s（%(times)s 次，最近 %(at)s），"
        "不在任何获准的上线时间内，缺少“上线审批”"
    ),
    "schema_changed_in_production": _(
        "%(person)s更改了“%(environment)s”数据库的结构 %(object)s（%(times)s 次，最近 %(at)s），不在任何获准的上线时间内，缺少“上线审批”"
    ),
    "developer_in_production": _(
        "%(person)s在“%(system)s”上只有开发岗位，却登录了“%(environment)s”的 %(host)s（%(times)s 次，最近 %(at)s）"
    ),
    "runs_without_go_live": _(
        "“%(environment)s”的 %(host)s 自 %(at)s 起运行 %(path)s（%(digest)s… %(release)s，%(person)s），缺少“上线审批”的批准"
    ),
    "runs_other_artifact": _(
        "“%(environment)s”的 %(host)s 自 %(at)s 起运行 %(path)s（%(digest)s… %(release)s，%(person)s），"
        "不是获准上线的那一份，缺少对它的“上线审批”"
    ),
    "runs_after_revocation": _(
        "“%(environment)s”的 %(host)s 仍在运行 %(path)s（%(digest)s… %(release)s，最近 %(last)s），“上线审批”的批准已撤销"
    ),
    "live_outside_window": _(
        "%(release)s（%(digest)s…）于 %(at)s 由%(person)s在“%(environment)s”上线，批准的时间是 %(begin)s 至 %(end)s，缺少该时间的“上线审批”"
    ),
    "live_by_developer": _("%(release)s（%(digest)s…）于 %(at)s 由其开发人员%(person)s自己在“%(environment)s”上线"),
    "live_by_other": _("%(release)s（%(digest)s…）于 %(at)s 由%(person)s在“%(environment)s”上线，不是“上线审批”批准的执行人员"),
    "live_approved_later": _("%(release)s（%(digest)s…）于 %(at)s 在“%(environment)s”上线，之后才经“上线审批”批准（补批）"),
    "serves_without_approval": _("“%(environment)s”自 %(at)s 起对外提供服务（%(times)s 次访问，最近 %(last)s），没有任何“上线审批”的批准"),
    "served_before_approval": _("“%(environment)s”自 %(at)s 起对外提供服务，之后才经“上线审批”批准（补批）"),
    # Art. 16
    "no_rooms": _("机房台账还没有登记在用的机房"),
    "facility_missing": _("“%(room)s”没有登记%(kind)s设施，也没有写明不设的理由"),
    "room_without_grade": _("“%(room)s”没有定级"),
    "room_grade_too_low": _("“%(room)s”定为 %(grade)s 级，低于所放“%(system)s”的 %(level)s 级"),
    "room_measures_not_set": _("还没有规定 %(grade)s 级机房须有哪些防护措施，“%(room)s”无从核对"),
    "measure_unproved": _("“%(room)s”须有“%(measure)s”，没有任何证明"),
    "measure_proof_old": _("“%(room)s”的“%(measure)s”最近证明于 %(proved_on)s，超过 %(days)s 天"),
    "room_policy_missing": _("%(unit)s管理机房，没有现行有效的%(kind)s"),
    "room_policy_review_overdue": _("%(unit)s的%(kind)s最近复审于 %(reviewed_on)s，超过 %(days)s 天"),
    "room_without_keeper": _("“%(room)s”自 %(since)s 起没有专管员，超过 %(days)s 天"),
    "room_keeper_left": _("“%(room)s”的专管员%(person)s已于 %(since)s 卸任或离职，超过 %(days)s 天无人接任"),
    "duty_vacant": _("“%(room)s”%(since)s 至 %(until)s 没有排班（共 %(count)s 段空岗）"),
    "sign_in_missing": _("“%(room)s”%(due)s 的班次，%(person)s超过 %(minutes)s 分钟没有签到"),
    "sign_in_late": _("“%(room)s”%(due)s 的班次，%(person)s于 %(at)s 才签到，超过 %(minutes)s 分钟"),
    "handover_missing": _("“%(room)s”%(due)s 结束的班次，%(person)s超过 %(minutes)s 分钟没有交接"),
    "handover_late": _("“%(room)s”%(due)s 结束的班次，%(person)s于 %(at)s 才交接，超过 %(minutes)s 分钟"),
    "duty_unseen": _("“%(room)s”%(since)s 至 %(until)s 由%(person)s值班，门禁没有本人进出的记录"),
    "room_doors_silent": _("“%(room)s”装有门禁，%(days)s 天内没有收到任何门禁日志，无从核对"),
    "room_without_doors": _("“%(room)s”没有门禁，出入无从核对"),
    "opening_without_visit": _(
        "%(person)s于 %(at)s 开了“%(room)s”的门（共 %(times)s 次），没有获准的出入单（机房出入申请），也不是这里的专管员或值班人员"
    ),
    "opening_by_nobody": _("“%(room)s”的门于 %(at)s 打开（共 %(times)s 次），日志没有写明是谁，对不上任何出入单"),
    "door_forced": _("“%(room)s”的门于 %(at)s 被强行打开（共 %(times)s 次）"),
    "room_too_cold": _("“%(room)s”测点 %(sensor)s 温度低至 %(value)s ℃，低于 %(low)s ℃（%(times)s 次，最近 %(at)s）"),
    "room_too_hot": _("“%(room)s”测点 %(sensor)s 温度高至 %(value)s ℃，高于 %(high)s ℃（%(times)s 次，最近 %(at)s）"),
    "room_too_dry": _("“%(room)s”测点 %(sensor)s 湿度低至 %(value)s%%，低于 %(low)s%%（%(times)s 次，最近 %(at)s）"),
    "room_too_humid": _("“%(room)s”测点 %(sensor)s 湿度高至 %(value)s%%，高于 %(high)s%%（%(times)s 次，最近 %(at)s）"),
    "room_power_lost": _("“%(room)s”测点 %(sensor)s 报告供电中断（%(times)s 次，最近 %(at)s）"),
    "room_leak": _("“%(room)s”测点 %(sensor)s 报告漏水（%(times)s 次，最近 %(at)s）"),
    "sensor_silent": _("“%(room)s”测点 %(sensor)s 自 %(at)s 起没有读数，已 %(minutes)s 分钟，限 %(limit)s 分钟"),
    "sensor_was_silent": _("“%(room)s”测点 %(sensor)s 近一天有 %(times)s 次中断，最长 %(minutes)s 分钟，限 %(limit)s 分钟"),
    "room_sensors_silent": _("“%(room)s”近一天没有收到任何环境读数，无从核对"),
    "room_not_measured": _("“%(room)s”近一天没有这些读数，无从核对：%(missing)s"),
    "equipment_unregistered": _("“%(room)s”里看到未登记的设备 %(device)s（%(times)s 次，最近 %(at)s）"),
    "equipment_elsewhere": _("“%(device)s”于 %(at)s 在“%(room)s”被看到，台账上在“%(registered)s”，前后 %(hours)s 小时没有设备进出记录"),
    "equipment_gone": _("“%(device)s”登记在“%(room)s”，%(hours)s 小时没有被看到，也没有设备进出记录"),
    "equipment_without_address": _("“%(device)s”登记在“%(room)s”，没有登记 MAC 地址，看不到它是否还在"),
    "room_without_witness": _("“%(room)s”没有登记在室观测点，架上的设备无从核对"),
    "room_witness_silent": _("“%(room)s”的在室观测点 %(hours)s 小时没有看到任何设备，架上的设备无从核对"),
    # Art. 29
    "source_never_heard": _("日志源 %(source)s 从未收到日志"),
    "no_log_source": _("系统 %(system)s 没有接入日志"),
    "no_vault": _("日志库不可用"),
    "deleted_inside_floor": _("日志段 %(segment)s 不满留存期即已缺失（%(rows)s 行）"),
    "kept_too_short": _("日志源 %(source)s 只留存了 %(days)s 天，应留存 %(floor)s 天（最早一段 %(segment)s）"),
    "source_silent": _("日志源“%(source)s”自 %(since)s 起没有日志，超过 %(minutes)s 分钟"),
    "source_gap": _("日志源“%(source)s”的序号不连续：主机 %(host)s 等近一天共缺 %(missing)s 条，最近缺 %(numbers)s，发现于 %(at)s"),
    "source_over_quota": _("日志源“%(source)s”超出每小时 %(quota_bytes)s 字节的配额，已被限速"),
    "source_lossy": _("日志源“%(source)s”有日志丢失（报文被丢弃，或文件来不及读取），累计至多 %(lost)s 条或处，最近一次在 %(at)s"),
    "source_refused": _("日志源“%(source)s”登记地址上的连接被拒绝，最近一次在 %(at)s（%(why)s）"),
    "source_below_rate": _("日志源“%(source)s”近一天只有 %(lines)s 行，登记为每日至少 %(expected)s 行"),
    "clock_ahead": _("日志源“%(source)s”的时钟快 %(seconds)s 秒，超过 %(tolerance)s 秒"),
    "clock_behind": _("日志源“%(source)s”的时钟慢 %(seconds)s 秒，或日志晚到同样长的时间，超过 %(tolerance)s 秒"),
    "device_seen_after_retirement": _("“%(device)s”%(day)s 已停用，%(at)s 仍在网上出现（%(known_by)s，共 %(times)s 次）"),
    "device_seen_after_end": _("“%(device)s”使用期限到 %(day)s，%(at)s 仍在网上出现（%(known_by)s，共 %(times)s 次）"),
    "device_on_internet": _("“%(device)s”登记在%(zone)s，%(at)s 与互联网有往来（%(known_by)s，共 %(times)s 次）"),
    "account_in_two_places": _("账号 %(account)s（%(person)s）同时从 %(one)s 和 %(other)s 使用，重叠 %(minutes)s 分钟，最近自 %(at)s"),
    "account_on_others_endpoint": _("账号 %(account)s（%(person)s）%(at)s 在%(owner)s负责的“%(endpoint)s”上登录"),
    "account_used_after_leaving": _("%(person)s %(left_on)s 已离开，账号 %(account)s %(at)s 仍有人登录"),
    "accounts_unwatched": _("近一周没有这些系统的登录会话记录：%(systems)s"),
    "person_on_internet": _("%(person)s登录“%(endpoint)s”期间，它在 %(at)s 与互联网有往来（%(known_by)s，共 %(times)s 次）"),
    "endpoint_on_internet": _(
        "“%(endpoint)s”在 %(at)s 与互联网有往来（%(known_by)s，共 %(times)s 次），当时无人登录的记录，由责任人%(person)s负责"
    ),
    "address_on_internet": _("%(zone)s的地址 %(address)s 在 %(at)s 与互联网有往来（共 %(times)s 次），没有登记的设备与它对应"),
    "device_in_two_zones": _("“%(device)s”在同一天出现在%(zones)s（%(known_by)s，最近在 %(at)s）"),
    "no_watch_of_internet": _("近一周没有信标、域名解析和流量日志，%(devices)s 台内网设备是否连过互联网无从核对"),
    "config_change_unordered": _(
        "“%(device)s”的配置在 %(since)s 至 %(until)s 之间改动，新增 %(added)s 行、删除 %(removed)s 行（%(lines)s），没有批准的变更单"
    ),
    "project_closed_unreviewed": _("网络项目“%(project)s”于 %(ended_on)s 结项，此前没有通过防护审查"),
    "project_reviewed_later": _("网络项目“%(project)s”于 %(ended_on)s 结项，%(review_on)s 才通过防护审查"),
    "config_changes_unordered": _("“%(device)s”的配置自 %(since)s 至 %(until)s 改动 %(times)s 次（最近：%(lines)s），都没有批准的变更单"),
    "config_change_ordered_later": _(
        "“%(device)s”的配置在 %(since)s 至 %(until)s 之间改动，新增 %(added)s 行、删除 %(removed)s 行（%(lines)s），变更单是事后补批的"
    ),
    "config_way_out_address": _(
        "“%(device)s”在%(zone)s，%(at)s 的配置第 %(line)s 行给接口设了互联网地址 %(outside)s（%(text)s），没有批准的链路"
    ),
    "config_way_out_route": _(
        "“%(device)s”在%(zone)s，%(at)s 的配置第 %(line)s 行把路由指向互联网地址 %(outside)s（%(text)s），没有批准的链路"
    ),
    "config_way_out_neighbor": _(
        "“%(device)s”在%(zone)s，%(at)s 的配置第 %(line)s 行同互联网上的 %(outside)s 做邻居（%(text)s），没有批准的链路"
    ),
    "config_way_out_tunnel": _(
        "“%(device)s”在%(zone)s，%(at)s 的配置第 %(line)s 行的隧道通向互联网上的 %(outside)s（%(text)s），没有批准的链路"
    ),
    "config_way_out_nat": _(
        "“%(device)s”在%(zone)s，%(at)s 的配置第 %(line)s 行把地址转换成互联网地址 %(outside)s（%(text)s），没有批准的链路"
    ),
    "snapshot_unread": _("“%(device)s”的最近一份配置有 %(lines)s 行没有读懂（自第 %(line)s 行起），有没有通向互联网无从断定"),
    "default_route_without_hop": _("“%(device)s”的默认路由只写了接口 %(interface)s（第 %(line)s 行），通向哪里无从断定"),
    "outage_during_change": _(
        "“%(system)s”（%(target)s）自 %(begin)s 起中断 %(minutes)s 分钟，其间“%(device)s”的配置有改动（%(from)s 至 %(to)s），"
        "不在批准的变更时间内"
    ),
    "system_without_availability": _("近一周没有“%(system)s”的可用性监测记录，有没有中断无从知道"),
    "device_without_log_source": _("“%(device)s”没有登记对应的日志源，收不到它的日志"),
    "device_log_silent": _("“%(device)s”的日志源 %(sources)s 超过 %(minutes)s 分钟没有日志，最近一次在 %(last)s"),
    "device_without_flows": _("“%(device)s”近一周没有送来流量记录"),
    "device_flows_silent": _("“%(device)s”超过 %(minutes)s 分钟没有流量记录，最近一次在 %(last)s"),
    "device_without_configuration": _("“%(device)s”没有送来过配置"),
    "device_configuration_silent": _("“%(device)s”超过 %(hours)s 小时没有送来配置，最近一次在 %(last)s"),
    "sender_without_interface": _("日志源“%(source)s”的发送地址 %(address)s 不属于任何登记的接口"),
    "isolated_pair_crossed": _(
        "%(zone)s有流量穿过应隔离的网络（%(pair)s）：%(source)s 到 %(destination)s 等 %(ways)s 对地址，"
        "共 %(times)s 次，最近在 %(at)s，没有批准的链路"
    ),
    "no_flows_of_pairs": _("近一周没有流量日志，%(zones)s 个应隔离的区域有没有被穿过无从知道"),
    "configured_path": _("按现行配置，%(source)s 可到达 %(destination)s（%(service)s），经过 %(path)s；可通的有 %(ways)s"),
    "isolation_doubt": _("“%(device)s”的配置第 %(line)s 行没有读懂，隔离无从证明：%(text)s"),
    "isolation_doubt_ipv6": _("“%(device)s”启用了 IPv6（第 %(line)s 行），隔离只按 IPv4 证明"),
    "isolation_doubt_next_hop": _("“%(device)s”有一条路由指向台账以外的设备（第 %(line)s 行 %(text)s），其后通到哪里无从知道"),
    "isolation_doubt_dynamic_routes": _("“%(device)s”的路由由动态协议学来，过滤规则又不足以隔开，无从证明"),
    "isolation_doubt_may_pass": _("“%(device)s”的一条规则视应用、用户或时间而定，可能放行：第 %(line)s 行 %(text)s"),
    "isolation_doubt_port_unknown": _("“%(device)s”的接口 %(text)s 没有登记地址，不知道接在哪个区域"),
    "isolation_doubt_address": _("“%(device)s”有接口的地址不是固定的（第 %(line)s 行），不知道接在哪里"),
    "isolation_doubt_tunnel": _("“%(device)s”有隧道（第 %(line)s 行 %(text)s），通到哪里无从知道"),
    "isolation_doubt_nat": _("“%(device)s”有一条地址转换没有读懂（第 %(line)s 行 %(text)s）"),
    "isolation_area_without_port": _("没有一台已采集配置的设备连着“%(zone)s”，不知道它的数据从哪里出去"),
    "isolation_may_pass": _("%(pair)s之间可能走得通，未能用实际数据包验证"),
    "device_without_snapshot": _("“%(device)s”没有配置快照，有没有改动无从核对"),
    "snapshot_stale": _("“%(device)s”最近一份配置快照是 %(at)s 采集的，超过 %(hours)s 小时"),
    "no_network_devices": _("设备台账里没有在用的网络设备"),
    # Art. 6
    "service_unowned": _(
        "%(place)s 自 %(since)s 起一直有人连用 %(service)s（最近在 %(at)s，客户端 %(clients)s 个，共 %(times)s 次），查不到属于哪个信息系统"
    ),
    "service_orphaned": _(
        "%(place)s 的 %(service)s 原属“%(system)s”，该系统或环境已停用、管理单位已撤销，自 %(since)s 起仍有人连用"
        "（最近在 %(at)s，客户端 %(clients)s 个，共 %(times)s 次），没有单位负责"
    ),
    "services_unowned": _(
        "%(place)s 有 %(ports)s 个端口自 %(since)s 起一直有人连用（最近是 %(service)s，%(at)s，共 %(times)s 次），查不到属于哪个信息系统"
    ),
    "service_everywhere_unowned": _(
        "%(zone)s有 %(places)s 个地址自 %(since)s 起一直开着 %(service)s（例如 %(place)s，最近在 %(at)s，共 %(times)s 次），"
        "查不到属于哪个信息系统"
    ),
    "services_answers_not_told": _(
        "%(zone)s里有 %(services)s 处往来只记了请求（例如 %(address)s 的 %(service)s），没有记回应，有没有服务无从断定"
    ),
    "zone_without_flows": _("近期没有%(zone)s的流量日志，区域里有没有无主的服务无从知道"),
    "no_flows_of_services": _("近期没有流量日志，%(zones)s 个网络区域有没有无主的服务无从知道"),
    "link_unapproved_nat": _(
        "“%(told_by)s”把%(zone)s的 %(inner)s 转换成互联网地址 %(outside)s（最近在 %(at)s，共 %(times)s 次），没有批准的链路"
    ),
    "link_unapproved_neighbor": _(
        "%(zone)s的“%(told_by)s”与互联网上的 %(outside)s 互为邻居（最近在 %(at)s，共 %(times)s 次），没有批准的链路"
    ),
    "link_unapproved_gateway": _(
        "“%(told_by)s”（%(inner)s）在%(zone)s一侧带有互联网地址 %(outside)s（最近在 %(at)s，共 %(times)s 次），没有批准的链路"
    ),
    "no_flows_of_links": _("近一周没有流量日志，%(zones)s 个内网区域有没有地址转换无从核对"),
    "no_sightings_of_links": _("近一周没有地址表、邻居等在网记录，%(zones)s 个内网区域有没有通往互联网的网关和邻居无从核对"),
    "no_inner_zones": _("没有登记内网区域，无从核对"),
    # Art. 10
    "outside_peer_unapproved": _(
        "“%(inner)s”与外部地址 %(peer)s 有往来（%(service)s，最近在 %(at)s，共 %(times)s 次），没有批准的对外互联"
    ),
    "outside_peers_unapproved": _(
        "“%(inner)s”与 %(peers)s 个外部地址有往来（最近是 %(peer)s，%(service)s，%(at)s，共 %(times)s 次），没有批准的对外互联"
    ),
    "link_outgrown_dates": _(
        "%(source)s 到 %(destination)s（%(service)s）不在“%(link)s”的批准期限内，共 %(ways)s 种往来 %(times)s 次，最近在 %(at)s"
    ),
    "link_outgrown_addresses": _(
        "%(source)s 到 %(destination)s（%(service)s）超出“%(link)s”批准的网段，共 %(ways)s 种往来 %(times)s 次，最近在 %(at)s"
    ),
    "link_outgrown_ports": _(
        "%(source)s 到 %(destination)s（%(service)s）超出“%(link)s”批准的端口，共 %(ways)s 种往来 %(times)s 次，最近在 %(at)s"
    ),
    "zones_meet_without_link": _(
        "%(zone)s与%(other)s之间有往来（例如 %(source)s 到 %(destination)s），没有登记过批准的链路，批准到哪里无从核对"
    ),
    "no_flows_beside_links": _("近一周没有流量日志，%(links)s 条链路有没有超出批准的范围无从核对"),
    "outside_traffic_across_pause": _("“%(inner)s”与 %(peer)s 的往来跨过两次批准之间的间断，间断之内有没有往来无从核对"),
    "no_watch_of_outside": _("近一周没有流量日志，%(zones)s 个网络区域有没有对外互联无从核对"),
    "zones_without_networks": _("%(zones)s没有登记网段，无从分清内外"),
    "no_zones": _("没有登记网络区域，无从分清内外"),
    # Art. 8
    "system_without_grading": _("“%(system)s”没有等级保护定级，应有哪些防护无从判断"),
    "grading_differs": _("“%(system)s”定级为 %(graded)s 级，信息系统台账登记为 %(registered)s 级，按较高的核对"),
    "system_not_filed": _("“%(system)s”为 %(level)s 级，没有备案证明编号"),
    "system_measures_not_set": _("还没有规定 %(level)s 级信息系统的防护措施，“%(system)s”无从核对"),
    "measures_missing": _("“%(system)s”为 %(level)s 级，所需防护措施没有都证明（发现时缺 %(count)s 项：%(measures)s）"),
    "measures_past_proof": _("“%(system)s”为 %(level)s 级，防护措施的证明已过有效期（发现时 %(count)s 项：%(measures)s）"),
    "measures_without_end": _("“%(system)s”有 %(count)s 项防护措施的证明没有写有效期"),
    "evaluation_old": _("“%(system)s”为 %(level)s 级，最近测评在 %(since)s，超过 %(days)s 天"),
    "never_evaluated": _("“%(system)s”为 %(level)s 级，%(since)s 定级后从未测评，超过 %(days)s 天"),
    "evaluation_not_yet": _("“%(system)s”%(since)s 定级，还没有测评过，%(days)s 天内应测评"),
    # Art. 10
    "traffic_without_assessment": _("“%(interconnection)s”没有通过评估就有往来（%(inner)s 与 %(peer)s，最早在 %(at)s，共 %(times)s 次）"),
    "traffic_before_assessment": _(
        "“%(interconnection)s”在评估通过（%(passed_at)s）之前就有往来（%(inner)s 与 %(peer)s，最早在 %(at)s，共 %(times)s 次）"
    ),
    "traffic_after_assessment": _(
        "“%(interconnection)s”在评估（%(passed_at)s 通过）有效期过后开始往来（%(inner)s 与 %(peer)s，最早在 %(at)s，共 %(times)s 次）"
    ),
    "no_watch_of_assessed": _("近一周没有流量日志，%(interconnections)s 项对外互联有没有开始往来无从核对"),
    # Art. 11
    "system_without_project": _("“%(system)s”正在规划或建设，没有登记建设项目"),
    "project_without_design": _("“%(project)s”%(initiated_on)s 立项，没有安全设计项"),
    "design_after_initiation": _("“%(project)s”%(initiated_on)s 立项，最早的安全设计在 %(designed_on)s"),
    "design_without_day": _("“%(project)s”的安全设计项没有写设计日期，是否在立项（%(initiated_on)s）前设计无从核对"),
    "project_without_checklist": _("“%(project)s”已立项，没有两人签字的方案核对表"),
    "checklist_of_withdrawn": _("“%(project)s”的核对表 %(checklist)s 于 %(signed_on)s 签字，所引%(standards)s当时不在施行中"),
    "construction_policy_missing": _("%(unit)s有在建项目，没有现行的%(kind)s"),
    "construction_policy_review_overdue": _("%(unit)s的%(kind)s最近复审在 %(reviewed_on)s，超过 %(days)s 天"),
    "act_without_day": _("“%(project)s”的%(what)s没有写建成日期，是否在批准之后无从核对"),
    "built_before_approval": _("“%(project)s”未经领导小组批准就已%(act)s（%(what)s，%(on)s，发现时共 %(count)s 项）"),
    "construction_policy_unapproved": _("%(unit)s的《%(document)s》自 %(in_force_from)s 起施行，没有领导小组的批准"),
    "construction_policy_approved_late": _("%(unit)s的《%(document)s》自 %(in_force_from)s 起施行，领导小组 %(approved_on)s 才批准"),
    "scheme_after_approval": _("“%(interconnection)s”的方案《%(scheme)s》日期为 %(scheme_on)s，晚于批准日期 %(approved_on)s"),
    "standard_not_in_force": _("“%(interconnection)s”的方案《%(scheme)s》所依的%(standard)s不在施行中"),
    "approval_without_scheme": _("%(case)s 批准了对外互联，没有登记方案、等级和所依标准"),
    "interconnection_outside_dates": _(
        "“%(interconnection)s”在批准的期限以外仍有往来（%(inner)s 与 %(peer)s，%(service)s，最近在 %(at)s，共 %(times)s 次）"
    ),
    "interconnection_outside_addresses": _(
        "“%(interconnection)s”的往来超出批准的地址（%(inner)s 与 %(peer)s，%(service)s，最近在 %(at)s，共 %(times)s 次）"
    ),
    "interconnection_outside_ports": _(
        "“%(interconnection)s”的往来超出批准的端口（%(inner)s 与 %(peer)s，%(service)s，最近在 %(at)s，共 %(times)s 次）"
    ),
    "interconnection_outside_client": _(
        "“%(interconnection)s”有未经批准的接口调用方（%(inner)s，自 %(peer)s，最近在 %(at)s，共 %(times)s 次）"
    ),
    "interconnection_over_volume": _(
        "“%(interconnection)s”在 %(day)s 的流量为 %(mb)s MB，超过批准的每日 %(approved_mb)s MB 的 %(factor)s 倍（共 %(days)s 天超出）"
    ),
    "volume_not_told": _("“%(interconnection)s”的流量日志没有字节数，每日流量无从核对"),
    "fields_not_seen": _("“%(interconnection)s”限定了交换字段，日志不含字段名，实际交换的字段无从核对"),
    "no_watch_of_interconnections": _("近一周没有流量日志，%(interconnections)s 项对外互联是否按批准运行无从核对"),
    "devices_without_zone": _("%(devices)s 台在用设备没有登记网络区域（如“%(device)s”），无从判断它们是不是内网设备"),
    "retired_without_successor": _("“%(device)s”%(retired_on)s 停用，没有接替设备，也没有写明不需接替的理由"),
    "expiring_without_successor": _("“%(device)s”使用期限到 %(end_on)s（%(days)s 天），还没有定下接替设备"),
    "device_without_dates": _("“%(device)s”没有启用日期，也没有停止支持日和批准使用日期，无从判断"),
    "no_sightings": _("近一天没有任何看得到设备的日志（在网记录、准入、流量、登录），%(devices)s 台设备无从核对"),
    "no_devices": _("设备台账还没有登记任何设备"),
    # Art. 14, 15
    "no_endpoints": _("客户端台账还没有登记任何客户端"),
    "endpoint_without_kind": _("“%(endpoint)s”没有归到规定的客户端类别"),
    "endpoint_policy_missing": _("%(unit)s没有现行的客户端管理制度"),
    "endpoint_policy_review_overdue": _("%(unit)s的客户端管理制度最近复审在 %(reviewed_on)s，超过 %(days)s 天"),
    "endpoint_keeper_missing": _("%(unit)s自 %(since)s 起没有在岗的客户端责任人，超过 %(days)s 天"),
    "endpoint_without_report": _("“%(endpoint)s”已入网，从未报告过安全状态"),
    "posture_missing": _("从未报告过安全状态"),
    "posture_stale": _("最近的安全状态报告已过期"),
    "posture_second_route": _("有 %(routes)s 条默认路由，内网电脑只应有一条"),
    "posture_outside_adapter": _("启用了可连到外面的网卡：%(adapters)s"),
    "posture_proxy": _("设置了代理 %(proxy)s"),
    "posture_sharing": _("开启了网络共享"),
    "posture_without_network": _("“%(endpoint)s”的安全状态报告没有说明联网方式（默认路由、启用的网卡、代理、共享）"),
    "posture_without_products": _("安全状态报告没有说明安全产品"),
    "posture_without_patches": _("安全状态报告没有说明已装补丁"),
    "posture_proves_nothing": _("检查结果不能证明合格（%(results)s）"),
    "antivirus_missing": _("没有安装杀毒软件"),
    "antivirus_stopped": _("杀毒软件“%(product)s”没有运行"),
    "antivirus_state_unknown": _("杀毒软件“%(product)s”是否运行不明"),
    "product_missing": _("没有安装规定的“%(product)s”"),
    "product_stopped": _("规定的“%(product)s”没有运行"),
    "product_state_unknown": _("规定的“%(product)s”是否运行不明"),
    "product_setting_unknown": _("“%(product)s”的配置项“%(setting)s”不明"),
    "product_setting_wrong": _("“%(product)s”的配置项“%(setting)s”为“%(given)s”，规定为“%(required)s”"),
    "product_unregistered": _("“%(product)s”不在安全产品台账内，特征库是否最新无从核对"),
    "product_behind": _("“%(product)s”版本 %(version)s，最新版 %(newest)s 上架已超过 %(days)s 天"),
    "product_past_support": _("“%(product)s”已于 %(on)s 停止支持"),
    "signatures_old": _("“%(product)s”特征库为 %(on)s，比镜像站的 %(newest)s 落后 %(behind)s 天，超过 %(days)s 天"),
    "signatures_too_old": _("“%(product)s”特征库为 %(on)s，已有 %(behind)s 天，超过 %(days)s 天"),
    "signatures_unknown": _("“%(product)s”的特征库日期不明"),
    "mirror_without_signatures": _("安全产品台账没有写明“%(product)s”最新特征库的日期"),
    "patches_missing": _("缺少 %(count)s 个已过期限的补丁（%(patches)s）"),
    "no_patch_baseline": _("补丁基线还没有登记任何补丁"),
    "mac_unknown": _("MAC 地址没有登记"),
    "mac_claimed_twice": _("MAC 地址登记在不止一个客户端上"),
    "mac_not_enough": _("所属区域不准只凭 MAC 地址入网"),
    "endpoint_retired": _("客户端已停用"),
    "zone_without_vlan": _("所属区域没有准入 VLAN"),
    "zone_is_quarantine": _("登记在隔离区"),
    "no_admissions": _("近一天没有任何准入日志，%(endpoints)s 台客户端无从核对"),
    "no_zone_sightings": _("近两天没有任何在网记录（DHCP、地址表等），未经准入而入网的无从发现"),
    "admitted_without_posture": _("“%(endpoint)s”%(at)s 进入%(zone)s（共 %(times)s 次），没有 %(hours)s 小时内合格的安全状态报告"),
    "admitted_by_last_verdict": _("准入服务失效期间，“%(endpoint)s”%(at)s 沿用上次结论进入%(zone)s（共 %(times)s 次）"),
    "stranger_admitted": _("没有登记的 %(mac)s %(at)s 进入%(zone)s（共 %(times)s 次）"),
    "endpoint_seen_without_admission": _("“%(endpoint)s”%(at)s 出现在%(zone)s（%(ip)s，共 %(times)s 次），没有准入记录"),
    "stranger_seen": _("没有登记的 %(mac)s %(at)s 出现在%(zone)s（%(ip)s，共 %(times)s 次），没有准入记录"),
    "software_unknown": _("“%(endpoint)s”没有近期的软件报告，或没有适用的软件清单"),
    "software_outside_list": _("“%(endpoint)s”装有清单“%(list)s”以外的软件 %(count)s 种（%(software)s），超过 %(hours)s 小时"),
    "peripheral_unlisted": _("“%(endpoint)s”%(at)s 接入清单外的外设 %(identity)s（共 %(times)s 次）"),
    "network_adapter_unlisted": _("“%(endpoint)s”%(at)s 接入清单外的网卡 %(identity)s（共 %(times)s 次）"),
    "no_peripheral_lines": _("近一天没有收到客户端的外设日志"),
    "device_without_report": _("“%(device)s”要求安装安全产品，%(at)s 在网，%(hours)s 小时内没有安全状态报告"),
    "device_report_missing": _("“%(device)s”要求安装安全产品，没有安全状态报告"),
    "no_required_products": _("安全产品台账没有写明哪类设备要求安装什么"),
    "redaction_waits": _("日志隐去 %(case)s 批准已超过一天，尚未执行：%(why)s"),
    "segment_fault": _("日志段 %(segment)s 未通过验证（%(part)s：%(what)s）"),
    "segment_missing": _("日志段 %(segment)s 缺失"),
    "segment_out_of_chain": _("日志段 %(segment)s 与前一段不相连"),
    "vault_not_verified": _("日志库两天内没有完成过验证"),
    "disk_fills_first": _("按目前的速度，磁盘 %(days)s 天后写满，而留存还需 %(needed_days)s 天"),
    # Art. 34
    "system_without_kind": _("%(system)s没有归入规定的系统类别"),
    "belongs_to_no_system": _("“%(thing)s”在用，不属于任何信息系统"),
    "belongs_to_retired_system": _("“%(thing)s”在用，所属的“%(system)s”已停用"),
    # Art. 35, 36
    "value_differs": _("参数 %(parameter)s 按 %(value)s 执行，与办公室签署的 %(signed)s 不一致"),
    "no_text_imported": _("尚未导入办法原文"),
    "no_publication_date": _("现行办法版本没有发布日期"),
    "finding_before_effect": _("问题 %(finding)s 的日期早于办法施行日期 %(effective_on)s"),
}
LINKED = {"reasons"}  # parameters that hold reasons themselves
SEPARATORS = {"zh": ("；", "、"), "en": ("; ", ", ")}


def text(why: Why | Mapping[str, Any]) -> str:
    """Return the sentence of a reason, given as Why or as its stored {"code", "params"}."""
    code, params = (why.code, why.params) if isinstance(why, Why) else (str(why.get("code", "")), why.get("params", {}))
    language = _language()
    semicolon, comma = SEPARATORS[language]
    words = {name: _word(value, semicolon if name in LINKED else comma) for name, value in params.items()}
    if code not in WORDING:
        return f"{code} {words}" if words else code
    try:
        return str(WORDING[code]) % words
    except (KeyError, ValueError):
        return f"{code} {words}"


def both(why: Why | Mapping[str, Any]) -> dict[str, str]:
    """Return the sentence of a reason in Chinese and English."""
    spoken = {}
    for key, language in (("zh", "zh-hans"), ("en", "en")):
        with translation.override(language):
            spoken[key] = text(why)
    return spoken


def _language() -> str:
    return "en" if (translation.get_language() or "zh").startswith("en") else "zh"


def _word(value: Any, separator: str) -> str:
    if isinstance(value, dict):  # a reason of its own, or a name that the catalog gives in both languages
        return text(value) if "code" in value else str(value.get(_language(), ""))
    if isinstance(value, list | tuple):
        return separator.join(_word(item, separator) for item in value)
    if isinstance(value, datetime):
        return value.astimezone(clock.BEIJING).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


SEVERITIES: Mapping[str, str | Promise] = {
    "critical": _("特别严重"),
    "high": _("严重"),
    "medium": _("一般"),
    "low": _("轻微"),
}


def severity(code: str) -> str:
    """Return the word of a severity."""
    return str(SEVERITIES.get(str(code), code))
