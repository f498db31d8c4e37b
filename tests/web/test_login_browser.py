"""The entrance in a real Chromium: security key, authenticator app, nothing on the console."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.db import connections
from django.test.testcases import LiveServerThread

from anzhang.events import Event
from anzhang.journal.models import Entry
from tests.web import browsers
from tests.web.entrance import PASSWORD, code_of, give_password

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PATIENCE_MS = 20_000


@pytest.fixture
def address(bureau, settings):
    """The pages as the web process serves them, assets included, at http://localhost (an IP address would not do for keys)."""
    settings.MEDIA_URL = "/nothing-here/"
    connection = connections["default"]
    connection.inc_thread_sharing()
    thread = LiveServerThread("localhost", static_handler=lambda application: application, connections_override={"default": connection})
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    assert thread.error is None
    yield f"http://localhost:{thread.port}"
    thread.terminate()
    connection.dec_thread_sharing()


@pytest.fixture
def page(address, monkeypatch):
    """A page of Debian's Chromium; its console must stay silent and nothing may be asked of another origin."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the driver keeps an event loop in this thread
    with browsers.chromium() as browser:
        visit = browsers.Visit(browser.new_context(base_url=address, viewport=browsers.WIDE), address)
        visit.page.set_default_timeout(PATIENCE_MS)
        yield visit.page
    assert visit.heard == []


def key_of(page):
    """Plug a virtual security key into the browser."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def password_in(page, username):
    page.goto("/account/login/")
    page.get_by_label("登录名").fill(username)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()


def leave(page):
    page.goto("/account/logout/")
    page.locator("main").get_by_role("button", name="退出").click()
    page.wait_for_url("**/account/login/")


def test_it_enrols_a_security_key_and_logs_in_with_it(page, bureau):
    user = bureau.user["liuyang"]
    give_password(user)
    key_of(page)
    password_in(page, "liuyang")
    page.wait_for_url("**/account/factors/")
    page.get_by_role("link", name="添加安全密钥").click()
    page.get_by_label("密钥名称").fill("办公室的蓝色密钥")
    page.get_by_role("button", name="插入密钥并添加").click()
    page.wait_for_url("**/account/factors/recovery-codes/")
    assert page.locator("#recovery-codes li").count() == 10
    assert Authenticator.objects.get(type="webauthn").user == user
    leave(page)

    password_in(page, "liuyang")
    page.wait_for_url("**/account/factors/authenticate/")
    page.get_by_role("button", name="使用安全密钥").click()
    page.wait_for_url(re.compile(r":\d+/$"))
    page.goto("/account/")
    assert "通过" in page.locator("main").inner_text()
    assert b"webauthn" in bytes(Entry.objects.filter(act=Event.USER_LOGIN).latest("index").payload.body)


def test_it_enrols_an_authenticator_app_by_keyboard_alone(page, bureau):
    give_password(bureau.user["zhengkai"])
    page.goto("/account/login/")
    page.keyboard.type("zhengkai")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/factors/")
    page.get_by_role("link", name="启用验证器").press("Enter")
    picture = page.get_by_alt_text("验证器二维码")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    secret = page.locator("code").inner_text()
    page.keyboard.type(code_of(secret))
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/factors/recovery-codes/")
    page.get_by_role("link", name="已抄存，继续").press("Enter")
    page.wait_for_url(re.compile(r":\d+/$"))


def test_it_says_what_to_do_when_the_key_does_not_answer(page, bureau):
    give_password(bureau.user["liuyang"])
    password_in(page, "liuyang")
    page.wait_for_url("**/account/factors/")
    page.goto("/account/factors/webauthn/add/")
    page.evaluate("() => { navigator.credentials.create = () => Promise.reject(new DOMException('', 'NotAllowedError')); }")
    page.get_by_role("button", name="插入密钥并添加").click()
    page.get_by_text("安全密钥没有完成验证").wait_for()
    assert not Authenticator.objects.exists()
