"""The verbs of responsibility statements (责任书, Art. 4): handed out, signed by the person, countersigned by the level above."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import notices
from anzhang.casework.numbering import following
from anzhang.directory import procedures as directory
from anzhang.directory import rows
from anzhang.directory.bulk import write_many
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.journal.procedures import object_type
from anzhang.organization import desk
from anzhang.organization.models import ResponsibilityStatement
from anzhang.organization.queries import owing_statements
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.registers import attachments
from anzhang.regulation.checks import procedure

Statement = ResponsibilityStatement
LINK = "/statements/"


@dataclass(frozen=True)
class Paper:
    """A statement that was signed on paper."""

    person: Person
    unit: Unit
    superior: Person
    signed_on: date
    countersigned_on: date
    scan: tuple[str, bytes] | None = None  # name and content; only the set-up of an installation enters one without


@procedure("issue_statements")
def issue_statements(actor: Actor, unit: Unit, term: str, duties: str, at: datetime) -> list[ResponsibilityStatement]:
    """Hand out the statements of a term to everybody of a unit who owes one and has none for it; return them.

    Raises RefusedError `not_answerable`, `term_needed`, `duties_needed`, `nobody_owes`.

    Source: Art. 4.
    """
    directory.require_answerable(actor, unit, at)
    term = desk.words(term, "term_needed", _("请填写责任期。"), 16)
    duties = desk.words(duties, "duties_needed", _("请填写责任内容。"), 2000)
    given = set(Statement.objects.filter(unit=unit, term=term).values_list("person_id", flat=True))
    owing = [each for each in owing_statements(at, unit) if each.person.pk not in given]
    if not owing:
        raise RefusedError("nobody_owes", _("%(unit)s没有需要签订 %(term)s 责任书的人员。") % {"unit": unit.name, "term": term})
    with transaction.atomic():
        numbers = following(Statement, "number", "ZR", at)
        made = []
        for each, number in zip(owing, numbers, strict=False):
            new = Statement(number=number, term=term, unit=unit, person=each.person, duties=duties, issued_at=at)
            made.append(rows.create(actor, new, at, Event.STATEMENT_ISSUE))
            notices.notify(actor, each.person, "statement_issued", {"number": number}, LINK, at)
    return made


@procedure("sign_statement")
def sign_statement(actor: Actor, statement: ResponsibilityStatement, at: datetime, expected_version: int | None = None) -> Statement:
    """Sign one's own statement. Raises RefusedError `not_yourself`, `not_browser`, `no_second_factor`, `signed_already`, StaleError."""
    _require_hand(actor)
    if actor.person_id != statement.person_id:
        raise RefusedError("not_yourself", _("责任书由责任人本人签字。"))
    if statement.signed_at is not None:
        raise RefusedError("signed_already", _("您已签署该责任书。"))
    with transaction.atomic():
        statement = rows.change(actor, statement, {"signed_at": at}, at, expected_version, Event.STATEMENT_SIGN)
        params = {"number": statement.number, "person": statement.person.name}
        for superior in superiors_of(statement, at):
            notices.notify(actor, superior, "statement_signed", params, LINK, at)
    return statement


@procedure("countersign_statements")
def countersign_statements(actor: Actor, statements: Iterable[ResponsibilityStatement], at: datetime) -> int:
    """Countersign statements as the level above; return how many.

    Raises RefusedError `not_browser`, `no_second_factor`, `not_signed`, `not_the_level_above`.

    Source: Art. 4: each level signed by the one above.
    """
    _require_hand(actor)
    chosen = list(statements)
    with transaction.atomic():
        for statement in chosen:
            if statement.signed_at is None or statement.countersigned_at is not None:
                raise RefusedError("not_signed", _("责任书 %s 不在等待上一级签字。") % statement.number, _("刷新页面，查看最新情况。"))
            if actor.person_id not in superiors_of(statement, at):
                message = _("您不是%(person)s的上一级，不能签署责任书 %(number)s。")
                raise RefusedError("not_the_level_above", message % {"person": statement.person.name, "number": statement.number})
            values = {"superior_id": actor.person_id, "countersigned_at": at}
            rows.change(actor, statement, values, at, statement.version, Event.STATEMENT_COUNTERSIGN)
    return len(chosen)


@procedure("enter_paper_statements")
def enter_paper_statements(actor: Actor, term: str, duties: str, papers: Iterable[Paper], at: datetime) -> list[ResponsibilityStatement]:
    """Enter statements that were signed on paper, marked as such, each with its scan beside it; return them.

    Raises RefusedError `not_the_office`, `term_needed`, `duties_needed`, `in_the_future`, `own_superior`, `entered_already`,
    `scan_needed`, `file_...`.

    Source: Art. 4.
    """
    desk.require_office(actor, at)
    term = desk.words(term, "term_needed", _("请填写责任期。"), 16)
    duties = desk.words(duties, "duties_needed", _("请填写责任内容。"), 2000)
    papers, today = list(papers), clock.day_of(at)
    known = set(Statement.objects.filter(term=term).values_list("person_id", "unit_id"))
    for paper in papers:
        if not paper.signed_on <= paper.countersigned_on <= today or not clock.is_plausible(paper.signed_on):
            raise RefusedError("in_the_future", _("签字日期应依次为本人、上一级，且不晚于今天。"))
        if paper.person.pk == paper.superior.pk:
            raise RefusedError("own_superior", _("%s 不能签署自己的责任书。") % paper.person.name)
        if (paper.person.pk, paper.unit.pk) in known:
            raise RefusedError("entered_already", _("%(person)s 的 %(term)s 责任书已登记。") % {"person": paper.person.name, "term": term})
        if paper.scan is None and actor.via is not Via.SETUP:
            raise RefusedError("scan_needed", _("%s 的纸质责任书没有扫描件。") % paper.person.name, _("上传扫描件后重新登记。"))
        known.add((paper.person.pk, paper.unit.pk))
    numbers = following(Statement, "number", "ZR", at)
    with transaction.atomic():
        made = [
            Statement(
                number=number, term=term, unit=paper.unit, person=paper.person, duties=duties, issued_at=clock.start_of(paper.signed_on),
                signed_at=clock.start_of(paper.signed_on), superior=paper.superior, on_paper=True,
                countersigned_at=clock.start_of(paper.countersigned_on),
            )
            for paper, number in zip(papers, numbers, strict=False)
        ]  # fmt: skip
        entered = write_many(actor, Statement, made, at, Event.STATEMENT_ENTER)
        for statement, paper in zip(entered, papers, strict=True):
            if paper.scan is not None:
                attachments.keep(actor, (object_type(statement), str(statement.pk)), paper.scan[1], paper.scan[0], at=at)
        return entered


def superiors_of(statement: ResponsibilityStatement, at: datetime) -> set[int]:
    """Return who may countersign a statement at the instant, by id: the level above its person in its unit."""
    return {
        superior.pk for each in owing_statements(at, statement.unit) if each.person.pk == statement.person_id for superior in each.superiors
    }


def _require_hand(actor: Actor) -> None:
    """Raise RefusedError unless somebody sits in a browser with the second factor passed: a signature is a person's own act."""
    if actor.via is not Via.BROWSER:
        raise RefusedError("not_browser", _("签字只能在浏览器中进行。"), _("登录网页后签字。"))
    if not actor.second_factor:
        raise RefusedError("no_second_factor", _("签字需要第二重验证。"), _("完成第二重验证后再签字。"))
