"""Every address of the web face, on one screen."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from anzhang.api import api
from anzhang.web import (
    administration,
    articles,
    board,
    cases,
    deliveries,
    documents,
    findings,
    home,
    identity,
    inbox,
    language,
    ledger,
    organization,
    organization_law,
    organization_office,
    register_bulk,
    register_files,
    register_filters,
    register_history,
    register_imports,
    register_sheets,
    registers,
    search,
    turns,
    unit_routes,
)


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer that the web process lives."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    *identity.urlpatterns,
    *administration.urlpatterns,
    path("", home.home, name="home"),
    path("language/", language.choose, name="language"),
    path("board/", board.show, name="board"),
    path("articles/<int:number>/", articles.show, name="article"),
    path("cases/", cases.index, name="cases"),
    path("cases/new/", cases.choose, name="case_new"),
    path("cases/new/route_change/", unit_routes.edit, name="route_change"),
    path("cases/new/<slug:route>/", cases.new, name="case_form"),
    path("cases/routes/", unit_routes.index, name="unit_routes"),
    path("cases/<slug:number>/", cases.show, name="case"),
    path("cases/<slug:number>/sheet.<slug:form>", documents.approval_sheet, name="case_sheet"),
    path("cases/<slug:number>/decide/", cases.decide, name="case_decide"),
    path("cases/<slug:number>/apply/", cases.apply, name="case_apply"),
    path("cases/<slug:number>/turn/", turns.act, name="case_turn"),
    path("cases/<slug:number>/files/<int:file>/", turns.download, name="case_file"),
    path("search/", search.search, name="search"),
    path("search/<int:number>/<int:seq>/", search.line, name="log_line"),
    path("findings/", findings.index, name="findings"),
    path("findings/<slug:number>/", findings.show, name="finding"),
    path("ledger/", ledger.index, name="ledger"),
    path("ledger/head/", ledger.head, name="ledger_head"),
    path("ledger/confirm/", ledger.confirm, name="ledger_confirm"),
    path("ledger/check/", ledger.check, name="ledger_check"),
    path("ledger/<int:index>/", ledger.entry, name="ledger_entry"),
    path("ledger/<int:index>/proof/<slug:suite>/", ledger.proof, name="ledger_proof"),
    path("inbox/", inbox.index, name="inbox"),
    path("inbox/read/", inbox.read_all, name="inbox_read"),
    path("inbox/deliveries/", deliveries.index, name="deliveries"),
    path("inbox/deliveries/<int:pk>/retry/", deliveries.retry, name="delivery_retry"),
    path("inbox/<int:pk>/", inbox.follow, name="inbox_follow"),
    path("api/", api.urls),
    path("unit/", organization.own, name="own_unit"),
    path("units/<str:code>/", organization.unit, name="unit"),
    path("statements/", organization.statement_list, name="statements"),
    path("statements/issue/", organization.issue, name="statement_issue"),
    path("statements/sign/", organization.sign, name="statement_sign"),
    path("directives/", organization_office.directive_list, name="directives"),
    path("directives/new/", organization_office.directive_new, name="directive_new"),
    path("directives/<slug:number>/", organization_office.directive, name="directive"),
    path("inspections/", organization_office.inspection_list, name="inspections"),
    path("inspections/new/", organization_office.inspection_new, name="inspection_new"),
    path("inspections/<slug:number>/", organization_office.inspection, name="inspection"),
    path("decisions/", organization_office.decision_list, name="decisions"),
    path("decisions/<slug:number>/", organization_office.decision, name="decision"),
    path("decisions/<slug:number>/minutes/", organization_office.minutes, name="decision_minutes"),
    path("regulation/", organization_law.versions, name="regulation"),
    path("regulation/compare/", organization_law.comparison, name="regulation_comparison"),
    path("law/", organization_law.law, name="law"),
    path("law/review/", organization_law.law_review, name="law_review"),
    path("interpretations/", organization_law.interpretations, name="interpretations"),
    path("registers/", registers.index, name="registers"),
    path("registers/filing/<int:pk>/form.<slug:form>", documents.filing_form, name="filing_form"),
    path("registers/<slug:register_id>/", registers.rows, name="register"),
    path("registers/<slug:register_id>/new/", registers.create, name="register_new"),
    path("registers/<slug:register_id>/import/", register_imports.sheet, name="register_import"),
    path("registers/<slug:register_id>/import/template.xlsx", register_imports.template, name="register_template"),
    path("registers/<slug:register_id>/filters/", register_filters.save, name="register_filters"),
    path("registers/<slug:register_id>/filters/<int:pk>/delete/", register_filters.delete, name="register_filter_delete"),
    path("registers/<slug:register_id>/bulk/", register_bulk.change, name="register_bulk"),
    path("registers/<slug:register_id>/sheet/", register_sheets.sheet, name="register_sheet"),
    path("registers/<slug:register_id>/sheet/template.xlsx", register_sheets.template, name="register_sheet_template"),
    path("registers/<slug:register_id>/import/<slug:key>/", register_imports.run, name="register_import_run"),
    path("registers/<slug:register_id>/import/<slug:key>/faults.xlsx", register_imports.faults, name="register_import_faults"),
    path("registers/<slug:register_id>/export.<slug:form>", registers.export, name="register_export"),
    path("registers/<slug:register_id>/<int:pk>/", registers.row, name="register_row"),
    path("registers/<slug:register_id>/<int:pk>/history/", register_history.versions, name="register_history"),
    path("registers/<slug:register_id>/<int:pk>/files/", register_files.add, name="register_files"),
    path("registers/<slug:register_id>/<int:pk>/files/<int:file>/", register_files.download, name="register_file"),
    path("registers/<slug:register_id>/<int:pk>/files/<int:file>/remove/", register_files.remove, name="register_file_remove"),
    path("registers/<slug:register_id>/<int:pk>/edit/", registers.change, name="register_edit"),
]

handler400 = "anzhang.web.errors.bad_request"
handler403 = "anzhang.web.errors.forbidden"
handler404 = "anzhang.web.errors.not_found"
handler500 = "anzhang.web.errors.server_error"
