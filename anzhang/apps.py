"""The one Django application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AnzhangConfig(AppConfig):
    """Load the catalog-bound checks, gates, procedures and registers once the models stand."""

    name = "anzhang"
    label = "anzhang"
    verbose_name = _("安章")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the modules whose decorators fill the registries."""
        from anzhang import checks  # noqa: F401  (registers the system checks)
        from anzhang.registers import (
            lookups,  # noqa: F401  (registers `holds`)
            text_index,
        )
        from anzhang.regulation.binding import load_bindings

        load_bindings()
        post_migrate.connect(text_index.ensure, sender=self)
