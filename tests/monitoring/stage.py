"""Make a data directory with the bureau's sources and a few more: `python -m tests.monitoring.stage FOLDER`.

A process of its own, because settings belong to one data directory.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

TOKEN = "azs_test-token-of-the-push-source"
OTHER_TOKEN = "azs_test-token-of-the-other-source"
QUOTA = 1 << 16

# code, transport, address, hosts, token, quota
SOURCES = (
    ("PUSH", "http", "", "", TOKEN, 1 << 34),
    ("PUSH2", "http", "127.0.0.1", "", OTHER_TOKEN, QUOTA),
    ("PLAIN", "syslog_tcp", "127.0.0.2", "", "", 1 << 34),
    ("SMALL", "syslog_tcp", "127.0.0.3", "", "", QUOTA),
    ("OTHER", "syslog_tcp", "127.0.0.4", "", "", 1 << 34),
    ("UDP", "syslog_udp", "127.0.0.2", "", "", 1 << 34),
    *((f"UDP{number}", "syslog_udp", f"127.0.1.{number}", "", "", 1 << 34) for number in range(1, 6)),
    ("UDPSMALL", "syslog_udp", "127.0.0.3", "", "", QUOTA),
    ("RELP", "relp", "127.0.0.2", "", "", 1 << 34),
    ("RELPKILL", "relp", "127.0.0.4", "", "", 1 << 34),
    ("RELPNG", "relp", "127.0.0.5", "", "", 1 << 34),
    ("RELPHOST", "relp", "127.0.0.6", "sbapp01", "", 1 << 34),
    ("UDPHOST", "syslog_udp", "127.0.0.4", "switch1", "", 1 << 34),
)
# code, transport, names in the certificate
CERTIFIED = (
    ("TLS", "syslog_tls", ["fw01.example"]),
    ("TLSRSYSLOG", "syslog_tls", ["rsyslog.example"]),
    ("TLSNG", "syslog_tls", ["ng.example"]),
    ("TLSPRINT", "syslog_tls", ["00" * 32]),  # a test sets the fingerprint
    ("RELPTLS", "relp", ["relp.example"]),
)


def build(folder: Path) -> None:
    """Migrate the database and register everything."""
    os.environ["ANZHANG_HOME"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
    for name in ("keys", "vault", "run", "attachments"):
        (folder / name).mkdir(mode=0o700)
    import django

    django.setup()
    from django.conf import settings

    from anzhang import clock
    from anzhang.demo import bureau as demo
    from anzhang.monitoring import procedures
    from anzhang.monitoring.models import LogSource
    from anzhang.operate import database

    database.create(settings.HOME)
    now = clock.now() - timedelta(days=1)
    bureau = demo.build(now)
    for code, transport, address, hosts, token, quota in SOURCES:
        source = LogSource(
            code=code, name=code, transport=transport, addresses=address.split(), hosts=hosts.split(), unit=bureau.unit["IC"],
            quota_bytes_per_hour=quota, registered_on=clock.day_of(now), token_hash=procedures.hash_token(token) if token else "",
        )  # fmt: skip
        procedures.register_source(demo.SETUP, source, now)
    for code, transport, names in CERTIFIED:
        source = LogSource(
            code=code, name=code, transport=transport, certificates=names, unit=bureau.unit["IC"], quota_bytes_per_hour=1 << 34,
            registered_on=clock.day_of(now),
        )  # fmt: skip
        procedures.register_source(demo.SETUP, source, now)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
