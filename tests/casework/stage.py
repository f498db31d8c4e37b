"""A stage for stories: the cast works through the pages' own forms, and what was seen on the way is written down.

`press` finds the button on the page and sends its form as a browser would; `forge` sends what no button offers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from typing import Any

import lxml.html
from django.test import Client

from anzhang.casework import queries, routes
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.casework.routes import Need, Route, StepKind
from anzhang.demo.bureau import Bureau
from anzhang.journal.models import Entry
from tests import world
from tests.web.visitors import enter

DECIDE, APPLY, TURN = "decide", "apply", "turn"
WHERE = {
    "agree": DECIDE, "refuse": DECIDE, "send_back": DECIDE, "withdraw": APPLY, "resubmit": APPLY,
    "delegate": TURN, "take_back": TURN, "add_signer": TURN, "revoke": TURN,
}  # fmt: skip


def kind_of(step: routes.Step) -> str:
    """Return the kind of a step as the matrix names it: receive, or how many must agree."""
    if step.kind is StepKind.RECEIVE:
        return "receive"
    return str(step.need) if isinstance(step.need, Need) else "k"


@dataclass
class Stage:
    """The bureau, its clock, and what has been seen."""

    bureau: Bureau
    clock: world.Clock
    refusals: list[tuple[str, str]]  # code and message of every refusal, the latest last
    seen: set[str] = field(default_factory=set)
    clients: dict[tuple[str, datetime], Client] = field(default_factory=dict)

    def client(self, username: str) -> Client:
        """Return somebody's browser, logged in a moment ago."""
        known = self.clients.get((username, self.clock.now))
        if known is None:
            known = self.clients[username, self.clock.now] = enter(Client(), self.bureau.user[username])
        return known

    def file(self, username: str, route: str, /, *, first: bool = False, unit: str = "", **form: Any) -> Case:
        """File through the form of a route and return the case."""
        client = self.client(username)
        address = f"/cases/new/{route}/" + (f"?unit_of_case={unit}" if unit else "")
        page = self.form(client.get(address).content, "title_of_case")
        given = {**dict(page.form_values()), **form, **({"act_first": "1"} if first else {})}
        answer = client.post(f"/cases/new/{route}/", given)
        assert answer.status_code == 302, (self.refusals[-1:], answer.status_code)
        case = Case.objects.get(number=answer["Location"].strip("/").rpartition("/")[2])
        self.note("file", case)
        return case

    def refuse_to_file(self, username: str, route: str, /, **form: Any) -> str:
        """File what is not taken; return the code, whose message the page shows."""
        before = Case.objects.count()
        answer = self.client(username).post(f"/cases/new/{route}/", form)
        assert Case.objects.count() == before
        return self.said(answer)

    def press(self, username: str, case: Case, verb: str, *, taken: bool = True, **given: Any) -> Case:
        """Press the button of a verb on the case's page; return the case as it stands. `taken` False: a refusal is expected."""
        client = self.client(username)
        page = client.get(f"/cases/{case.number}/")
        form = self.form(page.content, "verb", verb)
        assert form is not None, f"{username} is not offered {verb}"
        answer = client.post(form.action, {**dict(form.form_values()), "verb": verb, **given})
        case.refresh_from_db()
        assert (answer.status_code == 302) is taken, (verb, self.refusals[-1:], answer.status_code)
        self.seen |= {f"case.{case.state}", f"fault.{case.fault}"}
        if not taken:
            self.said(answer)
        return case

    def agree(self, case: Case, *usernames: str) -> Case:
        """Let people press 同意 one after the other."""
        for username in usernames:
            kind = kind_of(queries.step_of(case))
            self.press(username, case, "agree")
            self.seen.add(f"agree.{kind}")
        return case

    def forge(self, username: str, case: Case, verb: str, **given: Any) -> str:
        """Send what the page does not offer; nothing may change. Returns the code of the refusal, whose message the page shows."""
        page = self.client(username).get(f"/cases/{case.number}/")
        assert self.form(page.content, "verb", verb) is None or given, f"{username} is offered {verb}"
        before = (Act.objects.count(), Entry.objects.filter(act__startswith="casework:").count())
        stands = {"round": case.round, "step": case.step}
        answer = self.client(username).post(f"/cases/{case.number}/{WHERE[verb]}/", {"verb": verb, "opinion": "理由", **stands, **given})
        assert (Act.objects.count(), Entry.objects.filter(act__startswith="casework:").count()) == before
        case.refresh_from_db()
        return self.said(answer)

    def said(self, answer: Any) -> str:
        """Return the code of the refusal that the answer shows: the last one raised whose message stands on the page."""
        assert answer.status_code in {200, 409}, answer.status_code
        page = unescape(answer.content.decode())
        code = next((code for code, message in reversed(self.refusals) if message and message in page), "")
        assert code, self.refusals[-3:]
        self.seen.add(f"refusal.{code}")
        return code

    @staticmethod
    def form(page: bytes, name: str, value: str = "") -> Any:
        """Return the form of a page that has a control of this name and value."""
        for form in lxml.html.fromstring(page.decode()).forms:
            path = f".//*[@name={name!r}" + (f" and @value={value!r}]" if value else "]")
            if form.xpath(path):
                return form
        return None

    def note(self, verb: str, case: Case) -> None:
        """Write down that a verb was used at the present step."""
        self.seen.add(f"{verb}.{kind_of(queries.step_of(case))}")

    def gather(self) -> set[str]:
        """Return what was seen: refusals and verbs noted, and whatever the books say happened."""
        ways = {case.pk: queries.route_of(case) for case in Case.objects.all()}
        self.seen |= {f"{act.verb}.{kind_of(ways[act.case_id].steps[act.step])}" for act in Act.objects.exclude(verb="file")}
        self.seen |= {f"placement.{placement}" for placement in Act.objects.exclude(placement=None).values_list("placement", flat=True)}
        self.seen |= {f"case.{state}" for state in Case.objects.values_list("state", flat=True)}
        self.seen |= {f"fault.{fault}" for fault in Case.objects.exclude(fault="").values_list("fault", flat=True)}
        self.seen |= {f"todo.{outcome or 'pending'}" for outcome in Todo.objects.values_list("outcome", flat=True)}
        self.seen |= {f"origin.{origin}" for origin in Approval.objects.exclude(origin=None).values_list("origin", flat=True)}
        self.seen |= {f"event.{act}" for act in Entry.objects.filter(act__startswith="casework:").values_list("act", flat=True)}
        called = [ways[pk].steps[step].who for pk, step in Todo.objects.values_list("case", "step")]
        self.seen |= {f"role.{who.partition('@')[0]}" for each in called for who in each}
        self.seen |= {f"where.{who.partition('@')[2]}" for each in called for who in each if "@" in who}
        return self.seen


def by_key(*ways: Route) -> dict[str, Route]:
    """Return routes as the catalog holds them."""
    return {way.key: way for way in ways}
