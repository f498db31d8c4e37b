"""The verbs of systems and accounts (Art. 4-6), and what happens everywhere when a person leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, forms
from anzhang.casework.eligibility import Ground
from anzhang.casework.models import Case
from anzhang.directory import procedures as directory
from anzhang.directory import queries as people
from anzhang.directory import rows
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.organization.procedures import end_officer_posts
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import gate, procedure
from anzhang.systems.models import Account, System
from anzhang.systems.queries import posts_for


@procedure("register_system")
def register_system(actor: Actor, *, at: datetime, **values: Any) -> System:
    """Add an information system (Art. 4). Raises RowError."""
    return rows.create(actor, System(**values), at, Event.SYSTEM_REGISTER)


@procedure("change_system")
def change_system(actor: Actor, row: System, *, at: datetime, expected_version: int | None = None, **values: Any) -> System:
    """Change a system; retiring it closes its accounts. Raises RefusedError `code_fixed`, StaleError, RowError."""
    with transaction.atomic():
        before = rows.locked(row)
        if values.get("code", before.code) != before.code:
            raise RefusedError("code_fixed", _("系统编号不能更改。"), _("停用旧系统，登记新系统。"))
        system = rows.change(actor, row, values, at, expected_version, Event.SYSTEM_CHANGE)
        if system.state == System.State.RETIRED and before.state != System.State.RETIRED:
            for account in Account.objects.filter(system=system, state=Account.State.OPEN):
                close_account(actor, account, at)
        return system


@gate("account_grant")
def account_grant(person: Person, system: System, at: datetime) -> RefusedError | None:
    """Decide whether a person may hold an account of a system: a refusal that names what is missing, or None.

    Source: Art. 5: whoever develops, integrates, maintains or uses a system holds a registered post.
    """
    if not people.is_employed(person, at):
        return RefusedError("not_employed", _("%s 在该日期不在职。") % person.name, _("核对人员台账。"))
    if not posts_for(person, system, at).exists():
        message = _("%(person)s 没有与“%(system)s”相应的岗位指派。") % {"person": person.name, "system": system.name}
        return RefusedError("assignment_missing", message, _("先提出“岗位指派”事项，经单位负责人批准后再开通账号。"))
    return None


@procedure("open_account")
def open_account(actor: Actor, *, at: datetime, **values: Any) -> Account:
    """Open an account for a person who holds a matching post; one given as closed is entered as such, for the record.

    `opened_on` defaults to today. Raises RefusedError `assignment_missing`, `not_employed`, `system_retired`, RowError.
    """
    account = new_account(at, **values)
    rows.check(account)
    if account.state != Account.State.OPEN:
        return rows.create(actor, account, at)
    admit(account, at)
    return rows.create(actor, account, at, Event.ACCOUNT_OPEN)


def new_account(at: datetime, **values: Any) -> Account:
    """Return an account that is not saved yet: closed only where it says so, and then with a day."""
    account = Account(**{"opened_on": clock.day_of(at), **values})
    if account.state != Account.State.CLOSED:
        account.state, account.closed_on = Account.State.OPEN, None
    elif account.closed_on is None:
        account.closed_on = clock.day_of(at)
    return account


@procedure("change_account")
def change_account(actor: Actor, row: Account, *, at: datetime, expected_version: int | None = None, **values: Any) -> Account:
    """Change an account; handing it to another person or opening it again passes the same gate as opening.

    Raises RefusedError `name_fixed`, `assignment_missing`, `not_employed`, `system_retired`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        if (values.get("name", before.name), values.get("system", before.system)) != (before.name, before.system):
            raise RefusedError("name_fixed", _("账号名和所属系统是日志的依据，不能更改。"), _("停用旧账号，开通新账号。"))
        closes = values.get("state") == Account.State.CLOSED and before.state == Account.State.OPEN
        if closes:
            values = {**values, "closed_on": values.get("closed_on") or clock.day_of(at)}
        account = rows.change(actor, row, values, at, expected_version, Event.ACCOUNT_CLOSE if closes else Event.ROW_CHANGE)
        if account.state == Account.State.OPEN and (account.person_id != before.person_id or before.state == Account.State.CLOSED):
            admit(account, at)
        return account


@procedure("close_account")
def close_account(actor: Actor, account: Account, at: datetime) -> Account:
    """Close an account as of today. Raises RefusedError `account_closed`."""
    with transaction.atomic():
        if rows.locked(account).state == Account.State.CLOSED:
            raise RefusedError("account_closed", _("账号 %s 已停用。") % account.name)
        values = {"state": Account.State.CLOSED, "closed_on": clock.day_of(at)}
        return rows.change(actor, account, values, at, act=Event.ACCOUNT_CLOSE)


@procedure("person_leaves")
def person_leaves(actor: Actor, person: Person, left_on: date, at: datetime) -> Person:
    """Note that a person leaves: posts, terms and officer's posts end as of `left_on` (the first day not employed), accounts close.

    Raises RefusedError `not_answerable`, `left_already`.

    Source: Art. 5: whoever leaves a post loses access.
    """
    directory.require_personnel(actor, person.unit, at)
    if person.left_on is not None:
        raise RefusedError("left_already", _("%s 已登记离职。") % person.name)
    return directory.change_person(actor, person, at=at, left_on=left_on)


def end_access(actor: Actor, person: Person, left_on: date, at: datetime) -> int:
    """End what a person who leaves holds in the chapters above the directory; return how many officer's posts and accounts."""
    ended = end_officer_posts(actor, person, left_on, at)
    return ended + (close_accounts(actor, person, at) if left_on <= clock.day_of(at) else 0)


directory.LEAVING.append(end_access)


def close_accounts(actor: Actor, person: Person, at: datetime) -> int:
    """Close every open account of a person; return how many."""
    accounts = list(Account.objects.filter(person=person, state=Account.State.OPEN))
    for account in accounts:
        close_account(actor, account, at)
    return len(accounts)


def close_leavers_accounts(actor: Actor, at: datetime) -> int:
    """Close the accounts of people whose announced day of leaving has come; return how many. An idempotent sweep."""
    today = clock.day_of(at)
    left = Person.objects.filter(left_on__lte=today, account__state=Account.State.OPEN).distinct()
    return sum(close_accounts(actor, person, at) for person in left)


def admit(account: Account, at: datetime) -> None:
    """Raise RefusedError unless an account of this person and system may be open."""
    if account.system.state == System.State.RETIRED:
        raise RefusedError("system_retired", _("“%s”已停用，不能开通账号。") % account.system.name)
    refusal = account_grant(account.person, account.system, at)
    if refusal is not None:
        raise refusal


NAMING = (("system", "code"), ("release", "release__code"), ("environment", "environment__code"))


@eligibility.where("managing")
def managing(case: Case) -> Ground:
    """Return the unit that manages the system named in the case's form, itself, by a release or by an environment of it."""
    named = next((Q(**{path: case.form[name]}) for name, path in NAMING if case.form.get(name)), None)
    system = System.objects.select_related("managing_unit").filter(named).first() if named is not None else None
    return Ground(system.managing_unit, system.pk) if system else Ground(None)


def _find_system(code: str) -> str | None:
    return System.objects.filter(code=code).values_list("name", flat=True).first()


def _systems(unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    found = System.objects.exclude(state=System.State.RETIRED).values_list("code", "name", "managing_unit_id").order_by("code")
    return [(code, name) for code, name, manager in sorted(found, key=lambda row: row[2] != unit.pk)]


forms.lookup("system", _find_system, _systems)
