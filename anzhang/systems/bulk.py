"""Thousands of systems and accounts at once, under the rules that the verbs for one of them keep (Art. 4, 5)."""

from __future__ import annotations

from typing import Any

from anzhang.directory.bulk import Batch, Faults, batcher
from anzhang.directory.queries import is_employed
from anzhang.events import Event
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import procedure
from anzhang.systems.models import Account, System
from anzhang.systems.procedures import admit, new_account
from anzhang.systems.queries import working_posts


def admitted(batch: Batch) -> Faults:
    """Yield the accounts that the gate of `open_account` refuses: one query for those it lets pass, the gate's own words for the rest."""
    asked = [(place, account) for place, account in enumerate(batch.new)]
    asked += [(place, change.row) for place, change in enumerate(batch.changes, start=len(batch.new)) if "person" in change.changed]
    posts: set[tuple[int, int | None]] = set(working_posts(batch.at).values_list("person_id", "system_id"))
    for place, account in asked:
        if account.state == Account.State.OPEN and not _passes(account, posts, batch):
            try:
                admit(account, batch.at)
            except RefusedError as refusal:
                yield place, refusal


def _passes(account: Account, posts: set[tuple[int, int | None]], batch: Batch) -> bool:
    posted = (account.person_id, account.system_id) in posts or (account.person_id, None) in posts
    return posted and is_employed(account.person, batch.at) and account.system.state != System.State.RETIRED


def _called(account: Any) -> Event:
    return Event.ACCOUNT_OPEN if account.state == Account.State.OPEN else Event.ROW_CREATE


register_systems = procedure("register_systems")(batcher(System, Event.SYSTEM_REGISTER, Event.SYSTEM_CHANGE))
open_accounts = procedure("open_accounts")(batcher(Account, _called, judge=admitted, make=new_account))
