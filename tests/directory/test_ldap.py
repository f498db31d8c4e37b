"""The conversation with a directory server: a real slapd, and servers that hang, lie or talk nonsense."""

import re
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from anzhang.directory import outside
from anzhang.directory.outside import ldap
from anzhang.home import Home, HomeError
from tests import programs
from tests.directory import slapd

PASSWORD = "Directory-Word-密码"
LDIF = (
    slapd.person("liuyang", PASSWORD, "P020")
    + slapd.person("o(*)\\x", PASSWORD, "P021")
    + slapd.person("twin", PASSWORD, "P022", cn="twin one")
    + slapd.person("twin", PASSWORD, "P023", cn="twin two")
    + slapd.person("manycodes", PASSWORD, "P022", "P023")
    + slapd.person("nopassword", "", "P030")
    + slapd.person("chinese", PASSWORD, "P031", cn="罗娜")
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with slapd.serving(tmp_path_factory.mktemp("slapd") / "server", LDIF) as running:
        yield running


@pytest.fixture
def configured(tmp_path, server):
    """Return the settings after changes to the usual table: `configured(start_tls=True, urls=[...])`."""
    return lambda **changes: outside.ldap_settings(slapd.home(tmp_path, server, **changes))


def test_it_finds_the_person_and_takes_only_their_password(configured):
    with ldap.connected(configured()) as connection:
        entry = connection.find("liuyang")
        assert entry == ldap.Entry(f"uid=liuyang,{slapd.PEOPLE}", ("P020",))
        assert connection.verify(entry, PASSWORD) is ldap.Answer.RIGHT
    with ldap.connected(configured()) as connection:
        assert connection.verify(entry, PASSWORD + "x") is ldap.Answer.WRONG


def test_it_never_asks_with_an_empty_password_which_servers_take_for_an_anonymous_bind(configured):
    with ldap.connected(configured()) as connection:
        entry = connection.find("liuyang")
        assert connection.verify(entry, "") is ldap.Answer.WRONG
        assert connection.verify(ldap.Entry("", ("P020",)), PASSWORD) is ldap.Answer.WRONG


def test_it_refuses_somebody_who_has_no_password_in_the_directory(configured):
    with ldap.connected(configured()) as connection:
        assert connection.verify(connection.find("nopassword"), PASSWORD) is ldap.Answer.WRONG


def test_it_binds_as_an_entry_with_a_chinese_name(configured):
    with ldap.connected(configured()) as connection:
        assert connection.verify(connection.find("chinese"), PASSWORD) is ldap.Answer.RIGHT


@pytest.mark.parametrize("typed", ["*", "liu*", "liuyang)(uid=*", "x)(|(uid=*)", "\\2a", "*)(objectClass=*", "&", "罗娜"])
def test_a_typed_name_has_no_meaning_in_the_filter(configured, typed):
    with ldap.connected(configured()) as connection:
        assert connection.find(typed) is None


def test_a_name_of_special_characters_is_found_as_it_is(configured):
    with ldap.connected(configured()) as connection:
        assert connection.find("o(*)\\x").codes == ("P021",)


def test_it_refuses_to_choose_between_two_entries_of_one_name(configured):
    with ldap.connected(configured()) as connection, pytest.raises(ldap.LdapError, match="more than one entry"):
        connection.find("twin")


def test_it_reports_every_code_of_an_entry(configured):
    with ldap.connected(configured(code="DepartmentNumber")) as connection:
        assert connection.find("manycodes").codes == ("P022", "P023")


def test_it_talks_tls_from_the_start_or_by_start_tls_and_to_loopback_without(configured, server):
    for changes in (
        {"urls": [f"ldaps://127.0.0.1:{server.tls}"]},
        {"urls": [f"ldap://localhost:{server.plain}"], "start_tls": True},
        {"urls": [f"ldap://127.0.0.1:{server.plain}"]},
    ):
        with ldap.connected(configured(**changes)) as connection:
            assert connection.verify(connection.find("liuyang"), PASSWORD) is ldap.Answer.RIGHT
            assert (connection.certificate_until is None) is (changes["urls"][0].startswith("ldap:") and "start_tls" not in changes)


@pytest.mark.parametrize("start_tls", [False, True])
def test_it_refuses_a_certificate_of_another_authority(configured, server, tmp_path, start_tls):
    (tmp_path / "other").mkdir()
    slapd.authority(tmp_path / "other")
    url = f"ldap://localhost:{server.plain}" if start_tls else f"ldaps://localhost:{server.tls}"
    with (
        pytest.raises(ldap.LdapError, match="certificate not accepted"),
        ldap.connected(configured(urls=[url], start_tls=start_tls, ca=str(tmp_path / "other" / "ca.pem"))),
    ):
        pass


@pytest.mark.parametrize(("host", "days", "complaint"), [("dc.bureau.test", 30, "ostname mismatch"), ("localhost", 0, "expired")])
def test_it_refuses_a_certificate_for_another_host_or_out_of_date(tmp_path, host, days, complaint):
    with slapd.serving(tmp_path / "s", "", host=host, days=days) as other:
        settings = outside.ldap_settings(slapd.home(tmp_path / "h", other))
        with pytest.raises(ldap.LdapError, match=complaint), ldap.connected(settings):
            pass


def test_it_names_a_wrong_service_password_and_a_wrong_base(configured):
    with pytest.raises(ldap.LdapError, match=r"bind as cn=anzhang.*INVALID_CREDENTIALS"), ldap.connected(configured(secret="wrong")):
        pass
    with ldap.connected(configured(base="ou=nowhere,dc=bureau,dc=test")) as connection:
        with pytest.raises(ldap.LdapError, match="search under ou=nowhere"):
            connection.has_base()
        with pytest.raises(ldap.LdapError, match="NO_SUCH_OBJECT"):
            connection.find("liuyang")


def test_it_names_a_filter_that_is_none(configured):
    with ldap.connected(configured(filter="(uid={name}")) as connection, pytest.raises(ldap.LdapError, match=r"ldap\.filter"):
        connection.find("liuyang")


def test_it_follows_no_referral_whether_for_a_part_of_the_tree_or_for_all_of_it(configured, monkeypatch):
    asked = []
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: asked.append(host) or resolve(host, *rest, **more))
    with ldap.connected(configured()) as connection:
        assert connection.find("liuyang").codes == ("P020",)  # the answer holds a reference besides
    with (
        ldap.connected(configured(base="dc=elsewhere")) as connection,
        pytest.raises(ldap.LdapError, match="REFERRAL"),
    ):
        connection.find("liuyang")
    assert set(asked) == {"localhost"}


