"""Where the processes listen, and what is refused."""

import contextlib
import socket

import pytest

from anzhang.home import Home, HomeError
from anzhang.operate import listen


def home(tmp_path, text):
    (tmp_path / "anzhang.toml").write_text(text, encoding="utf-8")
    return Home(tmp_path)


def test_it_takes_loopback_without_a_certificate(tmp_path):
    assert str(listen.web(home(tmp_path, '[server]\nbind = "127.0.0.1:8600"'))) == "127.0.0.1:8600"
    assert str(listen.web(home(tmp_path, '[server]\nbind = "[::1]:8600"'))) == "[::1]:8600"


@pytest.mark.parametrize("bind", ["0.0.0.0:8600", "10.1.2.3:443", "[::]:8600"])
def test_it_refuses_another_address_without_a_certificate(tmp_path, bind):
    with pytest.raises(HomeError, match=r"server\.certificate"):
        listen.web(home(tmp_path, f'[server]\nbind = "{bind}"'))


def test_it_takes_another_address_with_certificate_and_key(tmp_path):
    place = listen.web(home(tmp_path, '[server]\nbind = "10.1.2.3:443"\ncertificate = "a.crt"\nkey = "a.key"'))
    assert not place.is_loopback


def test_it_refuses_a_certificate_without_a_key(tmp_path):
    with pytest.raises(HomeError, match="go together"):
        listen.web(home(tmp_path, '[server]\ncertificate = "a.crt"'))


def test_the_demo_never_leaves_loopback(tmp_path):
    text = '[bureau]\ndemo = true\n[server]\nbind = "10.1.2.3:443"\ncertificate = "a.crt"\nkey = "a.key"'
    with pytest.raises(HomeError, match="loopback only"):
        listen.web(home(tmp_path, text))


@pytest.mark.parametrize("bind", ["", "8600", "127.0.0.1:0", "127.0.0.1:70000", "example:80", "127.0.0.1:http"])
def test_it_names_the_key_of_a_bad_address(tmp_path, bind):
    with pytest.raises(HomeError, match=r"anzhang\.toml: server\.bind"):
        listen.web(home(tmp_path, f'[server]\nbind = "{bind}"'))


def test_it_names_file_and_line_of_broken_toml(tmp_path):
    with pytest.raises(HomeError, match=r"anzhang\.toml: .*line 2"):
        listen.web(home(tmp_path, "[server]\nbind = \n"))


def test_it_names_a_value_of_the_wrong_type(tmp_path):
    with pytest.raises(HomeError, match=r"server\.bind must be str, not int"):
        listen.web(home(tmp_path, "[server]\nbind = 8600"))


def test_it_finds_a_free_port_beside_a_taken_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not listen.Listen("127.0.0.1", port).is_free
        (found,) = listen.free_ports(port)
        assert found > port


def test_two_ports_that_are_both_taken_do_not_become_the_same():
    with contextlib.ExitStack() as stack:
        first = next(port for port in range(20_000, 60_000) if all(listen.Listen("127.0.0.1", port + n).is_free for n in range(5)))
        for port in (first, first + 1):
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", port))
            taken.listen()
        assert listen.free_ports(first, first + 1) == [first + 2, first + 3]
