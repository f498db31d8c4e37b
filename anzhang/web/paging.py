"""Pages of long lists: first the keys of the page, which an index holds in order, then those rows with their relations.

A list that sorts whole rows sorts all of them, whatever the page shows.
"""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet


class KeyPaginator(Paginator):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """A paginator over a query set that fetches the rows of a page by their keys."""

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> Page[Any]:
        """Return a page. Raises InvalidPage, as every paginator does."""
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = list(self.object_list.values_list("pk", flat=True)[start : start + self.per_page])
        rows = {row.pk: row for row in self.object_list.order_by().filter(pk__in=keys)}
        return Page([rows[key] for key in keys if key in rows], number, self)
