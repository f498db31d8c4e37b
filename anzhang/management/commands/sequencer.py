"""`anzhang sequencer`: give ledger entries their index, on PostgreSQL."""

from typing import Any

from anzhang.daemons.sequencer import Sequencer
from anzhang.journal.sequencer import has_outbox
from anzhang.management import BadInputError, Verb
from anzhang.operate import database


class Command(Verb):
    """Run the sequencer in the foreground."""

    help = "give ledger entries their index until stopped (PostgreSQL only)"

    def run(self, **_options: Any) -> None:
        """Loop, unless there is nothing to do here or the database is that of an earlier version."""
        if not has_outbox():
            raise BadInputError("an embedded database needs no sequencer: its one writer gives entries their index")
        if waiting := database.waiting():
            raise BadInputError(f"the database waits for {len(waiting)} migrations; run `anzhang upgrade` first")
        Sequencer().loop()
