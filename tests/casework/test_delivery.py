"""The outbox on its way out: a real mail server, a real HTTP receiver, a real command; retries, and what is never done."""

import hashlib
import hmac
import http.server
import json
import socket
import threading
import types
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from anzhang.casework import channels, delivery, notices, reconciliation
from anzhang.casework.channels import ChannelError
from anzhang.casework.models import Finding, Notice
from anzhang.casework.tables import Delivery
from anzhang.demo.bureau import SETUP
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError, system

WORKER = system("notices")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def configure(settings, tmp_path):
    """Write the operator's `[notices]` table."""

    def write(**table):
        given = {"notices": {"address": "https://anzhang.test", **table}}

        def get(section, key, default):
            return given.get(section, {}).get(key, default)

        settings.HOME = types.SimpleNamespace(settings=given, path=tmp_path, get=get)

    return write


def send(bureau, clock, name="刘洋", code="todo_overdue"):
    person = bureau.named(name)
    person.email = "liuyang@hrss.test"
    person.save()
    words = {"title": "秘密数据提取", "number": "2026-0001", "due": "2026-11-27"}
    return notices.notify(SETUP, person, code, words, "/cases/2026-0001/", clock.now)


@pytest.fixture
def mailbox(configure):
    got = []

    class Box:
        async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  # the library's name
            got.append(envelope)
            return "250 OK"

    server = Controller(Box(), hostname="127.0.0.1", port=free_port())
    server.start()
    configure(smtp={"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "anzhang@hrss.test"})
    yield got
    server.stop()


def test_without_channels_a_notice_is_read_in_the_page_only(bureau, clock):
    send(bureau, clock)
    assert not Delivery.objects.exists()


def test_a_mail_holds_a_link_and_nothing_else(mailbox, bureau, clock):
    notice = send(bureau, clock)
    assert str(delivery.deliver(WORKER, clock.now)) == "1 sent, 0 to try again, 0 given up"
    (envelope,) = mailbox
    assert envelope.rcpt_tos == ["liuyang@hrss.test"]
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["Subject"] == "安章：您有一条新通知"
    assert "https://anzhang.test/cases/2026-0001/" in mail.get_content()
    assert "秘密" not in mail.get_content() + mail["Subject"]
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.notice) == (Delivery.State.SENT, 1, notice)
    assert Entry.objects.filter(act="casework:notice:deliver", object_key=str(notice.pk)).count() == 1
    assert str(delivery.deliver(WORKER, clock.advance(hours=1))).startswith("0 sent")
    assert len(mailbox) == 1


def test_it_is_tried_again_with_growing_pauses_and_then_given_up(configure, bureau, clock):
    configure(smtp={"host": "127.0.0.1", "port": free_port(), "security": "none", "sender": "a@b.test"})
    send(bureau, clock)
    pauses = []
    for _attempt in range(5):
        before = clock.now
        assert delivery.deliver(WORKER, before).again == 1
        row = Delivery.objects.get()
        pauses.append(row.next_at - before)
        assert str(delivery.deliver(WORKER, row.next_at - timedelta(seconds=1))) == "0 sent, 0 to try again, 0 given up"
        clock.now = row.next_at
    assert [pause.total_seconds() // 60 for pause in pauses] == [1, 5, 15, 60, 240]
    assert delivery.deliver(WORKER, clock.now).failed == 1
    row.refresh_from_db()
    assert row.state == Delivery.State.FAILED
    assert "Refused" in row.error
    assert Entry.objects.filter(act="casework:notice:fail").count() == 1


def test_a_person_without_an_address_is_said_to_have_none(mailbox, bureau, clock):
    notice = send(bureau, clock)
    notice.person.email = ""
    notice.person.save()
    assert delivery.deliver(WORKER, clock.now).again == 1
    assert "no e-mail address" in Delivery.objects.get().error


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it was sent; answers what the test says."""

    def do_POST(self):  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.answer)
        if self.server.answer == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_given):
        pass


@pytest.fixture
def receiver(configure, tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answer = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "webhook.key").write_text("a shared secret\n")
    server.options = {
        "url": f"http://127.0.0.1:{server.server_port}/send?x=1", "secret_file": "webhook.key", "networks": ["127.0.0.0/8"],
    }  # fmt: skip
    configure(webhook=server.options)
    yield server
    server.shutdown()
    server.server_close()


def test_the_webhook_is_signed_and_says_its_number(receiver, bureau, clock):
    notice = send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).sent == 1
    ((path, headers, body),) = receiver.got
    stamp, mark = (part.partition("=")[2] for part in headers["X-Anzhang-Signature"].split(","))
    assert mark == hmac.new(b"a shared secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert int(stamp) == int(clock.now.timestamp())
    assert (path, headers["Idempotency-Key"]) == ("/send?x=1", f"notice-{notice.pk}")
    sent = json.loads(body)
    assert (sent["id"], sent["link"]) == (notice.pk, "https://anzhang.test/cases/2026-0001/")
    assert "秘密" not in body.decode()


@pytest.mark.parametrize("answer", [302, 404, 500])
def test_anything_but_success_is_tried_again_and_a_redirect_is_not_followed(answer, receiver, bureau, clock):
    receiver.answer = answer
    send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).again == 1
    assert len(receiver.got) == 1
    assert str(answer) in Delivery.objects.get().error


def test_the_webhook_goes_nowhere_but_into_the_named_networks(receiver, bureau, clock, configure):
    options = {key: value for key, value in receiver.options.items() if key != "networks"}
    configure(webhook=options)  # this machine is in no default network
    send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).again == 1
    assert receiver.got == []
    assert "not in webhook.networks" in Delivery.objects.get().error


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "8.8.8.8", "0.0.0.0", "224.0.0.1", "::1"])
def test_addresses_outside_are_refused(address):
    with pytest.raises(ChannelError):
        channels.checked_address(address, 80, channels.NETWORKS)


def test_one_address_outside_spoils_a_name(monkeypatch):
    answers = [(2, 1, 6, "", ("10.0.0.5", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(ChannelError):
        channels.checked_address("twice.test", 80, channels.NETWORKS)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers[:1])
    assert channels.checked_address("once.test", 80, channels.NETWORKS) == "10.0.0.5"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://10.0.0.1/", "http://user@10.0.0.1/", "http:///x", "gopher://x"])
def test_strange_addresses_are_refused(url, configure, bureau, clock, tmp_path):
    (tmp_path / "k").write_text("x")
    configure(webhook={"url": url, "secret_file": "k"})
    send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).again == 1


def test_a_command_gets_the_message_on_its_input(configure, bureau, clock, tmp_path):
    out = tmp_path / "out.json"
    configure(command={"argv": ["/usr/bin/tee", str(out)]})
    notice = send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).sent == 1
    assert json.loads(out.read_text())["id"] == notice.pk


def test_a_command_that_fails_is_tried_again(configure, bureau, clock):
    configure(command={"argv": ["/bin/sh", "-c", "echo no line >&2; exit 3"]})
    send(bureau, clock)
    assert delivery.deliver(WORKER, clock.now).again == 1
    assert "ended with 3: no line" in Delivery.objects.get().error


def test_a_channel_that_was_taken_away_gives_its_deliveries_up_in_the_end(receiver, configure, bureau, clock):
    send(bureau, clock)
    configure()
    delivery.deliver(WORKER, clock.now)
    assert "not configured" in Delivery.objects.get().error


def test_two_workers_send_once(receiver, bureau, clock, monkeypatch):
    send(bureau, clock)
    real = channels.send

    def meanwhile(name, message, at):
        monkeypatch.setattr(channels, "send", real)
        assert str(delivery.deliver(system("other"), at)) == "0 sent, 0 to try again, 0 given up"
        real(name, message, at)

    monkeypatch.setattr(channels, "send", meanwhile)
    assert delivery.deliver(WORKER, clock.now).sent == 1
    assert len(receiver.got) == 1


# An escalation that reached nobody


def give_up(clock):
    for _attempt in range(6):
        delivery.deliver(WORKER, clock.now)
        clock.now = max(clock.now, Delivery.objects.order_by("-next_at")[0].next_at)


def findings():
    return [each.state for each in Finding.objects.filter(subject__startswith="notice:")]


def test_an_escalation_that_reached_nobody_is_a_finding_until_somebody_reads_it(configure, bureau, acting, clock):
    configure(command={"argv": ["/bin/false"]})
    notice = send(bureau, clock)
    reconciliation.run(WORKER, clock.now)
    assert findings() == []
    give_up(clock)
    reconciliation.run(WORKER, clock.now)
    assert findings() == [Finding.State.OPEN]
    notices.mark_read(acting("liuyang"), Notice.objects.get(pk=notice.pk), clock.now)
    reconciliation.run(WORKER, clock.now)
    assert findings() == [Finding.State.CLOSED]


def test_one_channel_that_delivered_is_enough_and_other_notices_are_no_escalation(receiver, configure, bureau, clock):
    configure(command={"argv": ["/bin/false"]}, webhook=receiver.options)
    send(bureau, clock)
    configure(command={"argv": ["/bin/false"]})
    words = {"title": "x", "number": "2026-0002"}
    notices.notify(SETUP, bureau.named("张华"), "case_finished", words, "/cases/2026-0002/", clock.now)
    configure(command={"argv": ["/bin/false"]}, webhook=receiver.options)
    give_up(clock)
    reconciliation.run(WORKER, clock.now)
    assert findings() == []


def test_only_the_system_administrator_sends_again(configure, bureau, acting, clock):
    configure(command={"argv": ["/bin/false"]})
    send(bureau, clock)
    row = Delivery.objects.get()
    with pytest.raises(RefusedError):
        delivery.retry(acting("guolei"), row, clock.now)
    give_up(clock)
    with pytest.raises(RefusedError):
        delivery.retry(acting("liuyang"), row, clock.now)
    configure(command={"argv": ["/bin/true"]})
    delivery.retry(acting("guolei"), row, clock.now)
    assert delivery.deliver(WORKER, clock.now).sent == 1
