"""Every address of the web face, on one screen."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from anzhang.web import administration, identity, register_imports, registers


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that the web process lives."""
    return HttpResponse("ok", content_type="text/plain")


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    *identity.urlpatterns,
    *administration.urlpatterns,
    path("registers/", registers.index, name="registers"),
    path("registers/<slug:register_id>/", registers.rows, name="register"),
    path("registers/<slug:register_id>/new/", registers.create, name="register_new"),
    path("registers/<slug:register_id>/import/", register_imports.sheet, name="register_import"),
    path("registers/<slug:register_id>/import/template.xlsx", register_imports.template, name="register_template"),
    path("registers/<slug:register_id>/export.<slug:form>", registers.export, name="register_export"),
    path("registers/<slug:register_id>/<int:pk>/", registers.row, name="register_row"),
    path("registers/<slug:register_id>/<int:pk>/edit/", registers.change, name="register_edit"),
]