def test_it_asks_the_next_server_when_the_first_is_down_or_hangs(configured, server):
    closed = programs.free_port()
    with fake(lambda client: client.recv(1) and client.recv(1 << 16) and time.sleep(3)) as hanging:
        urls = [f"ldap://127.0.0.1:{closed}", f"ldap://127.0.0.1:{hanging}", f"ldaps://localhost:{server.tls}"]
        with ldap.connected(configured(urls=urls, timeout_seconds=4)) as connection:
            assert connection.find("liuyang").codes == ("P020",)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("behavior", ["silent", "drips", "nonsense", "closes", "floods"])
def test_every_wait_ends_whatever_the_server_does(configured, behavior, tls):
    def drips(client):
        for byte in b"\x16\x03\x03\x40\x00" if tls else b"\x30\x84\x00\x0f\xff\xff":
            client.sendall(bytes([byte]))
            time.sleep(0.2)
        while True:
            client.sendall(b"\x00")
            time.sleep(0.2)

    behaviors = {
        "silent": lambda client: time.sleep(5),
        "drips": drips,
        "nonsense": lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n") or time.sleep(0.1),
        "closes": lambda client: client.recv(1),
        "floods": lambda client: [client.sendall(b"\x30\x84\x7f\xff\xff\xff" + b"\x00" * 65536) for _each in range(40)],
    }
    with fake(behaviors[behavior]) as port:
        started = time.monotonic()
        url = f"{'ldaps' if tls else 'ldap'}://127.0.0.1:{port}"
        with pytest.raises(ldap.LdapError, match=str(port)), ldap.connected(configured(urls=[url], timeout_seconds=1)):
            pass
        # Not a measurement: without the deadline the drip would go on for ever.
        assert time.monotonic() - started < 10


