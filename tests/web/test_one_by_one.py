"""Pages are made one after the other, and a long one holds nobody up for long."""

import threading
from types import SimpleNamespace

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from django.test import RequestFactory

from anzhang.web import one_by_one

REQUEST = RequestFactory().get("/")


@pytest.fixture(autouse=True)
def on_sqlite(monkeypatch):
    monkeypatch.setattr(one_by_one, "connection", SimpleNamespace(vendor="sqlite"))


class Work:
    """A view that counts how many are in it at once and stays until it is let go."""

    def __init__(self):
        self.inside = self.most = 0
        self.entered, self.leave = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, _request):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.leave.acquire(timeout=30)
        self.inside -= 1
        return HttpResponse()


def ask(layer, times):
    threads = [threading.Thread(target=layer, args=(REQUEST,)) for _time in range(times)]
    for thread in threads:
        thread.start()
    return threads


def test_a_page_waits_for_the_one_before_it(monkeypatch):
    monkeypatch.setattr(one_by_one, "PATIENCE", 30)
    work = Work()
    threads = ask(one_by_one.OneByOne(work), 4)
    for _thread in threads:
        assert work.entered.acquire(timeout=30)
        work.leave.release()
    for thread in threads:
        thread.join(30)
    assert work.most == 1


def test_it_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(one_by_one, "PATIENCE", 0.01)
    work = Work()
    threads = ask(one_by_one.OneByOne(work), 3)
    for _thread in threads:
        assert work.entered.acquire(timeout=30), "all are inside, though none has left"
    assert work.most == 3
    for _thread in threads:
        work.leave.release()
    for thread in threads:
        thread.join(30)


def test_a_page_that_fails_gives_its_turn_back(monkeypatch):
    monkeypatch.setattr(one_by_one, "PATIENCE", 30)

    def fail(_request):
        raise ValueError("no page")

    layer = one_by_one.OneByOne(fail)
    for _time in range(2):
        with pytest.raises(ValueError, match="no page"):
            layer(REQUEST)
    assert layer._turn._value == 1


def test_on_postgresql_nobody_waits(monkeypatch):
    monkeypatch.setattr(one_by_one, "connection", SimpleNamespace(vendor="postgresql"))
    with pytest.raises(MiddlewareNotUsed):
        one_by_one.OneByOne(lambda _request: HttpResponse())
