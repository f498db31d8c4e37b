"""Names of a bureau that does not exist: people, units, systems and bodies, drawn from a seed, the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
GIVEN_ONE = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉萍红玲芬燕彬辉鹏飞宁波琳雪莹倩颖晶欣佳悦斌峰浩宇博文轩睿洁蕾婷薇岚"
GIVEN_TWO = _words(
    "建国 志强 晓东 丽娟 海燕 文博 雅琴 国庆 秀英 春梅 立新 永红 俊杰 思远 子涵 雨桐 浩然 佳怡 天宇 "
    "欣悦 振华 桂兰 新民 爱华 玉梅 晓明 少华 凤霞 庆丰 德胜 长江 景行 若溪 书瑶 明哲 一鸣 嘉豪 诗雨 "
    "梦洁 宏伟 卫东 世杰 福生 月娥 素珍 惠敏 学军 洪亮 亚男 宝林"
)
DIVISIONS = _words(
    "政策法规处 规划财务处 人才开发处 专业技术人员管理处 职业能力建设处 事业单位人事管理处 农民工工作处 "
    "劳动关系处 工资福利处 养老保险处 失业保险处 工伤保险处 城乡居民社会保险处 社会保险基金监督处 调解仲裁管理处 "
    "劳动保障监察处 转业安置处 国际合作处 人事教育处 机关党委办公室 离退休干部处 信访接待处"
)
BUREAUS = (("GWYJ", "市公务员局", "civil_service_bureau"), ("WZJ", "市外国专家局", "foreign_experts_bureau"))
SUBORDINATES = _words(
    "就业服务中心 人才服务中心 人事考试中心 职业技能鉴定中心 劳动人事争议仲裁院 劳动保障监察总队 "
    "社会保障卡管理中心 公共实训中心 电话咨询服务中心 人事档案服务中心 医疗待遇审核中心"
)
SYSTEM_SUBJECTS = _words(
    "养老保险 失业保险 工伤保险 居民保险 就业登记 职业培训 技能鉴定 人事考试 人才引进 职称评审 事业单位招聘 "
    "工资审批 劳动合同备案 劳动监察执法 仲裁办案 社保卡制发 待遇资格认证 基金财务 稽核内控 流动人员档案 "
    "公务员管理 外国专家来华 信访接待 农民工工资支付监控 电话咨询 医疗待遇审核 企业年金备案 创业担保贷款 "
    "见习补贴 军转安置"
)
SYSTEM_FORMS = (
    ("业务经办系统", "business"), ("统计分析系统", "management"), ("网上服务大厅", "website"), ("移动服务平台", "website"),
    ("内部审核系统", "management"), ("数据交换前置系统", "business"), ("档案影像系统", "management"), ("办公协同系统", "office_automation"),
)  # fmt: skip
BODIES = (
    ("津海软件工程有限公司", "company", "核心业务系统驻场开发和运维"), ("渤云数据技术有限公司", "company", "数据库运维支持"),
    ("滨江网络工程有限公司", "company", "网络和机房设备维护"), ("海河信息安全技术有限公司", "company", "安全检测评估"),
    ("津卫制卡有限公司", "company", "社会保障卡制作"), ("新港呼叫服务有限公司", "company", "电话咨询坐席服务"),
    ("市大数据管理中心", "public_body", "政务数据交换共享"), ("市财政局国库处", "public_body", "基金收支对账"),
    ("津沽银行社保结算部", "bank", "社会保险待遇发放"), ("渤海湾农商银行社保部", "bank", "社会保险费代收"),
    ("第一中心医院医保科", "hospital", "医疗待遇联网结算"), ("海滨人民医院医保科", "hospital", "医疗待遇联网结算"),
)  # fmt: skip


def people(seed: int = 20261124) -> Iterator[str]:
    """Yield names without end; one may come twice, as in any bureau of two thousand."""
    dice = random.Random(f"people/{seed}")  # noqa: S311  # demo data, not a secret
    while True:
        given = dice.choice(GIVEN_TWO) if dice.random() < 0.6 else dice.choice(GIVEN_ONE)
        yield dice.choice(SURNAMES) + given


def systems() -> Iterator[tuple[str, str]]:
    """Yield (name, kind) of systems, every subject in its commonest form first."""
    for form, kind in SYSTEM_FORMS:
        for topic in SYSTEM_SUBJECTS:
            yield f"{topic}{form}", kind
