"""Hand out printed sheets: whoever may read a case or a filing may print it, and the ledger keeps who did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import documents
from anzhang.casework.documents import Kind
from anzhang.engines.printing import fonts, pdf, word
from anzhang.engines.printing.sheet import Sheet
from anzhang.journal.models import Entry, Ledgered
from anzhang.organization.models import Filing
from anzhang.permissions import RefusedError
from anzhang.registers.declaration import Register
from anzhang.registers.panels import Line, panel
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import papers
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.cases import case_or_404
from anzhang.web.registers import register_or_404, row_or_404, sight_of

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# Form in the address: content type, how the file's name ends.
FORMS = {"pdf": ("application/pdf", ".pdf"), "archive": ("application/pdf", "-archive.pdf"), "docx": (WORD, ".docx")}
FORM_WORDS = (("pdf", "PDF"), ("archive", gettext_lazy("归档版 PDF")), ("docx", "Word"))

Compose = Callable[[Entry | None, str, str], Sheet]


@page("case_sheet", nouns=("case", "approval", "officer", "filing"))
@require_GET
@login_needed
def approval_sheet(request: HttpRequest, number: str, form: str) -> HttpResponse:
    """Send the approval sheet of a case as `pdf` (PDF/A-1b), `archive` (PDF/A-3b with the case attached) or `docx`."""
    case, _actor, at = case_or_404(request, number)
    record = documents.record_of(case) if form == "archive" else None

    def compose(entry: Entry | None, address: str, who: str) -> Sheet:
        return papers.approval_sheet(case, entry, address, who, at)

    return _send(request, Kind.APPROVAL_SHEET, case.number, form, case, compose, record)


@page("filing_form", nouns=("filing",))
@require_GET
@login_needed
def filing_form(request: HttpRequest, pk: int, form: str) -> HttpResponse:
    """Send the filing form of an officer in one of the same three forms."""
    sight = sight_of(request)
    seen = row_or_404(register_or_404("filing"), pk, sight)
    filing = Filing.objects.select_related("unit", "officer__person", "received_by", "case__unit", "case__applicant").get(pk=seen.pk)
    record = None
    if form == "archive":
        record = documents.record_of(filing.case) if filing.case else {"format": 1, "receipt_no": filing.receipt_no}

    def compose(entry: Entry | None, address: str, who: str) -> Sheet:
        return papers.filing_form(filing, entry, address, who, sight.at)

    return _send(request, Kind.FILING_FORM, filing.receipt_no, form, filing, compose, record)


def _send(
    request: HttpRequest, kind: Kind, number: str, form: str, row: Ledgered, compose: Compose, record: dict[str, Any] | None
) -> HttpResponse:
    if form not in FORMS:
        raise Http404(form)
    actor, at = actor_of(request), clock.now()
    entry = documents.entry_of(row)
    address = request.build_absolute_uri(reverse("ledger_entry", args=[entry.index]) if entry else reverse("ledger"))
    person = getattr(request.user, "person", None)
    sheet = compose(entry, address, person.name if person else request.user.get_username())
    content_type, ending = FORMS[form]
    body = _set(sheet, kind, form, record)
    documents.record_printing(actor, kind, number, form, body, at)
    name = content_disposition_header(as_attachment=True, filename=f"{sheet.title}-{number}{ending}")
    return HttpResponse(body, content_type=content_type, headers={"Content-Disposition": str(name)})


def _set(sheet: Sheet, kind: Kind, form: str, record: dict[str, Any] | None) -> bytes:
    """Run the press. Raises RefusedError that says what the operator can do."""
    home = settings.HOME
    own = home.templates / f"{kind.value}.docx"
    try:
        if form == "docx":
            return word.render(sheet, own if own.is_file() else None)
        return pdf.render(sheet, fonts=home.fonts, at=clock.now(), record=record)
    except fonts.FontsMissingError as error:
        remedy = _("可先下载 Word 版；请系统管理员运行 anzhang doctor 并安装字体。")
        raise RefusedError("no_typeface", _("服务器上没有可用的中文字体，不能生成 PDF。"), remedy) from error
    except word.TemplateError as error:
        raise RefusedError(
            "template_unusable", _("本单位的 Word 模板不能使用：%s。") % error, _("请系统管理员改正或移走 templates 目录中的模板。")
        ) from error
    except pdf.PrintingError as error:
        raise RefusedError("not_printable", _("不能生成 PDF：%s。") % error, _("可先下载 Word 版，并告知系统管理员。")) from error


@panel(gettext_lazy("备案表"))
def filing_papers(register: Register, row: Model, sight: Sight) -> list[Line]:  # noqa: ARG001  # every panel takes it
    """Offer the filing form beside a filing."""
    if register.id != "filing":
        return []
    return [Line(str(word_), reverse("filing_form", args=[row.pk, form])) for form, word_ in FORM_WORDS]