def test_lookups_that_hang_leave_the_other_threads_alone(configured, monkeypatch):
    monkeypatch.setattr(ldap, "WAIT_SECONDS", 0.01)
    release = threading.Event()
    with fake(lambda client: release.wait(20)) as port:
        settings = configured(urls=[f"ldap://127.0.0.1:{port}"], timeout_seconds=3)
        told = []

        def look() -> None:
            try:
                with ldap.connected(settings):
                    pass
            except ldap.LdapError as error:
                told.append(str(error))

        threads = [threading.Thread(target=look) for _each in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        release.set()
    assert sum("waiting for the directory already" in text for text in told) == len(threads) - ldap.AT_ONCE


@pytest.mark.parametrize("name", ["", " x", "x ", "a  b", "a\x00b", "a\u200bb", "a\u00adb", "a\u00a0b", "a\u3000b", "x" * 65, "a\nb"])
def test_names_with_ignored_characters_are_not_asked_for(name):
    assert not ldap.is_plausible(name)


@pytest.mark.parametrize("name", ["liuyang", "刘洋", "BUREAU\\liuyang", "liu.yang@bureau.test", "Liu Yang", "x" * 64])
def test_usual_names_are(name):
    assert ldap.is_plausible(name)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ("52e", ldap.Answer.WRONG),
        ("532", ldap.Answer.EXPIRED),
        ("773", ldap.Answer.EXPIRED),
        ("533", ldap.Answer.DISABLED),
        ("775", ldap.Answer.LOCKED),
    ],
)
def test_it_understands_why_active_directory_refuses(configured, data, answer):
    text = f"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v4563"

    def answers(client):
        client.recv(1 << 16)
        client.sendall(bind_ok(1))
        client.recv(1 << 16)
        client.sendall(message(2, 0x61, b"\x0a\x01\x31\x04\x00" + octets(text)))
        client.recv(1)

    with fake(answers) as port, ldap.connected(configured(urls=[f"ldap://127.0.0.1:{port}"])) as connection:
        assert connection.verify(ldap.Entry("cn=x", ("P020",)), PASSWORD) is answer


def table(tmp_path, text):
    (tmp_path / "anzhang.toml").write_text(text, encoding="utf-8")
    return Home(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('base = "dc=x"', "ldap.urls is missing"),
        ('urls = ["ldap://dc.example"]\nbase = "dc=x"', "passwords in the clear"),
        ('urls = ["ldap://127.0.0.1.example"]\nbase = "dc=x"', "passwords in the clear"),
        ('urls = ["http://dc.example"]\nbase = "dc=x"', "is not ldaps://HOST"),
        ('urls = ["ldaps://dc.example:port"]\nbase = "dc=x"', "is not ldaps://HOST"),
        ('urls = ["ldaps://dc.example/dc=x??sub"]\nbase = "dc=x"', "is not ldaps://HOST"),
        ('urls = ["ldaps://dc.example"]\nstart_tls = true\nbase = "dc=x"', "goes with ldap:// only"),
        ('urls = ["ldaps://dc.example"]', "ldap.base is missing"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\nfilter = "(uid=admin)"', "must contain {name}"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\nbind_dn = "cn=y"', "bind_password_file is missing"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\nca = "keys/none.pem"', "which is not there"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\ntls_verify = false', "tls_verify is no setting"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\ntimeout_seconds = 600', "from 1 to 30"),
        ('urls = ["ldaps://dc.example"]\nbase = "dc=x"\n[ldap.people]\nx = 1', "must be the code of a person"),
        ('urls = "ldaps://dc.example"\nbase = "dc=x"', "must be list"),
    ],
)
def test_it_names_the_setting_that_is_wrong(tmp_path, text, complaint):
    with pytest.raises(HomeError, match=re.escape(complaint)):
        outside.ldap_settings(table(tmp_path, f"[ldap]\n{text}\n"))


def test_plain_ldap_to_another_machine_needs_the_operators_word(tmp_path):
    home = table(tmp_path, '[ldap]\nurls = ["ldap://dc.example"]\nbase = "dc=x"\nallow_plain = true\n')
    assert outside.ldap_settings(home).servers == (outside.Server("dc.example", 389, False),)


def test_it_refuses_a_password_file_that_others_can_read(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o640)
    home = table(tmp_path, '[ldap]\nurls = ["ldaps://dc"]\nbase = "dc=x"\nbind_dn = "cn=y"\nbind_password_file = "secret"\n')
    with pytest.raises(HomeError, match="chmod 0600"):
        outside.ldap_settings(home)


def test_settings_do_not_show_the_password_when_printed(configured):
    assert slapd.SERVICE_PASSWORD not in repr(configured())


@contextmanager
def fake(behavior):
    """Listen on a free port and treat every client to a behavior; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def treat(client):
            with client:
                try:
                    behavior(client)
                except OSError:
                    return

        def serve():
            while not ended.is_set():
                try:
                    client, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=treat, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        ended.set()


def octets(text):
    raw = text.encode()
    return b"\x04" + bytes([0x81, len(raw)]) + raw


def message(number, tag, body):
    operation = bytes([tag, 0x81, len(body)]) + body
    inner = b"\x02\x01" + bytes([number]) + operation
    return b"\x30" + bytes([0x81, len(inner)]) + inner


def bind_ok(number):
    return message(number, 0x61, b"\x0a\x01\x00\x04\x00\x04\x00")
