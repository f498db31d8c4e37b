"""The one page of the peer: 50 people of the same table by Django's generic view."""

from django.contrib.auth.mixins import LoginRequiredMixin
from django.urls import path
from django.views.generic import ListView

from anzhang.directory.models import Person


class People(LoginRequiredMixin, ListView):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Show 50 people a page, by code."""

    queryset = Person.objects.select_related("unit").order_by("code")
    paginate_by = 50
    template_name = "people.html"


urlpatterns = [path("", People.as_view())]
