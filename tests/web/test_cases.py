"""The pages of cases: list, form of a route, the one screen on which a case is decided."""

import pytest

from tests.web.visitors import enter


@pytest.fixture
def sunli(client, bureau):
    """A clerk of 就业促进处 whose head is 刘洋."""
    return enter(client, bureau.user["sunli"])


def test_it_shows_the_form_of_every_route(sunli):
    from anzhang.casework import routes

    for route in routes.current().values():
        page = sunli.get(f"/cases/new/{route.key}/")
        assert page.status_code == 200
        for field in route.fields:
            assert f'name="{field.name}"' in page.text
