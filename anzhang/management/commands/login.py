"""`anzhang login`: let this terminal act for a user who confirms it in the browser."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from anzhang import clock
from anzhang.directory import tickets
from anzhang.directory.credentials import CliTicket
from anzhang.management import FailedError, Verb
from anzhang.operate import listen

POLL_SECONDS = 1.0


class Command(Verb):
    """Show a code, wait until a user confirms it, keep the ticket for eight hours."""

    help = "let this terminal act for you: confirm the code in the browser"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take how long to wait; --end forgets the ticket."""
        parser.add_argument("--wait", type=int, default=600, metavar="SECONDS", help="how long to wait for the confirmation")
        parser.add_argument("--end", action="store_true", help="forget the ticket of this terminal")

    def run(self, **options: Any) -> None:
        """Open a ticket and wait."""
        if options["end"]:
            self.end()
            return
        home = settings.HOME
        ticket, secret = tickets.open_ticket(tickets.place(), clock.now())
        scheme = "https" if home.get("server", "certificate", "") else "http"
        self.stdout.write(f"核对码：{ticket.code}")
        self.stdout.write(f"请在浏览器打开 {scheme}://{listen.web(home)}/account/command-line/?code={ticket.code} 确认（10 分钟内）。")
        self.stdout.flush()
        deadline = time.monotonic() + options["wait"]
        while time.monotonic() < deadline:
            ticket.refresh_from_db()
            if ticket.user is not None:
                path = tickets.keep(secret)
                self.stdout.write(f"已登录：{ticket.user.username}，8 小时内有效，凭据在 {path}。")
                return
            time.sleep(POLL_SECONDS)
        CliTicket.objects.filter(pk=ticket.pk, user=None).delete()
        raise FailedError("nobody confirmed the code in time; run `anzhang login` again")

    def end(self) -> None:
        """Delete the ticket here and in the database."""
        self.stdout.write("已退出。" if tickets.end() else "这个终端没有登录。")
