"""`anzhang up`: everything of one machine in the foreground. Django is loaded by the processes it starts, not here."""

from typing import Any

from anzhang.home import Home
from anzhang.management import BadInputError, Verb
from anzhang.operate import listen, supervise


class Command(Verb):
    """Run web, worker and collector under one supervisor."""

    help = "run web, worker and collector until stopped"

    def run(self, **_options: Any) -> None:
        """Check what can be checked beforehand, then supervise."""
        home = Home.current()
        if not home.exists:
            raise BadInputError(f"{home.path} holds no installation; run `anzhang --home {home.path} init` first")
        if waiting := supervise.behind(home):
            raise BadInputError(f"the database waits for {len(waiting)} migrations; run `anzhang --home {home.path} upgrade` first")
        place = listen.web(home)
        if not place.is_free:
            raise BadInputError(f"{place} is taken by another program; change server.bind in {home.settings_file}")
        scheme = "https" if home.get("server", "certificate", "") else "http"
        self.stdout.write(f"anzhang: {scheme}://{place}/  (Ctrl-C stops)")
        self.stdout.flush()
        code = supervise.run(home)
        if code:
            raise SystemExit(code)
