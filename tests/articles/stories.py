"""How the articles' stories are told: measure, read a verdict, read the findings, let somebody log in."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from anzhang import permissions
from anzhang.casework import procedures as cases
from anzhang.casework import reconciliation
from anzhang.casework.models import Case, Finding, Verdict
from anzhang.demo import logs
from anzhang.engines.vault import Batch, Vault

JUDGE = permissions.system("reconcile")


def measure(clock, *obligations: str, vault: Vault | None = None) -> reconciliation.Summary:
    return reconciliation.run(JUDGE, clock.now, vault=vault, obligations=obligations)


def verdict(obligation: str, unit: str | None) -> Verdict:
    return (
        Verdict.objects.get(obligation=obligation, unit__code=unit, current=True)
        if unit
        else Verdict.objects.get(obligation=obligation, unit=None, current=True)
    )


def state(obligation: str, unit: str | None) -> str:
    return verdict(obligation, unit).state


def opened(obligation: str, unit: str | None = None) -> list[Finding]:
    found = Finding.objects.exclude(state="closed").filter(obligation=obligation)
    return list(found.filter(unit__code=unit) if unit else found)


def through(case: Case, acting, clock, *people: str) -> Case:
    """Let people agree, one after the other."""
    for username in people:
        case = cases.agree(acting(username), case, "同意", clock.now)
    return case


def file(bureau, acting, clock, username: str, route: str, **form: str) -> Case:
    person = bureau.user[username].person
    return cases.file_case(acting(username), route, person.unit, person, "", form, clock.now)


def log_in(vault: Vault, source: str, account: str, host: str, at: datetime, *, failed: bool = False) -> None:
    """Seal the lines that sshd writes when somebody logs in, or fails to."""
    if failed:
        text = f"Failed password for {account} from 10.20.9.9 port 50000 ssh2"
        lines = [logs.rfc3164(logs.AUTH, logs.INFO, at, host, "sshd[4711]", text)]
    else:
        who = logs.Staff(account, host, "10.20.9.9")
        lines = [line for _, line in logs.session(who, at, timedelta(minutes=5), random.Random(account))]
    received = at + timedelta(minutes=6)
    with vault.writer() as writer:
        writer.append(Batch(source, b"".join(line + b"\n" for line in lines), received))
        writer.seal(received)
