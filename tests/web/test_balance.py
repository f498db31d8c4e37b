"""A process that is busier than the others gives up connections, and only then."""

import multiprocessing
import os
import threading

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from django.test import RequestFactory

from anzhang.web import balance

CLIENTS, ANSWERS = 4, 30


@pytest.fixture
def shared():
    balance.share(2)
    yield balance._shared[0]
    balance.share(1)


def closed(layer, clients, protocol="HTTP/1.1"):
    """Let so many clients ask again and again at once; return how many answers gave up the connection."""
    found = []
    request = RequestFactory().get("/", SERVER_PROTOCOL=protocol)

    def ask():
        found.extend("Connection" in layer(request).headers for _turn in range(ANSWERS))

    threads = [threading.Thread(target=ask) for _client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found)


def together(clients):
    """Return an answer that is given only when so many are asked for at once."""
    barrier = threading.Barrier(clients)

    def answer(_request):
        barrier.wait()
        return HttpResponse()

    return answer


def test_a_busy_process_gives_up_connections_while_another_has_nothing_to_do(shared):
    assert 1 <= closed(balance.Balance(together(CLIENTS)), CLIENTS) < CLIENTS * ANSWERS / 2


def test_one_client_alone_keeps_its_connection(shared):
    assert closed(balance.Balance(together(1)), 1) == 0


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/2.0"])
def test_other_protocols_know_no_such_header(shared, protocol):
    assert closed(balance.Balance(together(CLIENTS)), CLIENTS, protocol) == 0


def test_processes_that_are_equally_busy_keep_theirs(shared, monkeypatch):
    layer = balance.Balance(together(CLIENTS))
    monkeypatch.setattr(shared, "least", lambda _place, _now: CLIENTS - 1)
    assert closed(layer, CLIENTS) == 0


def test_processes_see_each_other(shared):
    def other():
        shared.tell(shared.place(), 3.0, 100.0)

    mine = shared.place()
    child = multiprocessing.get_context("fork").Process(target=other)
    child.start()
    child.join()
    assert (mine, shared.place()) == (0, 0)
    assert shared.least(mine, 100.1) == 3.0
    assert shared.least(mine, 101.0) == 0.0, "it has said nothing for a moment"


def test_a_process_that_died_leaves_its_place(shared):
    for _each in range(3):
        child = multiprocessing.get_context("fork").Process(target=shared.place)
        child.start()
        child.join()
    assert shared.place() == 0
    assert shared._owners[0] == os.getpid()


def test_a_server_of_one_process_has_nothing_to_balance():
    with pytest.raises(MiddlewareNotUsed):
        balance.Balance(together(1))
