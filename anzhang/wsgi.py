"""The WSGI entry point that granian serves."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anzhang.settings")
application = get_wsgi_application()

from anzhang.operate.database import use_pool  # noqa: E402 - models stand only now

use_pool(settings.HOME)

# Settings, models and templates live as long as the process: out of the collector's sight, or one full round in some hundred
# requests would walk all of them and make a page wait a tenth of a second.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
