"""Logging in through the bureau's identity provider, in a real browser."""

import pytest

from anzhang.directory import identity
from tests.directory import provider as providers
from tests.web import browsers
from tests.web.test_login_browser import address  # noqa: F401 - a fixture
from tests.web.test_login_oidc import BACK, running  # noqa: F401 - a fixture


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_real_browser_goes_there_and_back(address, bureau, running, settings, tmp_path, acting, clock, monkeypatch):  # noqa: F811
    settings.HOME = running.home(tmp_path)
    running.make_mischief()
    running.lead_back_to(f"{address}{BACK}")
    asked = identity.request_sign_in(acting("guolei"), bureau.user["zhanghua"], "oidc", "改用统一身份认证", clock.now)
    identity.confirm(acting("mali"), asked, clock.now)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with browsers.chromium() as browser:
        context = browser.new_context(base_url=address, viewport=browsers.WIDE, ignore_https_errors=True)  # the tests' own authority
        visit = context.new_page()
        visit.goto("/account/login/?next=/registers/")
        visit.get_by_role("link", name="用统一身份认证登录").click()
        visit.get_by_label("Username").fill("zhanghua")
        visit.get_by_label("Password").fill(providers.WORD)
        visit.get_by_role("button", name="Log in").click()
        visit.wait_for_url("**/registers/")
        assert "张华" in visit.text_content("header")
