"""COPY rows into a table, on PostgreSQL: there `executemany` parses and plans a statement for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows in the open transaction, or right away outside one. Raises what an INSERT raises, IntegrityError and the like."""
    name = connection.ops.quote_name
    statement = f"COPY {name(table)} ({', '.join(map(name, columns))}) FROM STDIN"
    # Django's cursor hands `copy` through as it is, and with it the driver's own errors.
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as into:
        for row in rows:
            into.write_row(row)
