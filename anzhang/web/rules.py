"""核对规则: each rule with what it looks at, what it found, what it costs, how it went, and what another text would say (DESIGN 8)."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import rule_history, rule_versions, rules, wording
from anzhang.casework.models import Finding
from anzhang.casework.parameters import catalog
from anzhang.casework.rules import Rule, RuleError
from anzhang.casework.tables import RuleDay, RuleVersion
from anzhang.engines import vault as engine
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.checks import page
from anzhang.regulation.verdicts import Breach
from anzhang.web import evidence
from anzhang.web import findings as findings_page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

SAMPLES, DAYS, VERSIONS = 20, 30, 20
TRIAL_DAYS = 14
MODES = {"snapshot": _("每次全读"), "append": _("逐行累计"), "window": _("按对象和时段重算")}


@dataclass(frozen=True)
class Line:
    """A rule in the list: the obligations it judges, its newest day, the open findings that the reader sees."""

    rule: Rule
    obligations: list[tuple[Obligation, str]]
    day: RuleDay | None
    findings: int
    changed: bool


def _judged(rule: Rule) -> list[tuple[Obligation, str]]:
    return [(each, findings_page.title_of(each)) for each in catalog().obligations if each.check == rule.name]


@page("rules", nouns=("rule_version",))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the rules with what their last run found and what they cost today."""
    at = clock.now()
    seen = findings_page.seen(Sight(actor_of(request), at)).exclude(state=Finding.State.CLOSED)
    changed = set(RuleVersion.objects.filter(RuleVersion.in_force(at)).values_list("rule", flat=True))
    lines = []
    for rule in rules.bound().values():
        judged = _judged(rule)
        if judged:
            newest = next(iter(rule_history.days(rule.name, 1)), None)
            found = seen.filter(obligation__in=[each.id for each, _title in judged]).count()
            lines.append(Line(rule, judged, newest, found, rule.name in changed))
    return render(request, "rules/index.html", {"lines": lines, "today": clock.day_of(at), "modes": MODES})


@page("rule", nouns=("rule_version",))
@require_GET
@login_needed
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Show one rule: text in force, what it reads, its last runs, its findings, its versions."""
    shipped, at = _rule_or_404(name), clock.now()
    sight = Sight(actor_of(request), at)
    fault, rule = "", shipped
    try:
        rule = rule_versions.standing(shipped, at)
    except RuleError as error:
        fault = str(error)
    judged = _judged(rule)
    about = findings_page.seen(sight).exclude(state=Finding.State.CLOSED).filter(obligation__in=[each.id for each, _title in judged])
    days = rule_history.days(rule.name, DAYS)
    context = {
        "rule": rule,
        "mode": MODES[rule.mode],
        "fault": fault,
        "judged": judged,
        "registers": [(each, REGISTERS[each].title if each in REGISTERS else each, each in REGISTERS) for each in rule.registers],
        "streams": [(each, _stream(each)) for each in rule.streams],
        "days": days,
        "found": about.count(),
        "samples": [(each, wording.text(each.reason)) for each in about.select_related("unit", "person").order_by("due_at")[:SAMPLES]],
        "versions": RuleVersion.objects.filter(rule=rule.name, superseded_at=None).select_related("basis__case")[:VERSIONS],
        "tries": _may_try(sight),
    }
    return render(request, "rules/rule.html", context)


def _stream(name: str) -> str:
    language = "en" if get_language() == "en" else "zh"
    return str(catalog().vocabulary["stream"].get(name, {}).get(language, name))


@dataclass(frozen=True)
class Sample:
    """A breach that a trial found, in words and with links."""

    breach: Breach
    reason: str
    evidence: list[evidence.Evidence]


@page("rule_trial", nouns=("rule_version",))
@require_http_methods(["GET", "POST"])
@login_needed
def trial(request: HttpRequest, name: str) -> HttpResponse:
    """Run a text on the last days and show, day by day, what it would have found beside what the rule in force finds."""
    from anzhang.casework.rule_runs import trials  # with Arrow, which other pages do not need
    from anzhang.engines.sqlbox import BoxError

    shipped, at = _rule_or_404(name), clock.now()
    if not _may_try(Sight(actor_of(request), at)):
        raise Http404(name)
    standing = rule_versions.standing(shipped, at)
    text = (request.POST.get("text") or standing.text).replace("\r\n", "\n").replace("\x00", "").strip()
    days = _days(request)
    context = {"rule": standing, "text": text, "days": days, "most": trials.MOST_DAYS, "reason": request.POST.get("reason", "")}
    if request.method == "POST":
        try:
            drafted = rule_versions.proposed(name, text, at)
            vault = engine.Vault(settings.HOME.vault)
            found = trials.trial(drafted, days, at, vault)
            now = standing if drafted.text.strip() == standing.text.strip() else None
            beside = found if now is not None else trials.trial(standing, days, at, vault)
        except (RuleError, BoxError) as error:
            context["fault"] = str(error)
        else:
            other = {day.day: day for day in beside.days}
            context |= {
                "found": found,
                "lines": [(day, other.get(day.day), [_sample(each) for each in day.samples]) for day in reversed(found.days)],
                "same": now is not None,
            }
    return render(request, "rules/trial.html", context)


def _sample(breach: Breach) -> Sample:
    reason = wording.text({"code": breach.why.code, "params": dict(breach.why.params)})
    return Sample(breach, reason, evidence.of(breach.evidence[:3]))


def _days(request: HttpRequest) -> int:
    asked = request.POST.get("days", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else TRIAL_DAYS


def _may_try(sight: Sight) -> bool:
    """Whether somebody sees the whole bureau: what a trial finds is of every unit."""
    return sight.path is None


def _rule_or_404(name: str) -> Rule:
    rule = rules.bound().get(name)
    if rule is None:
        raise Http404(name)
    return rule
