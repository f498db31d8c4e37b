"""What runs where, and what proves that it may (Art. 8, 11, 13): gradings, environments, releases, designs, tests, scans, go-lives."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.network.fields import addresses, hosts
from anzhang.systems import fields
from anzhang.systems.models import System

__all__ = [
    "CodeScan",
    "Database",
    "DesignItem",
    "DeveloperException",
    "Environment",
    "GoLive",
    "ProtectionGrading",
    "Release",
    "TestReport",
]


class ProtectionGrading(Ledgered):
    """The level of a system under classified protection (等级保护): filing with the police, and the last evaluation (Art. 8).

    A system that is graded anew gets a row of a later day; the newest one counts.
    """

    NAMED_BY: ClassVar = ("system",)

    class Result(models.TextChoices):
        """What the evaluation found, as GB/T 28448 words it."""

        EXCELLENT = "excellent", _("优")
        GOOD = "good", _("良")
        FAIR = "fair", _("中")
        POOR = "poor", _("差")

    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"), related_name="gradings")
    graded_on = models.DateField(_("定级日期"))
    level = models.PositiveSmallIntegerField(_("等级"))
    filing_number = models.CharField(_("备案证明编号"), max_length=64, blank=True)
    filed_on = models.DateField(_("备案日期"), null=True, blank=True)
    evaluated_on = models.DateField(_("最近测评日期"), null=True, blank=True)
    result = models.CharField(_("测评结论"), max_length=16, choices=Result.choices, blank=True)
    evaluator = models.CharField(_("测评机构"), max_length=200, blank=True)
    earlier = models.JSONField(_("以前的测评日期"), default=list, blank=True, validators=[fields.days])
    next_due_on = models.DateField(_("计划下次测评"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("等级保护定级")
        ordering = ("system", "-graded_on")
        constraints = (
            models.UniqueConstraint(fields=["system", "graded_on"], name="one_grading_a_day"),
            models.CheckConstraint(
                condition=Q(level__range=(1, 5)), name="grading_level_1_to_5", violation_error_message=_("等级为 1 至 5。")
            ),
            models.CheckConstraint(
                condition=Q(filing_number="", filed_on=None)
                | (Q(filed_on__isnull=False, filed_on__gte=F("graded_on")) & ~Q(filing_number="")),
                name="grading_filed_with_its_day",
                violation_error_message=_("备案证明编号和备案日期一起写，备案不早于定级。"),
            ),
            models.CheckConstraint(
                condition=Q(evaluated_on=None, result="", evaluator="")
                | (Q(evaluated_on__isnull=False) & ~Q(result="") & ~Q(evaluator="")),
                name="grading_evaluation_is_whole",
                violation_error_message=_("测评写明日期、结论和机构。"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.system} {self.level}"


class Environment(Ledgered):
    """Where a system runs: its hosts as the logs call them, its addresses, and the folders in which its programs lie."""

    class Kind(models.TextChoices):
        """What it is for."""

        DEVELOPMENT = "development", _("开发环境")
        TEST = "test", _("测试环境")
        PRODUCTION = "production", _("生产环境")

    class State(models.TextChoices):
        """Whether it is there."""

        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    code = models.CharField(_("环境编号"), max_length=32, unique=True)
    name = models.CharField(_("环境名称"), max_length=100)
    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"))
    kind = models.CharField(_("环境类别"), max_length=16, choices=Kind.choices)
    hosts = models.JSONField(_("主机名"), default=list, blank=True, validators=[hosts])
    addresses = models.JSONField(_("IP 地址"), default=list, blank=True, validators=[addresses])
    folders = models.JSONField(_("程序目录"), default=list, blank=True, validators=[fields.folders])  # none: every program of its hosts
    project = models.ForeignKey("anzhang.Project", models.PROTECT, verbose_name=_("建设项目"), null=True, blank=True)
    set_up_on = models.DateField(_("建成日期"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("运行环境")
        ordering = ("code",)
        indexes = (models.Index(fields=["system", "kind"], name="environment_system"),)

    def __str__(self) -> str:
        return self.name


class Database(Ledgered):
    """An instance of a database: whose data it keeps, where it answers, who answers for it (Art. 4, 34)."""

    class Engine(models.TextChoices):
        """What it runs."""

        POSTGRESQL = "postgresql", "PostgreSQL"
        MYSQL = "mysql", "MySQL"
        MARIADB = "mariadb", "MariaDB"
        ORACLE = "oracle", "Oracle"
        SQL_SERVER = "sql_server", "SQL Server"
        DB2 = "db2", "Db2"
        DM = "dm", _("达梦")
        KINGBASE = "kingbase", _("人大金仓")
        OPENGAUSS = "opengauss", "openGauss"
        OCEANBASE = "oceanbase", "OceanBase"
        GBASE = "gbase", _("南大通用")
        MONGODB = "mongodb", "MongoDB"
        REDIS = "redis", "Redis"
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        """Whether it is there."""

        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    NAMED_BY: ClassVar = ("unit",)

    code = models.CharField(_("数据库编号"), max_length=32, unique=True)
    name = models.CharField(_("数据库名称"), max_length=100)
    engine = models.CharField(_("数据库产品"), max_length=16, choices=Engine.choices)
    label = models.CharField(_("版本号"), max_length=32, blank=True)
    system = models.ForeignKey(
        System, models.PROTECT, verbose_name=_("所属信息系统"), null=True, blank=True
    )  # found before anybody knew whose
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("管理单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"), null=True, blank=True)
    addresses = models.JSONField(_("IP 地址"), default=list, blank=True, validators=[addresses])
    port = models.PositiveIntegerField(_("端口"), null=True, blank=True)
    in_service_on = models.DateField(_("启用日期"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("数据库")
        ordering = ("code",)
        indexes = (models.Index(fields=["unit", "state"], name="database_unit_state"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(port=None) | Q(port__range=(1, 65535)),
                name="database_port_1_to_65535",
                violation_error_message=_("端口为 1 至 65535。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Release(Ledgered):
    """A version of a system's programs, named by the digests of what runs, with those who developed it."""

    class State(models.TextChoices):
        """Life of a release; only the verb that passes the gate makes a known one live."""

        CANDIDATE = "candidate", _("待上线")
        LIVE = "live", _("已上线")
        WITHDRAWN = "withdrawn", _("已停用")

    code = models.CharField(_("发布编号"), max_length=32, unique=True)
    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"))
    label = models.CharField(_("版本号"), max_length=32)
    artifact = models.CharField(_("制品名称"), max_length=200)
    digests = models.JSONField(_("制品摘要"), validators=[fields.digests])  # SHA-256, small letters
    developers = models.JSONField(_("开发人员"), default=list, blank=True, validators=[fields.codes])  # codes of people
    built_on = models.DateField(_("构建日期"))
    project = models.ForeignKey("anzhang.Project", models.PROTECT, verbose_name=_("建设项目"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.CANDIDATE)
    live_at = models.DateTimeField(_("上线时间"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("版本发布")
        ordering = ("system", "-built_on", "code")
        indexes = (models.Index(fields=["system", "state"], name="release_system"),)
        constraints = (
            models.UniqueConstraint(fields=["system", "label"], name="one_release_per_label"),
            models.CheckConstraint(
                condition=Q(state="live", live_at__isnull=False) | Q(state="candidate", live_at=None) | Q(state="withdrawn"),
                name="live_release_since",
                violation_error_message=_("已上线的版本写上线时间，待上线的不写。"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.artifact} {self.label}"


class DesignItem(Ledgered):
    """A security function that the design of a system or a project promises, to be traced to passed tests of what goes live."""

    class State(models.TextChoices):
        """Whether the design still holds it."""

        REQUIRED = "required", _("须实现")
        DROPPED = "dropped", _("已取消")

    code = models.CharField(_("设计项编号"), max_length=32, unique=True)
    name = models.CharField(_("安全功能"), max_length=200)
    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"), null=True, blank=True)  # none: of a network project
    project = models.ForeignKey("anzhang.Project", models.PROTECT, verbose_name=_("建设项目"), null=True, blank=True)
    designed_on = models.DateField(_("设计日期"), null=True, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.REQUIRED)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("安全设计项")
        ordering = ("system", "code")
        constraints = (
            models.CheckConstraint(
                condition=Q(system__isnull=False) | Q(project__isnull=False),
                name="design_item_of_something",
                violation_error_message=_("写明信息系统或建设项目。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class TestReport(Ledgered):
    """What a test of a release found: of which kind, on which digests, by whom, and the digest of the report itself."""

    __test__ = False  # no test of this program

    class Kind(models.TextChoices):
        """What was tested."""

        FUNCTIONAL = "functional", _("功能测试")
        SECURITY = "security", _("安全测试")
        PERFORMANCE = "performance", _("性能测试")
        ACCEPTANCE = "acceptance", _("验收测试")

    code = models.CharField(_("报告编号"), max_length=32, unique=True)
    release = models.ForeignKey(Release, models.PROTECT, verbose_name=_("版本发布"))
    kind = models.CharField(_("测试类别"), max_length=16, choices=Kind.choices)
    digests = models.JSONField(_("所测制品摘要"), validators=[fields.digests])
    passed = models.BooleanField(_("通过"))
    tested_on = models.DateField(_("测试日期"))
    tester = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("测试人员"))
    cases = models.JSONField(_("通过的安全设计项"), default=list, blank=True, validators=[fields.codes])  # codes of design items
    report_sha256 = models.CharField(_("报告文件摘要"), max_length=64, blank=True, validators=[fields.digest])
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    NAMED_BY: ClassVar = ("release",)

    class Meta:
        verbose_name = _("测试报告")
        ordering = ("-tested_on", "code")
        indexes = (models.Index(fields=["release", "kind"], name="test_report_release"),)

    def __str__(self) -> str:
        return f"{self.code} {self.get_kind_display()}"


class CodeScan(Ledgered):
    """What a scanner said of one artifact: open results by severity, as a SARIF file has them. Written only by its import."""

    release = models.ForeignKey(Release, models.PROTECT, verbose_name=_("版本发布"))
    digest = models.CharField(_("所扫制品摘要"), max_length=64, validators=[fields.digest])
    tool = models.CharField(_("扫描工具"), max_length=100)
    tool_version = models.CharField(_("工具版本"), max_length=64, blank=True)
    critical = models.PositiveIntegerField(_("特别严重"))
    high = models.PositiveIntegerField(_("严重"))
    medium = models.PositiveIntegerField(_("一般"))
    low = models.PositiveIntegerField(_("轻微"))
    suppressed = models.PositiveIntegerField(_("已抑制"))
    worst = models.JSONField(_("最严重的结果"), default=list, blank=True)  # [severity, rule, place, message], at most twenty
    sarif_sha256 = models.CharField(_("结果文件摘要"), max_length=64, validators=[fields.digest])
    scanned_at = models.DateTimeField(_("扫描时间"))
    recorded_at = models.DateTimeField(_("登记时间"))

    NAMED_BY: ClassVar = ("release",)

    class Meta:
        verbose_name = _("代码扫描")
        ordering = ("-scanned_at", "-pk")
        indexes = (models.Index(fields=["release", "digest"], name="code_scan_release"),)
        constraints = (models.UniqueConstraint(fields=["release", "digest", "tool", "sarif_sha256"], name="one_scan_per_file"),)

    def __str__(self) -> str:
        return f"{self.tool} {self.digest[:12]}"

    @property
    def blocking(self) -> int:
        """Return how many open results keep the artifact from going live (Art. 13)."""
        return self.critical + self.high


class GoLive(Ledgered):
    """Leave to put named artifacts of a release into an environment, in a window, by one person. Only an approved case gives one.

    One that was approved after its window began was recorded later than it begins (补批), and it says so.
    """

    release = models.ForeignKey(Release, models.PROTECT, verbose_name=_("版本发布"))
    environment = models.ForeignKey(Environment, models.PROTECT, verbose_name=_("运行环境"))
    digests = models.JSONField(_("批准的制品摘要"), validators=[fields.digests])
    window_from = models.DateTimeField(_("允许上线自"))
    window_to = models.DateTimeField(_("允许上线至"))
    operator = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("执行人员"))
    done_at = models.DateTimeField(_("上线时间"), null=True, blank=True)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    NAMED_BY: ClassVar = ("release", "environment", "operator")

    class Meta:
        verbose_name = _("上线批准")
        ordering = ("-window_from", "pk")
        indexes = (models.Index(fields=["environment", "window_from"], name="go_live_environment"),)
        constraints = (
            models.CheckConstraint(condition=Q(window_to__gt=F("window_from")), name="go_live_ends_after_start"),
            models.CheckConstraint(
                condition=Q(done_at=None) | Q(done_at__gte=F("window_from"), done_at__lt=F("window_to")), name="go_live_done_in_window"
            ),
        )

    def __str__(self) -> str:
        return f"{self.release} → {self.environment}"

    @property
    def is_late(self) -> bool:
        """Whether it was approved after its window had begun."""
        return self.recorded_at > self.window_from


class DeveloperException(Ledgered):
    """Leave for a developer of a system to operate it for some days. Only an approved case gives one (A13.1)."""

    system = models.ForeignKey(System, models.PROTECT, verbose_name=_("信息系统"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("开发人员"))
    starts_at = models.DateTimeField(_("开始时间"))
    ends_at = models.DateTimeField(_("结束时间"))
    reason = models.CharField(_("理由"), max_length=500)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))

    NAMED_BY: ClassVar = ("system", "person")

    class Meta:
        verbose_name = _("开发人员操作例外")
        ordering = ("-starts_at", "pk")
        indexes = (models.Index(fields=["system", "person"], name="developer_exception_of"),)
        constraints = (models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="exception_ends_after_start"),)

    def __str__(self) -> str:
        return f"{self.system} {self.person}"
