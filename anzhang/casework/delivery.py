"""Send the outbox of notices: each through every configured channel, again with growing pauses, until it is taken or given up.

1. A delivery is claimed by one conditional UPDATE that also moves its next attempt, so two workers never send it at once and a
   worker that dies sends it again later; receivers recognize a repeated one by its number.
2. Nothing is sent inside a transaction. What became of it is an entry of the ledger about the notice.
3. An escalation that no channel delivered and that nobody has read is a finding (`undelivered`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import channels
from anzhang.casework.channels import ChannelError, Message
from anzhang.casework.tables import Delivery
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.permissions import Actor, Permission, RefusedError
from anzhang.regulation.checks import procedure

log = logging.getLogger("anzhang.notices")
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))  # between one attempt and the next; then given up
LEASE = timedelta(minutes=5)
BATCH = 200


@dataclass
class Sent:
    """What one run did."""

    sent: int = 0
    again: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.again} to try again, {self.failed} given up"


def deliver(actor: Actor, at: datetime) -> Sent:
    """Send what is due; return what happened."""
    done = Sent()
    due = Delivery.objects.filter(state=Delivery.State.PENDING, next_at__lte=at).order_by("next_at", "pk")
    for delivery in list(due.select_related("notice__person")[:BATCH]):
        claimed = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.PENDING, next_at=delivery.next_at)
        if claimed.update(next_at=at + LEASE):
            _attempt(actor, delivery, at, done)
    return done


def _attempt(actor: Actor, delivery: Delivery, at: datetime, done: Sent) -> None:
    notice = delivery.notice
    message = Message(notice.pk, channels.base_address() + notice.link, notice.person.email, notice.created_at)
    delivery.attempts += 1
    delivery.error = ""
    try:
        channels.send(delivery.channel, message, at)
    except ChannelError as error:
        delivery.error = str(error)[:300]
        log.warning("notice %s through %s, attempt %s: %s", notice.pk, delivery.channel, delivery.attempts, error)
        if delivery.attempts <= len(PAUSES):
            delivery.next_at = at + PAUSES[delivery.attempts - 1]
            delivery.save(update_fields=["attempts", "error", "next_at"])
            done.again += 1
            return
        delivery.state = Delivery.State.FAILED
        done.failed += 1
    else:
        delivery.state = Delivery.State.SENT
        done.sent += 1
    delivery.done_at = at
    act = Event.NOTICE_DELIVER if delivery.state == Delivery.State.SENT else Event.NOTICE_FAIL
    with transaction.atomic():
        delivery.save(update_fields=["attempts", "error", "state", "done_at"])
        payload = {"channel": delivery.channel, "attempts": delivery.attempts, "error": delivery.error}
        record(actor, act, notice, at=at, payload=payload)


@procedure("retry_delivery")
def retry(actor: Actor, delivery: Delivery, at: datetime) -> Delivery:
    """Put a delivery that was given up back into the outbox. Raises RefusedError `not_yours`, `not_failed`."""
    if not actor.may(Permission.BACKUP_RUN):
        raise RefusedError("not_yours", _("只有系统管理员可以重新发送。"))
    again = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.FAILED)
    if not again.update(state=Delivery.State.PENDING, attempts=0, next_at=at, done_at=None):
        raise RefusedError("not_failed", _("这条通知不需要重新发送。"))
    delivery.refresh_from_db()
    return delivery
