"""`anzhang user`: list the users, start a new one, issue a link again, release a lock."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.utils import timezone

from anzhang import clock
from anzhang.directory import identity
from anzhang.directory.models import Person, User
from anzhang.management import BadInputError, Verb
from anzhang.operate import listen
from anzhang.permissions import Administrator


class Command(Verb):
    """Users at the command line. Confirming stays in the browser."""

    help = "list | create NAME --person CODE --reason TEXT | link NAME | unlock NAME"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the action and its name."""
        parser.add_argument("action", choices=["list", "create", "link", "unlock"])
        parser.add_argument("name", nargs="?", default="", help="log-in name")
        parser.add_argument("--person", default="", metavar="CODE", help="create: code of the person in the register")
        parser.add_argument("--administrator", default="", choices=["", *(each.value for each in Administrator)])
        parser.add_argument("--sign-in", default="", choices=["", *User.SignIn.values], help="create: who checks the password")
        parser.add_argument("--reason", default="", help="create: why")

    def run(self, **options: Any) -> None:
        """Dispatch."""
        if options["action"] == "list":
            self.list(as_json=options["as_json"])
            return
        if not options["name"]:
            raise BadInputError(f"user {options['action']} needs a log-in name")
        if options["action"] == "create":
            self.create(options)
        elif options["action"] == "link":
            self.link(options["name"])
        else:
            count = identity.unlock(identity.cli_actor("unlock"), options["name"], clock.now())
            self.stdout.write(f"{options['name']}: {count} lock(s) released" if count else f"{options['name']}: was not locked")

    def list(self, *, as_json: bool) -> None:
        """Print every user."""
        locked = {row["username"] for row in identity.locked(timezone.now())}
        rows = [
            {
                "username": user.username,
                "person": user.person.name if user.person else None,
                "unit": user.person.unit.code if user.person else None,
                "administrator": user.administrator or None,
                "sign_in": user.sign_in or "password",
                "active": user.is_active,
                "locked": user.username in locked,
                "last_login": user.last_login,
            }
            for user in User.objects.select_related("person__unit")
        ]
        if as_json:
            self.print_json(rows)
            return
        for row in rows:
            state = "locked" if row["locked"] else "active" if row["active"] else "inactive"
            administrator, unit = row["administrator"] or "-", row["unit"] or "-"
            self.stdout.write(f"{row['username']:<16} {state:<9} {row['sign_in']:<8} {administrator:<15} {unit:<8} {row['person'] or ''}")

    def create(self, options: dict[str, Any]) -> None:
        """Start a user; the security administrator confirms it in the browser."""
        person = Person.objects.filter(code=options["person"]).first()
        if person is None:
            raise BadInputError(f"--person {options['person']!r}: no such code in the register of people")
        if not options["reason"]:
            raise BadInputError("--reason: say why, the security administrator reads it")
        actor = identity.cli_actor("user")
        identity.request_account(
            actor, person, options["name"], options["administrator"], options["reason"], clock.now(), options["sign_in"]
        )
        self.stdout.write(f"{options['name']}：已提交，待安全管理员在浏览器中确认。")

    def link(self, name: str) -> None:
        """Issue an expired link again."""
        user = User.objects.filter(username=name).first()
        if user is None:
            raise BadInputError(f"no user {name!r}")
        link = identity.reissue_link(identity.cli_actor("link"), user, clock.now())
        scheme = "https" if settings.HOME.get("server", "certificate", "") else "http"
        self.stdout.write(f"{scheme}://{listen.web(settings.HOME)}{link}")
