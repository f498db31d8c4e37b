"""The pages of the organization ask little in a full bureau too."""

from django.test import Client

from anzhang.demo import bureau as demo
from anzhang.demo import conduct, crowd
from anzhang.organization.models import Directive, Inspection
from tests.web.test_organization import LISTS
from tests.web.visitors import enter


def test_pages_ask_at_most_twelve_questions_in_a_full_bureau(db, clock, django_assert_max_num_queries):
    built = demo.build(clock.now)
    made = crowd.populate(built, clock.now)
    conduct.behave(built, made, clock.now)
    client = enter(Client(), built.user["wujie"])
    unit = made.units[0].code
    item, visited = Directive.objects.first(), Inspection.objects.first()
    details = (f"/units/{unit}/", f"/directives/{item.number}/", f"/inspections/{visited.number}/", "/directives/new/", "/inspections/new/")
    plan = ("/plan/", "/plan/new/", "/plan/GH2026-0001/", f"/statements/paper/?unit={unit}")
    for path in (*LISTS, *details, *plan):
        client.get(path)
        with django_assert_max_num_queries(12):
            assert client.get(path).status_code == 200
